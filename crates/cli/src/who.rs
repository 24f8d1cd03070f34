//! `puro who`: which processes use a stream.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::error::Blame;
use puro::internals::vfs::LockKind;
use puro::who::{Holder, WhoReport, who};
use serde_json::{Value, json};

use crate::common::{CliError, message};
use crate::printable::one_line;
use crate::streams;
use crate::time::format_time;

/// Show which processes hold which files of a stream
///
/// A consumer holds the segment it reads; the writer at work, a steward and named consumers hold
/// lock files. A segment that is held is neither deleted nor compacted until it is let go of, or
/// until pin_grace_ms are over.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Lists the processes.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let report = who(&args.dir).map_err(|error| {
        let told = format!("cannot list {}: {error}", args.dir.display());
        match error.kind() {
            io::ErrorKind::NotFound => CliError::new(Blame::Caller, told),
            _ => CliError::new(Blame::Environment, told),
        }
    })?;
    streams::report(|out| {
        if args.json {
            return writeln!(out, "{}", to_json(&report));
        }
        let mut holders = report.holders.iter();
        holders.try_for_each(|holder| writeln!(out, "{}", one_line(&describe(holder))))
    })?;
    if args.json {
        return Ok(ExitCode::SUCCESS);
    }
    if !report.complete {
        message("this system does not tell who has a file open; these are hints of lock files");
    } else if report.hidden_processes > 0 {
        let count = report.hidden_processes;
        message(format_args!("{count} processes of other users could not be looked into"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a process holds, in words.
fn describe(holder: &Holder) -> String {
    let deleted = if holder.deleted { " (deleted)" } else { "" };
    let since = holder.since_ms.map(|since| format!(" since {}", format_time(since)));
    format!(
        "{}{deleted}: {} by {}{}",
        holder.file,
        lock_name(holder.lock),
        describe_process(holder),
        since.unwrap_or_default()
    )
}

/// A process in words.
pub fn describe_process(holder: &Holder) -> String {
    let process = holder.process.as_deref().unwrap_or("process");
    let stopped = if holder.stopped { ", stopped" } else { "" };
    match holder.pid {
        Some(pid) => format!("{process} ({pid}{stopped})"),
        None => "a process that cannot be looked into".to_owned(),
    }
}

fn lock_name(lock: Option<LockKind>) -> &'static str {
    match lock {
        Some(LockKind::Shared) => "held",
        Some(LockKind::Exclusive) => "locked",
        None => "open",
    }
}

/// A process and what it holds.
pub fn holder_json(holder: &Holder) -> Value {
    json!({
        "pid": holder.pid,
        "process": holder.process,
        "stopped": holder.stopped,
        "file": holder.file,
        "lock": lock_name(holder.lock),
        "deleted": holder.deleted,
        "since_ms": holder.since_ms,
    })
}

fn to_json(report: &WhoReport) -> Value {
    json!({
        "holders": report.holders.iter().map(holder_json).collect::<Vec<_>>(),
        "hidden_processes": report.hidden_processes,
        "complete": report.complete,
    })
}
