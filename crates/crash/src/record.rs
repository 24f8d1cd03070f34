//! Recording: a program runs in a directory, and each call that matters is written down.

mod enter;
pub mod fault;
mod filter;
mod leave;
mod proc;
mod sys;
mod syscalls;
mod tracer;
mod tree;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};

use crate::alarm::Alarm;
use crate::error::{At, CrashError, Result};
use crate::trace::{Header, TraceWriter, VERSION};
pub use enter::Intent;
use fault::Injection;
use proc::Identity;
use tracer::Tracer;
use tree::Tree;
use watch::Watch;

/// The hidden word by which this program becomes the child that is recorded.
pub const CHILD: &str = "__recorded-child";

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// Where it runs, and what is watched.
    pub dir: &'a Path,
    /// Where the trace goes.
    pub trace: &'a Path,
    /// Paths that need not survive a crash.
    pub ignored: &'a [String],
    /// Whether what the program prints is passed on, to standard error.
    pub echo: bool,
    /// A call that is answered with a fault.
    pub injection: Option<Injection>,
    /// How long it may run.
    pub timeout: Duration,
}

/// How it went.
#[derive(Debug)]
pub struct Recording {
    /// The program's exit status, as shells count.
    pub status: i32,
    /// What could not be seen: no verdict is possible.
    pub unmeasured: Vec<String>,
    /// Every call that was followed, and so could be answered with a fault.
    pub followed: Vec<Intent>,
    /// The same, as people write them.
    pub shown: Vec<String>,
}

/// Runs a program and records it.
pub fn record(order: &Order<'_>) -> Result<Recording> {
    let mut trace = TraceWriter::create(order.trace)?;
    let (tree, base) = Tree::survey(order.dir, &mut trace)?;
    let begun = Instant::now();
    let mut child = start(order)?;
    let stdout = child.stdout.take().ok_or_else(|| CrashError::Usage("no pipe".to_owned()))?;
    let pid = child.id() as i32;
    let identity = {
        let path = PathBuf::from(format!("/proc/{pid}/fd/1"));
        Identity::from(&fs::metadata(&path).at("look at", &path)?)
    };
    let echo = order.echo;
    let drain = thread::spawn(move || drain(stdout, echo));
    let alarm = Alarm::set(pid, order.timeout);
    let mut watch = Watch::new(tree, identity, order.ignored, trace);
    let ended = Tracer::seize(&mut watch, pid, order.injection)?.run()?;
    if alarm.rang() {
        let seconds = order.timeout.as_secs();
        watch.unmeasured.insert(format!("what it would have done after {seconds} s (--timeout)"));
    }
    let _ = drain.join();
    if ended.followed.is_empty() {
        // Nothing to lose is no proof of anything: perhaps it did not even start.
        let status = ended.status;
        watch.unmeasured.insert(format!("the program changed nothing (it ended with {status})"));
    }
    let header = Header {
        version: VERSION,
        command: order.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        status: ended.status,
        recorder: "ptrace".to_owned(),
        unmeasured: watch.unmeasured.into_iter().collect(),
        elapsed_ms: begun.elapsed().as_millis() as u64,
        base,
    };
    watch.trace.finish(&header)?;
    let (followed, shown) = ended.followed.into_iter().unzip();
    Ok(Recording { status: ended.status, unmeasured: header.unmeasured, followed, shown })
}

/// Starts this program again as the child, which stops itself before it becomes the command.
fn start(order: &Order<'_>) -> Result<std::process::Child> {
    let own = Path::new("/proc/self/exe");
    let own = fs::read_link(own).at("read", own)?;
    let mut command = Command::new(&own);
    command.arg(CHILD).args(order.command).current_dir(order.dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    if order.injection.is_some() {
        // Complaints are what a fault is expected to cause.
        command.stderr(Stdio::null());
    }
    let mut child = command.spawn().at("start", &own)?;
    match sys::wait_for_stop(child.id() as i32).at("wait for", &own)? {
        sys::Stop::Signal(libc::SIGSTOP) => Ok(child),
        other => {
            let _ = child.kill();
            Err(CrashError::CannotRecord {
                why: format!("ptrace(PTRACE_TRACEME) is not permitted ({other:?})"),
                instead: "In a container, give it `--cap-add SYS_PTRACE` or a seccomp profile \
                          that permits ptrace; elsewhere see kernel.yama.ptrace_scope",
            })
        }
    }
}

/// The child's side: asks to be traced, stops, installs the filter, and becomes the command.
#[must_use]
pub fn become_recorded(command: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else { return ExitCode::from(64) };
    // The filter comes before the stop: whoever reaches the stop can be recorded.
    let ready = ptrace::traceme()
        .and_then(|()| nix::sys::prctl::set_no_new_privs())
        .map_err(std::io::Error::from)
        .and_then(|()| sys::install_filter(&filter::filter()))
        .and_then(|()| Ok(raise(Signal::SIGSTOP)?));
    let error = match ready {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(_) => return ExitCode::from(126),
    };
    eprintln!("puro-crash: cannot run {}: {error}", program.to_string_lossy());
    ExitCode::from(127)
}

/// Reads what the program prints, so that it never waits for us.
fn drain(mut from: impl Read, echo: bool) {
    let mut buffer = [0; 1 << 16];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            return;
        }
        if echo {
            let _ = std::io::stderr().write_all(&buffer[..read]);
        }
    }
}
