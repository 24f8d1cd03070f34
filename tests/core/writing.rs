//! What a writer does around a block: room that is reserved, names that are put on the disk,
//! syncs that fail, and a signal that is neither high nor low.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::real::*;
use puro::error::Failure;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{AppendError, Producer, ProducerOptions};

type Asked = Box<dyn FnMut(&Call<'_>) -> Answer + Send>;

/// What is asked before each call, which may change while a producer is open.
#[derive(Clone)]
struct Plan {
    calls: Arc<Mutex<Vec<(Operation, u64, usize)>>>,
    verdict: Arc<Mutex<Asked>>,
    boot: u8,
}

impl Plan {
    fn in_boot(boot: u8) -> Self {
        let verdict: Asked = Box::new(|_| Answer::Proceed);
        Self { calls: Arc::default(), verdict: Arc::new(Mutex::new(verdict)), boot }
    }
    fn open(&self, dir: &Path) -> Producer<Interpose<OsVfs>> {
        let world = Interpose::new(OsVfs::new(), self.clone());
        ProducerOptions::new().open_in(world, dir).unwrap()
    }
    fn set(&self, verdict: impl FnMut(&Call<'_>) -> Answer + Send + 'static) {
        *self.verdict.lock().unwrap() = Box::new(verdict);
    }
    /// The calls since the last look.
    fn since(&self) -> Vec<(Operation, u64, usize)> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
    fn count(&self, operation: Operation) -> usize {
        self.since().iter().filter(|(found, ..)| *found == operation).count()
    }
}

impl Hook for Plan {
    fn before(&self, call: &Call<'_>) -> Answer {
        self.calls.lock().unwrap().push((call.operation, call.position, call.length));
        (self.verdict.lock().unwrap())(call)
    }
    fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        Some([self.boot; 16])
    }
    fn free_bytes(&self, _real: u64) -> u64 {
        12_345
    }
}

// --- room

/// A signal that comes while room is reserved says nothing about the room.
#[test]
fn a_reservation_that_is_interrupted_is_asked_for_again() {
    let dir = scratch();
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    let mut left = 3;
    plan.set(move |call| match call.operation {
        Operation::Reserve if left > 0 => {
            left -= 1;
            Answer::Fail(io::ErrorKind::Interrupted.into())
        }
        _ => Answer::Proceed,
    });
    assert_eq!(append(&mut producer, "a"), 0);
}

/// Where there is no room ahead, room for the block will do.
#[test]
fn where_the_room_ahead_is_not_to_be_had_the_block_itself_is_asked_for() {
    let dir = scratch();
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    append(&mut producer, "a");
    let end = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    plan.set(move |call| match call.operation {
        Operation::Reserve if call.position > end + 200_192 => Answer::Fail(errno(ENOSPC)),
        _ => Answer::Proceed,
    });
    plan.since();
    assert_eq!(append(&mut producer, &"b".repeat(200_000)), 1);
    let asked: Vec<_> =
        plan.since().into_iter().filter(|call| call.0 == Operation::Reserve).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1].1, end + 200_128, "{asked:?}");
    assert_eq!(values(dir.path()).len(), 2);
}

/// What there is too little of is told in figures.
#[test]
fn a_reservation_on_a_full_disk_says_how_full_it_is() {
    let dir = scratch();
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    append(&mut producer, "a");
    plan.set(move |call| match call.operation {
        Operation::Reserve => Answer::Fail(errno(ENOSPC)),
        _ => Answer::Proceed,
    });
    let error = producer.append(&record(&"b".repeat(200_000))).unwrap_err();
    let AppendError::NotAppended(failure) = error else { panic!("{error}") };
    let Failure::NoSpace { needed: 200_128, free: 12_345, .. } = failure else {
        panic!("{failure}")
    };
    plan.set(|_| Answer::Proceed);
    assert_eq!(append(&mut producer, "c"), 1);
}

/// Somebody ran a writer where `fallocate` always fails: with EINTR (a profiler's timer), EINVAL,
/// EPERM (a sandbox), ENOSPC though gigabytes are free (a quota of another layer). It span for ever
/// under `writer.lock`, or refused to write, though a plain write would have done. Field report B8;
/// etcd #5558, go-sqlite3 #400.
#[test]
fn a_reservation_that_always_fails_stops_nobody() {
    const EPERM: i32 = 1;
    const EINTR: i32 = 4;
    const EINVAL: i32 = 22;
    for number in [EINTR, EINVAL, EPERM, EIO, ENOSPC] {
        let (dir, asked) = (scratch(), Calls::default());
        let counter = asked.clone();
        let world = interpose(move |call| match call.operation {
            Operation::Reserve => {
                counter.next();
                Answer::Fail(errno(number))
            }
            _ => Answer::Proceed,
        });
        let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
        for value in ["a", "b", "c"] {
            append(&mut producer, value);
        }
        assert_eq!(values(dir.path()), ["a", "b", "c"], "{number}");
        assert!((1..=9).contains(&asked.count()), "{number}: asked {} times", asked.count());
    }
}

// --- O-1, A-7: names and epochs

/// O-1: the directory's own name is on the disk before there is a segment in it.
#[test]
fn creation_syncs_the_parent_before_it_makes_a_segment() {
    let parent = scratch();
    let dir = parent.path().join("stream");
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let world = interpose(move |call| {
        noted.lock().unwrap().push((call.operation, call.path.to_owned()));
        Answer::Proceed
    });
    ProducerOptions::new().open_in(world, &dir).unwrap();
    let calls = calls.lock().unwrap();
    let place = |operation, path: &Path| {
        calls.iter().position(|call| *call == (operation, path.to_owned()))
    };
    let synced = place(Operation::SyncDir, parent.path());
    let made = place(Operation::Write, &dir.join("0000000000.puro.new"));
    assert!(synced.is_some() && made.is_some() && synced < made, "{calls:?}");
}

/// V-7: whoever made the segment may have died before its name was on the disk. Once is enough.
#[test]
fn the_first_append_in_a_segment_of_others_syncs_the_directory() {
    let dir = scratch();
    append(&mut Plan::in_boot(1).open(dir.path()), "a");
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    plan.since();
    append(&mut producer, "b");
    let calls: Vec<_> = plan.since().into_iter().map(|(operation, ..)| operation).collect();
    let place = |operation| calls.iter().position(|call| *call == operation);
    let (synced, written) = (place(Operation::SyncDir), place(Operation::Write));
    assert!(synced.is_some() && synced < written, "{calls:?}");
    append(&mut producer, "c");
    assert_eq!(plan.count(Operation::SyncDir), 0);
}

/// E-3, E-4: one sync puts an epoch on the disk; what follows needs none, if it need not be
/// durable.
#[test]
fn an_epoch_costs_one_sync() {
    let dir = scratch();
    append(&mut Plan::in_boot(1).open(dir.path()), "a");
    let plan = Plan::in_boot(2);
    let mut producer = plan.open(dir.path());
    plan.since();
    append(&mut producer, "b");
    assert_eq!(plan.count(Operation::SyncData), 1);
    append(&mut producer, "c");
    assert_eq!(plan.count(Operation::SyncData), 0);
    assert_eq!(epoch(dir.path()), 2);
}

// ---

/// a byte that is neither high nor low tells nothing of the commit.
#[test]
fn a_signal_that_is_neither_high_nor_low_is_unknown() {
    let dir = scratch();
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    append(&mut producer, "a");
    let path = segment(dir.path(), 0);
    plan.set(move |call| {
        if call.operation == Operation::Write && call.length == 1 {
            flip(&path, call.position, 0x17);
            return Answer::Fail(errno(EIO));
        }
        Answer::Proceed
    });
    let error = producer.append(&record("b")).unwrap_err();
    assert!(matches!(error, AppendError::Unknown(_)), "{error}");
}

/// of much that is not known to be on disk, all is written again, and not only the first
/// of it.
#[test]
fn all_that_a_failed_sync_may_have_lost_is_written_again() {
    let dir = scratch();
    let plan = Plan::in_boot(1);
    let mut producer = plan.open(dir.path());
    let begin = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    for _ in 0..3 {
        append(&mut producer, &"x".repeat(1_000_000));
    }
    let end = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    let mut failed = false;
    plan.set(move |call| match call.operation {
        Operation::SyncData if !std::mem::replace(&mut failed, true) => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    plan.since();
    producer.sync().unwrap();
    let mut rewritten_to = begin;
    for (operation, position, length) in plan.since() {
        if operation == Operation::Write {
            assert!(position <= rewritten_to, "a hole from {rewritten_to} to {position}");
            rewritten_to = position + length as u64;
        }
    }
    assert_eq!(rewritten_to, end);
    // And what was rewritten is known to be on disk.
    producer.sync().unwrap();
    assert_eq!(plan.count(Operation::SyncData), 0);
}
