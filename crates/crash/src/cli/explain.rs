//! `puro-crash explain`

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use puro_crash::error::{At, CrashError, Result};
use puro_crash::finding::tell::{Labels, tell};
use puro_crash::model::plan::Plan;
use puro_crash::model::state::State;
use puro_crash::trace::Trace;

/// Tell what happened in a state
#[derive(Args)]
#[command(
    after_help = "Example:\n  puro-crash explain puro-crash-out/trace posix:8-4.5 --image image"
)]
pub struct ExplainArgs {
    /// The trace
    trace: PathBuf,
    /// The name of the state, such as posix:41-3.7
    state: String,
    /// The unit that was given when the state was made
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    unit: Option<u64>,
    /// Make a directory of it
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
}

pub fn run(args: &ExplainArgs) -> Result<u8> {
    let trace = Trace::read(&args.trace)?;
    let (profile, state) = args.state.rsplit_once(':').ok_or_else(|| {
        CrashError::Usage(format!("`{}` is no state; they look like posix:41-3.7", args.state))
    })?;
    let profile = super::profile(profile, args.unit)?;
    let plan = Plan::new(&trace, &profile);
    let state = State::parse(state, &plan)?;
    if state == State::complete(state.calls) {
        println!("All that was done until call {} is there.", state.calls);
    } else {
        println!("{}.", tell(&plan, &Labels::new(&plan), &state));
    }
    println!("\nCalls until then:");
    let lost: BTreeSet<usize> = state.missing.iter().map(|atom| plan.atoms[*atom].call).collect();
    for (index, call) in trace.calls.iter().take(state.calls).enumerate() {
        println!("{:>6} {:<8} {}", index + 1, fate(&plan, &state, &lost, index), call.shown);
    }
    let disk = state.disk(&plan);
    println!("\nWhat is there:");
    for (path, node) in disk.paths() {
        println!("{:>10} {path}", disk.content(node).len());
    }
    let acknowledged = trace.acknowledged(state.calls);
    println!("\nAcknowledged:\n{}", String::from_utf8_lossy(acknowledged).trim_end());
    if let Some(image) = &args.image {
        fs::create_dir_all(image).at("make", image)?;
        disk.write_to(image)?;
    }
    Ok(0)
}

/// What became of a call.
fn fate(plan: &Plan<'_>, state: &State, lost: &BTreeSet<usize>, call: usize) -> &'static str {
    let range = plan.atoms_of(call);
    let atoms = &plan.atoms[range.clone()];
    let missing = range.filter(|atom| state.missing.contains(atom)).count();
    match missing {
        _ if atoms.is_empty() => "",
        0 if atoms.iter().all(|atom| atom.is_durable(state.calls)) => "durable",
        0 => "there",
        _ if missing < atoms.len() && lost.contains(&call) => "in part",
        _ => "LOST",
    }
}
