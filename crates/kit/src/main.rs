//! `puro-kit`: does a port of Puro do what the specification says? See `spec/kit.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use puro_kit::check::judge::Judged;
use puro_kit::check::{Order, check, report};
use puro_kit::driver::Driver;
use puro_kit::mix::{Mix, mix};
use puro_kit::vectors;

/// Does a port of Puro do what the specification says?
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put vectors and living cases to a port
    Check(Check),
    /// Let a port and the Rust code work in one directory, under random kills
    Mix(MixArgs),
    /// Answer requests for the Rust code, as any driver does
    Driver,
    /// Compare the vectors with what the generator makes
    Vectors {
        /// Replace them
        #[arg(long)]
        write: bool,
    },
}

#[derive(Args)]
struct Check {
    /// The Rust program itself, by its own driver
    #[arg(long = "self", conflicts_with = "port")]
    own: bool,
    /// Only cases whose id fits, such as `tail/*`; may be given more than once
    #[arg(long)]
    only: Vec<String>,
    /// Where the report goes as JUnit has it
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Where the report goes as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// How long an answer may take
    #[arg(long, default_value_t = 20_000)]
    timeout_ms: u64,
    /// How many calls of each scenario are answered with a fault, at most
    #[arg(long, default_value_t = 8)]
    faults: u64,
    /// Where the vectors are
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// How many failed cases are told at most
    #[arg(long, default_value_t = 40)]
    failures: usize,
    /// The command of the port's driver
    #[arg(last = true)]
    port: Vec<String>,
}

#[derive(Args)]
struct MixArgs {
    /// How many processes are killed
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Decides who does what, and who dies when; one by chance if not given
    #[arg(long)]
    seed: Option<u64>,
    /// How long an answer may take
    #[arg(long, default_value_t = 60_000)]
    timeout_ms: u64,
    /// The Rust code with itself
    #[arg(long = "self", conflicts_with = "port")]
    own: bool,
    /// The command of the port's driver
    #[arg(last = true)]
    port: Vec<String>,
}

/// What could not be run.
const NOT_RUN: u8 = 77;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    // The recorder starts this program once more, as what it records.
    if words.next().is_some_and(|word| word == puro_crash::record::CHILD) {
        return puro_crash::record::become_recorded(&words.collect::<Vec<_>>());
    }
    let done = match Cli::parse().command {
        Command::Check(options) => run_check(&options),
        Command::Mix(options) => run_mix(&options),
        Command::Driver => {
            let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
            let served = Driver::default().serve(input, output);
            served.map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Command::Vectors { write } => run_vectors(write),
    };
    done.unwrap_or_else(|trouble| {
        eprintln!("puro-kit: {trouble}");
        ExitCode::from(NOT_RUN)
    })
}

/// The driver of the Rust code.
fn own_driver() -> Result<Vec<String>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(vec![program.to_string_lossy().into_owned(), "driver".to_owned()])
}

/// The driver that is asked for.
fn driver(own: bool, port: &[String]) -> Result<Vec<String>, String> {
    match port {
        _ if own => own_driver(),
        [] => Err("which port? Give its driver's command behind `--`, or `--self`".to_owned()),
        command => Ok(command.to_vec()),
    }
}

fn run_mix(options: &MixArgs) -> Result<ExitCode, String> {
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let drivers = [own_driver()?, driver(options.own, &options.port)?];
    let timeout = Duration::from_millis(options.timeout_ms);
    let judged = mix(&Mix { drivers, kills: options.kills, seed, timeout })?;
    print!("{}", report::table(&judged));
    eprint!("{}", report::failures(&judged, 40));
    Ok(last_line(&judged))
}

/// The last line, and the exit code.
fn last_line(judged: &[Judged]) -> ExitCode {
    let counts = report::Counts::of(judged);
    let run = counts.passed + counts.failed;
    println!("{run} cases, {} passed, {} failed", counts.passed, counts.failed);
    match counts.failed {
        _ if run == 0 => ExitCode::from(NOT_RUN),
        0 if counts.not_here > 0 => ExitCode::from(NOT_RUN),
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    }
}

fn run_check(options: &Check) -> Result<ExitCode, String> {
    let command = driver(options.own, &options.port)?;
    let folder = options.vectors.clone().unwrap_or_else(vectors::folder);
    let vectors = vectors::read(&folder)?;
    let timeout = Duration::from_millis(options.timeout_ms);
    let order = Order { command, only: options.only.clone(), timeout, faults: options.faults };
    let judged = check(&order, &vectors)?;
    print!("{}", report::table(&judged));
    eprint!("{}", report::failures(&judged, options.failures));
    let write = |path: &Option<PathBuf>, text: String| match path {
        Some(path) => std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display())),
        None => Ok(()),
    };
    write(&options.json, report::as_json(&judged))?;
    write(&options.junit, report::junit(&judged, &order.command.join(" ")))?;
    let counts = report::Counts::of(&judged);
    if counts.not_run > 0 {
        println!("{} cases not run: the port lacks what they ask for", counts.not_run);
    }
    Ok(last_line(&judged))
}

fn run_vectors(write: bool) -> Result<ExitCode, String> {
    let mut differ = false;
    for (name, text) in vectors::make::all() {
        let path = vectors::folder().join(format!("{name}.jsonl"));
        differ |= std::fs::read_to_string(&path).ok().as_deref() != Some(&text);
        let (cases, negative) =
            (text.matches("\"steps\":").count(), text.matches("\"breaks\":").count());
        println!("{name}: {cases} cases, {negative} of them negative, {} bytes", text.len());
        if write {
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    if differ && !write {
        println!("they differ; `puro-kit vectors --write` replaces them");
    }
    Ok(if differ && !write { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
