//! Long histories with two producers and consumers; calls fail, processes die in the middle of a
//! write, and the power goes, all at random from one seed.
//!
//! `PURO_RUNS` sets how many runs (200 if not set); `PURO_SEED=n` replays one.

use puro_model::generate::{CHECKPOINT_BYTES, Rng, SEGMENT_BYTES};
use puro_model::history::{Op, Player, options};
use puro_model::oracle::{Crash, Violation};
use puro_model::report::publish;
use puro_model::sim::power::GRAINS;
use puro_model::sim::{Disk, Fault, World};

const OPS: u64 = 80;
const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::Short];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn operation(rng: &mut Rng) -> Op {
    let who = rng.below(2) as usize;
    let records = 1 + rng.below(4) as u32;
    let bytes = [0, 7, 60, 400, 2500][rng.below(5) as usize];
    match rng.below(16) {
        0 => Op::Sync { who },
        1 => Op::Close { who },
        2..=3 => Op::Read { durable: rng.one_in(3) },
        4 => Op::Die { who, records, bytes, calls: rng.below(24), done: rng.below(3000) as usize },
        _ => Op::Append { who, records, bytes, durable: rng.one_in(3) },
    }
}

/// Room for a small block and a part of the next, for several, and as much as ever.
const ZEROS: [u64; 3] = [192, 1024, 262_144];

/// One run; what happened in it, counted: faults, deaths, losses of power.
fn run(seed: u64) -> Result<[u64; 3], Violation> {
    let mut rng = Rng::new(seed);
    let world = World::new(Disk::default());
    let options = match seed % 2 {
        0 => options(SEGMENT_BYTES),
        _ => options(SEGMENT_BYTES).checkpoint_every_bytes(CHECKPOINT_BYTES), // O-6, O-7
    };
    let options = match seed / 2 % 2 {
        0 => options,
        _ => options.zeros_ahead_bytes(ZEROS[(seed / 4 % 3) as usize]), // Z-1
    };
    let mut player = Player::new(world.clone(), |vfs| vfs, options);
    let mut counts = [0; 3];
    let told = number("PURO_SEED").is_some();
    for _ in 0..OPS {
        let op = operation(&mut rng);
        // Of a sync that only a consumer was told to have failed, nothing is promised (M-6).
        let may_fail = matches!(op, Op::Append { .. } | Op::Sync { .. });
        let fails = may_fail && rng.one_in(6);
        if fails {
            world.set_fault(rng.below(20), FAULTS[rng.below(4) as usize]);
        }
        if told {
            eprintln!("{op:?}, fault in it: {}", world.has_fault());
        }
        player.play(&op)?;
        counts[0] += u64::from(fails && !world.has_fault());
        counts[1] += u64::from(matches!(op, Op::Die { .. }));
        world.calm();
        match rng.below(12) {
            0 => {
                player.settle(Crash::Death)?;
            }
            1 => {
                counts[2] += 1;
                let (grain, sides) = (GRAINS[rng.below(3) as usize], rng.below(3));
                player.power_at(grain, |loss| loss.at_random(sides, &mut rng))?;
            }
            _ => {}
        }
    }
    player.settle(Crash::Death).map(|()| counts)
}

#[test]
fn long_histories_at_random() {
    let (first, runs) = match number("PURO_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("PURO_RUNS").unwrap_or(200)),
    };
    let mut totals = [0; 3];
    for seed in first..first + runs {
        match run(seed) {
            Ok(counts) => (0..3).for_each(|at| totals[at] += counts[at]),
            Err(violation) => {
                panic!(
                    "PURO_SEED={seed} cargo test -p puro-model --test crash random::\n{violation}"
                )
            }
        }
    }
    let [faults, deaths, losses] = totals;
    publish(
        "random runs",
        &format!(
            "| runs | operations | calls that failed | deaths in a call | losses of power |\n\
             |---|---|---|---|---|\n| {runs} | {} | {faults} | {deaths} | {losses} |",
            runs * OPS
        ),
    );
}
