//! What the code says it did (`src/trace.rs`), in the words of the specification: the model
//! checker judges whole runs by them, so each step must be told, once, and in its place.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::real::*;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::trace::Action;
use puro::{AutoCommit, Batch, NamedOptions, Producer};

/// Notes what is told, and may be in another boot, or have syncs that fail.
#[derive(Clone, Default)]
struct Listener {
    told: Arc<Mutex<Vec<String>>>,
    boot: u8,
    syncs_fail: Arc<Mutex<bool>>,
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Answer {
        let syncs = [Operation::SyncData, Operation::SyncAll].contains(&call.operation);
        if syncs && *self.syncs_fail.lock().unwrap() {
            return Answer::Fail(errno(EIO));
        }
        Answer::Proceed
    }
    fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        Some([self.boot; 16])
    }
    fn trace(&self, action: &Action<'_>) {
        let label = if action.label.is_empty() { "" } else { ":" };
        self.told.lock().unwrap().push(format!("{}{label}{}", action.name, action.label));
    }
}

impl Listener {
    fn in_boot(boot: u8) -> Self {
        Self { boot, ..Self::default() }
    }
    fn world(&self) -> Interpose<OsVfs> {
        Interpose::new(OsVfs::new(), self.clone())
    }
    fn open(&self, dir: &Path) -> Producer<Interpose<OsVfs>> {
        small_segments().open_in(self.world(), dir).unwrap()
    }
    fn syncs_fail(&self, fail: bool) {
        *self.syncs_fail.lock().unwrap() = fail;
    }
    /// What was told since the last look.
    fn since(&self) -> String {
        std::mem::take(&mut *self.told.lock().unwrap()).join(" ")
    }
}

const CREATED: &str = "Lock Finish:nothing SyncParent Make SyncMade Name SyncName Unlock";
const LOOKED: &str = "Lock StepOver Classify:clean Finish";
const WRITTEN: &str = "Reserve WritePart Commit";
/// Ahead of durable appends, where none are there (Z-1).
const ZEROS: &str = "PutZeros";
const NEXT_SEGMENT: &str = "Make SyncMade Name SyncName";

#[test]
fn an_append_is_told_step_by_step() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    assert_eq!(listener.since(), format!("{CREATED} {LOOKED} Unlock"));
    append(&mut producer, "a");
    assert_eq!(listener.since(), format!("{LOOKED} SyncNamesFirst {WRITTEN} Unlock Return"));
    append(&mut producer, "b");
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} Unlock Return"));
    producer.set_durable(true);
    append(&mut producer, "c");
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} {ZEROS} Unlock Sync"));
    producer.sync().unwrap();
    assert_eq!(listener.since(), "Return:durable", "it is known to be on disk");
    let mut batch = Batch::new();
    batch.push(&record("d")).unwrap();
    producer.transaction(&mut batch).once("meter", 1).commit().unwrap();
    listener.since();
    producer.transaction(&mut batch).once("meter", 1).commit().unwrap();
    assert_eq!(listener.since(), format!("{LOOKED} Duplicate Unlock Return:durable"));
}

#[test]
fn syncs_that_fail_are_told_as_such() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    append(&mut producer, "a");
    producer.set_durable(true);
    listener.since();
    listener.syncs_fail(true);
    producer.append(&record("b")).unwrap_err();
    let failed = "SyncFails:Sync Lock Rewrite SyncFails:SyncAgain Unlock Return:not durable";
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} {ZEROS} Unlock {failed}"));
    listener.syncs_fail(false);
    append(&mut producer, "c");
    let made_good = "Lock Rewrite SyncAgain:SyncAgain Unlock";
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} Unlock {made_good}"));
}

/// a sync counts, whatever it was for. After that of a cut has failed, a mere sync is
/// no reason to call anything durable.
#[test]
fn a_cut_whose_sync_failed_is_remembered() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    append(&mut producer, "a");
    // Somebody died before the commit.
    append(&mut Listener::in_boot(1).open(dir.path()), "b");
    let path = segment(dir.path(), 0);
    let (last, _) = *blocks(&path).last().unwrap();
    flip(&path, last, 0xA5);
    listener.syncs_fail(true);
    listener.since();
    producer.append(&record("c")).unwrap_err();
    let cut = "Lock StepOver Classify:unseen Truncate SyncFails:SyncCut Rewrite";
    assert_eq!(listener.since(), format!("{cut} SyncFails:SyncAgain Unlock"));
    listener.syncs_fail(false);
    producer.set_durable(true);
    append(&mut producer, "d");
    let made_good = "Lock Rewrite SyncAgain:SyncAgain Unlock";
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} {ZEROS} Unlock {made_good}"));
}

/// as if the lock had been given back, and taken again, with nobody in between.
#[test]
fn a_held_lock_is_told_as_one_that_was_given_back() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    append(&mut producer, "a");
    listener.since();
    let mut held = producer.hold().unwrap();
    held.append(&record("b")).unwrap();
    assert_eq!(listener.since(), format!("{LOOKED} {WRITTEN} Unlock Return Lock"));
    drop(held);
    assert_eq!(listener.since(), "Unlock");
    producer.set_durable(true);
    let mut held = producer.hold().unwrap();
    listener.since();
    held.append(&record("c")).unwrap();
    assert_eq!(listener.since(), format!("{WRITTEN} {ZEROS} Unlock Sync Lock"));
    listener.syncs_fail(true);
    held.append(&record("d")).unwrap_err();
    let failed = "SyncFails:Sync Rewrite SyncFails:SyncAgain Return:not durable Lock";
    // After a failed append the next one is to look again, and so the lock is given back indeed.
    assert_eq!(listener.since(), format!("{WRITTEN} Unlock {failed} Unlock"));
}

#[test]
fn a_rollover_is_told_beside_the_append_that_needs_it() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    append(&mut producer, &"a".repeat(3000));
    listener.since();
    append(&mut producer, &"b".repeat(3000));
    let sealed = "Reserve:end WritePart:end Commit:end Seal SyncSeal";
    let written = format!("{WRITTEN} Unlock Return");
    assert_eq!(listener.since(), format!("{LOOKED} {sealed} {NEXT_SEGMENT} {written}"));
    // V-6: somebody died behind the seal, and who comes next goes on from there.
    drop(producer);
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let mut next = listener.open(dir.path());
    let finished = "Lock StepOver Classify:clean Finish:sealed SyncSeal";
    assert_eq!(listener.since(), format!("{finished} {NEXT_SEGMENT} Unlock"));
    append(&mut next, "c");
    assert_eq!(listener.since(), format!("{LOOKED} {written}"));
}

#[test]
fn a_repair_is_told_with_what_it_found() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let path = segment(dir.path(), 0);
    let mut producer = listener.open(dir.path());
    append(&mut producer, "a");
    append(&mut producer, "b");
    drop(producer);
    // the signal of the last block was never written.
    let (last, _) = *blocks(&path).last().unwrap();
    flip(&path, last, 0xA5);
    listener.since();
    let mut producer = listener.open(dir.path());
    let cut = "Truncate SyncCut";
    assert_eq!(listener.since(), format!("Lock StepOver Classify:unseen {cut} Finish Unlock"));
    append(&mut producer, "c");
    drop(producer);
    // the power failed, and a byte of what was not synced is another one.
    let (last, _) = *blocks(&path).last().unwrap();
    flip(&path, last + 50, 1);
    let other = Listener::in_boot(2);
    let mut producer = other.open(dir.path());
    let raised = "RaiseEpoch WritePart Commit SyncRaise";
    let told = format!("Lock StepOver Classify:lost SaveTail {cut} {raised} Finish Unlock");
    assert_eq!(other.since(), told);
    append(&mut producer, "d");
    assert_eq!(other.since(), format!("{LOOKED} SyncNamesFirst {WRITTEN} Unlock Return"));
    // E-2: a boot alone raises the epoch, too.
    let third = Listener::in_boot(3);
    let mut producer = third.open(dir.path());
    third.since();
    append(&mut producer, "e");
    let told = format!("{LOOKED} SyncNamesFirst {raised} {WRITTEN} Unlock Return");
    assert_eq!(third.since(), told);
}

/// C-2, C-3: whether a position was committed alone or with records, and whether it was refused.
#[test]
fn a_commit_of_a_position_is_told() {
    let dir = scratch();
    append(&mut Listener::in_boot(1).open(dir.path()), "a");
    let listener = Listener::in_boot(1);
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let mut consumer = options.open_in(listener.world(), dir.path(), "audit").unwrap();
    let mut producer = listener.open(dir.path());
    consumer.try_next().unwrap().unwrap();
    listener.since();
    consumer.commit().unwrap();
    let looked = format!("WantCommit:audit {LOOKED}");
    let committed = format!("{WRITTEN} CommitPosition:audit Unlock Return");
    assert_eq!(listener.since(), format!("{looked} SyncNamesFirst {committed}"));
    append(&mut producer, "b");
    consumer.try_next().unwrap().unwrap();
    listener.since();
    let mut batch = Batch::new();
    batch.push(&record("c")).unwrap();
    producer.transaction(&mut batch).with_position(&mut consumer).commit().unwrap();
    let committed = format!("{WRITTEN} CommitBoth:audit Unlock Return");
    assert_eq!(listener.since(), format!("{LOOKED} {committed}"));
    // Against L-4: a second owner.
    std::fs::remove_file(dir.path().join("consumers/audit.lock")).unwrap();
    let mut usurper = options.open_in(listener.world(), dir.path(), "audit").unwrap();
    usurper.try_next().unwrap().unwrap();
    usurper.commit().unwrap();
    consumer.try_next().unwrap().unwrap();
    append(&mut producer, "d");
    consumer.try_next().unwrap().unwrap();
    listener.since();
    consumer.commit().unwrap_err();
    assert_eq!(listener.since(), format!("{looked} CommitRefused:audit Unlock"));
}

#[test]
fn a_consumer_tells_where_it_is() {
    let dir = scratch();
    let listener = Listener::in_boot(1);
    let mut producer = listener.open(dir.path());
    for value in ["a", "b"] {
        append(&mut producer, &value.repeat(3000));
    }
    listener.since();
    let mut consumer = fast_consumer().open_in(listener.world(), dir.path()).unwrap();
    assert_eq!(listener.since(), "Seek Pin CheckName Placed");
    drain(&mut consumer);
    // A checkpoint, a block, the segment end; then a checkpoint and a block.
    let hop = "HopOpen HopPin HopCheckName LookBack Unpin";
    let read = format!("Deliver Deliver Deliver {hop} Deliver Deliver ReadAfresh");
    assert_eq!(listener.since(), read);
    drain(&mut consumer);
    assert_eq!(listener.since(), "ReadAfresh");
    // durable_to covers no record here, and a sync those before it.
    let durable = fast_consumer().durable(true);
    let mut consumer = durable.open_in(listener.world(), dir.path()).unwrap();
    listener.since();
    drain(&mut consumer);
    let synced = "Deliver Deliver SyncRead:SyncRead";
    assert_eq!(listener.since(), format!("{synced} Deliver {hop} {synced} ReadAfresh"));
}
