//! Zeros ahead of durable appends (protocol.md, chapter 12), from the side of those who put them, sync
//! them and cut them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::real::*;
use puro::check::Verdict as Found;
use puro::internals::interpose::{Answer, Operation};
use puro::{CheckOptions, Producer, ProducerOptions};

fn end(dir: &Path) -> u64 {
    let (position, start) = *blocks(&segment(dir, 0)).last().unwrap();
    position + start.block_bytes()
}

fn len(dir: &Path) -> u64 {
    std::fs::metadata(segment(dir, 0)).unwrap().len()
}

fn durable() -> ProducerOptions {
    ProducerOptions::new().durable(true)
}

fn assert_sound(dir: &Path) {
    let found = CheckOptions::new().deep(true).check(dir, &mut |_, _| {}).unwrap();
    assert_eq!(found.verdict(), Found::Sound);
}

/// T5. To keep the zeros, a repairer made a dead writer's block zero in place, from its beginning on, and
/// died in that. The rest of the block stood behind a hole, and was taken for something lost.
#[test]
fn a_repairer_that_dies_leaves_nothing_that_looks_lost() {
    let whole = scratch();
    append(&mut Producer::open(whole.path()).unwrap(), "a");
    let place = end(whole.path());
    append(&mut Producer::open(whole.path()).unwrap(), &"b".repeat(500));
    flip(&segment(whole.path(), 0), place, 0xA5); // its writer died before the commit
    set_len(&segment(whole.path(), 0), place + 8192); // and there had been zeros
    for part in [1, 64, 200] {
        for n in 0.. {
            let dir = copy(whole.path());
            let (world, calls) = dead_from(n, part);
            drop(durable().open_in(world, dir.path()));
            let mut next = Producer::open(dir.path()).unwrap();
            assert!(next.repairs().iter().all(|repair| repair.label == "unseen"), "{n}");
            append(&mut next, "c");
            assert_eq!((values(dir.path()), epoch(dir.path())), (vec!["a".into(), "c".into()], 1));
            assert!(lost(dir.path()).is_empty());
            if calls.count() <= n {
                break;
            }
        }
    }
}

/// T12. Another's block was not synced yet. The sync that was to bring an append, and the zeros behind it, failed; the
/// system forgot that block, too. The next sync brought the append, and answered "durable" for it
/// behind a block that a loss of power would take.
#[test]
fn a_failed_sync_of_zeros_is_mended_with_all_before_it() {
    let dir = scratch();
    let failing = Arc::new(AtomicU64::new(0));
    let lowest = Arc::new(AtomicU64::new(u64::MAX));
    let (fails, written, path) = (failing.clone(), lowest.clone(), segment(dir.path(), 0));
    let world = interpose(move |call| match call.operation {
        Operation::SyncData if call.path == path && fails.load(Ordering::SeqCst) == 1 => {
            fails.store(2, Ordering::SeqCst);
            Answer::Fail(errno(EIO))
        }
        Operation::Write if fails.load(Ordering::SeqCst) == 2 => {
            written.fetch_min(call.position, Ordering::SeqCst);
            Answer::Proceed
        }
        _ => Answer::Proceed,
    });
    let mut first = durable().open_in(world, dir.path()).unwrap();
    append(&mut first, "a");
    let others = end(dir.path());
    append(&mut Producer::open(dir.path()).unwrap(), "b"); // over zeros, not synced
    failing.store(1, Ordering::SeqCst);
    append(&mut first, "c"); // answered as durable
    assert_eq!(failing.load(Ordering::SeqCst), 2);
    assert_eq!(lowest.load(Ordering::SeqCst), others, "what another appended was written again");
    assert_eq!(values(dir.path()), ["a", "b", "c"]);
}

/// T13. Another's block was not synced yet. An append over zeros that were on disk made the file no
/// longer, so its own bytes were written through; power was lost, and it stood behind a hole.
#[test]
fn an_append_over_zeros_syncs_the_whole_file() {
    let dir = scratch();
    let syncs = Arc::new(AtomicU64::new(0));
    let (count, path) = (syncs.clone(), segment(dir.path(), 0));
    let world = interpose(move |call| {
        let synced = call.operation == Operation::SyncData && call.path == path;
        count.fetch_add(synced.into(), Ordering::SeqCst);
        Answer::Proceed
    });
    let mut first = durable().open_in(world, dir.path()).unwrap();
    append(&mut first, "a");
    let length = len(dir.path());
    for n in 0..5 {
        append(&mut Producer::open(dir.path()).unwrap(), "not durable");
        let before = syncs.load(Ordering::SeqCst);
        append(&mut first, "durable");
        assert_eq!(syncs.load(Ordering::SeqCst), before + 1, "append {n}");
    }
    assert_eq!(len(dir.path()), length, "all of it went over zeros");
}

/// Z-8. A durable producer that is closed leaves no zeros behind, and whoever copies or looks at the file
/// finds what was appended, and nothing else.
#[test]
fn a_clean_close_cuts_the_zeros_that_it_put() {
    let dir = scratch();
    let mut first = durable().open(dir.path()).unwrap();
    append(&mut first, "a");
    assert!(len(dir.path()) > end(dir.path()));
    drop(first);
    assert_eq!(len(dir.path()), end(dir.path()));

    // What others put stays: they are still there.
    let mut other = durable().open(dir.path()).unwrap();
    append(&mut other, "b");
    let length = len(dir.path());
    append(&mut Producer::open(dir.path()).unwrap(), "c");
    assert_eq!(len(dir.path()), length);
    drop(other); // it does not know of "c", and changes nothing
    assert_eq!(values(dir.path()), ["a", "b", "c"]);
    assert_sound(dir.path());
}

/// Z-8. Others appended over the zeros of a durable producer before it was closed. By what it remembered,
/// it cut their records off.
#[test]
fn a_close_cuts_nothing_that_others_appended() {
    for held in [false, true] {
        let dir = scratch();
        let mut first = durable().open(dir.path()).unwrap();
        append(&mut first, "a");
        let mut other = Producer::open(dir.path()).unwrap();
        let mut expected = vec!["a".to_owned()];
        for n in 0..3 {
            append(&mut other, &n.to_string());
            expected.push(n.to_string());
        }
        let lock = held.then(|| other.hold().unwrap());
        drop(first); // never waits
        drop(lock);
        append(&mut other, "z");
        expected.push("z".to_owned());
        assert_eq!(values(dir.path()), expected);
        assert_sound(dir.path());
    }
}

/// A consumer waited at the end, 256 KiB of zeros before it, and read all of them at each look.
#[test]
fn who_waits_reads_little_of_the_zeros() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for _ in 0..100 {
        append(&mut producer, &"x".repeat(10_000));
    }
    set_len(&segment(dir.path(), 0), end(dir.path()) + 262_144);
    let reads = Arc::new(Mutex::new(Vec::new()));
    let (lengths, path) = (reads.clone(), segment(dir.path(), 0));
    let world = interpose(move |call| {
        if call.operation == Operation::Read && call.path == path {
            lengths.lock().unwrap().push(call.length);
        }
        Answer::Proceed
    });
    let mut reader = fast_consumer().open_in(world, dir.path()).unwrap();
    assert_eq!(drain(&mut reader).len(), 100);
    assert!(reader.poll(Duration::from_millis(5)).unwrap().is_none());
    reads.lock().unwrap().clear();
    for n in 0..20 {
        append(&mut producer, "y");
        assert!(reader.poll(Duration::from_secs(20)).unwrap().is_some(), "{n}");
        assert!(reader.poll(Duration::from_millis(5)).unwrap().is_none(), "{n}");
    }
    let reads = reads.lock().unwrap();
    assert!(reads.iter().all(|length| *length <= 16 * 1024), "{reads:?}");
}
