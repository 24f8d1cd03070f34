//! `puro-crash states`

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use puro_crash::error::{At, Result};
use puro_crash::model::explore::explore;
use puro_crash::model::plan::Plan;
use puro_crash::trace::Trace;

/// Make the states of a trace, and count them
#[derive(Args)]
#[command(
    after_help = "Example:\n  puro-crash states trace --profile ext4-ordered --images images"
)]
pub struct StatesArgs {
    /// The trace
    trace: PathBuf,
    /// What a crash may do
    #[arg(long, value_name = "PROFILE", default_value = "posix")]
    profile: String,
    /// Make so many at most
    #[arg(long, value_name = "N", default_value_t = 5000)]
    states: u64,
    /// Of chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Bytes that are lost or kept as one, instead of the profile's
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    unit: Option<u64>,
    /// Print the name of each
    #[arg(long)]
    list: bool,
    /// Make a directory of each, below this one
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

/// So many are made for each that differs, at most.
const MADE_FOR_EACH: u64 = 20;

pub fn run(args: &StatesArgs) -> Result<u8> {
    let trace = Trace::read(&args.trace)?;
    let profile = super::profile(&args.profile, args.unit)?;
    let plan = Plan::new(&trace, &profile);
    let mut seen = HashSet::new();
    let mut failed = None;
    let most = args.states.saturating_mul(MADE_FOR_EACH);
    let rounds = explore(&plan, args.seed, most, |stage, state| {
        let disk = stage.disk(&state);
        if !seen.insert((disk.hash(), trace.acknowledged(state.calls).len())) {
            return ControlFlow::Continue(());
        }
        let name = state.name(&plan);
        if args.list {
            println!("{name}");
        }
        if let Some(images) = &args.images {
            let image = images.join(&name);
            let made = fs::create_dir_all(&image).at("make", &image);
            if let Err(error) = made.and_then(|()| disk.write_to(&image)) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        let is_enough = seen.len() as u64 >= args.states;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    for count in rounds {
        eprintln!("{}: {} of {} made", count.round.name(), count.made, count.has);
    }
    println!("{} states", seen.len());
    Ok(0)
}
