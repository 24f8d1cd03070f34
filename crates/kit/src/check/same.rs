//! Whether a directory is as it must be: the same bytes, or blocks that say the same.

use puro::internals::block::{Block, BlockKind, BlockStart, Place};
use puro::internals::header::SegmentHeader;
use puro::internals::record::Fields;

use crate::vectors::Snapshot;

/// Compares what is there with what must be.
///
/// # Errors
/// The first difference.
pub fn compare(expected: &Snapshot, found: &Snapshot) -> Result<(), String> {
    let (expected, found) = (expected.clone().without_zeros(), found.clone().without_zeros());
    let names = |snapshot: &Snapshot| snapshot.0.keys().cloned().collect::<Vec<_>>();
    if names(&expected) != names(&found) {
        return Err(format!("files {:?} expected, not {:?}", names(&expected), names(&found)));
    }
    for (name, expected) in &expected.0 {
        let found = found.0.get(name).map_or(&[][..], Vec::as_slice);
        if expected != found {
            let at = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
            let differs = |why: String| format!("{name} differs at byte {at}: {why}");
            if !name.ends_with(".puro") {
                return Err(differs("the bytes must be these".to_owned()));
            }
            compare_segments(expected, found).map_err(differs)?;
        }
    }
    Ok(())
}

/// A block as it counts where bytes may differ.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    kind: BlockKind,
    committed: bool,
    first_offset: u64,
    record_count: u32,
    timestamp: u64,
    epoch: u32,
    records: Vec<Vec<u8>>,
}

/// Blocks, what each says is on disk, and the bytes behind them.
type Blocks<'a> = (Vec<(Shown, u64)>, &'a [u8]);

fn compare_segments(expected: &[u8], found: &[u8]) -> Result<(), String> {
    if expected.get(..64) != found.get(..64) {
        return Err("the header must be this".to_owned());
    }
    let (expected, expected_tail) = blocks(expected)?;
    let (found, found_tail) = blocks(found)?;
    for (number, ((must, may_know), (is, knows))) in expected.iter().zip(&found).enumerate() {
        if must != is {
            return Err(format!("block {number}: {must:?} expected, not {is:?}"));
        }
        if knows > may_know {
            return Err(format!("block {number}: durable_to {knows} above {may_know} (F-23)"));
        }
    }
    if expected.len() != found.len() {
        return Err(format!("{} blocks expected, not {}", expected.len(), found.len()));
    }
    let same_tail = expected_tail == found_tail;
    if same_tail { Ok(()) } else { Err("other bytes stand behind the last block".to_owned()) }
}

fn blocks(bytes: &[u8]) -> Result<Blocks<'_>, String> {
    let header = SegmentHeader::decode(bytes, false).map_err(|error| error.to_string())?;
    let (mut at, mut blocks, mut link) = (64, Vec::new(), header.first_link());
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let place = Place { header_crc: header.crc, position: at as u64 };
        let decoded = BlockStart::decode(rest, place);
        let Ok(block) = decoded.and_then(|start| Block::verify(rest, start)) else {
            return Ok((blocks, rest));
        };
        if !link.leads_to(&block.start) {
            return Ok((blocks, rest));
        }
        let whole = rest.get(..block.start.block_len()).unwrap_or_default();
        if let Some(within) = start_within(whole, place) {
            return Err(format!("a start stands in a block, at {within} (F-43)"));
        }
        blocks.push((shown(&block), block.start.durable_to));
        link = block.link(header.may_jump());
        at += block.start.block_len();
    }
}

fn start_within(block: &[u8], place: Place) -> Option<u64> {
    let stands = |at: &usize| {
        let position = place.position + *at as u64;
        let bytes = block.get(*at..).unwrap_or_default();
        BlockStart::stands_at(bytes, Place { position, ..place }).is_some()
    };
    (64..block.len()).step_by(64).find(stands).map(|at| place.position + at as u64)
}

fn shown(block: &Block<'_>) -> Shown {
    let BlockStart { kind, committed, first_offset, record_count, timestamp_ms, epoch, .. } =
        block.start;
    let (mut rest, mut records) = (block.body, Vec::new());
    while let Ok((fields, after)) = Fields::split(rest) {
        let whole = rest.get(..rest.len() - after.len()).unwrap_or_default();
        let keyless = fields.control && fields.key.is_none();
        if !(keyless && [&b"topics"[..], b"pad"].contains(&fields.topic)) {
            records.push(whole.to_vec());
        }
        rest = after;
    }
    records.push(rest.to_vec());
    Shown { kind, committed, first_offset, record_count, timestamp: timestamp_ms, epoch, records }
}
