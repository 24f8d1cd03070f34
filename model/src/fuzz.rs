//! What the fuzzers check, as plain functions: `fuzz/` hands them what libFuzzer makes
//! up, `tests/crash/corpora.rs` the inputs that were kept.
//!
//! A checksum cannot be guessed, so the inputs are sealed first: the right checksums are
//! put where the format wants them, and what is fuzzed is everything behind them.

mod operations;

use std::path::Path;

use puro::internals::block::{Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Link, Place};
use puro::internals::codec::{crc, crc_continue, put_varint, split_varint};
use puro::internals::dir::{Directory, open_path};
use puro::internals::layout::{BLOCK_ALIGN, end, header, start};
use puro::internals::record::{Fields, PAD};
use puro::internals::segment::SegmentHeader;
use puro::internals::tail::open_tail;
use puro::internals::vfs::{OpenMode, VfsFile, write_full};
use puro::{Failure, OpenError, Start};

pub use self::operations::{Play, Step, Trouble, operations};
use crate::generate::SEGMENT_BYTES;
use crate::history::{STREAM, batch, options, read};
use crate::sim::{Disk, SimVfs, World};

/// Decoders never panic, and what they accept encodes back to the same bytes (F-6).
/// The first byte says which decoder.
pub fn decode(data: &[u8]) {
    let Some((selector, data)) = data.split_first() else { return };
    match selector % 4 {
        0 => decode_varint(data),
        1 => decode_record(data),
        2 => decode_block(data),
        _ => decode_header(data),
    }
}

fn decode_varint(data: &[u8]) {
    if let Some((value, rest)) = split_varint(data) {
        let mut again = Vec::new();
        put_varint(&mut again, value);
        assert_eq!(again, data[..data.len() - rest.len()]);
    }
}

/// Puts the right checksum before the bytes of a record.
fn seal_record(data: &[u8]) -> Vec<u8> {
    let length = split_varint(data).and_then(|(length, rest)| {
        let whole = usize::try_from(length).ok()?.checked_add(data.len() - rest.len())?;
        data.get(..whole)
    });
    let mut sealed = crc(length.unwrap_or(data)).to_le_bytes().to_vec();
    sealed.extend_from_slice(data);
    sealed
}

fn decode_record(data: &[u8]) {
    let sealed = seal_record(data);
    let Ok((fields, rest)) = Fields::split(&sealed) else { return };
    let Some(spanned) = fields.spanned_offsets() else { return };
    if spanned > u64::from(u32::MAX) {
        return; // no block has room for such a gap, and so nobody builds it
    }
    let mut builder = BlockBuilder::default();
    builder.push(&fields.to_new()).expect("what was decoded is within the limits");
    assert_eq!(u64::from(builder.record_count()), spanned);
    let (meta, place) = (meta(), place());
    let body = &sealed[..sealed.len() - rest.len()];
    let unshifted = builder.finish_copy(&meta, place);
    assert_eq!(unshifted.block.body, body);
    let holds_start = holds_start(unshifted.bytes, place);
    let Ok(built) = builder.finish(&meta, place) else { return assert!(holds_start) };
    let shift = built.block.body.strip_suffix(body).expect("only the shift comes before");
    assert_eq!(shift.is_empty(), !holds_start);
    if holds_start {
        assert!(!self::holds_start(built.bytes, place), "a start stands within what was shifted");
        let (pad, rest) = Fields::split(shift).expect("the shift is a record");
        assert!(pad.control && pad.topic == PAD && rest.is_empty());
    }
}

/// Whether something within the block looks like the start of another one (F-43).
fn holds_start(bytes: &[u8], place: Place) -> bool {
    (start::LEN.next_multiple_of(BLOCK_ALIGN as usize)..bytes.len())
        .step_by(BLOCK_ALIGN as usize)
        .any(|at| {
            let place = Place { position: place.position + at as u64, ..place };
            BlockStart::stands_at(&bytes[at..], place).is_some()
        })
}

fn place() -> Place {
    Place { header_crc: 0x1234_5678, position: 4096 }
}

fn meta() -> BlockMeta {
    BlockMeta {
        kind: BlockKind::Records,
        link: Link { prev_crc: 1, next_offset: 2, may_jump: false },
        timestamp_ms: 3,
        durable_to: 4,
        epoch: 5,
        committed: false,
    }
}

/// A block from arbitrary bytes: a start, then the body. Lengths and checksums are set
/// right; the records within are sealed one by one as far as they can be told apart.
fn seal_block(data: &[u8]) -> Option<Vec<u8>> {
    let (head, records) = data.split_at_checked(start::LEN)?;
    let mut body = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let taken = split_varint(rest)
            .and_then(|(length, after)| {
                usize::try_from(length).ok()?.checked_add(rest.len() - after.len())
            })
            .filter(|taken| *taken <= rest.len())
            .unwrap_or(rest.len());
        body.extend(seal_record(&rest[..taken]));
        rest = &rest[taken..];
    }
    let mut bytes = head.to_vec();
    bytes[start::BODY_LEN..start::BODY_LEN + 4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    let length = (start::LEN + body.len() + end::LEN).next_multiple_of(BLOCK_ALIGN as usize);
    bytes.extend_from_slice(&body);
    bytes.resize(length, 0);
    let end_at = length - end::END_BODY_LEN;
    bytes[end_at..end_at + 4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    let mut seed = place().header_crc.to_le_bytes().to_vec();
    seed.extend_from_slice(&place().position.to_le_bytes());
    let start_crc = crc_continue(crc(&seed), &bytes[1..start::START_CRC]);
    bytes[start::START_CRC..start::LEN].copy_from_slice(&start_crc.to_le_bytes());
    let crc_at = length - end::CRC;
    let crc = crc_continue(start_crc, &bytes[start::LEN..crc_at]);
    bytes[crc_at..].copy_from_slice(&crc.to_le_bytes());
    Some(bytes)
}

fn decode_block(data: &[u8]) {
    // As they come: the checksum is hardly ever right, but nothing may panic.
    let _ = BlockStart::decode(data, place()).map(|start| Block::verify(data, start).map(|_| ()));
    let Some(sealed) = seal_block(data) else { return };
    let Ok(start) = BlockStart::decode(&sealed, place()) else { return };
    let Ok(block) = Block::verify(&sealed, start) else { return };
    if block.check_records().is_err() {
        return;
    }
    check_cursor(&block);
    let mut builder = BlockBuilder::default();
    let mut rest = block.body;
    while !rest.is_empty() {
        let (fields, after) = Fields::split(rest).expect("checked");
        builder.push(&fields.to_new()).expect("within the limits");
        rest = after;
    }
    let meta = BlockMeta {
        kind: start.kind,
        link: Link { prev_crc: start.prev_crc, next_offset: start.first_offset, may_jump: false },
        timestamp_ms: start.timestamp_ms,
        durable_to: start.durable_to,
        epoch: start.epoch,
        committed: start.committed,
    };
    assert_eq!(builder.finish_copy(&meta, place()).bytes, sealed);
}

/// Offsets rise, stay within the block's span, and every record is seen.
fn check_cursor(block: &Block<'_>) {
    let mut cursor = block.records();
    let mut next = block.start.first_offset;
    let end = block.start.first_offset.saturating_add(u64::from(block.start.record_count));
    while let Some(record) = cursor.next(block.body) {
        assert!(record.offset >= next && record.offset < end);
        next = record.offset + 1;
    }
}

fn decode_header(data: &[u8]) {
    let _ = SegmentHeader::decode(data, true);
    let Some(data) = data.get(..header::CRC) else { return };
    let mut sealed = data.to_vec();
    sealed.extend_from_slice(&crc(data).to_le_bytes());
    if let Ok(mut decoded) = SegmentHeader::decode(&sealed, false) {
        assert_eq!(decoded.encode()[..], sealed[..]);
    }
}

/// Records that stand in the stream before anything is put behind them.
const PREFIX: u32 = 3;

/// Whatever bytes stand behind a valid prefix: repair is total and idempotent, leaves the
/// prefix intact, and where it may not cut, changes nothing (protocol.md, chapter 5).
/// The first byte says what stands in front of the bytes: a block that continues the
/// stream, low or committed, claiming to know this or that to be durable.
pub fn recover(data: &[u8]) {
    let world = World::new(Disk::default());
    let vfs = SimVfs::new(&world, 1);
    let mut producer = options(SEGMENT_BYTES).open_in(vfs.clone(), STREAM).expect("a new stream");
    for number in 1..=PREFIX {
        producer.append_batch(&mut batch(number, 1, 10)).expect("an empty disk");
    }
    drop(producer);
    let path = Path::new(STREAM).join("0000000000.puro");
    let bytes_before = put_behind(&vfs, &path, data);
    let opened = options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 2), STREAM).map(drop);
    let bytes = bytes_of(&world, &path);
    if let Err(error) = opened {
        let damage = matches!(error, OpenError::Failure(Failure::Damage(_)));
        assert!(damage, "{error}");
        assert_eq!(bytes, bytes_before, "damage was not left alone");
        return;
    }
    drop(options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 3), STREAM).expect("repaired"));
    assert_eq!(bytes_of(&world, &path), bytes, "a second repair did something");
    let (seen, _) = read(SimVfs::new(&world, 4), Start::Beginning, false).expect("repaired");
    let prefix = seen.iter().take(PREFIX as usize).map(|delivery| delivery.batch);
    assert!(prefix.eq(1..=PREFIX), "{seen:?}");
}

/// Writes the bytes behind the committed end; gives all of the file.
fn put_behind(vfs: &SimVfs, path: &Path, data: &[u8]) -> Vec<u8> {
    let (&shape, data) = data.split_first().unwrap_or((&0, &[]));
    let dir = Directory::new(vfs.clone(), Path::new(STREAM));
    let (tail, _) = open_tail(&dir, OpenMode::Write).expect("readable").expect("a stream");
    let mut at = tail.end;
    if shape & 3 != 0 {
        let mut builder = BlockBuilder::default();
        builder.push(&puro::NewRecord::new("t", "behind")).expect("a small record");
        let committed = shape & 3 == 3;
        let durable_to = if shape & 4 != 0 { tail.end } else { tail.end + 64 };
        let meta = BlockMeta { committed, durable_to, ..tail.meta(BlockKind::Records, 1) };
        // One that is not where it says, too.
        at += u64::from(shape >> 6) * BLOCK_ALIGN;
        let built =
            builder.finish(&meta, tail.segment.header.place(at)).expect("no block stands within");
        write_full(&tail.segment.file, built.bytes, at).expect("an empty disk");
        at += built.bytes.len() as u64;
    }
    write_full(&tail.segment.file, data, at).expect("an empty disk");
    let length = tail.segment.file.status().expect("it is there").len as usize;
    let mut bytes = vec![0; length];
    puro::internals::vfs::read_full(
        &open_path(vfs, path, OpenMode::Read).expect("it is there"),
        &mut bytes,
        0,
    )
    .expect("readable");
    bytes
}

fn bytes_of(world: &World, path: &Path) -> Vec<u8> {
    world.disk().bytes_of(path).expect("it is there").to_vec()
}
