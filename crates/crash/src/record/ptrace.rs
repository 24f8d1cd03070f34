//! Our own recorder: this program starts once more, as the child that is watched.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};

use super::proc::Identity;
use super::tracer::{Ended, Tracer};
use super::tree::Tree;
use super::watch::Watch;
use super::{CHILD, Order, Seen, drain, filter, sys};
use crate::alarm::Alarm;
use crate::error::{At, CrashError, Result};
use crate::trace::TraceWriter;

/// Runs a program and watches it.
pub fn record(order: &Order<'_>) -> Result<Seen> {
    let mut trace = TraceWriter::create(order.trace)?;
    let (tree, base) = Tree::survey(order.dir, &mut trace)?;
    let mut child = start(order)?;
    let stdout = child.stdout.take().ok_or_else(|| CrashError::Usage("no pipe".to_owned()))?;
    let pid = child.id() as i32;
    let path = PathBuf::from(format!("/proc/{pid}/fd/1"));
    let identity = Identity::from(&fs::metadata(&path).at("look at", &path)?);
    let echo = order.echo;
    let drain = thread::spawn(move || drain(stdout, echo));
    let alarm = Alarm::set(pid, order.timeout);
    let mut watch = Watch::new(tree, identity, order.ignored, trace);
    let Ended { status, followed } = Tracer::seize(&mut watch, pid, order)?.run()?;
    if alarm.rang() {
        let seconds = order.timeout.as_secs();
        watch.unmeasured.insert(format!("what it would have done after {seconds} s (--timeout)"));
    }
    let _ = drain.join();
    Ok(Seen { watch, base, status, followed })
}

/// Starts this program again as the child, which stops itself before it becomes the command.
fn start(order: &Order<'_>) -> Result<Child> {
    // Not its path: the program may have been replaced by a newer one meanwhile.
    let own = Path::new("/proc/self/exe");
    let mut command = Command::new(own);
    command.arg(CHILD).args(order.command).current_dir(order.dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    if order.injection.is_some() {
        // Complaints are what a fault is expected to cause.
        command.stderr(Stdio::null());
    }
    let mut child = command.spawn().at("start", own)?;
    match sys::wait_for_stop(child.id() as i32).at("wait for", own)? {
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
