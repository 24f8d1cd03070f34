//! `puro-crash run`

use std::fs;
use std::path::PathBuf;

use clap::Args;
use puro_crash::error::{At, Result};
use puro_crash::trace::Trace;

use super::{Checking, Recorded};

/// Record, make states, and check them: all in one
#[derive(Args)]
#[command(
    after_help = "Example:\n  puro-crash run --dir work --check ./check --profile all --html timeline.html -- ./save"
)]
pub struct RunArgs {
    #[command(flatten)]
    recorded: Recorded,
    #[command(flatten)]
    checking: Checking,
    /// Where the trace and what was found are kept
    #[arg(long, value_name = "DIR", default_value = "puro-crash-out")]
    out: PathBuf,
}

pub fn run(args: &RunArgs) -> Result<u8> {
    // What is wrong with the profile is told before a long recording.
    args.checking.profiles()?;
    let trace = args.out.join("trace");
    args.recorded.record(&trace, false)?;
    let findings = args.out.join("findings");
    if findings.exists() {
        fs::remove_dir_all(&findings).at("remove", &findings)?;
    }
    let trace = Trace::read(&trace)?;
    args.checking.check_trace(&trace, &args.recorded.ignore, &args.out)
}
