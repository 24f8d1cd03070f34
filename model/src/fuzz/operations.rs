//! Operations of two producers and a consumer, as a fuzzer makes them up.
//!
//! The fuzzer's bytes become operations by `Arbitrary`, so that whatever it changes is a
//! change of operations, and what it finds is printed as operations. [`Play::encode`] goes the other way: it makes
//! a kept input of any operations.

use arbitrary::{Arbitrary, Unstructured};
use puro::ProducerOptions;

use crate::generate::{SEGMENT_BYTES, ZEROS_BYTES};
use crate::history::{Op, Player, SIZES, calls, options};
use crate::oracle::Crash;
use crate::sim::{Disk, Fault, World};

/// How many operations are played of one input.
const MOST_OPERATIONS: usize = 48;

/// What one input says.
#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// One after another.
    pub steps: Vec<Step>,
}

/// An operation, and what the system does to it.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// What meets it.
    pub trouble: Option<Trouble>,
}

/// A call that fails.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which of those that follow.
    #[arbitrary(with = calls)]
    pub calls: u64,
    /// How.
    #[arbitrary(with = fault)]
    pub fault: Fault,
}

const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::Short];

fn fault(u: &mut Unstructured<'_>) -> arbitrary::Result<Fault> {
    u.choose(&FAULTS).copied()
}

/// Arbitrary operations of two producers and a consumer, with faults, deaths and losses of
/// power between them; judged by the oracle. Played twice: the producers put zeros ahead of what they
/// append durably (Z-1), or do not.
pub fn operations(play: &Play) {
    play_with(play, &options(SEGMENT_BYTES));
    play_with(play, &options(SEGMENT_BYTES).zeros_ahead_bytes(ZEROS_BYTES));
}

fn play_with(play: &Play, options: &ProducerOptions) {
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), |vfs| vfs, options.clone());
    for Step { op, trouble } in play.steps.iter().take(MOST_OPERATIONS) {
        // Of a sync that only a consumer was told to have failed, nothing is promised (M-6).
        if let (Op::Append { .. } | Op::Sync { .. }, Some(trouble)) = (op, trouble) {
            world.set_fault(trouble.calls, trouble.fault);
        }
        if let Err(violation) = player.play(op) {
            panic!("{violation}");
        }
        world.calm();
    }
    if let Err(violation) = player.settle(Crash::Death) {
        panic!("{violation}");
    }
}

impl Play {
    /// What an input says, as the fuzzer reads it.
    #[must_use]
    pub fn decode(input: &[u8]) -> Option<Self> {
        Self::arbitrary_take_rest(Unstructured::new(input)).ok()
    }

    /// An input that says this.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut input = Vec::new();
        for Step { op, trouble } in &self.steps {
            input.push(1); // there is one more
            encode_op(op, &mut input);
            input.push(u8::from(trouble.is_some()));
            if let Some(Trouble { calls, fault }) = trouble {
                input.push(*calls as u8);
                input.push(place_of(fault, &FAULTS));
            }
        }
        input
    }
}

/// How many kinds of operations there are.
const KINDS: u64 = 7;

fn encode_op(op: &Op, input: &mut Vec<u8>) {
    // The first number that `Arbitrary` takes for the kind at this place.
    let mut kind = |place: u64| {
        let number = (place << 32).div_ceil(KINDS) as u32;
        input.extend_from_slice(&number.to_le_bytes());
    };
    match *op {
        Op::Append { who, records, bytes, durable } => {
            kind(0);
            input.extend([who as u8, records as u8 - 1, place_of(&bytes, &SIZES), durable.into()]);
        }
        Op::Sync { who } => {
            kind(1);
            input.push(who as u8);
        }
        Op::Close { who } => {
            kind(2);
            input.push(who as u8);
        }
        Op::Read { durable } => {
            kind(3);
            input.push(durable.into());
        }
        Op::Die { who, records, bytes, calls, done } => {
            kind(4);
            input.extend([who as u8, records as u8 - 1, place_of(&bytes, &SIZES)]);
            input.extend([calls as u8, (done / 16) as u8]);
        }
        Op::Forge { who, calls, done } => {
            kind(5);
            input.extend([who as u8, calls.is_some().into()]);
            input.extend(calls.map(|calls| calls as u8));
            input.push((done / 4) as u8);
        }
        Op::Power { keep } => {
            kind(6);
            input.push(keep.into());
        }
    }
}

fn place_of<T: PartialEq>(value: &T, list: &[T]) -> u8 {
    list.iter().position(|listed| listed == value).expect("it is made of the list") as u8
}
