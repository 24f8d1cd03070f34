//! Blocks that stand in a value: whoever can read a segment's header knows the seed of its
//! checksums, and so can append a value that is a chain of blocks (F-43).

use crate::case::{Case, try_cases};
use crate::forge::{Block, Body, CHECKPOINT, END, Header, Link, Record, Segment, boot_id};
use crate::place::Place;
use crate::rows::*;

/// A value whose bytes, in a block at the end of `segment`, are these blocks, each at a multiple
/// of 64 of the file.
fn planted(segment: &Segment, blocks: &[Block]) -> Vec<u8> {
    let overhead = |len: usize| 48 + Record::new("t", vec![0; len]).bytes().len() - len;
    let total: usize = 64 + blocks.iter().map(Block::len).sum::<usize>();
    let begins = segment.end() as usize + overhead(total);
    let pad = begins.next_multiple_of(64) - begins;
    let mut value = vec![b'.'; pad];
    let mut link = Link { prev_crc: 7, next_offset: 1_000_000, epoch: 1 };
    for block in blocks {
        let at = segment.end() + (overhead(total) + value.len()) as u64;
        let bytes = block.bytes(segment.header_crc, at, &link);
        link.prev_crc = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
        link.next_offset += u64::from(block.body.count);
        value.extend(bytes);
    }
    value.resize(total, b'.');
    value
}

fn lies() -> Vec<Block> {
    let state = Body::new().epoch(1, 0, boot_id()).entry("setting", "durable", "true");
    vec![
        Block::new(CHECKPOINT, state),
        Block::records(Body::new().record("t", "forged")),
        Block::records(Body::new().record("t", "forged")),
    ]
}

/// What became of the block that holds the value.
#[derive(Clone, Copy)]
enum Fate {
    Committed,
    /// Its writer died before the commit.
    Low,
    /// Its writer died in the middle of the write: what is left ends with a forged block.
    Cut,
    /// One bit of it was flipped since.
    Flipped,
}

fn with_value(fate: Fate, blocks: fn() -> Vec<Block>) -> impl Fn(&Place) {
    move |place| {
        let mut segment = Segment::new(&Header::new(0, 0));
        segment.record("a");
        let begin = segment.bytes.len();
        let value = planted(&segment, &blocks());
        let block = Block::records(Body::new().record("t", &value));
        let block = block.with(|b| {
            if !matches!(fate, Fate::Committed | Fate::Flipped) {
                b.signal = 0;
            }
        });
        segment.push(&block);
        match fate {
            Fate::Cut => {
                let planted: usize = blocks().iter().map(Block::len).sum();
                let end = (begin + 48 + value.len() - planted).next_multiple_of(64) + planted;
                segment.bytes.truncate(end.min(segment.bytes.len() - 64) / 64 * 64);
            }
            Fate::Flipped => segment.bytes[begin + 70] ^= 1,
            _ => {}
        }
        place.segment(0, &segment);
    }
}

#[test]
fn a_value_that_is_a_chain_of_blocks() {
    let durable: fn() -> Vec<Block> =
        || vec![Block::records(Body::of("forged")).with(|b| b.durable_to = 1 << 40)];
    let low: fn() -> Vec<Block> = || {
        vec![Block::records(Body::of("forged")).with(|b| {
            b.signal = 0;
            b.durable_to = 1 << 40
        })]
    };
    let end: fn() -> Vec<Block> = || vec![Block::new(END, Body::new())];
    let kinds = [
        ("blocks", lies as fn() -> Vec<Block>),
        ("a durable start", durable),
        ("a low start", low),
        ("an end", end),
    ];
    let mut cases = Vec::new();
    for (what, blocks) in kinds {
        for (fate, row, name) in [
            (Fate::Committed, SOUND, "committed"),
            (Fate::Low, TO_REPAIR, "low"),
            (Fate::Cut, TO_REPAIR, "cut"),
            (Fate::Flipped, TO_REPAIR, "with a flipped bit"),
        ] {
            let name = format!("a value of {what}, {name}");
            cases.push(Case::new(name, row, with_value(fate, blocks)));
        }
    }
    try_cases(&cases);
}

/// Forged blocks that stand behind an honest end, as whoever can write the file may put them.
#[test]
fn blocks_behind_the_end() {
    let behind = |gap: usize, block: fn() -> Block, high: bool| {
        move |place: &Place| {
            let mut segment = Segment::new(&Header::new(0, 0));
            segment.record("a");
            segment.raw(&vec![0; gap]);
            let block = block().with(|b| b.signal = if high { 0xA5 } else { 0 });
            segment.push(&block);
            place.segment(0, &segment);
        }
    };
    let record = || Block::records(Body::of("behind"));
    let durable = || Block::records(Body::of("behind")).with(|b| b.durable_to = 1 << 40);
    try_cases(&[
        Case::new("64 zeros, then a committed block", END_DAMAGED, behind(64, record, true)),
        Case::new("64 zeros, then a low block", TO_REPAIR, behind(64, record, false)),
        Case::new(
            "64 KiB of zeros, then a committed block",
            END_DAMAGED,
            behind(65_536, record, true),
        ),
        Case::new(
            "64 zeros, then a start of 2^40 durable bytes",
            END_DAMAGED,
            behind(64, durable, false),
        ),
        Case::new("7 zeros, then a block where none can be", TO_REPAIR, behind(7, record, true)),
    ]);
}
