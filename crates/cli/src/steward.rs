//! `puro steward`: deletes, seals and compacts as the stream's settings say.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use puro::steward::{Compacted, Deleted, Kept, Report, Task, Why};
use puro::who::{Holder, WhoReport, who};
use puro::{Steward, StewardError, StewardOptions};
use serde_json::{Value, json};

use crate::common::{CliError, at_work, check_interrupt, message};
use crate::parse::parse_size;
use crate::printable::one_line;
use crate::streams;
use crate::time::{format_duration, format_time, parse_interval};
use crate::trim::Free;
use crate::who::describe_process;

/// Delete, seal and compact as the stream's settings say
///
/// Producers delete by themselves whenever they begin a new segment; this does it, too, and all
/// that takes longer: it seals segments by age (roll_ms), and compacts topics (cleanup). What
/// it cannot do because a process holds a segment it says, with who that is.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// One pass, then end (the default)
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// A pass every so often, such as 30s or 5m, until Ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    interval: Option<Duration>,
    /// Seal the active segment first, so that its records can be deleted and compacted, too
    #[arg(long)]
    roll: bool,
    /// In this pass delete what is older than so many milliseconds, whatever retention_ms says
    #[arg(long, value_name = "N", conflicts_with = "interval")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    retention_ms: Option<u64>,
    /// In this pass delete the oldest segments while the stream is larger than so many bytes,
    /// whatever retention_bytes says
    #[arg(long, value_name = "N", conflicts_with = "interval", value_parser = parse_limit)]
    retention_bytes: Option<u64>,
    /// In each pass first delete sealed segments, the oldest first, until N bytes of the disk are free, such
    /// as 5G; not what somebody holds, nor what keep_unconsumed keeps
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    min_free_bytes: Option<u64>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// This machine's clock is right. Without this, what is old only by a clock that is far ahead
    /// of the times in the stream stays, and is told
    #[arg(long)]
    clock_is_right: bool,
    /// Report as one JSON object for each pass
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// A limit that would be no limit as a setting: nobody means to delete all by it.
fn parse_limit(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("it must be at least 1; `puro trim --before end` deletes all it can".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Runs one pass, or one after another.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mut options = StewardOptions::new().roll(args.roll).dry_run(args.dry_run);
    if let Some(milliseconds) = args.retention_ms {
        options = options.retention(Duration::from_millis(milliseconds));
    }
    if let Some(bytes) = args.retention_bytes {
        options = options.retention_bytes(bytes);
    }
    if let Some(bytes) = args.min_free_bytes {
        options = options.min_free_bytes(bytes);
    }
    options = options.clock_is_right(args.clock_is_right);
    let mut steward = options.allow_network(args.allow_network).open(&args.dir)?;
    let Some(interval) = args.interval else {
        pass(args, &mut steward)?;
        return Ok(ExitCode::SUCCESS);
    };
    loop {
        match pass(args, &mut steward) {
            Err(PassError::Steward(busy @ StewardError::Busy { .. })) => message(busy),
            passed => passed?,
        }
        std::thread::sleep(interval);
        check_interrupt()?;
    }
}

enum PassError {
    Steward(StewardError),
    Cli(CliError),
}

impl From<PassError> for CliError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Steward(error) => error.into(),
            PassError::Cli(error) => error,
        }
    }
}

fn pass(args: &Args, steward: &mut Steward) -> Result<(), PassError> {
    let work = at_work();
    let report = steward.run_once().map_err(PassError::Steward)?;
    drop(work);
    tell(args, &report).map_err(PassError::Cli)
}

fn tell(args: &Args, report: &Report) -> Result<(), CliError> {
    let held = report.kept.iter().any(|kept| matches!(kept.why, Why::Held { .. }));
    let holders = if held { who(&args.dir)? } else { WhoReport::default() };
    let mut told = lines(report, &holders);
    let nothing = report.sealed.is_none() && report.deleted.is_empty();
    if nothing && report.compacted.is_empty() && args.interval.is_none() {
        told.push(format!("nothing {}to do", if report.kept.is_empty() { "" } else { "else " }));
    }
    streams::report(|out| {
        if args.json {
            return writeln!(out, "{}", to_json(report, &holders));
        }
        told.iter().try_for_each(|line| writeln!(out, "{}", one_line(line)))
    })?;
    if let Some(wanted) = args.min_free_bytes {
        Free::after(&args.dir, wanted, report)?.tell_what_lacks();
    }
    Ok(())
}

/// What a pass did, in words.
pub fn lines(report: &Report, holders: &WhoReport) -> Vec<String> {
    let would = if report.dry_run { "would have " } else { "" };
    let mut lines = Vec::new();
    lines.extend(report.sealed.map(|sequence| format!("{would}sealed segment {sequence}")));
    for Deleted { sequence, bytes, forced, .. } in &report.deleted {
        let held = if *forced { ", though it was held: the pin grace is over" } else { "" };
        lines.push(format!("{would}deleted segment {sequence} ({bytes} bytes){held}"));
    }
    for Compacted { sequence, records_removed, bytes_before, bytes_after, .. } in &report.compacted
    {
        lines.push(format!(
            "{would}compacted segment {sequence}: {records_removed} records went, \
             {bytes_before} bytes became {bytes_after}"
        ));
    }
    lines.extend(report.kept.iter().map(|kept| describe_kept(kept, holders)));
    lines
}

fn describe_kept(kept: &Kept, holders: &WhoReport) -> String {
    let task = task_name(kept.task);
    let why = match &kept.why {
        Why::Held { until_ms, .. } => {
            let names: Vec<_> = holders_of(kept, holders).map(describe_process).collect();
            let names = if names.is_empty() { "somebody".to_owned() } else { names.join(", ") };
            let until = until_ms.map(|until_ms| format!("; it goes at {}", format_time(until_ms)));
            format!("it is held by {names}{}", until.unwrap_or_default())
        }
        Why::Unconsumed { consumer } => format!("consumer `{consumer}` has not read it"),
        Why::CompactedTopic { topic } => format!(
            "it holds records of topic `{}`, which is compacted and never deleted",
            String::from_utf8_lossy(topic)
        ),
        Why::Damaged { message } => message.clone(),
        Why::DoesNotFit => "rewritten, a block would be too large".to_owned(),
        Why::Active => "it is the active one, and only sealed ones are deleted; setting roll_ms \
                        seals it by age, a smaller segment_bytes sooner, and --roll now"
            .to_owned(),
        Why::ClockAhead { now_ms, newest_ms } => format!(
            "it is old only by this clock, which says {}, and the newest time in the stream is {}; \
             if the clock is right, say --clock-is-right",
            format_time(*now_ms),
            format_time(*newest_ms)
        ),
        Why::ClockJumped { by_ms } => format!(
            "this clock has jumped by {} since the last pass; the next one believes it",
            format_duration(Duration::from_secs(by_ms / 1000))
        ),
        other => format!("{other:?}"),
    };
    format!("did not {task} segment {}: {why}", kept.sequence)
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Delete => "delete",
        Task::Compact => "compact",
    }
}

/// The processes that hold the file that could not be had.
fn holders_of<'w>(kept: &Kept, holders: &'w WhoReport) -> impl Iterator<Item = &'w Holder> {
    let held = match kept.why {
        Why::Held { file, .. } => Some(file),
        _ => None,
    };
    holders.holders.iter().filter(move |holder| Some(holder.id) == held && holder.lock.is_some())
}

pub fn to_json(report: &Report, holders: &WhoReport) -> Value {
    let deleted = report.deleted.iter().map(|Deleted { sequence, bytes, forced, .. }| {
        json!({ "segment": sequence, "bytes": bytes, "forced": forced })
    });
    let compacted = report.compacted.iter().map(|done| {
        let Compacted { sequence, records_removed, bytes_before, bytes_after, .. } = done;
        json!({
            "segment": sequence,
            "records_removed": records_removed,
            "bytes_before": bytes_before,
            "bytes_after": bytes_after,
        })
    });
    json!({
        "dry_run": report.dry_run,
        "sealed": report.sealed,
        "deleted": deleted.collect::<Vec<_>>(),
        "compacted": compacted.collect::<Vec<_>>(),
        "kept": report.kept.iter().map(|kept| kept_json(kept, holders)).collect::<Vec<_>>(),
        "bytes": report.bytes,
    })
}

fn kept_json(kept: &Kept, holders: &WhoReport) -> Value {
    let (why, detail) = match &kept.why {
        Why::Held { since_ms, until_ms, .. } => (
            "held",
            json!({
                "since_ms": since_ms,
                "until_ms": until_ms,
                "by": holders_of(kept, holders).map(crate::who::holder_json).collect::<Vec<_>>(),
            }),
        ),
        Why::Unconsumed { consumer } => ("unconsumed", json!({ "consumer": consumer })),
        Why::CompactedTopic { topic } => {
            ("compacted_topic", json!({ "topic": String::from_utf8_lossy(topic) }))
        }
        Why::Damaged { message } => ("damaged", json!({ "message": message })),
        Why::DoesNotFit => ("does_not_fit", Value::Null),
        Why::Active => ("active", Value::Null),
        Why::ClockAhead { now_ms, newest_ms } => {
            ("clock_ahead", json!({ "now_ms": now_ms, "newest_ms": newest_ms }))
        }
        Why::ClockJumped { by_ms } => ("clock_jumped", json!({ "by_ms": by_ms })),
        other => ("other", json!(format!("{other:?}"))),
    };
    let task = task_name(kept.task);
    json!({ "segment": kept.sequence, "task": task, "why": why, "detail": detail })
}
