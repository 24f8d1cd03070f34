//! `puro trim`: deletes old segments by hand, on a full disk, too.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use puro::steward::{Report, Why};
use puro::who::{WhoReport, who};
use puro::{Start, StewardOptions, Trim};

use crate::common::{CliError, at_work, message};
use crate::parse::{parse_size, parse_start};
use crate::printable::one_line;
use crate::steward::{lines, to_json};
use crate::streams;

/// Delete old segments by hand; works on a full disk
///
/// Whole segments go, from the lowest up; nothing is appended, so no free space is needed. The
/// active segment stays. Trimming stops at the first segment that somebody holds (`puro who`), that
/// holds records of a topic which is only compacted, or that the setting keep_unconsumed keeps.
/// Say first with --dry-run what would go: it cannot be taken back.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Segments all of whose records stand before this place: an OFFSET, end, -N (all but the last
    /// N records), a TIME, a DURATION ago such as 7d, or a TOKEN
    #[arg(long, value_name = "PLACE", value_parser = parse_start, group = "what")]
    #[arg(allow_hyphen_values = true)]
    before: Option<Start>,
    /// Segments that the named consumers have read: those NAMEs, or all that have a position
    #[arg(long, value_name = "NAME", num_args = 0.., group = "what")]
    consumed: Option<Vec<String>>,
    /// The lowest segments, while the stream takes more than N bytes, such as 1048576, 512K, 10G
    #[arg(long, value_name = "N", value_parser = parse_size, group = "what")]
    keep_bytes: Option<u64>,
    /// Also what keep_unconsumed keeps for named consumers that have not read it
    #[arg(long)]
    unconsumed: bool,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Trims, and says what was freed.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let trim = match (args.before, &args.consumed, args.keep_bytes) {
        (Some(place), _, _) => Trim::before(place),
        (_, Some(names), _) => Trim::consumed_by(names),
        (_, _, Some(bytes)) => Trim::keep_bytes(bytes),
        // The group asks for one of them.
        (None, None, None) => return Err(CliError::usage("say what is to be trimmed")),
    };
    let options = StewardOptions::new().dry_run(args.dry_run).allow_network(args.allow_network);
    let working = at_work();
    let trimmed = options.open(&args.dir)?.trim(&trim.unconsumed(args.unconsumed))?;
    drop(working);
    tell(args, &trimmed)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(args: &Args, report: &Report) -> Result<(), CliError> {
    let held = report.kept.iter().any(|kept| matches!(kept.why, Why::Held { .. }));
    // What was deleted is told even where it cannot be told who holds the next one.
    let holders = if held { who(&args.dir).unwrap_or_default() } else { WhoReport::default() };
    let freed: u64 = report.deleted.iter().map(|deleted| deleted.bytes).sum();
    let mut told = lines(report, &holders);
    told.push(format!(
        "{}freed {freed} bytes in {} segments; {} bytes are left",
        if report.dry_run { "would have " } else { "" },
        report.deleted.len(),
        report.bytes
    ));
    streams::report(|out| {
        if args.json {
            let mut object = to_json(report, &holders);
            if let Some(members) = object.as_object_mut() {
                members.insert("freed_bytes".to_owned(), freed.into());
            }
            return writeln!(out, "{object}");
        }
        told.iter().try_for_each(|line| writeln!(out, "{}", one_line(line)))
    })?;
    if report.deleted.is_empty() && report.kept.is_empty() && !args.json {
        message(
            "no sealed segment is low enough; the active one is never trimmed (`puro steward --roll` \
             begins a new one)",
        );
    }
    Ok(())
}
