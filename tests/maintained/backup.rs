//! Backups and restored streams, in one process: what is in them, what they refuse, and calls
//! that fail at every place.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::real::{
    self, append, blocks, copy, dead_from, fast_consumer, files, flip, interpose, scratch, segment,
    set_len, small_segments, values,
};
use puro::check::Verdict as Soundness;
use puro::internals::dir::{Directory, open_path};
use puro::internals::interpose::{Answer, Operation};
use puro::internals::os::OsVfs;
use puro::internals::tail::open_tail;
use puro::internals::vfs::{LockKind, OpenMode, Vfs, VfsFile};
use puro::internals::{backup, check, restore};
use puro::{
    BackupError, BackupOptions, BackupReport, Batch, Blame, CheckOptions, Diverged, LockWait,
    NewRecord, OwnedRecord, Producer, ReadError, Start, Steward, Token,
};

fn back_up<V: Vfs>(vfs: V, from: &Path, to: &Path) -> Result<BackupReport, BackupError> {
    backup(vfs, from, to, &BackupOptions::new(), &mut |_, _| {})
}

fn bring_back(from: &Path, to: &Path) -> Result<BackupReport, BackupError> {
    restore(OsVfs::new(), from, to, &BackupOptions::new(), &mut |_, _| {})
}

/// A stream of several segments: keys, headers, delete markers, batches, empty and large values.
fn filled(dir: &Path) -> Producer {
    let mut producer = small_segments().open(dir).unwrap();
    for round in 0..60u32 {
        let value = vec![round as u8; (round as usize * 37) % 900];
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("orders", &value).key(&round.to_le_bytes())).unwrap();
        batch
            .push(&NewRecord::new("audit", "").header("by", "shop").header("by", &[0xFF]))
            .unwrap();
        batch.push(&NewRecord::delete_marker("orders", &(round / 2).to_le_bytes())).unwrap();
        producer.append_batch(&mut batch).unwrap();
    }
    producer
}

fn records(dir: &Path) -> Vec<OwnedRecord> {
    fast_consumer().open(dir).unwrap().try_iter().map(Result::unwrap).collect()
}

fn segments(dir: &Path) -> Vec<(String, Vec<u8>)> {
    files(dir).into_iter().filter(|(name, _)| name.ends_with(".puro")).collect()
}

fn assert_sound(dir: &Path) {
    let options = CheckOptions::new().deep(true).second_look(Duration::from_millis(1));
    let report = check(OsVfs::new(), dir, &options, &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Soundness::Sound, "{:?}", report.findings);
    assert_eq!(report.findings, [], "not even a stray name");
}

/// No backup, and nothing that keeps the next one from being made.
fn assert_none(to: &Path) {
    assert!(!to.exists(), "a backup that failed has its name");
    assert_eq!(segments(&partial(to)), [], "what was copied is still there");
}

fn partial(to: &Path) -> PathBuf {
    to.with_file_name(format!("{}.partial", to.file_name().unwrap().to_str().unwrap()))
}

#[test]
fn a_backup_is_the_stream_byte_for_byte() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    let mut producer = filled(&dir);
    producer.sync().unwrap();
    let mut told = Vec::new();
    let tell = &mut |done, total| told.push((done, total));
    let report = backup(OsVfs::new(), &dir, &to, &BackupOptions::new(), tell).unwrap();
    assert!(report.segments > 5);
    assert_eq!(report.token, producer.token());
    assert_eq!(files(&to), segments(&dir), "segments, and nothing else");
    assert_sound(&to);
    assert!(!partial(&to).exists());
    assert!(told.is_sorted(), "progress goes forward");
    assert_eq!(told.last(), Some(&(report.bytes * 2, report.bytes * 2)));

    // A backup of a backup is equal.
    let again = scratch.path().join("again");
    assert_eq!(back_up(OsVfs::new(), &to, &again).unwrap(), report);
    assert_eq!(files(&again), files(&to));
}

/// R-12, V-6: between a segment end and the next segment's name the stream has no active
/// segment; and a rollover may come while the last segment is copied.
#[test]
fn the_last_segment_is_copied_without_its_segment_end() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let last = segments(&dir).len() as u32 - 1;
    std::fs::remove_file(segment(&dir, last)).unwrap();
    let before = segment(&dir, last - 1);
    let report = back_up(OsVfs::new(), &dir, &to).unwrap();
    assert_sound(&to);
    assert_eq!(records(&to), records(&dir));
    assert_eq!(report.token.offset, records(&dir).last().unwrap().offset + 1);
    let copied = blocks(&segment(&to, last - 1));
    assert_eq!(copied.len() + 1, blocks(&before).len());
}

/// only up to the committed end. A low block, as its writer left it.
#[test]
fn what_is_not_committed_is_not_copied() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    let mut producer = filled(&dir);
    producer.sync().unwrap();
    append(&mut producer, "never seen");
    drop(producer);
    let last = segment(&dir, segments(&dir).len() as u32 - 1);
    let (position, _) = *blocks(&last).last().unwrap();
    flip(&last, position, 0xA5);
    back_up(OsVfs::new(), &dir, &to).unwrap();
    assert_sound(&to);
    assert_eq!(records(&to), records(&dir));
    assert_eq!(segments(&to).last().unwrap().1.len() as u64, position);
}

#[test]
fn a_damaged_stream_is_not_backed_up() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let mut producer = filled(&dir);
    producer.sync().unwrap();
    append(&mut producer, "says that all before it is on the disk");
    drop(producer);
    let last = segments(&dir).len() as u32 - 1;
    type Damage<'d> = &'d dyn Fn(&Path);
    let damages: [(&str, Damage<'_>); 6] = [
        ("a flipped bit in a sealed segment", &|dir| flip(&segment(dir, 1), 500, 1)),
        ("a sealed segment cut short", &|dir| set_len(&segment(dir, 1), 1024)),
        ("a damaged header", &|dir| flip(&segment(dir, 0), 20, 1)),
        ("a missing segment", &|dir| std::fs::remove_file(segment(dir, 2)).unwrap()),
        ("synced bytes of the active segment", &|dir| {
            let last = segment(dir, last);
            let known = blocks(&last).last().unwrap().1.durable_to;
            let synced = blocks(&last).into_iter().rfind(|(position, _)| *position < known);
            flip(&last, synced.unwrap().0 + 50, 1);
        }),
        ("the first checkpoint of the active segment", &|dir| flip(&segment(dir, last), 70, 1)),
    ];
    for (what, damage) in damages {
        let (dir, to) = (copy(&dir), scratch.path().join("backup"));
        damage(dir.path());
        let error = back_up(OsVfs::new(), dir.path(), &to).expect_err(what);
        assert_eq!(error.blame(), Blame::Data, "{what}: {error}");
        assert!(error.to_string().contains("puro"), "{what}: {error}");
        assert_none(&to);
    }
}

#[test]
fn names_that_are_taken_are_left_alone() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let refused = |what: &str, to: &Path| {
        let error = back_up(OsVfs::new(), &dir, to).expect_err(what);
        assert_eq!(error.blame(), Blame::Caller, "{what}: {error}");
        error
    };

    std::fs::write(&to, "a file").unwrap();
    assert!(matches!(refused("a file", &to), BackupError::Exists { .. }));
    std::fs::remove_file(&to).unwrap();
    back_up(OsVfs::new(), &dir, &to).unwrap();
    let before = files(&to);
    assert!(matches!(refused("a backup", &to), BackupError::Exists { .. }));
    assert_eq!(files(&to), before);
    assert!(matches!(refused("no name", Path::new("/")), BackupError::Name { .. }));

    // A stream that happens to have the name of an unfinished copy is no unfinished copy.
    let other = scratch.path().join("other");
    drop(filled(&partial(&other)));
    let before = files(&partial(&other));
    assert!(matches!(refused("a stream", &other), BackupError::Foreign { .. }));
    assert_eq!(files(&partial(&other)), before);

    let nothing = scratch.path().join("nothing");
    let error = back_up(OsVfs::new(), &nothing, &scratch.path().join("x")).unwrap_err();
    assert_eq!(error.blame(), Blame::Caller, "{error}");
    assert_none(&scratch.path().join("x"));

    let empty = scratch.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    back_up(OsVfs::new(), &dir, &empty).unwrap();
    assert_eq!(files(&empty), segments(&dir));
}

/// Two backups to one name: the second is refused while the first is at work.
#[test]
fn one_backup_at_a_time_has_the_name() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let refused = Arc::new(AtomicBool::new(false));
    let (seen, source, second) = (Arc::clone(&refused), dir.clone(), to.clone());
    let world = interpose(move |call| {
        if call.operation == Operation::Write && !seen.swap(true, Ordering::SeqCst) {
            let error = back_up(OsVfs::new(), &source, &second).unwrap_err();
            assert!(matches!(error, BackupError::Busy { .. }), "{error}");
        }
        Answer::Proceed
    });
    back_up(world, &dir, &to).unwrap();
    assert!(refused.load(Ordering::SeqCst));
    assert_sound(&to);
}

/// S-3 and S-4: a steward cannot have the exclusive lock of any segment once the first byte is
/// copied; and one whose patience is over, which deletes without the lock, takes nothing from
/// the backup either.
#[test]
fn a_steward_cannot_break_a_backup() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let before = segments(&dir);
    let begun = Arc::new(AtomicBool::new(false));
    let (seen, source, count) = (Arc::clone(&begun), dir.clone(), before.len() as u32);
    let world = interpose(move |call| {
        if call.operation == Operation::Write && !seen.swap(true, Ordering::SeqCst) {
            for sequence in 0..count {
                let file =
                    open_path(&OsVfs::new(), &segment(&source, sequence), OpenMode::Write).unwrap();
                assert!(!file.lock(LockKind::Exclusive, LockWait::Try).unwrap(), "{sequence}");
            }
            for sequence in 0..count - 1 {
                std::fs::remove_file(segment(&source, sequence)).unwrap();
            }
        }
        Answer::Proceed
    });
    let report = back_up(world, &dir, &to).unwrap();
    assert!(begun.load(Ordering::SeqCst));
    assert_eq!((report.segments, report.base_offset), (u64::from(count), 0));
    assert_eq!(segments(&to), before);
    assert_sound(&to);
    // They are all given back.
    let file = open_path(&OsVfs::new(), &segment(&dir, count - 1), OpenMode::Write).unwrap();
    assert!(file.lock(LockKind::Exclusive, LockWait::Try).unwrap());
}

/// the lowest segment is deleted after it was pinned (S-4), before the others are. A
/// compaction of the others could now remove delete markers that only it made necessary (S-7):
/// the backup must not hold it, or what was deleted would be there again.
#[test]
fn all_segments_are_those_of_one_moment() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let all = segments(&dir);
    let deleted = Arc::new(AtomicBool::new(false));
    let (seen, source) = (Arc::clone(&deleted), dir.clone());
    let world = interpose(move |call| {
        let pins_second = call.operation == Operation::Lock && call.path == segment(&source, 1);
        if pins_second && !seen.swap(true, Ordering::SeqCst) {
            std::fs::remove_file(segment(&source, 0)).unwrap();
        }
        Answer::Proceed
    });
    let report = back_up(world, &dir, &to).unwrap();
    assert!(deleted.load(Ordering::SeqCst));
    assert!(report.base_offset > 0);
    assert_eq!(segments(&to), all[1..]);
    assert_sound(&to);
}

fn nine_records(dir: &Path) {
    let mut producer = small_segments().open(dir).unwrap();
    for round in 0..9 {
        append(&mut producer, &format!("{round}{}", "x".repeat(900)));
    }
}

/// Every call fails once, alone and with all that follow: no backup, a clear error, and the
/// next one is made.
#[test]
fn a_backup_that_fails_at_any_call_leaves_none() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    nine_records(&dir);
    let mut failed = 0;
    for n in 0.. {
        let to = scratch.path().join(format!("dead-{n}"));
        let (world, calls) = dead_from(n, 0);
        let made = back_up(world, &dir, &to);
        if calls.count() <= n {
            made.unwrap();
            break;
        }
        if let Err(error) = made {
            assert_eq!(error.blame(), Blame::Environment, "call {n}: {error}");
            failed += 1;
            // As after a death: everything may be there but the whole backup under its name.
            if to.exists() {
                assert_eq!(segments(&to), segments(&dir), "call {n}");
                continue;
            }
        }
        if !to.exists() {
            back_up(OsVfs::new(), &dir, &to).unwrap_or_else(|error| panic!("after {n}: {error}"));
        }
        assert_eq!(segments(&to), segments(&dir), "call {n}");
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn a_backup_whose_call_fails_cleans_up() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    nine_records(&dir);
    let mut failed = 0;
    for n in 0.. {
        let to = scratch.path().join(format!("once-{n}"));
        let calls = real::Calls::default();
        let counter = calls.clone();
        let world = interpose(move |_| {
            // What is done to clean up is let pass: only one call fails.
            if counter.next() == n { Answer::Fail(real::errno(real::EIO)) } else { Answer::Proceed }
        });
        let made = back_up(world, &dir, &to);
        if calls.count() <= n {
            made.unwrap();
            break;
        }
        match made {
            // Closing a lock file does what a failed unlock did not.
            Ok(_) => assert_eq!(segments(&to), segments(&dir), "call {n}"),
            Err(error) => {
                assert_eq!(error.blame(), Blame::Environment, "call {n}: {error}");
                assert_none(&to);
                failed += 1;
                back_up(OsVfs::new(), &dir, &to).unwrap();
            }
        }
    }
    assert!(failed > 50, "{failed}");
}

/// What is read back is not what was written: the backup gets no name.
#[test]
fn a_backup_is_read_back_before_it_is_named() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let copied = partial(&to);
    let world = interpose(move |call| {
        // Synced and damaged, as by a failing disk.
        if call.operation == Operation::SyncDir && call.path == copied {
            flip(&segment(&copied, 1), 600, 1);
        }
        Answer::Proceed
    });
    let error = back_up(world, &dir, &to).unwrap_err();
    assert!(matches!(error, BackupError::NotSound { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Environment, "the stream is sound");
    assert_none(&to);
}

#[test]
fn a_full_disk_is_met_before_anything_is_written() {
    struct Full;
    impl puro::internals::interpose::Hook for Full {
        fn before(&self, call: &puro::internals::interpose::Call<'_>) -> Answer {
            assert_ne!(call.operation, Operation::Write);
            Answer::Proceed
        }
        fn free_bytes(&self, _real: u64) -> u64 {
            4096
        }
    }
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    drop(filled(&dir));
    let world = puro::internals::interpose::Interpose::new(OsVfs::new(), Full);
    let error = back_up(world, &dir, &to).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    assert_none(&to);
}

/// E-8: same records, offsets, times, epochs and entries; another id, and no token of the old.
#[test]
fn a_restored_stream_is_the_same_under_a_new_id() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let (saved, to) = (scratch.path().join("backup"), scratch.path().join("restored"));
    let producer = filled(&dir);
    let old = producer.token();
    drop(producer);
    let made = back_up(OsVfs::new(), &dir, &saved).unwrap();
    let report = bring_back(&saved, &to).unwrap();
    assert_sound(&to);
    assert_eq!(records(&to), records(&dir));
    assert_ne!(report.token.stream_id, made.token.stream_id);
    let mut alike = made;
    alike.token = report.token;
    assert_eq!(report, alike);
    assert_eq!((report.token.epoch, report.token.offset), (made.token.epoch, made.token.offset));

    for (name, _) in segments(&dir) {
        let (of_old, of_new) = (blocks(&dir.join(&name)), blocks(&to.join(&name)));
        assert_eq!(of_old.len(), of_new.len());
        for ((position, old), (new_position, new)) in of_old.into_iter().zip(of_new) {
            assert_eq!(position, new_position);
            assert_ne!(old.start_crc, new.start_crc, "F-19: seeded with the header");
            let (prev_crc, start_crc) = (new.prev_crc, new.start_crc);
            let same = puro::internals::block::BlockStart { prev_crc, start_crc, ..old };
            assert_eq!(same, new);
        }
    }
    assert_eq!(state(&to), state(&dir));

    let presented = fast_consumer().start(Start::Token(old)).open(&to).unwrap_err();
    let ReadError::Diverged(Diverged::OtherStream { token }) = presented else {
        panic!("a token of the old history is taken: {presented}");
    };
    assert_eq!(token, old);

    // It goes on where the backup ended, as a stream of its own.
    let mut producer = Producer::open(&to).unwrap();
    assert_eq!(append(&mut producer, "on it goes"), made.token.offset);
    assert_sound(&to);
}

/// All entries of the state.
fn state(dir: &Path) -> Vec<String> {
    let directory = Directory::new(OsVfs::new(), dir);
    let (tail, _) = open_tail(&directory, OpenMode::Read).unwrap().unwrap();
    tail.state.entries().map(|entry| format!("{entry:?}")).collect()
}

/// A tail that was lost raises the epoch: the copies keep that, and where it began.
#[test]
fn epochs_stay_where_they_began() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let (saved, to) = (scratch.path().join("backup"), scratch.path().join("restored"));
    let mut producer = small_segments().open(&dir).unwrap();
    append(&mut producer, "a");
    let lost_from = append(&mut producer, "lost");
    let seen = producer.token();
    drop(producer);
    let last = segment(&dir, 0);
    let (position, _) = *blocks(&last).last().unwrap();
    flip(&last, position + 60, 1);
    append(&mut Producer::open(&dir).unwrap(), "b");
    back_up(OsVfs::new(), &dir, &saved).unwrap();
    bring_back(&saved, &to).unwrap();
    assert_eq!(values(&to), ["a", "b"]);
    assert_eq!(real::epoch(&to), 2);
    let stream_id = bring_back(&to, &scratch.path().join("twice")).unwrap().token.stream_id;
    let seen = Token { stream_id, ..seen };
    let twice = scratch.path().join("twice");
    let error = fast_consumer().start(Start::Token(seen)).open(twice).unwrap_err();
    let ReadError::Diverged(Diverged::Lost { end, .. }) = error else { panic!("{error}") };
    assert_eq!(end, lost_from);
}

/// F-38, F-39: gaps, jumps and generations of compacted segments go over as they are.
#[test]
fn a_compacted_stream_is_copied_as_it_is() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let (saved, to) = (scratch.path().join("backup"), scratch.path().join("restored"));
    let mut producer = small_segments().open(&dir).unwrap();
    producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
    for round in 0..600u32 {
        let (key, value) = (format!("key-{}", round * 7 % 40), "v".repeat(round as usize % 200));
        producer.append(&NewRecord::new("table", &value).key(&key)).unwrap();
    }
    drop(producer);
    let before = records(&dir).len();
    let report = Steward::open(&dir).unwrap().run_once().unwrap();
    assert!(report.compacted.len() > 5);
    assert!(records(&dir).len() < before / 2, "much is gone");
    back_up(OsVfs::new(), &dir, &saved).unwrap();
    assert_eq!(segments(&saved), segments(&dir));
    bring_back(&saved, &to).unwrap();
    for copied in [&saved, &to] {
        assert_sound(copied);
        assert_eq!(records(copied), records(&dir));
    }
}

/// Segments of another stream are not part of this one (F-9).
#[test]
fn strays_are_left_out() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("stream"), scratch.path().join("backup"));
    let other = scratch.path().join("other");
    drop(filled(&dir));
    drop(filled(&other));
    let before = segments(&dir);
    let last = before.len() as u32;
    std::fs::copy(segment(&other, 0), segment(&dir, last)).unwrap();
    std::fs::write(dir.join("notes.txt"), "stray").unwrap();
    back_up(OsVfs::new(), &dir, &to).unwrap();
    assert_eq!(files(&to), before);
}

/// Somebody keeps backups on a file system that gives a file no second name. The next one copies all of it,
/// and says that it shares nothing. Where the system fails otherwise, the backup does not go on, and
/// leaves nothing.
#[test]
fn what_cannot_be_shared_is_copied_and_a_failing_link_is_told() {
    let place = scratch();
    let (dir, monday) = (place.path().join("events"), place.path().join("monday"));
    let producer = filled(&dir);
    back_up(OsVfs::new(), &dir, &monday).unwrap();
    let again = |name: &str, code| {
        let world = interpose(move |call| match (call.operation, code) {
            (Operation::Link, Some(code)) => Answer::Fail(real::errno(code)),
            _ => Answer::Proceed,
        });
        let to = place.path().join(name);
        let options = BackupOptions::new().base(&monday);
        (backup(world, &dir, &to, &options, &mut |_, _| {}), to)
    };
    let (shared, _) = again("shared", None);
    assert!(shared.unwrap().shared_bytes > 0);
    let (copied, to) = again("copied", Some(nix::libc::EXDEV));
    assert_eq!(copied.unwrap().shared_bytes, 0);
    assert_eq!(segments(&to), segments(&monday));
    let (failed, to) = again("failed", Some(real::EIO));
    assert_eq!(failed.unwrap_err().blame(), Blame::Environment);
    assert!(!to.exists());
    drop(producer);
}
