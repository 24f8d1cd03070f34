//! A writer or reader whose memory or whose file is not what the stream is any more, and what
//! one that died left unsynced. Each of these mechanisms was found unwatched by taking it
//! out (model/patches).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::real::*;
use puro::internals::dir::open_path;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::{LockKind, LockWait, OpenMode, VfsFile};
use puro::{AppendError, Batch, Consumer, Producer, ProducerOptions, ReadError, Start};
use tempfile::TempDir;

fn len(dir: &Path) -> u64 {
    std::fs::metadata(segment(dir, 0)).unwrap().len()
}

// --- a memory that is wrong

/// what a producer remembers was cut off meanwhile.
#[test]
fn a_producer_whose_last_block_was_cut_off_goes_on_at_the_end_there_is() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let end = len(dir.path());
    append(&mut producer, "b");
    set_len(&segment(dir.path(), 0), end);
    assert_eq!(append(&mut producer, "c"), 1);
    assert_eq!(values(dir.path()), ["a", "c"]);
    assert!(producer.repairs().is_empty(), "there was nothing to be cut");
}

/// it was replaced by a block as long, and another follows: nothing but the chain tells.
#[test]
fn a_producer_whose_last_block_was_replaced_goes_on_behind_the_others() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let end = len(dir.path());
    append(&mut producer, "b");
    set_len(&segment(dir.path(), 0), end);
    let mut other = Producer::open(dir.path()).unwrap();
    append(&mut other, "B");
    append(&mut other, "C");
    assert_eq!(append(&mut producer, "d"), 3);
    assert_eq!(values(dir.path()), ["a", "B", "C", "d"]);
    assert!(producer.repairs().is_empty() && lost(dir.path()).is_empty(), "C was committed");
}

// --- E-4: an epoch that may not be on disk

/// Another boot, in which the calls on segments are noted, and syncs of them may fail.
struct OtherBoot {
    calls: Arc<Mutex<Vec<Operation>>>,
    syncs_fail: bool,
}

impl Hook for OtherBoot {
    fn before(&self, call: &Call<'_>) -> Answer {
        if call.path.extension().is_some_and(|extension| extension == "puro") {
            self.calls.lock().unwrap().push(call.operation);
        }
        match call.operation {
            Operation::SyncData if self.syncs_fail => Answer::Fail(errno(EIO)),
            _ => Answer::Proceed,
        }
    }
    fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        Some([7; 16])
    }
}

/// E-4: whoever raised the epoch failed to sync it. The next writer syncs before it appends
/// in that epoch, durable or not: else a loss of power could take the epoch back after
/// records of it were seen, and its number would be used for two histories.
#[test]
fn an_epoch_that_may_not_be_on_disk_is_synced_before_records_follow() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let open = |syncs_fail| {
        let calls = Arc::default();
        let hook = OtherBoot { calls: Arc::clone(&calls), syncs_fail };
        let world = Interpose::new(OsVfs::new(), hook);
        (ProducerOptions::new().open_in(world, dir.path()).unwrap(), calls)
    };
    let (mut first, _) = open(true);
    assert!(first.append(&record("b")).is_err());
    assert_eq!(epoch(dir.path()), 2, "raised, but not known to be on disk");
    let (mut second, calls) = open(false);
    calls.lock().unwrap().clear();
    append(&mut second, "c");
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    let place = |operation| calls.iter().position(|call| *call == operation).unwrap();
    assert!(place(Operation::SyncData) < place(Operation::Write), "{calls:?}");
    assert_eq!((epoch(dir.path()), values(dir.path())), (2, vec!["a".into(), "c".into()]));
}

// --- C-4: duplicates

/// C-4: a duplicate is answered as the first append was, and changes nothing; an older one
/// is refused.
#[test]
fn a_duplicate_is_answered_and_an_older_one_refused() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.push(&record("a")).unwrap();
    let bytes = batch.bytes();
    let first = producer.transaction(&mut batch).once("meter", 5).commit().unwrap();
    let end = len(dir.path());
    let again = producer.transaction(&mut batch).once("meter", 5).commit().unwrap();
    assert_eq!(
        (again.duplicate, again.first_offset, again.token),
        (true, first.first_offset, first.token)
    );
    let refused = producer.transaction(&mut batch).once("meter", 4).commit().unwrap_err();
    assert!(
        matches!(refused, AppendError::OldSequence { sequence: 4, newest: 5, .. }),
        "{refused}"
    );
    assert_eq!((len(dir.path()), values(dir.path())), (end, vec!["a".to_owned()]));
    assert!(!producer.transaction(&mut batch).once("meter", 6).commit().unwrap().duplicate);
    assert!(!producer.transaction(&mut batch).once("another", 5).commit().unwrap().duplicate);
    assert_eq!(batch.bytes(), bytes, "the entries did not stay in the batch");
}

/// C-4, A-11: the first try may have been appended without having been synced. Who tries again
/// durably is told ok only after a sync.
#[test]
fn a_durable_duplicate_is_synced_before_it_is_acknowledged() {
    let dir = scratch();
    let mut batch = Batch::new();
    batch.push(&record("a")).unwrap();
    Producer::open(dir.path()).unwrap().transaction(&mut batch).once("meter", 1).commit().unwrap();
    let syncs = Calls::default();
    let counter = syncs.clone();
    let world = interpose(move |call| {
        if call.operation == Operation::SyncData {
            counter.next();
        }
        Answer::Proceed
    });
    let mut durable = ProducerOptions::new().durable(true).open_in(world, dir.path()).unwrap();
    let before = syncs.count();
    assert!(durable.transaction(&mut batch).once("meter", 1).commit().unwrap().duplicate);
    assert_eq!(syncs.count(), before + 1);
}

// --- R-2, V-8: names that lead elsewhere meanwhile

/// between opening a segment and locking it, a compaction took its name. The lock must be
/// on the file that has the name, or the next steward would not see that it is read.
#[test]
fn a_segment_that_is_replaced_while_it_is_pinned_is_pinned_anew() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let (path, fresh) = (segment(dir.path(), 0), dir.path().join("0000000000.puro.compact"));
    let replaced = Arc::new(AtomicBool::new(false));
    let (done, named) = (Arc::clone(&replaced), path.clone());
    let world = interpose(move |call| {
        let pins = call.operation == Operation::Lock && call.path == named;
        if pins && !done.swap(true, Ordering::SeqCst) {
            std::fs::copy(&named, &fresh).unwrap();
            std::fs::rename(&fresh, &named).unwrap();
        }
        Answer::Proceed
    });
    let mut consumer = fast_consumer().open_in(world, dir.path()).unwrap();
    assert!(replaced.load(Ordering::SeqCst));
    let steward = open_path(&OsVfs::new(), &path, OpenMode::Write).unwrap();
    let taken = steward.lock(LockKind::Exclusive, LockWait::Try).unwrap();
    assert!(!taken, "the file under the name is not the one that is locked");
    assert_eq!(drain(&mut consumer), ["a"]);
}

/// It has read that segment to its end; the stream holds offsets 1 to 3.
fn consumer_whose_segment_is_gone() -> (TempDir, Consumer) {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "a");
    append(&mut producer, &"b".repeat(4000));
    append(&mut producer, "c");
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().offset, 0);
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    (dir, consumer)
}

/// V-8: a consumer at the end of a sealed segment whose name is gone cannot know what went
/// with it between that segment and the next.
#[test]
fn a_consumer_that_hops_looks_back() {
    let (_dir, mut consumer) = consumer_whose_segment_is_gone();
    let error = consumer.try_next().unwrap_err();
    assert!(matches!(error, ReadError::OffsetOutOfRange { offset: 1, low: 1, high: 3 }), "{error}");
}

/// A consumer whose segment was deleted when it had read it to its end, and nothing else was, was
/// told "offset 1 is out of range: the stream holds 1 to 3", which nobody can make sense of. It
/// must say what happened; and an offset that the stream does not hold, just that.
#[test]
fn who_lost_its_segment_at_its_end_is_told_so() {
    let (dir, mut consumer) = consumer_whose_segment_is_gone();
    let at_the_end = consumer.try_next().unwrap_err().to_string();
    assert!(
        at_the_end
            .starts_with("offset 1 cannot be reached from the segment before, which was deleted"),
        "{at_the_end}"
    );
    for outside in [0, 4] {
        let error = fast_consumer().start(Start::Offset(outside)).open(dir.path()).unwrap_err();
        let expected = format!("offset {outside} is out of range: the stream holds 1 to 3; start");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    // The way out that it was told.
    let mut again = fast_consumer().start(Start::Offset(1)).open(dir.path()).unwrap();
    assert_eq!(again.try_next().unwrap().unwrap().offset, 1);
}
