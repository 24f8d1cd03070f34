//! `puro salvage`: every good record of a damaged stream into a new one.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::salvage::{Doubtful, Gap, Trouble};
use puro::{SalvageError, SalvageOptions, SalvageReport};
use serde_json::json;

use crate::common::{CliError, Progress, at_work, check_output};
use crate::printable::shown_path;
use crate::streams;

/// Copy every good record of a damaged stream into a new one
///
/// The old stream is only read. Records keep their order, their blocks and their times; their
/// offsets begin at 0, and named consumers have no position there. What is lost is listed as
/// offsets of the old stream. Exit code 0 also where records are lost.
#[derive(clap::Args)]
pub struct Args {
    /// The damaged stream's directory
    dir: PathBuf,
    /// The new stream's directory, which must be empty or not exist
    out: PathBuf,
    /// Take what repairs saved in the stream's `lost` directory, instead of the stream itself
    #[arg(long)]
    lost: bool,
    /// Go on where the system does not let something be read, and leave that out
    #[arg(long)]
    leave_out_unreadable: bool,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

impl From<SalvageError> for CliError {
    fn from(error: SalvageError) -> Self {
        Self::new(error.blame(), error)
    }
}

/// Salvages, and tells what was lost.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    check_output(&args.dir, &args.out)?;
    let working = at_work();
    let mut bar = Progress::of_bytes("salvage", stream_bytes(args));
    let options =
        SalvageOptions::new().lost(args.lost).leave_out_unreadable(args.leave_out_unreadable);
    let tell = &mut |done| bar.set(done);
    let report = options.salvage(&args.dir, &args.out, tell)?;
    drop((bar, working));
    streams::report(|out| {
        if args.json {
            writeln!(out, "{}", report_json(&report))
        } else {
            write_text(out, args, &report)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes to be read, for progress only.
fn stream_bytes(args: &Args) -> u64 {
    let entries = std::fs::read_dir(&args.dir).into_iter().flatten().flatten();
    let segments =
        entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "puro"));
    segments.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

fn place(trouble: &Trouble) -> String {
    let Trouble { segment, position, problem, .. } = trouble;
    format!("{segment:010}.puro at byte {position}: {problem}")
}

fn write_text(out: &mut impl Write, args: &Args, report: &SalvageReport) -> io::Result<()> {
    for trouble in &report.without_loss {
        writeln!(out, "no record lost: {}", place(trouble))?;
    }
    for Gap { from, to, lost, trouble, .. } in &report.gaps {
        let place = place(trouble);
        match (to, lost) {
            (Some(to), Some(lost)) => {
                writeln!(out, "lost: {lost} records in offsets {from}..{to}: {place}")?;
            }
            _ => writeln!(out, "lost: whatever followed from offset {from} on: {place}")?,
        }
    }
    for Doubtful { first_offset, records, trouble, .. } in &report.doubtful {
        let last = first_offset + records - 1;
        writeln!(
            out,
            "doubtful: {records} records, now at offsets {first_offset} to {last}, may have been \
             part of another one's value: {}",
            place(trouble)
        )?;
    }
    if let Some(tail) = &report.uncommitted {
        let (segment, position) = (tail.segment, tail.position);
        writeln!(
            out,
            "left out: {} bytes that were never committed: {segment:010}.puro at byte {position}",
            tail.bytes
        )?;
    }
    for stray in &report.strays {
        writeln!(out, "left out: {} is not of this stream", shown_path(stray))?;
    }
    writeln!(
        out,
        "{}: {} records saved from {}",
        shown_path(&args.out),
        report.records,
        shown_path(&args.dir)
    )
}

fn trouble_json(trouble: &Trouble) -> serde_json::Map<String, serde_json::Value> {
    let Trouble { segment, position, problem, .. } = trouble;
    let fields = json!({
        "segment": segment,
        "position": position,
        "problem": problem.label(),
        "cause": problem.to_string(),
    });
    serde_json::Map::from_iter(fields.as_object().cloned().unwrap_or_default())
}

fn report_json(report: &SalvageReport) -> serde_json::Value {
    let gap = |gap: &Gap| {
        let mut fields = trouble_json(&gap.trouble);
        fields.insert("from".to_owned(), gap.from.into());
        fields.insert("to".to_owned(), gap.to.into());
        fields.insert("lost".to_owned(), gap.lost.into());
        fields
    };
    let doubtful = |doubtful: &Doubtful| {
        let mut fields = trouble_json(&doubtful.trouble);
        fields.insert("first_offset".to_owned(), doubtful.first_offset.into());
        fields.insert("records".to_owned(), doubtful.records.into());
        fields
    };
    json!({
        "records": report.records,
        "gaps": report.gaps.iter().map(gap).collect::<Vec<_>>(),
        "doubtful": report.doubtful.iter().map(doubtful).collect::<Vec<_>>(),
        "without_loss": report.without_loss.iter().map(trouble_json).collect::<Vec<_>>(),
        "uncommitted": report.uncommitted.map(|tail| json!({
            "segment": tail.segment,
            "position": tail.position,
            "bytes": tail.bytes,
        })),
        "strays": report.strays.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
    })
}
