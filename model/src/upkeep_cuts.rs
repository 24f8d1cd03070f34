//! Short histories of maintained streams, cut everywhere: deaths at every step, losses of
//! power, then a recovery, another pass of a steward, and all that goes on; and long ones at
//! random.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use puro::internals::vfs::Vfs;

use crate::crash::{Bounds, each_choice};
use crate::generate::Rng;
use crate::ledger::Topic;
use crate::oracle::{Crash, Violation};
use crate::sim::power::GRAINS;
use crate::sim::{Disk, Fault, PowerLoss, SimVfs, Step, World};
use crate::upkeep::{Moment, Op, Player};

/// What is done to a stream, and under which settings.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its number.
    pub number: u64,
    /// The stream's settings.
    pub settings: &'static [(&'static str, &'static str)],
    /// Not cut.
    pub before: Vec<Op>,
    /// Cut everywhere.
    pub ops: Vec<Op>,
}

/// Delete markers go soon; nothing is forgotten.
const COMPACTED: &[(&str, &str)] =
    &[("cleanup:kept", "compact"), ("marker_grace_ms", "1000"), ("expiry_ms", "0")];
/// Producers delete after each rollover, stewards both delete and compact.
const RETAINED: &[(&str, &str)] = &[
    ("cleanup:kept", "compact"),
    ("marker_grace_ms", "1000"),
    ("expiry_ms", "0"),
    ("retention_bytes", "9000"),
    ("pin_grace_ms", "2000"),
];
/// By age, and every append durable.
const AGED: &[(&str, &str)] = &[
    ("cleanup:kept", "compact"),
    ("expiry_ms", "0"),
    ("retention_ms", "5000"),
    ("roll_ms", "1000"),
    ("pin_grace_ms", "2000"),
    ("keep_unconsumed", "true"),
    ("durable", "true"),
];

/// The settings that a number stands for; in the first two nothing is ever deleted.
pub fn settings(number: u64) -> &'static [(&'static str, &'static str)] {
    [COMPACTED, COMPACTED, RETAINED, AGED][(number % 4) as usize]
}

/// An operation at random.
pub fn operation(rng: &mut Rng) -> Op {
    let topic = [Topic::Kept, Topic::Kept, Topic::Kept, Topic::Log, Topic::In];
    let topic = topic[rng.below(5) as usize];
    let keyed = topic == Topic::Kept && !rng.one_in(8);
    let key = keyed.then(|| rng.below(3) as u8);
    let marker = keyed && rng.one_in(4);
    match rng.below(20) {
        0..=2 => Op::Maintain { roll: rng.one_in(2), fresh: rng.one_in(2) },
        3..=4 => Op::Commit { who: rng.below(2) as usize, take: 1 + rng.below(5) as usize },
        5..=6 => Op::Transform { take: 1 + rng.below(3) as usize },
        7..=8 => Op::Follow { take: 1 + rng.below(6) as usize },
        9 => Op::Close { who: rng.below(3) as usize },
        10 => Op::Tick { ms: rng.below(3000) },
        11 if rng.one_in(3) => Op::StopFollowing,
        _ => {
            let bytes = [0, 900, 1300, 1300, 2500][rng.below(5) as usize];
            Op::Append { topic, key, marker, bytes, durable: rng.one_in(3) }
        }
    }
}

/// The story with this number: enough to fill some segments, then an operation or two.
pub fn story(number: u64) -> Story {
    let mut rng = Rng::new(0x57E3_A12D ^ number);
    let keyed = |key: u8, marker: bool| Op::Append {
        topic: Topic::Kept,
        key: Some(key),
        marker,
        bytes: 1300,
        durable: false,
    };
    let mut before = vec![keyed(0, false), keyed(1, false), keyed(0, false), keyed(1, true)];
    before.extend((0..4 + rng.below(4)).map(|_| operation(&mut rng)));
    // At the end of a segment, or some way before it.
    before.extend((0..rng.below(3)).map(|_| keyed(2, false)));
    let last = match number / 4 % 4 {
        0 | 1 => Op::Maintain { roll: rng.one_in(2), fresh: true },
        2 => Op::Commit { who: 0, take: 4 },
        _ => Op::Transform { take: 2 },
    };
    if matches!(last, Op::Transform { .. }) {
        let input =
            Op::Append { topic: Topic::In, key: None, marker: false, bytes: 40, durable: true };
        before.extend([input, input]);
    }
    let mut ops = vec![last];
    if rng.one_in(2) {
        ops.push(operation(&mut rng));
    }
    Story { number, settings: settings(number), before, ops }
}

/// What a campaign has looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuts {
    /// Stories that were cut.
    pub stories: u64,
    /// Steps at which they were cut.
    pub steps: u64,
    /// Distinct states that were recovered from, and judged.
    pub recoveries: u64,
}

/// Cuts one story everywhere.
///
/// # Errors
/// Where it was cut, and which promise was broken.
pub fn cut_everywhere<V: Vfs, M: Fn(SimVfs) -> V + Copy>(
    story: &Story,
    seam: M,
    bounds: Bounds,
) -> Result<Cuts, (String, Violation)> {
    let (steps, moments) = record(story, seam).map_err(|broken| ("uncut".to_owned(), broken))?;
    let mut seen = HashSet::new();
    let mut judge = |image: Disk, mark: usize, crash: Crash, place: &dyn Fn() -> String| {
        let mut hasher = DefaultHasher::new();
        (image.state_hash(), mark, crash == Crash::Power).hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            return Ok(());
        }
        recovers(image, &moments[mark], crash, seam).map_err(|broken| (place(), broken))
    };
    for (number, step) in steps.iter().enumerate() {
        let bytes = step.bytes();
        let mut cuts = vec![0, 1, bytes / 2, bytes.saturating_sub(1), bytes];
        cuts.retain(|cut| *cut <= bytes);
        cuts.dedup();
        for cut in cuts {
            let disk = step.cut_at(cut);
            let place = || format!("step {number}, death after {cut} bytes");
            judge(disk.clone(), step.mark, Crash::Death, &place)?;
            let loss = PowerLoss::at_most(&disk, bounds.decisions);
            for base in [loss.newest(), loss.hollow(), loss.oldest()] {
                each_choice(&base, &loss.options(), bounds.together, &mut |choices| {
                    let place = || format!("step {number}, {cut} bytes, power lost: {choices:?}");
                    judge(loss.apply(choices), step.mark, Crash::Power, &place)
                })?;
            }
        }
    }
    Ok(Cuts { stories: 1, steps: steps.len() as u64, recoveries: seen.len() as u64 })
}

/// Plays a story; each change of the disk, and what was known when.
fn record<V: Vfs, M: Fn(SimVfs) -> V>(
    story: &Story,
    seam: M,
) -> Result<(Vec<Step>, Vec<Moment>), Violation> {
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), seam, story.settings);
    for op in &story.before {
        player.play(op)?;
    }
    world.record();
    for op in &story.ops {
        player.play(op)?;
    }
    player.look(Crash::Death)?;
    Ok((world.recorded(), player.moments))
}

/// Somebody recovers the stream; then a steward passes, and everybody goes on.
fn recovers<V: Vfs, M: Fn(SimVfs) -> V>(
    image: Disk,
    (ledger, now_ms): &Moment,
    crash: Crash,
    seam: M,
) -> Result<(), Violation> {
    let world = World::new(image.clone());
    world.set_random(1000 + image.boot);
    world.set_now_ms(*now_ms);
    let mut player = Player::resume(world, seam, ledger.clone());
    player.recover(crash)?;
    player.play(&Op::Maintain { roll: true, fresh: true })?;
    player.look(Crash::Death)?;
    let append = |topic, key| Op::Append { topic, key, marker: false, bytes: 0, durable: true };
    for op in [
        append(Topic::In, None),
        append(Topic::Kept, Some(1)),
        Op::Commit { who: 0, take: 99 },
        Op::Commit { who: 1, take: 1 },
        Op::Transform { take: 99 },
        Op::Follow { take: 99 },
        Op::Maintain { roll: true, fresh: false },
        Op::Follow { take: 99 },
    ] {
        player.play(&op)?;
    }
    player.look(Crash::Death)
}

/// Operations in a long story.
pub const LONG: u64 = 80;
const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::Short];

/// Passes of stewards, deaths, losses of power and failing calls in one run; how many of each.
///
/// # Errors
/// Which promise was broken.
pub fn long_story<V: Vfs, M: Fn(SimVfs) -> V>(
    seed: u64,
    seam: M,
    told: bool,
) -> Result<[u64; 4], Violation> {
    let mut rng = Rng::new(seed);
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), seam, settings(seed));
    let mut counts = [0; 4];
    for _ in 0..LONG {
        let op = operation(&mut rng);
        if told {
            eprintln!("{op:?}");
        }
        counts[0] += u64::from(matches!(op, Op::Maintain { .. }));
        if rng.one_in(8) {
            counts[1] += 1;
            player.play_to_death(&op, rng.below(60), rng.below(3000) as usize)?;
        } else if matches!(op, Op::Maintain { .. } | Op::Append { .. }) && rng.one_in(8) {
            counts[3] += 1;
            world.set_fault(rng.below(60), FAULTS[rng.below(4) as usize]);
            player.play_in_trouble(&op)?;
        } else {
            player.play(&op)?;
        }
        if rng.one_in(20) {
            counts[2] += 1;
            let (grain, sides) = (GRAINS[rng.below(3) as usize], rng.below(3));
            player.power(grain, |loss| loss.at_random(sides, &mut rng))?;
        }
    }
    player.look(Crash::Death).map(|()| counts)
}
