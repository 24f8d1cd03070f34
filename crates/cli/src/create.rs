//! `puro create`: makes a stream.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use puro::StreamOptions;
use serde_json::json;

use crate::common::{CliError, message};
use crate::parse::parse_size;
use crate::streams;

/// Make a stream. Fine if it is there already
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory; its parent must exist
    dir: PathBuf,
    /// Bytes of records in a segment, such as 1048576, 512K or 64MiB [default: 64 MiB]
    #[arg(long, value_name = "N", value_parser = parse_size)]
    segment_bytes: Option<u64>,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Makes the stream, or says that it is there.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mut options = StreamOptions::new().allow_network(args.allow_network);
    if let Some(bytes) = args.segment_bytes {
        options = options.segment_bytes(bytes);
    }
    let dir = args.dir.display();
    let created = options.make(&args.dir)?;
    if args.json {
        streams::report(|out| writeln!(out, "{}", json!({ "created": created })))?;
    } else if created {
        message(format_args!("made the stream {dir}"));
    } else {
        message(format_args!("{dir} is a stream already; it stays as it is"));
    }
    Ok(ExitCode::SUCCESS)
}
