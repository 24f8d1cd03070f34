//! A faulty port wrote a block whose checksums are right, and in which a record is malformed. A
//! reader checks the block once and decodes each record on its way out: it is told of that record
//! when it comes there, and stays before it. Verification tells of it in any case.

use std::path::Path;
use std::time::Duration;

use crate::real::*;
use puro::error::Failure;
use puro::internals::block::Cause;
use puro::internals::codec::crc_continue;
use puro::internals::layout::{end, start};
use puro::internals::record::RecordCause;
use puro::{Batch, Consumer, ConsumerOptions, Producer, ReadError, Stream, check::Verdict};
use tempfile::TempDir;

/// A stream of one block with the records "a", "b" and "c", in which `change` did something, with
/// the block's checksums made right again. Tells where the block stands.
fn forged(change: impl Fn(&mut [u8])) -> (TempDir, u64) {
    let dir = scratch();
    let mut batch = Batch::new();
    for value in ["a", "b", "c"] {
        batch.push(&record(value)).unwrap();
    }
    Producer::open(dir.path()).unwrap().append_batch(&mut batch).unwrap();
    let path = segment(dir.path(), 0);
    let (at, found) = *blocks(&path).last().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let block = &mut bytes[at as usize..][..found.block_len()];
    change(block);
    let crc_at = block.len() - end::CRC;
    let header_crc: [u8; 4] = std::fs::read(&path).unwrap()[60..64].try_into().unwrap();
    let seed = crc_continue(crc_continue(0, &header_crc), &at.to_le_bytes());
    let start_crc = crc_continue(seed, &block[1..start::START_CRC]);
    block[start::START_CRC..start::LEN].copy_from_slice(&start_crc.to_le_bytes());
    let crc = crc_continue(start_crc, &block[start::LEN..crc_at]);
    block[crc_at..].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    (dir, at)
}

/// A block is asked for as a whole: damage comes in its place among the records, each time anew.
#[test]
fn in_a_block_too() {
    let (dir, at) = forged(|block| block[record_at(block, b'b') + 5] |= 0x80);
    let mut consumer = Consumer::open(dir.path()).unwrap();
    let mut block = consumer.next_block(Duration::ZERO).unwrap().unwrap();
    assert!(block.next().unwrap().is_ok());
    for _ in 0..2 {
        let damage = match block.next() {
            Some(Err(ReadError::Failure(Failure::Damage(damage)))) => damage,
            other => panic!("{other:?}"),
        };
        assert_eq!(damage.position, at);
        assert!(block.next().is_none());
        drop(block);
        assert_eq!(consumer.token().unwrap().offset, 1);
        block = consumer.next_block(Duration::ZERO).unwrap().unwrap();
    }
}

/// Where the record of this value begins in a block of records of one length.
fn record_at(block: &[u8], value: u8) -> usize {
    let length = 4 + 1 + usize::from(block[start::LEN + 4]);
    (0..3).map(|n| start::LEN + n * length).find(|at| block[at + length - 1] == value).unwrap()
}

/// What a consumer reads until it is told of damage, and where that is; twice.
fn read(dir: &Path, options: ConsumerOptions) -> (Vec<String>, Option<(u64, u64, Cause)>) {
    let mut consumer = options.open(dir).unwrap();
    let mut seen = Vec::new();
    let mut told = None;
    for _ in 0..2 {
        told = loop {
            match consumer.try_next() {
                Ok(Some(record)) => {
                    seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                }
                Ok(None) => break None,
                Err(ReadError::Failure(Failure::Damage(damage))) => {
                    assert_eq!(consumer.token().unwrap().offset, seen.len() as u64);
                    break Some((damage.position, damage.offset, damage.cause));
                }
                Err(error) => panic!("{error}"),
            }
        };
    }
    (seen, told)
}

fn verdict(dir: &Path) -> Verdict {
    Stream::open(dir).unwrap().verify(false).unwrap().verdict()
}

#[test]
fn a_malformed_record_is_told_where_it_is_reached() {
    let (dir, at) = forged(|block| block[record_at(block, b'b') + 5] |= 0x80);
    let cause = Cause::Record(RecordCause::Attributes);
    for options in [ConsumerOptions::new(), ConsumerOptions::new().topic("t")] {
        let (seen, told) = read(dir.path(), options);
        assert_eq!((seen, told), (vec!["a".to_owned()], Some((at, 1, cause))));
    }
    assert_eq!(verdict(dir.path()), Verdict::Damaged);
}

#[test]
fn records_that_are_not_as_many_as_the_block_says_are_told_behind_the_last() {
    let count = |count: u32| {
        forged(move |block| {
            block[start::RECORD_COUNT..start::RECORD_COUNT + 4]
                .copy_from_slice(&count.to_le_bytes());
        })
    };
    for (said, seen) in [(2, 2), (4, 3)] {
        let (dir, at) = count(said);
        let (values, told) = read(dir.path(), ConsumerOptions::new());
        assert_eq!(values, ["a", "b", "c"][..seen]);
        assert_eq!(told, Some((at, seen as u64, Cause::Count)), "{said}");
        assert_eq!(verdict(dir.path()), Verdict::Damaged);
    }
    // The flag says that there is a control record (F-17).
    let (dir, at) = forged(|block| block[start::FLAGS] |= 1);
    let (values, told) = read(dir.path(), ConsumerOptions::new());
    assert_eq!((values.len(), told), (3, Some((at, 3, Cause::Count))));
}

/// The block's checksum covers the record as it was written; only its own is another.
#[test]
fn a_record_whose_own_checksum_is_wrong_is_for_verification_to_tell() {
    let (dir, _) = forged(|block| block[record_at(block, b'b')] ^= 1);
    assert_eq!(
        read(dir.path(), ConsumerOptions::new()),
        (vec!["a".into(), "b".into(), "c".into()], None)
    );
    assert_eq!(verdict(dir.path()), Verdict::Damaged);
}
