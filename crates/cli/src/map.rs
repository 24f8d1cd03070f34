//! `puro map`: a stream as a page to look at.

mod look;
mod page;
mod pictures;
mod quiet;
mod topics;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::error::IoError;
use puro::internals::check;
use puro::internals::dir::Directory;
use puro::internals::setting_entries;
use puro::steward::Report;
use puro::{CheckOptions, CheckReport, PositionReport, StewardOptions, Stream, StreamOptions};

use self::look::Looked;
use self::quiet::Quiet;
use crate::common::{CliError, Progress, check_output};
use crate::info::Settings;
use crate::streams;
use crate::time::now_ms;

/// Draw a stream: a page with its segments, blocks, topics, consumers and damage
///
/// The page is one file that needs nothing else, and no network. It shows each segment block by block,
/// when the records of each topic came, where the named consumers are, what a steward would delete and
/// compact, and whatever `puro verify` finds. Of a large stream neighbouring blocks and segments are drawn as one, so
/// the page stays small.
///
/// Reads the whole stream, takes no lock, and changes nothing. A damaged stream is drawn, too, with exit code 0: the page tells of
/// the damage.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Where to write the page, over what is there; - for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// All that the page tells.
struct Map<'a> {
    dir: &'a Path,
    made_ms: u64,
    report: CheckReport,
    looked: Looked,
    /// Those that cannot be told have a reason instead.
    settings: Result<Settings, String>,
    positions: Result<Vec<PositionReport>, String>,
    /// What a steward would do now.
    debt: Result<Report, String>,
}

/// Looks at the stream, and writes the page.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout {
        check_output(&args.dir, &args.output)?;
    }
    let page = page::draw(&gather(&args.dir)?);
    if to_stdout {
        streams::report(|out| out.write_all(page.as_bytes()))?;
    } else {
        let written = write(&args.output, page.as_bytes());
        written.map_err(|error| IoError::of("write", args.output.clone(), error))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn gather(dir: &Path) -> Result<Map<'_>, CliError> {
    let mut bar: Option<Progress> = None;
    // Everything is read twice: verified, and looked at.
    let mut verified = 0;
    let mut progress = |done: u64, total: u64| {
        verified = total;
        bar.get_or_insert_with(|| Progress::of_bytes("map", total.saturating_mul(2))).set(done);
    };
    let report = check(Quiet::new(), dir, &CheckOptions::new(), &mut progress)?;
    let looked = look::look(&Directory::new(Quiet::new(), dir), &report, &mut |done| {
        if let Some(bar) = &mut bar {
            bar.set(verified.saturating_add(done));
        }
    })?;
    drop(bar);
    Ok(Map {
        dir,
        made_ms: now_ms(),
        report,
        looked,
        settings: setting_entries(dir).map_err(|failure| failure.to_string()),
        positions: open(dir).and_then(|stream| stream.positions().map_err(|e| e.to_string())),
        debt: debt(dir),
    })
}

/// The stream, if it is sound enough to be opened.
fn open(dir: &Path) -> Result<Stream<Quiet>, String> {
    let opened = StreamOptions::new().allow_network(true).open_in(Quiet::new(), dir);
    opened.map_err(|error| error.to_string())
}

/// What a steward would do now, as a dry run tells.
fn debt(dir: &Path) -> Result<Report, String> {
    let options = StewardOptions::new().dry_run(true).allow_network(true);
    let steward = options.open_in(Quiet::new(), dir);
    steward.and_then(|mut steward| steward.run_once()).map_err(|error| error.to_string())
}

/// Writes a file, whole or not at all. What had its name loses that alone: it may be a second name
/// of a file of the stream.
fn write(path: &Path, page: &[u8]) -> io::Result<()> {
    let special = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
    if special {
        return File::options().write(true).open(path)?.write_all(page);
    }
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let mut file = File::create_new(&partial)?;
    let written = file.write_all(page).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}
