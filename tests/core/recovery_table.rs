//! Every row of the recovery table (protocol.md, chapter 5), by its label: what is told, what
//! is cut, what is saved, whether the epoch is raised, and that doing it twice, or dying in
//! the middle of it, changes nothing.

use std::path::Path;

use crate::real::*;
use puro::error::Failure;
use puro::internals::block::{BlockBuilder, BlockKind, BlockMeta, Cause, Link};
use puro::internals::cursor::Scan;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::OpenMode;
use puro::{EndState, OpenError, Producer, ProducerOptions};
use tempfile::TempDir;

/// A stream of "a", "b" and its committed end.
fn stream() -> (TempDir, u64) {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    append(&mut producer, "b");
    let end = len(dir.path());
    (dir, end)
}

fn len(dir: &Path) -> u64 {
    std::fs::metadata(segment(dir, 0)).unwrap().len()
}

fn write(dir: &Path, bytes: &[u8], position: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(segment(dir, 0)).unwrap();
    file.write_all_at(bytes, position).unwrap();
}

/// Opens a producer, which repairs; the label, and the epoch after it.
fn repair(dir: &Path) -> (Option<&'static str>, u32) {
    let repairs = puro::repair(dir).unwrap();
    assert!(repairs.len() <= 1);
    (repairs.first().map(|repair| repair.label), epoch(dir))
}

fn still_appends(dir: &Path, before: &[&str]) {
    let mut producer = Producer::open(dir).unwrap();
    assert!(producer.repairs().is_empty(), "a repair leaves a clean end");
    append(&mut producer, "after");
    assert_eq!(values(dir), [before, &["after"]].concat());
}

// --- unreadable

#[test]
fn unreadable_bytes_stop_and_change_nothing() {
    let (dir, end) = stream();
    write(dir.path(), &[0; 4096], end);
    let before = files(dir.path());
    let unreadable = segment(dir.path(), 0);
    for bad in [0, 64, end - 64, end, end + 640] {
        let path = unreadable.clone();
        let world = interpose(move |call| {
            let reached = call.position + call.length as u64 > bad;
            if call.operation == Operation::Read && call.path == path && reached {
                return match bad.saturating_sub(call.position) {
                    0 => Answer::Fail(errno(EIO)),
                    good => Answer::Short(good as usize),
                };
            }
            Answer::Proceed
        });
        let error = ProducerOptions::new().open_in(world.clone(), dir.path()).unwrap_err();
        let OpenError::Failure(Failure::Io(error)) = error else { panic!("{error}") };
        assert_eq!((error.operation, error.path.as_path()), ("read", unreadable.as_path()));
        assert_eq!(error.source.raw_os_error(), Some(EIO));
        assert_eq!(files(dir.path()), before, "at {bad}");
    }
    assert_eq!(repair(dir.path()), (None, 1));
}

// --- damaged

#[test]
fn a_first_block_that_is_no_committed_checkpoint_is_damage() {
    // Whether something follows it or not.
    for followed in [false, true] {
        let dir = scratch();
        let mut producer = Producer::open(dir.path()).unwrap();
        if followed {
            append(&mut producer, "a");
        }
        let (position, start) = blocks(&segment(dir.path(), 0))[0];
        assert_eq!(position, 64);
        let cuts = [64 + 1, 64 + start.block_bytes() - 1].map(Some);
        for cut in cuts.into_iter().chain([None]) {
            let dir = copy(dir.path());
            match cut {
                Some(cut) => set_len(&segment(dir.path(), 0), cut),
                None => flip(&segment(dir.path(), 0), 64, 0xA5), // a low signal
            }
            let before = files(dir.path());
            let error = Producer::open(dir.path()).unwrap_err();
            assert!(matches!(error, OpenError::Failure(Failure::Damage(_))), "{error}");
            assert_eq!(files(dir.path()), before);
            let mut reader = fast_consumer().open(dir.path()).unwrap();
            assert_eq!(drain(&mut reader), [""; 0]);
            // damage where the table would stop.
            let state = reader.end_state().unwrap();
            assert!(matches!(state, EndState::Damaged { position: 64, .. }), "{state:?}");
        }
    }
}

/// A file cut to exactly its header looked clean, since it was as long as its committed end:
/// a producer opened it, and committed records as its first block, which nobody could read.
#[test]
fn a_file_that_ends_with_its_header_or_before_is_damage() {
    let (dir, _) = stream();
    for length in 0..=64 {
        let dir = copy(dir.path());
        set_len(&segment(dir.path(), 0), length);
        let error = Producer::open(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Failure(Failure::Damage(_))), "{length}: {error}");
        assert_eq!(len(dir.path()), length);
    }
}

#[test]
fn what_a_later_start_knows_to_be_synced_is_damage_when_it_is_not_valid() {
    let dir = scratch();
    let mut producer = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
    for value in ["a", "b", "c", "d"] {
        append(&mut producer, value);
    }
    let starts = blocks(&segment(dir.path(), 0));
    let (harmed, _) = starts[2]; // "b"
    let (last, start) = starts[4]; // "d"
    assert_eq!(start.durable_to, last);
    // The start of "d" alone tells that "b" was synced; its own body may be gone too.
    flip(&segment(dir.path(), 0), harmed + 50, 1);
    flip(&segment(dir.path(), 0), last + 50, 1);
    write(dir.path(), &[0; 64], starts[3].0);
    let before = files(dir.path());
    let error = Producer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("were synced"), "{error}");
    assert_eq!(files(dir.path()), before);
    // Without it nothing is known: what is left was perhaps never on disk.
    set_len(&segment(dir.path(), 0), last);
    assert_eq!(repair(dir.path()), (Some("lost"), 2));
    still_appends(dir.path(), &["a"]);
}

/// Field report A11. Fifty appends, not durable; one bit of the first block flipped, in the same boot;
/// then one more append. It went on at offset 0, and said so with exit code 0; the fifty records were
/// in `lost/` only. Without a loss of power committed bytes do not become invalid.
#[test]
fn a_committed_block_behind_an_invalid_one_is_damage_in_this_boot() {
    for bit in [8 * 4, 8 * 50 + 3] {
        let dir = scratch();
        let mut producer = Producer::open(dir.path()).unwrap();
        for number in 0..50 {
            append(&mut producer, &number.to_string());
        }
        drop(producer);
        let starts = blocks(&segment(dir.path(), 0));
        let (harmed, behind) = (starts[1].0, starts[2].0);
        flip(&segment(dir.path(), 0), harmed + bit / 8, 1 << (bit % 8));
        let before = files(dir.path());
        let later = copy(dir.path());
        let error = Producer::open(dir.path()).unwrap_err();
        let OpenError::Failure(Failure::Damage(damage)) = error else { panic!("{error}") };
        assert_eq!(damage.position, harmed);
        assert_eq!(damage.cause, Cause::CommittedBehind { position: behind });
        assert_eq!(files(dir.path()), before, "nothing is changed");
        // After a loss of power it is what a power failure leaves.
        let other = boot(Some([7; 16]));
        let producer = ProducerOptions::new().open_in(other, later.path()).unwrap();
        assert_eq!(producer.repairs()[0].label, "lost");
    }
}

/// F-24: what counts is a block that is valid in everything, high, and outside the extent
/// of the one at the committed end.
#[test]
fn only_a_valid_and_high_block_behind_is_damage() {
    type Harm = fn(&Path, u64, u64);
    let harms: [(&str, Harm); 5] = [
        ("damaged", |_, _, _| {}),
        ("low", |dir, at, _| flip(&segment(dir, 0), at, 0xA5)),
        ("signal", |dir, at, _| flip(&segment(dir, 0), at, 1)),
        ("body", |dir, at, _| flip(&segment(dir, 0), at + 50, 1)),
        ("cut", |dir, _, end| set_len(&segment(dir, 0), end - 1)),
    ];
    for (name, harm) in harms {
        let (dir, end) = stream();
        let mut producer = Producer::open(dir.path()).unwrap();
        append(&mut producer, "c");
        let behind = len(dir.path());
        append(&mut producer, &"d".repeat(200_000));
        drop(producer);
        flip(&segment(dir.path(), 0), end + 4, 1); // the length in the start of "c"
        let before = len(dir.path());
        harm(dir.path(), behind, before);
        match puro::repair(dir.path()) {
            Ok(repairs) => {
                assert_ne!(name, "damaged");
                assert_eq!(repairs[0].label, "lost", "{name}");
            }
            Err(error) => {
                assert_eq!(name, "damaged", "{error}");
                assert_eq!(len(dir.path()), before);
            }
        }
    }
}

// --- clean

#[test]
fn a_clean_end_is_left_as_it_is() {
    let (dir, end) = stream();
    let before = std::fs::read(segment(dir.path(), 0)).unwrap();
    assert_eq!(repair(dir.path()), (None, 1));
    assert_eq!(std::fs::read(segment(dir.path(), 0)).unwrap(), before);
    assert_eq!(len(dir.path()), end);
    assert!(!dir.path().join("lost").exists());
}

#[test]
fn zeros_are_a_clean_end_however_many() {
    // As many as fill several of the chunks in which they are read, more than writers put there,
    // and an odd number: a writer died in a write that made the file longer.
    for zeros in [1, 47, 48, 64, 65, 4096, 65_536, 200_000, 262_144, 262_145, 1 << 30] {
        let (dir, end) = stream();
        set_len(&segment(dir.path(), 0), end + zeros);
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        drain(&mut reader);
        assert_eq!(reader.end_state().unwrap(), EndState::Clean, "{zeros}");
        assert_eq!(repair(dir.path()), (None, 1), "{zeros}");
        assert_eq!(len(dir.path()), end + zeros);
        assert!(!dir.path().join("lost").exists());
        still_appends(dir.path(), &["a", "b"]);
    }
}

/// Zeros are what a file grown without its bytes shows after the power was lost; another boot
/// makes no difference to them.
#[test]
fn zeros_are_a_clean_end_in_another_boot_too() {
    let (dir, end) = stream();
    set_len(&segment(dir.path(), 0), end + 640);
    let producer = ProducerOptions::new().open_in(boot(Some([7; 16])), dir.path()).unwrap();
    assert_eq!(producer.repairs(), []);
    drop(producer);
    still_appends(dir.path(), &["a", "b"]);
}

// --- unseen

#[test]
fn a_tail_with_a_zero_signal_and_nothing_behind_is_unseen_in_this_boot_only() {
    let mut tails = vec![vec![0, 1], vec![0; 63], vec![0; 200], vec![0; 100_000]];
    for tail in &mut tails {
        *tail.last_mut().unwrap() = 9;
    }
    for tail in tails {
        let (dir, end) = stream();
        write(dir.path(), &tail, end);
        let later = copy(dir.path());
        let unknown = copy(dir.path());
        assert_eq!(repair(dir.path()), (Some("unseen"), 1));
        assert_eq!(lost(dir.path()), []);
        assert_eq!(len(dir.path()), end);
        still_appends(dir.path(), &["a", "b"]);

        // M-7: another boot, or none that is known.
        for (dir, id) in [(later, Some([7; 16])), (unknown, None)] {
            let producer = ProducerOptions::new().open_in(boot(id), dir.path()).unwrap();
            assert_eq!(producer.repairs()[0].label, "lost");
            assert_eq!(lost(dir.path()).len(), 1);
            assert_eq!(epoch(dir.path()), 2);
        }
    }
}

#[test]
fn a_zero_signal_with_a_start_behind_it_is_lost() {
    let (dir, end) = stream();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "c");
    let behind = len(dir.path());
    append(&mut producer, "d");
    flip(&segment(dir.path(), 0), end, 0xA5);
    // The start alone is enough: 48 bytes of it, and not one less.
    for (kept, label) in [(48, "lost"), (47, "unseen")] {
        let dir = copy(dir.path());
        set_len(&segment(dir.path(), 0), behind + kept);
        assert_eq!(repair(dir.path()).0, Some(label));
    }
}

/// *Behind* is every multiple of 64, wherever the chunks begin and end in which a tail is read:
/// a start there tells what was synced.
#[test]
fn a_start_is_found_wherever_it_stands_behind_the_end() {
    let (whole, end) = stream();
    let meta = BlockMeta {
        kind: BlockKind::Records,
        link: Link { prev_crc: 0, next_offset: 0, may_jump: false },
        timestamp_ms: 0,
        durable_to: end + 1,
        epoch: 1,
        committed: false,
    };
    let directory = Directory::new(OsVfs::new(), whole.path());
    let header = directory.open_segment(0, OpenMode::Read).unwrap().unwrap().header;
    let mut builder = BlockBuilder::default();
    builder.push(&record("x")).unwrap();
    for unit in [0, 1, 1022, 1023, 1024, 1025, 2045, 2046, 2047, 2048] {
        let dir = copy(whole.path());
        let at = end + unit * 64;
        write(dir.path(), &builder.finish(&meta, header.place(at)).unwrap().bytes[..48], at);
        set_len(&segment(dir.path(), 0), end + (200 << 10));
        let before = files(dir.path());
        match puro::repair(dir.path()) {
            Ok(repairs) => assert_eq!((unit, repairs[0].label), (0, "unseen"), "q > P"),
            Err(error) => {
                assert!(error.to_string().contains("were synced"), "{unit}: {error}");
                assert_eq!(files(dir.path()), before);
            }
        }
        assert_eq!(files(dir.path()) == before, unit > 0);
    }
}

// --- lost

#[test]
fn whatever_else_is_saved_cut_and_raises_the_epoch() {
    for tail in [&[0xA5][..], &[1], &[0xFF; 64], &[0xA5; 5000], &[0x01; 1_500_000]] {
        let (dir, end) = stream();
        write(dir.path(), tail, end);
        let repairs = puro::repair(dir.path()).unwrap();
        let crc = puro::internals::codec::crc(tail);
        let name = format!("0000000000-{end:020}-{crc:08x}.tail");
        assert_eq!(lost(dir.path()), [(name.clone(), tail.to_vec())], "F-41");
        assert_eq!(repairs[0].saved.as_deref(), Some(&*dir.path().join("lost").join(name)));
        assert_eq!(repairs[0].cut_bytes, tail.len() as u64);
        assert_eq!((repairs[0].label, repairs[0].position), ("lost", end));
        assert_eq!(epoch(dir.path()), 2);
        still_appends(dir.path(), &["a", "b"]);
    }
}

/// A valid, high block of the record "c" for the end of segment 0, continuing what `link` makes of
/// the link there.
fn next_block(dir: &Path, link: impl Fn(Link) -> Link) -> Vec<u8> {
    let directory = Directory::new(OsVfs::new(), dir);
    let held = directory.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&held);
    while scan.next().unwrap().block().is_some() {}
    let (kind, timestamp_ms, durable_to, epoch) = (BlockKind::Records, 1, 0, 1);
    let link = link(scan.at.link);
    let meta = BlockMeta { kind, link, timestamp_ms, durable_to, epoch, committed: true };
    let mut builder = BlockBuilder::default();
    builder.push(&record("c")).unwrap();
    builder.finish(&meta, held.header.place(scan.at.position)).unwrap().bytes.to_vec()
}

/// F-21, F-24: a block that is valid and high but does not continue the chain was never
/// committed here, be it by its prev_crc or by its first_offset alone.
#[test]
fn a_block_that_does_not_continue_the_chain_is_lost() {
    for (crc_off_by, offset_off_by) in [(0, 0), (1, 0), (0, 1), (0, u64::MAX), (0, 1 << 63)] {
        let (dir, end) = stream();
        let bytes = next_block(dir.path(), |link| Link {
            prev_crc: link.prev_crc ^ crc_off_by,
            next_offset: link.next_offset.wrapping_add(offset_off_by),
            ..link
        });
        write(dir.path(), &bytes, end);
        if (crc_off_by, offset_off_by) == (0, 0) {
            assert_eq!(values(dir.path()), ["a", "b", "c"], "all else about it is right");
            continue;
        }
        assert_eq!(values(dir.path()), ["a", "b"]);
        assert_eq!(repair(dir.path()), (Some("lost"), 2), "{crc_off_by} {offset_off_by}");
        assert_eq!(lost(dir.path())[0].1, bytes);
        still_appends(dir.path(), &["a", "b"]);
    }
}

/// F-41, X-4: what another repair saved is left alone, what one began that died is filled up.
#[test]
fn a_saved_tail_is_never_overwritten() {
    for length in [100, (1 << 20) + 100] {
        let tail = vec![0xA5; length];
        let begun = |bytes: usize| tail[..bytes].to_vec();
        let (other, longer) = (vec![1; length], [&tail[..], &[0]].concat());
        let last_differs = [&tail[1..], &[1]].concat();
        for (there, number) in [
            (vec![], 0),
            (vec![begun(0)], 0),
            (vec![begun(50)], 0),
            (vec![begun(length - 1)], 0),
            (vec![begun(length)], 0),
            (vec![b"something else".to_vec()], 1),
            (vec![last_differs, longer, other], 3),
            (vec![vec![1], begun(50)], 1),
        ] {
            let (dir, end) = stream();
            write(dir.path(), &tail, end);
            std::fs::create_dir(dir.path().join("lost")).unwrap();
            let name = |number: usize| {
                let suffix = if number == 0 { String::new() } else { format!("-{number}") };
                let crc = puro::internals::codec::crc(&tail);
                format!("lost/0000000000-{end:020}-{crc:08x}{suffix}.tail")
            };
            for (number, bytes) in there.iter().enumerate() {
                std::fs::write(dir.path().join(name(number)), bytes).unwrap();
            }
            let saved = puro::repair(dir.path()).unwrap().remove(0).saved.unwrap();
            assert_eq!(saved, dir.path().join(name(number)));
            assert!(std::fs::read(saved).unwrap() == tail, "{number}");
            for (number, bytes) in there.iter().enumerate().take(number) {
                assert!(std::fs::read(dir.path().join(name(number))).unwrap() == *bytes);
            }
        }
    }
}

/// behind a segment end nothing was ever visible, so no history ends there; not even a block
/// that continues the chain (F-25).
#[test]
fn a_tail_behind_a_segment_end_does_not_raise_the_epoch() {
    check_tail_behind_a_segment_end(|_| b"garbage".to_vec());
    check_tail_behind_a_segment_end(|dir| next_block(dir, |link| link));
}

fn check_tail_behind_a_segment_end(tail: fn(&Path) -> Vec<u8>) {
    let dir = scratch();
    let big = "x".repeat(3000);
    append(&mut small_segments().open(dir.path()).unwrap(), &big);
    // Dies between seal and name: at the rename.
    let world = interpose(|call| match call.operation {
        Operation::Rename => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
    producer.append(&record(&big)).unwrap_err();
    drop(producer);
    let end = len(dir.path());
    let tail = tail(dir.path());
    let sealed = blocks(&segment(dir.path(), 0));
    write(dir.path(), &tail, end);
    assert_eq!(values(dir.path()), [&*big]);
    assert_eq!(blocks(&segment(dir.path(), 0)), sealed);
    let producer = Producer::open(dir.path()).unwrap();
    assert_eq!(producer.repairs()[0].label, "lost");
    assert_eq!(lost(dir.path())[0].1, tail);
    assert!(segment(dir.path(), 1).exists(), "the rollover was finished");
    assert_eq!(epoch(dir.path()), 1);
    still_appends(dir.path(), &[&big]);
}

// --- again and again

/// a repair that died at any call of it, and was begun again, ends as one that did not.
#[test]
fn a_repair_that_dies_anywhere_is_done_again_to_the_same_end() {
    type Harm = fn(&Path, u64);
    let harms: [(&str, Harm); 2] = [
        ("unseen", |dir, end| write(dir, &[0, 1, 2, 3], end)),
        ("lost", |dir, end| write(dir, &[0xA5; 300], end)),
    ];
    for (label, harm) in harms {
        let (dir, end) = stream();
        harm(dir.path(), end);
        let straight = copy(dir.path());
        assert_eq!(repair(straight.path()).0, Some(label));
        for part in [0, 1, 60, usize::MAX] {
            for n in 0.. {
                let dir = copy(dir.path());
                let (world, calls) = dead_from(n, part);
                let opened = ProducerOptions::new().open_in(world, dir.path());
                assert!(opened.is_ok() || calls.count() > n);
                drop(opened);
                let when = format!("{label}, dead from call {n}, of a write {part} bytes");
                repair(dir.path());
                assert_eq!(lost(dir.path()), lost(straight.path()), "{when}");
                still_appends(dir.path(), &["a", "b"]);
                if calls.count() <= n {
                    break;
                }
            }
        }
    }
}

/// X-6 and E-2 together: power is lost, the repairer dies anywhere, power is lost again.
/// Whatever was on disk of the first repair, records get a new epoch.
#[test]
fn a_lost_tail_raises_the_epoch_although_the_first_repairer_died() {
    let (dir, end) = stream();
    write(dir.path(), &[0xA5; 300], end);
    for n in 0.. {
        let dir = copy(dir.path());
        let (dead, calls) = dead_from(n, 60);
        let dead = Interpose::new(dead, OtherBoot(Some([7; 16])));
        let _ = ProducerOptions::new().open_in(dead, dir.path());
        let mut producer = ProducerOptions::new().open_in(boot(Some([7; 16])), dir.path()).unwrap();
        append(&mut producer, "c");
        assert_eq!(values(dir.path()), ["a", "b", "c"], "dead from call {n}");
        // One for the tail or the boot; never the same number for two histories.
        assert_eq!(epoch(dir.path()), 2, "dead from call {n}");
        // What the dead one wrote of its own block may be saved beside it.
        assert!(lost(dir.path()).iter().any(|(_, bytes)| *bytes == [0xA5; 300]), "call {n}");
        if calls.count() <= n {
            break;
        }
    }
}

/// a read that fails is not taken for bytes that are not valid; the next try finds
/// what is really there.
#[test]
fn a_read_that_fails_once_costs_nothing() {
    let (dir, end) = stream();
    write(dir.path(), &[0; 200], end);
    for n in 0.. {
        let dir = copy(dir.path());
        let reads = Calls::default();
        let counter = reads.clone();
        let world = interpose(move |call| {
            if call.operation == Operation::Read && counter.next() == n {
                return Answer::Fail(errno(EIO));
            }
            Answer::Proceed
        });
        let opened = ProducerOptions::new().open_in(world, dir.path());
        if reads.count() <= n {
            assert!(opened.is_ok());
            break;
        }
        assert!(opened.is_err(), "read {n}");
        assert_eq!(len(dir.path()), end + 200, "read {n}");
    }
}
