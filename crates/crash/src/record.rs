//! Recording: a program runs in a directory, and each call that matters is written down.

#[cfg(target_arch = "x86_64")]
mod company;
mod deputy;
#[cfg(target_arch = "x86_64")]
mod descriptors;
#[cfg(target_arch = "x86_64")]
mod enter;
pub mod fault;
#[cfg(target_arch = "x86_64")]
mod filter;
mod intent;
#[cfg(target_arch = "x86_64")]
mod leave;
mod proc;
#[cfg(target_arch = "x86_64")]
mod ptrace;
#[cfg(not(target_arch = "x86_64"))]
#[path = "record/no_ptrace.rs"]
mod ptrace;
mod strace;
#[cfg(target_arch = "x86_64")]
mod sys;
#[cfg(target_arch = "x86_64")]
mod syscalls;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod tree;
mod watch;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::error::{CrashError, Result};
use crate::model::plan::Plan;
use crate::model::profile::Profile;
use crate::model::state::State;
use crate::trace::{BaseNode, Header, Trace, VERSION};
use fault::Injection;
pub use intent::Intent;
pub use ptrace::become_recorded;
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
    /// Whether each call is wanted as it was asked for, to be answered with a fault another time.
    pub lists_calls: bool,
    /// How long it may run.
    pub timeout: Duration,
    /// Who watches.
    pub recorder: Recorder,
}

/// Who watches a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recorder {
    /// Ours where that can be, else strace.
    #[default]
    Best,
    /// Ours: `ptrace` with a seccomp filter.
    Ptrace,
    /// strace.
    Strace,
}

impl FromStr for Recorder {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "ptrace" => Ok(Self::Ptrace),
            "strace" => Ok(Self::Strace),
            _ => Err(format!("there is no recorder `{text}`; there are best, ptrace, strace")),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub struct Recording {
    /// The program's exit status, as shells count.
    pub status: i32,
    /// What could not be seen: no verdict is possible.
    pub unmeasured: Vec<String>,
    /// How many calls were written down.
    pub calls: usize,
    /// If they were wanted, all calls that were followed, and so could be answered with a fault.
    pub followed: Vec<Intent>,
    /// The same, as people write them.
    pub shown: Vec<String>,
}

/// What a recorder saw.
struct Seen {
    watch: Watch,
    base: Vec<BaseNode>,
    status: i32,
    followed: Vec<(Intent, String)>,
}

/// Runs a program and records it.
pub fn record(order: &Order<'_>) -> Result<Recording> {
    let begun = Instant::now();
    let ours = || ptrace::record(order).map(|seen| (seen, "ptrace"));
    let strace = || strace::record(order).map(|seen| (seen, "strace"));
    let (seen, recorder) = match order.recorder {
        Recorder::Ptrace => ours()?,
        Recorder::Strace => strace()?,
        Recorder::Best => match ours() {
            // The first complaint is the one that can be mended.
            Err(error @ CrashError::CannotRecord { .. }) => strace().map_err(|_| error)?,
            other => other?,
        },
    };
    let Seen { mut watch, base, status, followed } = seen;
    if watch.calls == 0 && order.injection.is_none() {
        // Nothing to lose is no proof of anything: perhaps it did not even start.
        watch.unmeasured.insert(format!("the program changed nothing (it ended with {status})"));
    }
    let mut header = Header {
        version: VERSION,
        command: order.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        status,
        recorder: recorder.to_owned(),
        unmeasured: watch.unmeasured.into_iter().collect(),
        elapsed_ms: begun.elapsed().as_millis() as u64,
        base,
    };
    let calls = watch.calls;
    watch.trace.finish(&header)?;
    if recorder == "strace"
        && let Some(path) = differs(order)?
    {
        header.unmeasured.push(format!("{path}: what strace tells is not what is there"));
        header.write(order.trace)?;
    }
    let (followed, shown) = followed.into_iter().unzip();
    Ok(Recording { status, unmeasured: header.unmeasured, calls, followed, shown })
}

/// The first path that is not as it was written down.
fn differs(order: &Order<'_>) -> Result<Option<String>> {
    let trace = Trace::read(order.trace)?;
    let profile = Profile::find("process")?;
    let plan = Plan::new(&trace, &profile);
    let disk = State::complete(trace.calls.len()).disk(&plan);
    strace::difference(&disk, order.dir)
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
