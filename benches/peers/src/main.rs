//! Puro beside the limit of the file system, and beside what people would use instead.
//! See `benches/README.md`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Parser;
use tempfile::TempDir;

mod append;
mod chart;
mod children;
mod durable;
mod latency;
mod load;
mod memory;
mod opening;
mod processes;
mod publish;
mod report;
mod rounds;
mod seeking;
mod stores;
mod syscalls;
mod targets;

use report::{Machine, Results};
use rounds::{Effort, Table};

#[derive(Parser)]
#[command(about)]
struct Args {
    /// Where to put results.json, results.md and chart.svg. Workloads that do not run now
    /// keep the figures that results.json has of them.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Where to work: a directory of the file system to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Which workloads (W1,W2,...,memory,syscalls); all of them if not given, `none` for none. W5 and
    /// the sizes come with W2 and W3.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// How often each contestant runs each workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Who takes part in W1, W2, W3 and W5, by the names in their tables, the limit always: for
    /// more rounds of few. All of them if not given.
    #[arg(long, value_delimiter = ';')]
    only: Vec<String>,
    /// A quarter of everything, for a first look.
    #[arg(long)]
    quick: bool,
    /// A Markdown file to put the tables into, between its markers.
    #[arg(long)]
    into: Vec<PathBuf>,
    #[command(subcommand)]
    role: Option<children::Role>,
}

impl Args {
    fn wanted(&self, id: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|given| given == id)
    }
}

/// A directory to work in, gone when it is dropped.
fn scratch(base: &Path) -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("peers-").tempdir_in(base)?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(role) = args.role {
        return children::play(role);
    }
    // SAFETY: nothing has been started yet.
    unsafe { stores::set_environment(&args.dir) };
    let mut results = Results::load(&args.out)?;
    ensure!(args.only.is_empty() || args.into.is_empty(), "--only is not for a page");
    results.machine = Machine::of(&args.dir);
    measure(&args, |tables| {
        results.replace(tables);
        report::write(&args.out, &results)
    })?;
    if args.wanted("syscalls") {
        if syscalls::can_count() {
            results.syscalls = syscalls::run(&args.dir)?;
        } else {
            eprintln!("There is no strace: the table of system calls stays as it was.");
        }
    }
    report::write(&args.out, &results)?;
    for file in &args.into {
        publish::into(file, &results)?;
    }
    print!("{}", report::markdown(&results)?);
    print!("{}", targets::markdown(&results)?);
    Ok(())
}

/// Runs what is wanted; hands out the tables as soon as they are complete.
fn measure(args: &Args, mut done: impl FnMut(Vec<Table>) -> Result<()>) -> Result<()> {
    type Workload = fn(&Path, Effort) -> Result<Vec<Table>>;
    const OTHERS: [(&str, Workload); 7] = [
        ("W4", durable::run),
        ("W6", latency::run),
        ("W7", opening::run),
        ("W8", processes::run),
        ("W9", seeking::one_topic),
        ("W10", seeking::in_the_middle),
        ("memory", memory::run),
    ];
    let effort = Effort { rounds: args.rounds, quick: args.quick };
    for shape in append::SHAPES.iter().filter(|shape| args.wanted(shape.id)) {
        done(append::run(shape, &args.dir, effort, &args.only)?)?;
    }
    for (_, run) in OTHERS.iter().filter(|(id, _)| args.wanted(id)) {
        done(run(&args.dir, effort)?)?;
    }
    Ok(())
}
