//! A nightly backup: a verified copy of a stream, made while others write, of which some are kept.
//!
//! ```text
//! cargo run --example nightly_backup -- STREAM BACKUPS [KEEP]
//! ```
//!
//! Each copy is named by the offset at which the stream ended when it was begun: it has all up to
//! there, and a night without new records makes none. A copy gets its name only after every record of it was
//! read back; what died on the way is taken over by the next run. Only then the oldest go.
//!
//! A copy is a stream: any consumer can read it. It is not to be written to. `puro restore` makes
//! a stream of its own from it.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use puro::check::Verdict;
use puro::{BackupError, Blame, Stream};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (stream, backups, keep) = match arguments.as_slice() {
        [stream, backups] => (stream, backups, Ok(7)),
        [stream, backups, keep] => (stream, backups, keep.parse::<usize>()),
        _ => {
            eprintln!("usage: nightly_backup STREAM BACKUPS [KEEP]");
            return ExitCode::from(64);
        }
    };
    let keep = keep.map_err(Into::into);
    match keep.and_then(|keep| run(Path::new(stream), Path::new(backups), keep.max(1))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nightly_backup: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(stream: &Path, backups: &Path, keep: usize) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(backups)?;
    let stream = Stream::open(stream)?;
    // Padded, so that names are in the order of age.
    let name = format!("upto-{:020}", stream.end()?.offset);
    let copy = backups.join(&name);
    match stream.backup(&copy) {
        Ok(report) => println!(
            "{name}: {} bytes in {} segments, offsets {} to {}",
            report.bytes, report.segments, report.base_offset, report.token.offset
        ),
        Err(BackupError::Exists { .. }) => println!("{name}: nothing new"),
        Err(error) if error.blame() == Blame::Data => return Err(what_to_do(&stream, error)),
        Err(error) => return Err(error.into()),
    }
    verify(&copy)?;
    remove_oldest(backups, keep)
}

/// Looks at a copy again: disks forget.
fn verify(copy: &Path) -> Result<(), Box<dyn Error>> {
    let report = Stream::open(copy)?.verify(true)?;
    match report.verdict() {
        Verdict::Sound => Ok(()),
        verdict => {
            for finding in &report.findings {
                eprintln!("{finding}");
            }
            Err(format!("{} is {verdict:?}", copy.display()).into())
        }
    }
}

/// A damaged stream is not backed up; the copies that there are stay.
fn what_to_do(stream: &Stream, error: BackupError) -> Box<dyn Error> {
    let dir = stream.path().display();
    format!("{error}\n`puro salvage {dir} NEW` takes every good record into a new stream").into()
}

/// Keeps the newest copies. Whatever else is in the directory is not touched.
fn remove_oldest(backups: &Path, keep: usize) -> Result<(), Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(backups)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let offset = name.strip_prefix("upto-").unwrap_or_default();
        if offset.len() == 20 && offset.bytes().all(|byte| byte.is_ascii_digit()) {
            names.push(name);
        }
    }
    names.sort();
    for name in names.iter().rev().skip(keep) {
        fs::remove_dir_all(backups.join(name))?;
        println!("{name}: removed");
    }
    Ok(())
}
