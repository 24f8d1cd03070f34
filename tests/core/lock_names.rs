//! Lock files that lose their names: cleaners of old files, people and scripts remove them (L-4).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::real::*;
use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::LockWait;
use puro::{NamedError, NamedOptions, OpenError, Producer, ProducerOptions};

/// Whether the writer's lock keeps others out.
fn is_locked(dir: &Path) -> bool {
    let opened = ProducerOptions::new().lock_wait(LockWait::Try).open(dir);
    matches!(opened, Err(OpenError::Failure(puro::error::Failure::LockTimeout { .. })))
}

/// Field report A1. A cleaner of old files took `writer.lock` from beside an open producer, for
/// its times had never changed. A second producer made another one. Each excluded itself: of 6,001
/// records acknowledged 3,846 were there, and `verify` said sound.
#[test]
fn producers_exclude_each_other_again_after_their_lock_file_was_removed() {
    let dir = scratch();
    let mut first = Producer::open(dir.path()).unwrap();
    append(&mut first, "before");
    std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
    let mut second = Producer::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for producer in [&mut first, &mut second] {
            scope.spawn(|| {
                for _ in 0..1000 {
                    append(producer, "together");
                }
            });
        }
    });
    assert_eq!(values(dir.path()).len(), 2001);
    assert!(first.repairs().is_empty() && second.repairs().is_empty());
}

/// The same with a name that leads to another file, and not to none.
#[test]
fn a_lock_file_that_was_replaced_is_opened_anew() {
    let dir = scratch();
    let impatient = ProducerOptions::new().lock_wait(LockWait::Try);
    let mut first = impatient.open(dir.path()).unwrap();
    append(&mut first, "a");
    let (lock, aside) = (dir.path().join("writer.lock"), dir.path().join("aside"));
    std::fs::rename(&lock, &aside).unwrap();
    std::fs::write(&lock, "").unwrap();
    let mut second = Producer::open(dir.path()).unwrap();
    let held = second.hold().unwrap();
    let waited = first.append(&record("b"));
    assert!(waited.is_err(), "the old lock was believed");
    drop(held);
    assert_eq!(append(&mut first, "b"), 1);
}

/// A held lock is not taken again: it is looked at before each append.
#[test]
fn a_held_lock_whose_file_was_removed_is_let_go() {
    let dir = scratch();
    let mut first = Producer::open(dir.path()).unwrap();
    let mut held = first.hold().unwrap();
    held.append(&record("a")).unwrap();
    std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
    let mut second = Producer::open(dir.path()).unwrap();
    append(&mut second, "b");
    append(&mut second, "c");
    assert_eq!(held.append(&record("d")).unwrap().first_offset, 3);
    assert!(is_locked(dir.path()), "it holds the lock of that name now");
    drop(held);
    assert_eq!(values(dir.path()), ["a", "b", "c", "d"]);
}

/// A system in which somebody removes a lock file between its opening and its locking, once.
fn removed_in_between(name: &'static str) -> Interpose<OsVfs> {
    let done = AtomicBool::new(false);
    Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        let is_it = call.operation == Operation::Lock && call.path.ends_with(name);
        if is_it && !done.swap(true, Ordering::Relaxed) {
            std::fs::remove_file(call.path).unwrap();
        }
        Answer::Proceed
    })
}

/// L-4: the moment between opening a lock file and locking it, for each kind of lock.
#[test]
fn a_lock_file_that_is_removed_while_it_is_taken_is_taken_anew() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");

    let system = removed_in_between("reader.lock");
    let named = NamedOptions::new().open_in(system, dir.path(), "reader").unwrap();
    let busy = NamedOptions::new().open(dir.path(), "reader").unwrap_err();
    assert!(matches!(busy, NamedError::Busy { .. }), "{busy}");
    drop(named);

    let system = removed_in_between("writer.lock");
    let mut producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let held = producer.hold().unwrap();
    assert!(is_locked(dir.path()));
    drop(held);

    let system = removed_in_between("steward.lock");
    let mut steward = puro::StewardOptions::new().open_in(system, dir.path()).unwrap();
    steward.run_once().unwrap();
    assert!(dir.path().join("steward.lock").exists());
}

/// A lock file that is in use is not old (L-4).
#[test]
fn a_lock_file_in_use_is_young() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let lock = dir.path().join("writer.lock");
    let old = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    let age = std::fs::metadata(&lock).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
}
