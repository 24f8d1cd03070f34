//! Locks: that they exclude whom they must, Puro's own and other programs, and that a wait
//! has an end (protocol.md, chapter 2).

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::real::*;
use crate::skipped::skipped;
use puro::error::Failure;
use puro::internals::dir::{Directory, open_path};
use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::{OsFile, OsVfs};
use puro::internals::vfs::{LockKind, LockWait, OpenMode, VfsFile};
use puro::internals::writer::WriterLock;
use puro::{AppendError, Blame, Producer, ProducerOptions, ReadError};

fn open(path: &Path, mode: OpenMode) -> OsFile {
    open_path(&OsVfs::new(), path, mode).unwrap()
}

fn try_lock(file: &OsFile, kind: LockKind) -> bool {
    file.lock(kind, LockWait::Try).unwrap()
}

#[test]
fn a_wait_for_the_writer_lock_has_an_end_and_changes_nothing() {
    let dir = scratch();
    let wait = Duration::from_millis(30);
    let options = ProducerOptions::new().lock_wait(LockWait::AtMost(wait));
    let mut producer = options.open(dir.path()).unwrap();
    append(&mut producer, "a");
    let mut lock = WriterLock::open(&Directory::new(OsVfs::new(), dir.path())).unwrap();
    let guard = lock.take(LockWait::Try).unwrap();
    let before = files(dir.path());

    let begun = Instant::now();
    let error = producer.append(&record("b")).unwrap_err();
    assert!(begun.elapsed() >= wait);
    let AppendError::NotAppended(Failure::LockTimeout { path, waited }) = &error else {
        panic!("{error}")
    };
    assert_eq!((path.as_path(), *waited), (&*dir.path().join("writer.lock"), wait));
    assert_eq!(error.blame(), Blame::Environment);
    assert!(options.open(dir.path()).is_err(), "opening needs it too");
    assert!(ProducerOptions::new().lock_wait(LockWait::Try).open(dir.path()).is_err());
    assert_eq!(files(dir.path()), before);
    assert_eq!(values(dir.path()), ["a"], "reading needs no lock (L-7)");

    drop(guard);
    append(&mut producer, "b");
    assert_eq!(values(dir.path()), ["a", "b"]);
}

#[test]
fn a_writer_that_waits_gets_the_lock_when_it_is_given_back() {
    for wait in [LockWait::Forever, LockWait::AtMost(Duration::from_secs(60))] {
        let dir = scratch();
        let mut producer = ProducerOptions::new().lock_wait(wait).open(dir.path()).unwrap();
        let mut lock = WriterLock::open(&Directory::new(OsVfs::new(), dir.path())).unwrap();
        let guard = lock.take(LockWait::Try).unwrap();
        let (sender, done) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            append(&mut producer, "a");
            sender.send(()).unwrap();
        });
        assert!(done.recv_timeout(Duration::from_millis(20)).is_err(), "it has to wait");
        drop(guard);
        done.recv_timeout(Duration::from_secs(60)).unwrap();
        waiter.join().unwrap();
        assert_eq!(values(dir.path()), ["a"]);
    }
}

/// Every handle has an owner of its own, in one process too.
#[test]
fn two_handles_of_one_process_exclude_each_other() {
    let dir = scratch();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let (one, two) = (open(&path, OpenMode::Write), open(&path, OpenMode::Write));
    assert!(try_lock(&one, LockKind::Exclusive));
    assert!(!try_lock(&two, LockKind::Exclusive));
    assert!(!try_lock(&two, LockKind::Shared));
    // L-2 is about POSIX locks: these survive another descriptor's end.
    drop(two);
    let two = open(&path, OpenMode::Read);
    assert!(!try_lock(&two, LockKind::Shared));
    one.unlock().unwrap();
    assert!(try_lock(&two, LockKind::Shared));
    assert!(try_lock(&one, LockKind::Shared));
    assert!(!try_lock(&one, LockKind::Exclusive), "not while another shares it");
    drop(two);
    assert!(try_lock(&one, LockKind::Exclusive), "closing gives back");
}

/// Runs Python with a path; what it printed, or `None` where there is no Python.
fn python(script: &str, path: &Path) -> Option<String> {
    let output = Command::new("python3").arg("-c").arg(script).arg(path).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

const TRY: &str = "
import fcntl, sys
file = open(sys.argv[1], 'r+')
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print('locked')
except OSError:
    print('busy')
";

const HOLD: &str = "
import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.lockf(file, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()
";

/// L-1: other languages' POSIX record locks are seen, and see Puro's.
#[test]
#[cfg(target_os = "linux")]
fn posix_locks_of_another_language_and_ours_exclude_each_other() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let dir = scratch();
    let options = ProducerOptions::new().lock_wait(LockWait::Try);
    let mut producer = options.open(dir.path()).unwrap();
    let path = dir.path().join("writer.lock");
    let mut lock = WriterLock::open(&Directory::new(OsVfs::new(), dir.path())).unwrap();
    let guard = lock.take(LockWait::Try).unwrap();
    let Some(told) = python(TRY, &path) else {
        skipped("there is no python3");
        return;
    };
    assert_eq!(told, "busy");
    drop(guard);
    assert_eq!(python(TRY, &path).unwrap(), "locked");

    let mut child = Command::new("python3");
    child.args(["-c", HOLD]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Reaped(child.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "locked");
    let error = producer.append(&record("a")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(Failure::LockTimeout { .. })), "{error}");
    drop(child);
    append(&mut producer, "a");
}

/// What a steward does to a segment that a consumer is in (R-2, S-3): it cannot lock it, but
/// can as soon as the consumer has left.
#[test]
fn a_segment_that_is_read_cannot_be_locked_for_deletion() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for _ in 0..6 {
        append(&mut producer, &"x".repeat(1500));
    }
    let steward = open(&segment(dir.path(), 0), OpenMode::Write);
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    reader.try_next().unwrap().unwrap();
    assert!(!try_lock(&steward, LockKind::Exclusive));
    drain(&mut reader);
    assert!(try_lock(&steward, LockKind::Exclusive), "it went on to the active segment");
    let last = open(&segment(dir.path(), 2), OpenMode::Write);
    assert!(!try_lock(&last, LockKind::Exclusive));

    // While a steward holds it, nobody comes in, but is told after a while.
    let wait = LockWait::AtMost(Duration::from_millis(5));
    let error = fast_consumer().lock_wait(wait).open(dir.path()).unwrap_err();
    assert!(matches!(error, ReadError::Failure(Failure::LockTimeout { .. })), "{error}");
    steward.unlock().unwrap();
    assert_eq!(values(dir.path()).len(), 6);
}

/// L-3: the child of a fork shares its parent's locks, so its copy of a handle is refused.
/// (The process id that the system tells is changed here; a real fork is not safe Rust.)
#[test]
fn a_handle_carried_into_a_forked_child_is_refused() {
    struct Pid(Arc<AtomicU32>);
    impl Hook for Pid {
        fn before(&self, _call: &Call<'_>) -> Answer {
            Answer::Proceed
        }
        fn pid(&self, _real: u32) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "before");
    let pid = Arc::new(AtomicU32::new(100));
    let world = Interpose::new(OsVfs::new(), Pid(Arc::clone(&pid)));
    let mut producer = ProducerOptions::new().open_in(world.clone(), dir.path()).unwrap();
    let mut reader = fast_consumer().open_in(world, dir.path()).unwrap();
    pid.store(200, Ordering::SeqCst);
    let before = files(dir.path());
    let error = producer.append(&record("a")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(Failure::Forked { owner: 100 })), "{error}");
    assert!(matches!(producer.sync().unwrap_err(), Failure::Forked { owner: 100 }));
    let error = reader.try_next().unwrap_err();
    assert!(matches!(error, ReadError::Failure(Failure::Forked { owner: 100 })), "{error}");
    assert_eq!(files(dir.path()), before);
    pid.store(100, Ordering::SeqCst);
    append(&mut producer, "a");
    assert_eq!(drain(&mut reader), ["before", "a"]);
}

/// L-3: no lock leaks into a program that is started meanwhile.
#[test]
#[cfg(target_os = "linux")]
fn descriptors_are_closed_on_exec() {
    let dir = scratch();
    let _producer = Producer::open(dir.path()).unwrap();
    let _reader = fast_consumer().open(dir.path()).unwrap();
    let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listing.contains("->"), "{listing}");
    assert!(!listing.contains(dir.path().to_str().unwrap()), "{listing}");
}
