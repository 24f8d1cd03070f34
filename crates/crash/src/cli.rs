//! The command line.

mod check;
mod explain;
mod faults;
mod record;
mod run;
mod states;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use puro_crash::check::Limits;
use puro_crash::check::bench::default_scratch;
use puro_crash::check::checker::Checker;
use puro_crash::error::{CrashError, Result};
use puro_crash::model::profile::Profile;
use puro_crash::record::Recorder;

const EXAMPLE: &str = "Example:
  puro-crash run --dir work --check ./check -- ./save
  puro-crash explain puro-crash-out/trace posix:8-4.5";

/// Does a program survive a crash?
///
/// Records a program, makes every directory that a crash could have left, and has each checked.
/// Exit 0: nothing was found. 1: something was. 77: it could not be measured. 64: wrong call.
/// 74: the system refused.
#[derive(Parser)]
#[command(name = "puro-crash", version, after_help = EXAMPLE)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record, make states, and check them: all in one
    Run(run::RunArgs),
    /// Record a program
    Record(record::RecordArgs),
    /// Make the states of a trace, and count them
    States(states::StatesArgs),
    /// Check the states of a trace
    Check(check::CheckArgs),
    /// Answer each call with each fault, and check what is left
    Faults(faults::FaultsArgs),
    /// Tell what happened in a state
    Explain(explain::ExplainArgs),
}

/// What to record.
#[derive(Args)]
struct Recorded {
    /// The directory in which CMD runs, and which is watched
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// DIR is not empty: what is in it counts as durable
    #[arg(long)]
    base: bool,
    /// A path that need not survive a crash, in DIR or elsewhere; `*` is any text
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,
    /// Do not show what CMD prints
    #[arg(short, long)]
    quiet: bool,
    /// CMD is killed after so many seconds
    #[arg(long, value_name = "S", default_value_t = 600)]
    timeout: u64,
    /// Who watches: ptrace, strace, or the best that works here
    #[arg(long, value_name = "WHO", default_value = "best")]
    recorder: Recorder,
    /// The program, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// What to check, how much, and what to do with it.
#[derive(Args)]
struct Checking {
    /// Called as CHECKER IMAGE ACKNOWLEDGED: exit 0 sound, 1 violated, 77 not measured
    #[arg(long, value_name = "CHECKER")]
    check: String,
    /// What a crash may do: process, posix, ext4-ordered, xfs, btrfs, all, or a file
    #[arg(long, value_name = "PROFILE", default_value = "posix", value_delimiter = ',')]
    profile: Vec<String>,
    /// Crash the checker's own recovery, too: so many states for each image
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    twice: Option<u64>,
    /// Check so many images at most
    #[arg(long, value_name = "N", default_value_t = 5000)]
    states: u64,
    /// Begin no more checks after so many seconds
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Of chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// So many checkers at a time [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// A checker that runs longer has failed
    #[arg(long, value_name = "S", default_value_t = 60)]
    check_timeout: u64,
    /// Bytes that are lost or kept as one, instead of the profile's
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    unit: Option<u64>,
    /// Where images are made [default: in memory, if that can be]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Findings in this file are told, but do not fail
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings into such a file
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the timeline of calls, barriers, and states that failed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Checking {
    fn checker(&self) -> Checker {
        Checker::new(&self.check, Duration::from_secs(self.check_timeout))
    }

    fn limits(&self, ignored: &[String]) -> Limits {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Limits {
            states: self.states,
            time: self.seconds.map(Duration::from_secs),
            seed: self.seed,
            jobs: self.jobs.map_or(cores, NonZero::get),
            scratch: self.scratch.clone().unwrap_or_else(default_scratch),
            twice: self.twice.unwrap_or(0),
            ignored: ignored.to_vec(),
        }
    }

    fn profiles(&self) -> Result<Vec<Profile>> {
        let all: Vec<String> = Profile::names().map(str::to_owned).collect();
        let names = if self.profile == ["all"] { &all } else { &self.profile };
        names.iter().map(|name| profile(name, self.unit)).collect()
    }
}

fn profile(name: &str, unit: Option<u64>) -> Result<Profile> {
    let mut profile = Profile::find(name)?;
    profile.unit = unit.unwrap_or(profile.unit);
    Ok(profile)
}

/// Carries out what was asked for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 64 } else { 0 };
            // Where nobody reads it, nobody misses it.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Record(args) => record::run(args),
        Command::States(args) => states::run(args),
        Command::Check(args) => check::run(args),
        Command::Faults(args) => faults::run(args),
        Command::Explain(args) => explain::run(args),
    };
    done.map_or_else(|error| failed(&error), ExitCode::from)
}

fn failed(error: &CrashError) -> ExitCode {
    eprintln!("puro-crash: {error}");
    ExitCode::from(match error {
        CrashError::Usage(_) | CrashError::Checker { .. } => 64,
        CrashError::CannotRecord { .. } => {
            // Never to be taken for a success: there are no states, and that is said.
            println!("not measured: {error}\n0 states, 0 failed");
            77
        }
        _ => 74,
    })
}
