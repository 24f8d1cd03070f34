//! Three ways of locking (L-1 to L-3): who owns a lock, what takes it away, and what that means
//! for producers.

use puro::internals::vfs::LockKind::{Exclusive, Shared};
use puro_model::faults::{Between, every_interruption};
use puro_model::locks::{Family, LockTable};
use puro_model::oracle::Promise;

const FILE: u32 = 7;
const FAMILIES: [Family; 3] = [Family::Ofd, Family::Posix, Family::Flock];

#[test]
fn other_processes_are_excluded_by_all_of_them() {
    for family in FAMILIES {
        let mut table = LockTable::default();
        let (mine, theirs) = (table.open(1, FILE), table.open(2, FILE));
        assert!(table.try_lock(mine, family, Shared) && table.try_lock(theirs, family, Shared));
        assert!(!table.try_lock(theirs, family, Exclusive), "{family:?}");
        table.unlock(mine, family);
        assert!(table.try_lock(theirs, family, Exclusive));
        assert!(!table.try_lock(mine, family, Shared));
        table.exit(2);
        assert!(table.try_lock(mine, family, Exclusive), "{family:?}: death frees");
    }
}

/// Threads open their own descriptions of a file, but are one process.
#[test]
fn two_openings_in_one_process_exclude_each_other_but_for_posix() {
    for (family, excluded) in [(Family::Ofd, true), (Family::Posix, false), (Family::Flock, true)] {
        let mut table = LockTable::default();
        let (one, two) = (table.open(1, FILE), table.open(1, FILE));
        assert!(table.try_lock(one, family, Exclusive));
        assert_eq!(!table.try_lock(two, family, Exclusive), excluded, "{family:?}");
    }
}

/// L-2.
#[test]
fn closing_another_descriptor_drops_a_posix_lock() {
    for (family, kept) in [(Family::Ofd, true), (Family::Posix, false), (Family::Flock, true)] {
        let mut table = LockTable::default();
        let (mine, unrelated, theirs) =
            (table.open(1, FILE), table.open(1, FILE), table.open(2, FILE));
        assert!(table.try_lock(mine, family, Exclusive));
        table.close(unrelated);
        assert_eq!(!table.try_lock(theirs, family, Exclusive), kept, "{family:?}");
    }
}

#[test]
fn a_duplicate_shares_the_lock_and_its_close_keeps_it_but_for_posix() {
    for (family, kept) in [(Family::Ofd, true), (Family::Posix, false), (Family::Flock, true)] {
        let mut table = LockTable::default();
        let (mine, theirs) = (table.open(1, FILE), table.open(2, FILE));
        let duplicate = table.duplicate(mine, 1).unwrap();
        assert!(table.try_lock(mine, family, Exclusive));
        assert!(table.try_lock(duplicate, family, Exclusive), "{family:?}: one owner");
        table.close(duplicate);
        assert_eq!(!table.try_lock(theirs, family, Exclusive), kept, "{family:?}");
        table.close(mine);
        assert!(table.try_lock(theirs, family, Exclusive));
    }
}

/// L-3: the child shares what its parent locked, and keeps it locked after the parent's end; a POSIX
/// lock it does not have at all.
#[test]
fn a_forked_child_shares_its_parents_lock_but_for_posix() {
    for (family, shared) in [(Family::Ofd, true), (Family::Posix, false), (Family::Flock, true)] {
        let mut table = LockTable::default();
        let (parents, theirs) = (table.open(1, FILE), table.open(3, FILE));
        assert!(table.try_lock(parents, family, Exclusive));
        let childs = table.fork(1, 2)[&parents];
        assert_eq!(table.try_lock(childs, family, Exclusive), shared, "{family:?}");
        table.exit(1);
        assert_eq!(!table.try_lock(theirs, family, Exclusive), shared, "{family:?}");
        table.exit(2);
        assert!(table.try_lock(theirs, family, Exclusive), "{family:?}");
    }
}

/// L-1: why `flock` is forbidden on Linux.
#[test]
fn flock_and_fcntl_locks_do_not_see_each_other() {
    let mut table = LockTable::default();
    let (mine, theirs) = (table.open(1, FILE), table.open(2, FILE));
    assert!(table.try_lock(mine, Family::Flock, Exclusive));
    assert!(table.try_lock(theirs, Family::Ofd, Exclusive));
    let third = table.open(3, FILE);
    assert!(!table.try_lock(third, Family::Posix, Exclusive), "OFD and POSIX see each other");
}

/// Changing a lock's kind: with `flock` the old lock is given up first, and may be lost.
#[test]
fn only_flock_loses_its_lock_when_it_cannot_be_raised() {
    for (family, kept) in [(Family::Ofd, true), (Family::Posix, true), (Family::Flock, false)] {
        let mut table = LockTable::default();
        let (mine, theirs) = (table.open(1, FILE), table.open(2, FILE));
        assert!(table.try_lock(mine, family, Shared) && table.try_lock(theirs, family, Shared));
        assert!(!table.try_lock(mine, family, Exclusive));
        assert_eq!(!table.try_lock(theirs, family, Exclusive), kept, "{family:?}");
    }
}

/// Producers over each of the models: whatever comes in between before any call, the log is right
/// where the locks are those that the protocol asks for.
#[test]
fn producers_exclude_each_other_where_descriptions_own_the_locks() {
    for family in [Family::Ofd, Family::Flock] {
        for between in [Between::OtherProcess, Between::SameProcess, Between::CloseThenOther] {
            let calls = every_interruption(family, between, |vfs| vfs);
            let calls = calls.unwrap_or_else(|v| panic!("{family:?}, {between:?}: {v}"));
            assert!(calls >= 6, "an append has more calls than {calls}");
        }
    }
    every_interruption(Family::Posix, Between::OtherProcess, |vfs| vfs).unwrap();
}

/// Expected failures (L-2): with POSIX locks, a second producer in the process, or a mere close of
/// another descriptor of the lock file, ends the exclusion, and the oracle notices.
#[test]
fn posix_locks_fail_as_the_protocol_says() {
    for between in [Between::SameProcess, Between::CloseThenOther] {
        let violation = every_interruption(Family::Posix, between, |vfs| vfs).unwrap_err();
        let noticed = [Promise::Prefix, Promise::Durable, Promise::Progress, Promise::Atomic];
        assert!(noticed.contains(&violation.promise), "{between:?}: {violation}");
    }
}
