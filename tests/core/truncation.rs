//! A block cut at every byte, and with every single bit flipped, on real files: what a
//! consumer sees, and what a producer makes of it (F-19, F-24, protocol.md chapter 5).

use std::path::Path;

use crate::real::*;
use puro::error::{Damage, Failure};
use puro::{AppendError, EndState, OpenError, Producer, ProducerOptions};
use tempfile::TempDir;

/// Value that makes a block of 192 bytes.
const VALUE: &str = "a record that fills a block of three units of 64 bytes with its \
                     value, its topic, and the checksums at both of its ends.";
const BLOCK: u64 = 192;

/// A stream of two small records and the block under test, whose position is told.
fn stream(durable: bool, followed: bool) -> (TempDir, u64) {
    let dir = scratch();
    let options = ProducerOptions::new().durable(durable).zeros_ahead_bytes(0);
    let mut producer = options.open(dir.path()).unwrap();
    append(&mut producer, "first");
    append(&mut producer, "second");
    let position = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    append(&mut producer, VALUE);
    let end = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    assert_eq!(end, position + BLOCK);
    if followed {
        append(&mut producer, "follower");
    }
    (dir, position)
}

/// The same with the signal of the last block low, as a writer leaves it that died before A-9.
fn uncommitted() -> (TempDir, u64) {
    let (dir, position) = stream(false, false);
    flip(&segment(dir.path(), 0), position, 0xA5);
    (dir, position)
}

/// What is found in a harmed stream must be cut: the consumer sees what was before, the
/// producer says `label`, saves what it must, and goes on.
fn check_is_cut(dir: &Path, position: u64, label: &str) {
    let path = segment(dir, 0);
    let harmed = std::fs::read(&path).unwrap();
    let mut reader = fast_consumer().open(dir).unwrap();
    assert_eq!(drain(&mut reader), ["first", "second"]);
    if label == "clean" {
        assert_eq!(reader.end_state().unwrap(), EndState::Clean);
    } else {
        assert_eq!(reader.end_state().unwrap(), EndState::NeedsRepair { position });
    }
    assert_eq!(std::fs::read(&path).unwrap(), harmed, "a consumer wrote");

    let mut producer = Producer::open(dir).unwrap();
    let labels: Vec<_> = producer.repairs().iter().map(|repair| repair.label).collect();
    let is_lost = label == "lost";
    if label == "clean" {
        assert_eq!(labels, [""; 0]);
    } else {
        assert_eq!(labels, [label]);
        assert_eq!(producer.repairs()[0].position, position);
        assert_eq!(producer.repairs()[0].cut_bytes, harmed.len() as u64 - position);
    }
    let saved: Vec<_> = lost(dir).into_iter().map(|(_, bytes)| bytes).collect();
    let tail = harmed[position as usize..].to_vec();
    assert_eq!(saved, if is_lost { vec![tail] } else { vec![] });
    assert_eq!(epoch(dir), if is_lost { 2 } else { 1 });
    assert_eq!(append(&mut producer, "after"), 2);
    // The reader that was there before sees the same as a new one.
    assert_eq!(drain(&mut reader), ["after"]);
    assert_eq!(values(dir), ["first", "second", "after"]);
}

/// What is found must stop a producer, and leave every byte as it is.
fn check_stops(dir: &Path, position: u64) {
    let before = files(dir);
    let error = Producer::open(dir).unwrap_err();
    let OpenError::Failure(Failure::Damage(Damage { position: told, .. })) = error else {
        panic!("{error}");
    };
    assert_eq!(told, position);
    let mut reader = fast_consumer().open(dir).unwrap();
    assert_eq!(drain(&mut reader), ["first", "second"]);
    let state = reader.end_state().unwrap();
    assert!(matches!(state, EndState::Damaged { position: p, .. } if p == position), "{state:?}");
    assert_eq!(files(dir), before);
}

#[test]
fn a_committed_block_cut_at_every_byte_is_lost() {
    let (dir, position) = stream(false, false);
    for kept in 0..BLOCK {
        let dir = copy(dir.path());
        set_len(&segment(dir.path(), 0), position + kept);
        check_is_cut(dir.path(), position, if kept == 0 { "clean" } else { "lost" });
    }
}

#[test]
fn an_uncommitted_block_cut_at_every_byte_is_unseen() {
    let (dir, position) = uncommitted();
    for kept in 0..=BLOCK {
        let dir = copy(dir.path());
        set_len(&segment(dir.path(), 0), position + kept);
        let label = match kept {
            0 | 1 => "clean",
            _ => "unseen",
        };
        check_is_cut(dir.path(), position, label);
    }
}

#[test]
fn a_committed_block_with_any_bit_flipped_is_lost() {
    let (dir, position) = stream(false, false);
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        check_is_cut(dir.path(), position, "lost");
    }
}

#[test]
fn an_uncommitted_block_with_any_bit_flipped_is_unseen_unless_it_is_of_the_signal() {
    let (dir, position) = uncommitted();
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        check_is_cut(dir.path(), position, if bit < 8 { "lost" } else { "unseen" });
    }
}

/// The signal is the commit, so a follower proves that it was there: nothing behind a low
/// block was ever written by a writer that kept to the rules. In the boot in which both were
/// written nothing but damage can have made the first invalid (chapter 5, row damaged).
#[test]
fn a_block_with_any_bit_flipped_and_another_behind_it_is_damage_in_the_same_boot() {
    let (dir, position) = stream(false, true);
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        check_stops(dir.path(), position);
    }
}

/// In another boot it is what a loss of power may have left: lost, with all behind it.
#[test]
fn a_block_with_any_bit_flipped_is_lost_with_all_behind_it_in_another_boot() {
    let (dir, position) = stream(false, true);
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        let harmed = std::fs::read(segment(dir.path(), 0)).unwrap();
        let mut producer = ProducerOptions::new().open_in(boot(Some([7; 16])), dir.path()).unwrap();
        let labels: Vec<_> = producer.repairs().iter().map(|repair| repair.label).collect();
        assert_eq!(labels, ["lost"]);
        let saved: Vec<_> = lost(dir.path()).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(saved, [harmed[position as usize..].to_vec()]);
        assert_eq!(append(&mut producer, "after"), 2);
        assert_eq!(values(dir.path()), ["first", "second", "after"]);
    }
}

/// A later block tells that it was synced: nothing may be cut.
#[test]
fn a_synced_block_with_any_bit_flipped_is_damage() {
    let (dir, position) = stream(true, true);
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        check_stops(dir.path(), position);
    }
}

/// F-12, X-2: nothing is believed of a file whose header or first checkpoint is not right.
#[test]
fn a_header_or_opening_checkpoint_with_any_bit_flipped_is_damage() {
    let (dir, _) = stream(false, false);
    let (_, first) = blocks(&segment(dir.path(), 0))[1];
    assert_eq!(first.record_count, 1);
    let opening_end = blocks(&segment(dir.path(), 0))[1].0;
    for bit in 0..opening_end * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), bit / 8, 1 << (bit % 8));
        let before = files(dir.path());
        let error = Producer::open(dir.path()).unwrap_err();
        let expected = match error {
            OpenError::Failure(Failure::NotASegment { .. }) => bit < 64,
            OpenError::Failure(Failure::Damage(ref damage)) => {
                bit >= 64 && damage.position == if bit < 512 { 0 } else { 64 }
            }
            _ => false,
        };
        assert!(expected, "bit {bit}: {error}");
        match fast_consumer().open(dir.path()) {
            Err(_) => assert!(bit < 512, "bit {bit}"),
            Ok(mut reader) => {
                assert_eq!(drain(&mut reader), [""; 0]);
                let state = reader.end_state().unwrap();
                assert!(matches!(state, EndState::Damaged { position: 64, .. }), "{state:?}");
            }
        }
        assert_eq!(files(dir.path()), before);
    }
}

/// in a sealed segment, whatever is not a committed block is damage, told to consumers
/// too. What comes before it they still read.
#[test]
fn a_sealed_segment_with_any_bit_flipped_is_damage_for_a_consumer() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "first");
    append(&mut producer, "second");
    let path = segment(dir.path(), 0);
    let position = std::fs::metadata(&path).unwrap().len();
    append(&mut producer, VALUE);
    append(&mut producer, &"x".repeat(4000));
    assert!(segment(dir.path(), 1).exists());
    for bit in 0..BLOCK * 8 {
        let dir = copy(dir.path());
        flip(&segment(dir.path(), 0), position + bit / 8, 1 << (bit % 8));
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        for value in ["first", "second"] {
            let read = reader.try_next().unwrap().unwrap();
            assert_eq!(read.value, Some(value.as_bytes()));
        }
        let error = reader.try_next().unwrap_err();
        let puro::ReadError::Failure(Failure::Damage(damage)) = error else { panic!("{error}") };
        assert_eq!((damage.position, damage.offset), (position, 2));
        assert_eq!(damage.path, segment(dir.path(), 0));
        // Writers do not look at what is sealed, and go on.
        append(&mut Producer::open(dir.path()).unwrap(), "after");
    }
}

/// The end of a producer's memory stays where it was when a file is harmed under it: it says
/// so, and appends nothing over it. Cut off at the very boundary of a block, the rest looked clean
/// at first: the length was compared with the end, and what was known to be on disk with nothing.
#[test]
fn a_producer_at_work_meets_a_synced_block_that_is_cut() {
    for left in [0, 1, 7, 64] {
        let (dir, position) = stream(true, false);
        let mut producer = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
        append(&mut producer, "follower");
        set_len(&segment(dir.path(), 0), position + left);
        let before = files(dir.path());
        let error = producer.append(&record("after")).unwrap_err();
        assert!(matches!(error, AppendError::NotAppended(Failure::Damage(_))), "{error}");
        assert_eq!(files(dir.path()), before);
    }
}
