//! `puro restore`: a new stream from a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use puro::BackupOptions;

use crate::backup::{Shown, tell};
use crate::common::CliError;

/// Make a new stream from a backup
///
/// Offsets, times, settings and the positions of named consumers stay as they were; the stream
/// gets an id of its own. For the stream that was backed up went on after the backup, and this
/// one goes on differently under the same offsets: a position token kept from the old history is
/// refused, instead of being continued in a history that it never saw.
#[derive(clap::Args)]
pub struct Args {
    /// The backup's directory
    backup: PathBuf,
    /// The new stream's directory, which must be empty or not exist; its parent must exist
    dir: PathBuf,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Restores, and says what.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let options = BackupOptions::new().allow_network(args.allow_network);
    let mut shown = Shown::new("restore");
    let made = options.restore(&args.backup, &args.dir, &mut |done, total| {
        shown.set(done, total);
    });
    drop(shown);
    let report = made.map_err(|error| CliError::from(error).context("nothing was restored"))?;
    tell("restored", &args.backup, &args.dir, &report, args.json)?;
    Ok(ExitCode::SUCCESS)
}
