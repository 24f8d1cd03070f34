//! `puro positions`: where the named consumers of a stream are.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use puro::{PositionReport, Start, Stream};

use serde_json::json;

use crate::common::{CliError, message};
use crate::parse::parse_start;
use crate::printable::one_line;
use crate::streams;
use crate::time::format_time;

/// Show or change the positions of named consumers
#[derive(clap::Args)]
pub struct Args {
    /// The stream
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print every position, with its lag and whether somebody runs under its name
    List {
        /// As one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Set the position of a consumer that is not running
    Set {
        /// The consumer
        name: String,
        /// beginning, end, an offset, -N, a time, how long ago, or a token
        #[arg(value_parser = parse_start, allow_hyphen_values = true)]
        to: Start,
        /// Report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Set it to the beginning
    Reset {
        /// The consumer
        name: String,
        /// Report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Forget it
    Delete {
        /// The consumer
        name: String,
        /// Report as one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::List { json } => list(&args.dir, *json)?,
        Action::Set { name, to, json } => change(&args.dir, name, Some(*to), *json)?,
        Action::Reset { name, json } => change(&args.dir, name, Some(Start::Beginning), *json)?,
        Action::Delete { name, json } => change(&args.dir, name, None, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn change(dir: &Path, name: &str, to: Option<Start>, json: bool) -> Result<(), CliError> {
    let stream = Stream::open(dir)?;
    let now = match to {
        Some(start) => stream.set_position(name, start)?,
        None => stream.remove_position(name).map(|()| None)?,
    };
    match now {
        position if json => {
            let offset = position.map(|position| position.offset);
            let told = json!({ "name": name, "offset": offset });
            streams::report(|out| writeln!(out, "{told}"))?;
        }
        Some(position) => message(format_args!("{name} is at offset {}", position.offset)),
        None => message(format_args!("{name} has no position")),
    }
    Ok(())
}

fn list(dir: &Path, json: bool) -> Result<(), CliError> {
    let listed = Stream::open(dir)?.positions()?;
    Ok(streams::report(|out| {
        listed.iter().try_for_each(|report| {
            if json {
                writeln!(out, "{}", to_json(report))
            } else {
                writeln!(out, "{}", to_text(report))
            }
        })
    })?)
}

fn to_json(report: &PositionReport) -> serde_json::Value {
    json!({
        "name": report.name,
        "epoch": report.position.epoch,
        "offset": report.position.offset,
        "time_ms": report.position.time_ms,
        "lag_offsets": report.lag_offsets,
        "missed_offsets": report.missed_offsets,
        "lag_bytes": report.lag_bytes,
        "running": report.running,
        "owner_pid": report.owner_pid,
    })
}

fn to_text(report: &PositionReport) -> String {
    let lag_bytes = match report.lag_bytes {
        Some(bytes) => format!("{bytes} bytes"),
        None => format!("out of range: {} offsets were deleted unread", report.missed_offsets),
    };
    let running = match (report.running, report.owner_pid) {
        (true, Some(pid)) => format!("running as process {pid}"),
        (true, None) => "running".to_owned(),
        (false, _) => "not running".to_owned(),
    };
    format!(
        "{}\toffset {}\tlag {} offsets, {lag_bytes}\tcommitted {}\t{running}",
        one_line(&report.name),
        report.position.offset,
        report.lag_offsets,
        format_time(report.position.time_ms),
    )
}
