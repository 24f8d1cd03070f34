//! `puro backup`: a verified copy of a stream, made while others work in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::internals::dir::parse_segment_name;
use puro::{BackupError, BackupOptions, BackupReport, Blame, Stream};
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
    /// An earlier backup, on the same disk. What it holds already is not copied: both share the
    /// files, and either may be removed
    #[arg(long, value_name = "EARLIER")]
    base: Option<PathBuf>,
    /// Bring the backup OUT up to date: copies what is new, as OUT.next, verifies all of it, and
    /// only then puts it in the place of OUT. Makes OUT where there is none
    #[arg(long, conflicts_with = "base")]
    update: bool,
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
    let update = if args.update { Update::of(&args.out)? } else { None };
    let base = update.as_ref().map(|_| &args.out).or(args.base.as_ref());
    let made = make(args, base, update.as_ref().map_or(&args.out, |update| &update.next));
    let report = made.map_err(|error| error.context("no backup was made"))?;
    if let Some(update) = update {
        update.finish()?;
    }
    tell("backed up", &args.dir, &args.out, &report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

fn make(args: &Args, base: Option<&PathBuf>, out: &Path) -> Result<BackupReport, CliError> {
    let mut options = BackupOptions::new().allow_network(args.allow_network);
    if let Some(base) = base {
        check_base(&args.dir, base)?;
        options = options.base(base);
    }
    let mut shown = Shown::new("backup");
    limits::raise_open_files();
    Ok(options.backup(&args.dir, out, &mut |done, total| shown.set(done, total))?)
}

/// What is shared is to be a backup of this very stream.
fn check_base(dir: &Path, base: &Path) -> Result<(), CliError> {
    if dir.canonicalize().is_ok_and(|dir| base.canonicalize().is_ok_and(|base| dir == base)) {
        return Err(CliError::usage("the stream itself is no earlier backup of it"));
    }
    let (ours, theirs) = (Stream::open(dir)?.id()?, Stream::open(base)?.id()?);
    if ours != theirs {
        return Err(CliError::usage(format_args!(
            "{} is a backup of another stream ({theirs}, not {ours})",
            base.display()
        )));
    }
    Ok(())
}

/// A backup that takes the place of an earlier one.
struct Update {
    out: PathBuf,
    next: PathBuf,
}

impl Update {
    /// `None` where there is no earlier one. What an update that died has left goes first: the old
    /// backup, or a new one that nobody was told of.
    fn of(out: &Path) -> Result<Option<Self>, CliError> {
        if std::fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none()) {
            return Ok(None);
        }
        let mut next = out.as_os_str().to_owned();
        next.push(".next");
        let update = Self { out: out.to_owned(), next: next.into() };
        if update.next.exists() {
            let id = |dir: &Path| Stream::open(dir).ok()?.id().ok();
            if id(&update.next).is_none_or(|next| id(out) != Some(next)) {
                return Err(CliError::usage(format_args!(
                    "{} is not of an update that died; move it away",
                    update.next.display()
                )));
            }
            remove_backup(&update.next)?;
        }
        Ok(Some(update))
    }

    /// Puts the new one in the place of the old one, at one moment where the system can, and removes
    /// the old one.
    fn finish(&self) -> Result<(), CliError> {
        exchange(&self.next, &self.out)?;
        let parent = self.out.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        remove_backup(&self.next)
    }
}

/// Removes the files of a backup and its directory; whatever else is in there stays, and is an error.
fn remove_backup(dir: &Path) -> Result<(), CliError> {
    let failed = |error: io::Error| {
        CliError::new(Blame::Environment, format_args!("cannot remove {}: {error}", dir.display()))
    };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let own = parse_segment_name(name).is_some() || name.ends_with(".lock");
        if own {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    std::fs::remove_dir(dir).map_err(failed)
}

#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    Ok(renameat2(AT_FDCWD, a, AT_FDCWD, b, RenameFlags::RENAME_EXCHANGE)?)
}

/// By three steps: what dies in between leaves both, under other names.
#[cfg(not(target_os = "linux"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    let mut old = b.as_os_str().to_owned();
    old.push(".old");
    std::fs::rename(b, &old)?;
    std::fs::rename(a, b)?;
    std::fs::rename(&old, a)
}

/// Says what was copied, to whoever made a copy.
pub fn tell(
    what: &str,
    from: &Path,
    to: &Path,
    report: &BackupReport,
    as_json: bool,
) -> io::Result<()> {
    let BackupReport { segments, bytes, shared_bytes, blocks, base_offset, token, .. } = report;
    let text = if as_json {
        let report = json!({
            "segments": segments,
            "bytes": bytes,
            "shared_bytes": shared_bytes,
            "blocks": blocks,
            "base_offset": base_offset,
            "next_offset": token.offset,
            "stream_id": token.stream_id.to_string(),
            "token": token.to_string(),
        });
        report.to_string()
    } else {
        let shared = match shared_bytes {
            0 => String::new(),
            shared => format!(", {shared} of them there before"),
        };
        format!(
            "{what} {} as {}: offsets {base_offset} to {} in {segments} segments ({bytes} bytes{shared}), \
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
