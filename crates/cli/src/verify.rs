//! `puro verify`: whether a stream is sound, and if not, where it is not.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::check::{Finding, Verdict};
use puro::{CheckOptions, CheckReport};
use serde_json::json;

use crate::common::{CliError, Progress, exit};
use crate::printable::{one_line, shown_path};
use crate::streams;

/// Check every byte of a stream
///
/// Exit code 0: sound. 1: its end needs repair, which the next writer, or `puro repair`, does.
/// 2: damaged; `puro salvage` gets out what is good. 74: the system did not let all of it be read, and
/// nothing else is wrong. It only reads, and may run beside
/// writers and readers.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Compare every checkpoint too with what the blocks before it amount to
    #[arg(long)]
    deep: bool,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Verifies, tells what was found, and answers with the verdict as the exit code.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let options = CheckOptions::new().deep(args.deep);
    let mut bar: Option<Progress> = None;
    let mut progress = |done, total| {
        bar.get_or_insert_with(|| Progress::of_bytes("verify", total)).set(done);
    };
    let report = options.check(&args.dir, &mut progress)?;
    drop(bar);
    streams::report(|out| {
        if args.json {
            writeln!(out, "{}", report_json(&report))
        } else {
            write_text(out, args, &report)
        }
    })?;
    Ok(ExitCode::from(match report.verdict() {
        Verdict::Sound => exit::OK,
        Verdict::Repairable => exit::NEEDS_REPAIR,
        Verdict::Unreadable => exit::ENVIRONMENT,
        Verdict::Damaged => exit::DAMAGED,
    }))
}

fn write_text(out: &mut impl Write, args: &Args, report: &CheckReport) -> io::Result<()> {
    for finding in &report.findings {
        let finding_line = one_line(&finding.to_string());
        writeln!(out, "{}: {finding_line}", finding.severity())?;
    }
    let CheckReport { segments, bytes, blocks, records, .. } = report;
    let verdict = report.verdict();
    let what =
        format_args!("{segments} segments, {bytes} bytes, {blocks} blocks, {records} records");
    writeln!(out, "{}: {verdict} ({what})", shown_path(&args.dir))
}

fn report_json(report: &CheckReport) -> serde_json::Value {
    json!({
        "verdict": report.verdict().to_string(),
        "stream_id": report.stream_id.map(|id| id.to_string()),
        "segments": report.segments,
        "bytes": report.bytes,
        "blocks": report.blocks,
        "records": report.records,
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "severity": finding.severity().to_string(),
        "problem": finding.problem.label(),
        "cause": finding.problem.to_string(),
        "file": finding.path.to_string_lossy(),
        "segment": finding.segment,
        "position": finding.position,
        "offset": finding.offset,
    })
}
