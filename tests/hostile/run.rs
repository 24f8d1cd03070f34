//! Runs the built program once, with a limit, and measures it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use wait4::Wait4;

use crate::place::Place;

/// Whatever takes longer than this, hangs.
const HANG: Duration = Duration::from_secs(20);
/// Time of the processor that a run may take.
pub const MOST_TIME: Duration = Duration::from_secs(1);
/// Memory that a run may take.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// The exit codes of `puro --help`, but for an interruption.
const DOCUMENTED: [i32; 5] = [0, 1, 2, 64, 74];

/// What a run left.
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// What no run may do, whatever it was given.
    pub misdeeds: Vec<String>,
}

/// Runs the program in a place.
pub fn run(place: &Place, args: &[&[u8]], stdin: &[u8], most_bytes: u64) -> Ran {
    use std::os::unix::ffi::OsStrExt;
    let io = place.path("io");
    fs::write(io.join("in"), stdin).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro"));
    command.args(args.iter().map(|arg| std::ffi::OsStr::from_bytes(arg)));
    command.current_dir(place.root()).env("TMPDIR", &io).env("HOME", &io);
    command.stdin(File::open(io.join("in")).unwrap());
    command.stdout(File::create(io.join("out")).unwrap());
    command.stderr(File::create(io.join("err")).unwrap());
    let used = watched(&mut command);
    let stderr = fs::read(io.join("err")).unwrap();
    let status = used.status;
    let mut ran = Ran {
        code: status.code().unwrap_or(-1),
        stdout: fs::read(io.join("out")).unwrap(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        misdeeds: Vec::new(),
    };
    let stdout_is_empty = ran.stdout.is_empty();
    let time = used.rusage.utime + used.rusage.stime;
    let memory = used.rusage.maxrss;
    let mut note = |it_is: bool, what: String| it_is.then(|| ran.misdeeds.push(what));
    note(status.signal() == Some(9), "hung".to_owned());
    note(status.signal().is_some(), format!("died of signal {:?}", status.signal()));
    note(ran.code >= 0 && !DOCUMENTED.contains(&ran.code), format!("exit code {}", ran.code));
    note(ran.stderr.contains("panicked"), format!("panicked: {}", ran.stderr));
    note(time > MOST_TIME, format!("took {time:?} of the processor"));
    note(memory > most_bytes, format!("took {} MiB", memory >> 20));
    let raw = |bytes: &[u8]| bytes.iter().any(|byte| *byte < 32 && !b"\n\t".contains(byte));
    note(raw(&stderr), format!("control characters on stderr: {:?}", ran.stderr));
    let silent = stderr.is_empty() && stdout_is_empty;
    note(ran.code != 0 && silent, "silent".to_owned());
    ran
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
