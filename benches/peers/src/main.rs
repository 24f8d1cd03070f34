//! Puro beside the limit of the file system, and beside what people would use instead.
//! See `benches/README.md`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use tempfile::TempDir;

mod append;
mod durable;
mod load;
mod report;
mod rounds;
mod stores;

use report::{Machine, Results};
use rounds::Effort;

#[derive(Parser)]
#[command(about)]
struct Args {
    /// Where to put results.json and results.md.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Where to work: a directory of the file system to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Which workloads (W1,W2,...); all of them if not given. W5 comes with W2 and W3.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// How often each contestant runs each workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A quarter of everything, for a first look.
    #[arg(long)]
    quick: bool,
}

/// A directory to work in, gone when it is dropped.
fn scratch(base: &Path) -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("peers-").tempdir_in(base)?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    // SAFETY: nothing has been started yet.
    unsafe { stores::set_environment(&args.dir) };
    let effort = Effort { rounds: args.rounds, quick: args.quick };
    let wanted =
        |id: &str| args.workloads.is_empty() || args.workloads.iter().any(|given| given == id);
    let mut tables = Vec::new();
    for shape in append::SHAPES.iter().filter(|shape| wanted(shape.id)) {
        tables.extend(append::run(shape, &args.dir, effort)?);
    }
    if wanted("W4") {
        tables.extend(durable::run(&args.dir, effort)?);
    }
    let machine = Machine::of(&args.dir);
    let Effort { rounds, quick } = effort;
    let results = Results { machine: &machine, rounds, quick, tables: &tables };
    report::write(&args.out, &results)?;
    print!("{}", report::markdown(&results)?);
    Ok(())
}
