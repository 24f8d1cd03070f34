//! `puro repair`: brings a stream back to a clean end.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::{RepairReport, StreamOptions};
use serde_json::json;

use crate::common::CliError;
use crate::printable::shown_path;
use crate::streams::report;

/// Cut off what a dead writer or a loss of power left at the end
///
/// Every writer does the same before it appends; this does it without appending. What may have
/// been visible is saved in the directory `lost` first. A damaged stream is left as it is
/// (exit code 2).
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Opens the stream for writing, which repairs it, and says what was done.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let options = StreamOptions::new().allow_network(args.allow_network);
    let reports = options.repair(&args.dir)?;
    report(|out| write_reports(out, args, &reports))?;
    Ok(ExitCode::SUCCESS)
}

fn write_reports(out: &mut impl Write, args: &Args, reports: &[RepairReport]) -> io::Result<()> {
    if args.json {
        let repairs: Vec<_> = reports.iter().map(to_json).collect();
        return writeln!(out, "{}", json!({ "repairs": repairs }));
    }
    if reports.is_empty() {
        return writeln!(
            out,
            "{}: nothing to repair at its end; `puro verify` looks at all of it",
            shown_path(&args.dir)
        );
    }
    for report in reports {
        writeln!(out, "{}", describe(report))?;
    }
    Ok(())
}

/// What a repair did, in words.
pub fn describe(report: &RepairReport) -> String {
    let RepairReport { path, label, position, cut_bytes, saved, .. } = report;
    let why = match (*label, saved) {
        ("unseen", _) => "a block whose writer died before it was committed".to_owned(),
        (_, Some(saved)) => format!("perhaps it was visible: saved as {}", saved.display()),
        (label, None) => label.to_owned(),
    };
    format!(
        "repaired {}: cut {cut_bytes} bytes at byte {position} ({label}: {why})",
        path.display()
    )
}

fn to_json(report: &RepairReport) -> serde_json::Value {
    let RepairReport { path, label, position, cut_bytes, saved, .. } = report;
    json!({
        "segment": path.to_string_lossy(),
        "label": label,
        "position": position,
        "cut_bytes": cut_bytes,
        "saved": saved.as_ref().map(|saved| saved.to_string_lossy()),
    })
}
