//! Short histories for the exhaustive part: every one another, all determined by a number.

use puro::ProducerOptions;

use crate::history::{Op, options};

/// A small generator of numbers (SplitMix64): the same seed, the same run.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5EED)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit.max(1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A history: what came before, and the operations whose every cut is looked at.
#[derive(Clone, Debug)]
pub struct History {
    /// Its number.
    pub number: u64,
    /// Not cut.
    pub before: Vec<Op>,
    /// Cut everywhere.
    pub ops: Vec<Op>,
}

/// Setting of all streams: the least there is, so that rollovers come soon.
pub const SEGMENT_BYTES: u64 = 4096;

/// With checkpoints among the blocks, so that the end is found from behind (O-6): bytes between two.
pub const CHECKPOINT_BYTES: u64 = 256;

/// Zeros that are put behind the end: room for a block of the least size, and for a part of the next.
pub const ZEROS_BYTES: u64 = 192;

impl History {
    /// How its producers are opened: those of every third history put checkpoints among the
    /// blocks, and look for them.
    pub fn options(&self) -> ProducerOptions {
        let options = match self.has_checkpoints() {
            true => options(SEGMENT_BYTES).checkpoint_every_bytes(CHECKPOINT_BYTES),
            false => options(SEGMENT_BYTES),
        };
        match self.has_zeros() {
            true => options.zeros_ahead_bytes(ZEROS_BYTES),
            false => options,
        }
    }

    /// Whether the durable ones put zeros behind the end: those of every other history (Z-1).
    pub fn has_zeros(&self) -> bool {
        self.number % 2 == 1
    }

    /// Whether they do.
    pub fn has_checkpoints(&self) -> bool {
        self.number % 3 == 2
    }
}

/// Fills a segment so far that hardly a block fits.
const FILL: Op = Op::Append { who: 0, records: 1, bytes: 3850, durable: true };
const SMALL: Op = Op::Append { who: 0, records: 1, bytes: 0, durable: true };
const LOOSE: Op = Op::Append { who: 0, records: 1, bytes: 0, durable: false };

/// The history with this number.
pub fn history(number: u64) -> History {
    let mut rng = Rng::new(number);
    let read = Op::Read { durable: false };
    let died = |rng: &mut Rng| Op::Die {
        who: 1,
        records: 1,
        bytes: 8,
        calls: rng.below(14),
        done: rng.below(200) as usize,
    };
    // Variants come in turn, so that any stretch of numbers has all of them.
    let before = match number % 8 {
        0 => vec![],
        1 => vec![SMALL],
        2 => vec![FILL],
        3 => vec![SMALL, Op::Power { keep: false }],
        4 => vec![SMALL, died(&mut rng)],
        5 => {
            // Each call of a rollover in turn is the last of whoever rolls.
            let calls = 4 + (number / 8) % 16;
            vec![FILL, Op::Die { who: 1, records: 1, bytes: 8, calls, done: 1 }]
        }
        6 => vec![SMALL, LOOSE, LOOSE, read, Op::Power { keep: rng.one_in(2) }],
        _ => vec![FILL, LOOSE, read],
    };
    let count = 1 + rng.below(2);
    let mut ops: Vec<Op> = (0..count).map(|_| operation(&mut rng)).collect();
    if number % 8 == 5 {
        ops.insert(0, SMALL);
    }
    History { number, before, ops }
}

fn operation(rng: &mut Rng) -> Op {
    let who = rng.below(2) as usize;
    let records = 1 + rng.below(3) as u32;
    let bytes = [0, 5, 40][rng.below(3) as usize];
    match rng.below(8) {
        0 => Op::Sync { who },
        1 => Op::Close { who },
        2 => Op::Read { durable: rng.one_in(2) },
        3 => Op::Die { who, records, bytes, calls: rng.below(12), done: rng.below(120) as usize },
        _ => Op::Append { who, records, bytes, durable: rng.one_in(2) },
    }
}
