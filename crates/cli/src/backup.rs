//! `puro backup`: a verified copy of a stream, made while others work in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::{BackupError, BackupOptions, BackupReport};
use serde_json::json;

use crate::common::{CliError, Progress, check_output};
use crate::limits;
use crate::printable::shown_path;
use crate::streams;

/// Make a verified copy of a stream, while others work in it
///
/// The copy holds all that was committed when this began, and perhaps some of what came since.
/// It is written as OUT.partial, synced, read back, and only then named OUT; when this fails or
/// is interrupted there is no OUT, and the next backup to OUT takes over what is left. A copy is
/// for `puro restore` and for reading, not for writing. Every segment is held open while it is
/// copied: the hard limit, `ulimit -Hn`, must allow for so many.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Name of the copy, which must be an empty directory or not exist; its parent must exist
    out: PathBuf,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a stream on a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        Self::new(error.blame(), error)
    }
}

/// Backs up, and says what.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    check_output(&args.dir, &args.out)?;
    let options = BackupOptions::new().allow_network(args.allow_network);
    let mut shown = Shown::new("backup");
    limits::raise_open_files();
    let made = options.backup(&args.dir, &args.out, &mut |done, total| {
        shown.set(done, total);
    });
    drop(shown);
    let report = made.map_err(|error| CliError::from(error).context("no backup was made"))?;
    tell("backed up", &args.dir, &args.out, &report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what was copied, to whoever made a copy.
pub fn tell(
    what: &str,
    from: &Path,
    to: &Path,
    report: &BackupReport,
    as_json: bool,
) -> io::Result<()> {
    let BackupReport { segments, bytes, blocks, base_offset, token, .. } = report;
    let text = if as_json {
        let report = json!({
            "segments": segments,
            "bytes": bytes,
            "blocks": blocks,
            "base_offset": base_offset,
            "next_offset": token.offset,
            "stream_id": token.stream_id.to_string(),
            "token": token.to_string(),
        });
        report.to_string()
    } else {
        format!(
            "{what} {} as {}: offsets {base_offset} to {} in {segments} segments ({bytes} bytes), \
             read back and found sound; its end is {token}",
            shown_path(from),
            shown_path(to),
            token.offset
        )
    };
    streams::report(|out| writeln!(out, "{text}"))
}

/// Progress whose total is known only once the work has begun.
pub struct Shown {
    what: &'static str,
    bar: Option<Progress>,
}

impl Shown {
    /// Work named by a word.
    pub fn new(what: &'static str) -> Self {
        Self { what, bar: None }
    }

    /// So many bytes of so many are done.
    pub fn set(&mut self, done: u64, total: u64) {
        self.bar.get_or_insert_with(|| Progress::of_bytes(self.what, total)).set(done);
    }
}
