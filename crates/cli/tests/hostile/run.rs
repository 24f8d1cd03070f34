//! Runs the built program once, with a limit, and measures it.
//!
//! The system counts the memory of whoever starts a program as that program's until it runs. So it is
//! started by small processes of their own, which make no streams: this test program again, see
//! [`serve`].

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use wait4::Wait4;

use crate::place::Place;

/// Whatever takes longer than this, hangs.
const HANG: Duration = Duration::from_secs(60);

/// What a run may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Of the processor: what the clock on the wall says depends on who else is at work.
    pub time: Duration,
    /// Of memory.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1), bytes: 64 << 20 }
    }
}

impl Limits {
    pub const NONE: Self = Self { time: Duration::MAX, bytes: u64::MAX };

    pub fn of_mib(mib: u64) -> Self {
        Self { bytes: mib << 20, ..Self::default() }
    }
}
/// The exit codes of `puro --help`, but for an interruption.
const DOCUMENTED: [i32; 5] = [0, 1, 2, 64, 74];

/// What a run left.
pub struct Ran {
    /// -1 where it was ended by a signal.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// What no run may do, whatever it was given.
    pub misdeeds: Vec<String>,
}

/// Runs the program in a place.
pub fn run(place: &Place, args: &[&[u8]], stdin: &[u8], limits: Limits) -> Ran {
    fs::write(place.path("io/in"), stdin).unwrap();
    let used = served(place, args);
    let stderr = fs::read(place.path("io/err")).unwrap();
    let mut ran = Ran {
        code: used.code,
        stdout: fs::read(place.path("io/out")).unwrap(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        misdeeds: Vec::new(),
    };
    let silent = stderr.is_empty() && ran.stdout.is_empty();
    let mut note = |it_is: bool, what: String| it_is.then(|| ran.misdeeds.push(what));
    note(used.signal == 9, "hung".to_owned());
    note(used.signal != 0, format!("died of signal {}", used.signal));
    note(used.signal == 0 && !DOCUMENTED.contains(&used.code), format!("exit code {}", used.code));
    note(ran.stderr.contains("panicked"), format!("panicked: {}", ran.stderr));
    note(used.time > limits.time, format!("took {:?} of the processor", used.time));
    note(used.bytes > limits.bytes, format!("took {} MiB", used.bytes >> 20));
    note(is_raw(&stderr), format!("control characters on stderr: {:?}", ran.stderr));
    note(used.code != 0 && silent, "silent".to_owned());
    ran
}

/// Whether there are bytes in it that a terminal would obey.
pub fn is_raw(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte < 32 && !b"\n\t".contains(byte))
}

/// What a run took, and how it ended.
struct Used {
    code: i32,
    signal: i32,
    time: Duration,
    bytes: u64,
}

/// A process that starts the program.
struct Server {
    process: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Those that have nothing to do.
static SERVERS: Mutex<Vec<Server>> = Mutex::new(Vec::new());

impl Server {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["run::serve", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("PURO_HOSTILE_SERVE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let asked = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, asked, answers }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn served(place: &Place, args: &[&[u8]]) -> Used {
    let idle = SERVERS.lock().unwrap().pop();
    let mut server = idle.unwrap_or_else(Server::start);
    let words = std::iter::once(place.root().as_os_str().as_bytes()).chain(args.iter().copied());
    let words: Vec<_> = words.map(|word| format!("{word:?}")).collect();
    writeln!(server.asked, "{}", words.join(";")).unwrap();
    loop {
        let mut line = String::new();
        assert_ne!(server.answers.read_line(&mut line).unwrap(), 0, "the server died");
        // The test harness may have put words of its own before it.
        let Some((_, answer)) = line.split_once("used: ") else { continue };
        let numbers: Vec<u64> = answer.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let [code, signal, micros, bytes] = numbers[..] else { panic!("{line}") };
        SERVERS.lock().unwrap().push(server);
        let (code, time) =
            (if signal == 0 { code as i32 } else { -1 }, Duration::from_micros(micros));
        return Used { code, signal: signal as i32, time, bytes };
    }
}

/// What a [`Server`] does: each line that it is asked is a place and the words of a call.
#[test]
#[ignore = "a process that other tests start"]
fn serve() {
    if std::env::var_os("PURO_HOSTILE_SERVE").is_none() {
        return;
    }
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let bytes = |word: &str| -> Vec<u8> {
            let numbers = word.trim_matches(['[', ']']).split(", ");
            numbers.filter(|number| !number.is_empty()).map(|n| n.parse().unwrap()).collect()
        };
        let words: Vec<Vec<u8>> = line.split(';').map(bytes).collect();
        let used = measured(&words);
        let time = used.rusage.utime + used.rusage.stime;
        let (code, signal) = (used.status.code().unwrap_or(0), used.status.signal().unwrap_or(0));
        println!("used: {code} {signal} {} {}", time.as_micros(), used.rusage.maxrss);
    }
}

fn measured(words: &[Vec<u8>]) -> wait4::ResUse {
    let word = |word: &Vec<u8>| std::ffi::OsStr::from_bytes(word).to_owned();
    let root = std::path::PathBuf::from(word(&words[0]));
    let io = root.join("io");
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro"));
    command.args(words[1..].iter().map(word)).current_dir(&root);
    command.env("TMPDIR", &io).env("HOME", &io).env("RUST_BACKTRACE", "0");
    command.stdin(File::open(io.join("in")).unwrap());
    command.stdout(File::create(io.join("out")).unwrap());
    command.stderr(File::create(io.join("err")).unwrap());
    watched(&mut command)
}

/// Runs a command to its end, which comes at the latest with the limit.
fn watched(command: &mut Command) -> wait4::ResUse {
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let (ended, is_ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if is_ended.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                let mut kill = Command::new("kill");
                let _ = kill.args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
            }
        });
        let used = child.wait4().unwrap();
        drop(ended);
        used
    })
}
