//! `puro trim`: deletes old segments by hand, on a full disk, too.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::internals::dir::Directory;
use puro::internals::os::OsVfs;
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
    /// The lowest segments, until N bytes of the disk are free, such as 5G; no more than was lacking
    /// when it began
    #[arg(long, value_name = "N", value_parser = parse_size, group = "what")]
    min_free_bytes: Option<u64>,
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
    let trim = match args {
        Args { before: Some(place), .. } => Trim::before(*place),
        Args { consumed: Some(names), .. } => Trim::consumed_by(names),
        Args { keep_bytes: Some(bytes), .. } => Trim::keep_bytes(*bytes),
        Args { min_free_bytes: Some(bytes), .. } => Trim::until_free(*bytes),
        // The group asks for one of them.
        _ => return Err(CliError::usage("say what is to be trimmed")),
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
    let free =
        args.min_free_bytes.map(|wanted| Free::after(&args.dir, wanted, report)).transpose()?;
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
                members
                    .extend(free.as_ref().map(|free| ("free_bytes".to_owned(), free.bytes.into())));
            }
            return writeln!(out, "{object}");
        }
        told.iter().try_for_each(|line| writeln!(out, "{}", one_line(line)))
    })?;
    if let Some(free) = free {
        free.tell_what_lacks();
    } else if report.deleted.is_empty() && report.kept.is_empty() && !args.json {
        message(
            "no sealed segment is low enough; the active one is never trimmed (`puro steward --roll` \
             begins a new one)",
        );
    }
    Ok(())
}

/// How much of a disk is free, or would be after a dry run, and how much is to be.
pub struct Free {
    bytes: u64,
    wanted: u64,
}

impl Free {
    /// As it is once this was deleted.
    pub fn after(dir: &Path, wanted: u64, report: &Report) -> Result<Self, CliError> {
        let deleted = report.deleted.iter().map(|deleted| deleted.bytes);
        let freed = if report.dry_run { deleted.sum() } else { 0 };
        let bytes = Directory::new(OsVfs::new(), dir).free_bytes()?.saturating_add(freed);
        Ok(Self { bytes, wanted })
    }

    /// Says so where not enough is free.
    pub fn tell_what_lacks(&self) {
        let Self { bytes, wanted } = self;
        if bytes < wanted {
            message(format_args!(
                "{bytes} bytes of the disk are free, {} fewer than asked for, and nothing more may be deleted now",
                wanted - bytes
            ));
        }
    }
}
