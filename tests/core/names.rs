//! Names that lead somewhere else: links, hard links, and what is no file at all, under every name
//! that Puro writes to (O-5, A-19, F-41, F-44, F-45).

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real::*;
use puro::error::Failure;
use puro::internals::backup;
use puro::internals::os::OsVfs;
use puro::{AppendError, Blame, NamedError, NamedOptions, NewRecord, OpenError};
use puro::{BackupError, BackupOptions};
use puro::{Producer, Steward};

/// A file of somebody else, outside of any stream.
fn precious() -> (tempfile::TempDir, PathBuf) {
    let outside = scratch();
    let path = outside.path().join("precious");
    std::fs::write(&path, "not ours").unwrap();
    (outside, path)
}

fn assert_untouched(path: &Path) {
    assert_eq!(std::fs::read(path).unwrap(), b"not ours");
}

/// A stream of "a" with bytes behind its end that a repair must save.
fn with_a_tail() -> tempfile::TempDir {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let mut file = std::fs::File::options().append(true).open(segment(dir.path(), 0)).unwrap();
    std::io::Write::write_all(&mut file, &[0xA5; 300]).unwrap();
    dir
}

/// Somebody got a stream whose `consumers` was a symbolic link to a directory of his own: the lock
/// file of another program in it was overwritten with a hint. With `lost`, tails went there. Field
/// report D4.
#[test]
fn directories_of_a_stream_are_not_followed_through_links() {
    let (outside, _) = precious();
    let theirs = outside.path().join("worker.lock");
    std::fs::write(&theirs, "not ours").unwrap();
    let dir = with_a_tail();
    symlink(outside.path(), dir.path().join("lost")).unwrap();
    let before = std::fs::read(segment(dir.path(), 0)).unwrap();
    let error = puro::repair(dir.path()).unwrap_err().to_string();
    assert!(error.contains("lost") && error.contains("it is a symbolic link"), "{error}");
    assert_eq!(std::fs::read(segment(dir.path(), 0)).unwrap(), before, "nothing is cut unsaved");
    std::fs::remove_file(dir.path().join("lost")).unwrap();
    assert_eq!(puro::repair(dir.path()).unwrap().len(), 1);

    symlink(outside.path(), dir.path().join("consumers")).unwrap();
    let error = NamedOptions::new().open(dir.path(), "worker").unwrap_err().to_string();
    assert!(error.contains("consumers") && error.contains("it is a symbolic link"), "{error}");
    assert_untouched(&theirs);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 2);
}

/// Somebody who could write in a stream's directory put a FIFO under the name that a saved tail
/// was to have: every writer was stuck, though F-41 says `-1`. So for a directory, a link, and a
/// file that has other names. Field reports D9, D10.
#[test]
fn what_cannot_be_a_saved_tail_does_not_keep_one_from_being_saved() {
    let (_outside, precious) = precious();
    type Make = fn(&Path, &Path);
    let kinds: [(&str, Make); 5] = [
        ("a FIFO", |path, _| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("a directory", |path, _| std::fs::create_dir(path).unwrap()),
        ("a link", |path, precious| symlink(precious, path).unwrap()),
        ("a link to nowhere", |path, _| symlink("nowhere", path).unwrap()),
        ("a hard link", |path, precious| std::fs::hard_link(precious, path).unwrap()),
    ];
    for (what, make) in kinds {
        let dir = with_a_tail();
        let mut sure = puro::repair(copy(dir.path()).path()).unwrap();
        let name = sure.remove(0).saved.unwrap().file_name().unwrap().to_owned();
        std::fs::create_dir(dir.path().join("lost")).unwrap();
        make(&dir.path().join("lost").join(&name), &precious);
        let saved = puro::repair(dir.path()).unwrap().remove(0).saved.unwrap();
        assert!(saved.to_str().unwrap().ends_with("-1.tail"), "{what}: {saved:?}");
        assert_eq!(std::fs::read(&saved).unwrap(), [0xA5; 300], "{what}");
        append(&mut Producer::open(dir.path()).unwrap(), "b");
        assert_eq!(values(dir.path()), ["a", "b"]);
        assert_untouched(&precious);
        assert!(!dir.path().join("lost/nowhere").exists());
    }
}

/// Somebody put a hard link, or a symbolic one, to a file of another user under the name that the
/// next segment gets while it is made: a rollover emptied that file and wrote into it. Now only the
/// name goes. Field report D9.
#[test]
fn what_has_a_temporary_name_is_not_written_to() {
    for hard in [true, false] {
        let (_outside, precious) = precious();
        let place = |name: PathBuf| {
            if hard { std::fs::hard_link(&precious, name) } else { symlink(&precious, name) }
                .unwrap()
        };
        let dir = scratch();
        let mut producer = small_segments().open(dir.path()).unwrap();
        producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
        place(dir.path().join("0000000001.puro.new"));
        for number in 0..3 {
            let value = format!("{number}").repeat(3000);
            producer.append(&NewRecord::new("t", &value).key("k")).unwrap();
        }
        assert!(segment(dir.path(), 2).exists());
        assert_untouched(&precious);
        place(dir.path().join("0000000000.puro.compact"));
        let report = Steward::open(dir.path()).unwrap().run_once().unwrap();
        assert_eq!(report.compacted.len(), 1, "{report:?}");
        assert_untouched(&precious);
    }
}

/// Somebody made `steward.lock` a hard link to a file of another user: who took the lock cut that
/// file to a hint of his own. Field report D9.
#[test]
fn a_lock_file_with_other_names_is_refused() {
    let (_outside, precious) = precious();
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    std::fs::create_dir(dir.path().join("consumers")).unwrap();
    for name in ["writer.lock", "steward.lock", "consumers/worker.lock"] {
        let path = dir.path().join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::hard_link(&precious, &path).unwrap();
        let error = match name {
            "writer.lock" => Producer::open(dir.path()).unwrap_err().to_string(),
            "steward.lock" => {
                Steward::open(dir.path()).unwrap().run_once().unwrap_err().to_string()
            }
            _ => NamedOptions::new().open(dir.path(), "worker").unwrap_err().to_string(),
        };
        assert!(error.contains(name) && error.contains("has 2 names"), "{error}");
        assert_untouched(&precious);
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(values(dir.path()), ["a"]);
}

/// Somebody who could write beside a backup made `OUT.partial` a link to a directory of his: the
/// backup went there, and what was there under names of segments was removed. Field report D9.
#[test]
fn a_backup_is_not_written_through_a_link() {
    let (outside, precious) = precious();
    std::fs::write(outside.path().join("backup.lock"), "").unwrap();
    std::fs::rename(&precious, segment(outside.path(), 0)).unwrap();
    let (dir, place) = (scratch(), scratch());
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let to = place.path().join("out");
    let back_up = || backup(OsVfs::new(), dir.path(), &to, &BackupOptions::new(), &mut |_, _| {});

    symlink(outside.path(), place.path().join("out.partial")).unwrap();
    let error = back_up().unwrap_err().to_string();
    assert!(error.contains("out.partial") && error.contains("it is a symbolic link"), "{error}");
    assert_untouched(&segment(outside.path(), 0));
    std::fs::remove_file(place.path().join("out.partial")).unwrap();

    // Nor is a name that leads anywhere replaced.
    symlink(outside.path(), &to).unwrap();
    assert!(matches!(back_up().unwrap_err(), BackupError::Exists { .. }));
    std::fs::remove_file(&to).unwrap();
    back_up().unwrap();
    assert_eq!(values(&to), ["a"]);
}

/// The power was lost in a rollover, and of the rename both names were on the disk (M-4, V-5): that
/// is no copy, and the next writer goes on. Found by the crash world when A-19 was new.
#[test]
fn the_name_that_a_rename_left_behind_is_no_second_name() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let temporary = dir.path().join("0000000000.puro.new");
    std::fs::hard_link(segment(dir.path(), 0), &temporary).unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    assert!(!temporary.exists());
    assert_eq!(values(dir.path()), ["a", "b"]);
}

/// Somebody copied a stream with `cp -al s t` to try something out, and removed the lock file of
/// the copy, which a clean-up took for a leftover. Writers of both appended to one file under two
/// locks: both were told that all went well, and a third of the records was gone. Field report A4;
/// toil #2947.
#[test]
fn a_segment_under_two_names_is_not_written_to() {
    let scratch = scratch();
    let (s, t) = (scratch.path().join("s"), scratch.path().join("t"));
    let mut held = small_segments().open(&s).unwrap();
    append(&mut held, "a");
    let copied = Command::new("cp").arg("-al").args([&s, &t]).status().unwrap();
    assert!(copied.success(), "cp -al");
    std::fs::remove_file(t.join("writer.lock")).unwrap();

    let AppendError::NotAppended(failure) = held.append(&record("b")).unwrap_err() else {
        panic!()
    };
    assert!(matches!(failure, Failure::HardLinked { links: 2, .. }), "{failure}");
    assert_eq!(failure.blame(), Blame::Environment);
    let OpenError::Failure(failure) = Producer::open(&t).unwrap_err() else { panic!() };
    let words = failure.to_string();
    for told in ["t/0000000000.puro", "has 2 names", "cp -al", "puro backup"] {
        assert!(words.contains(told), "{words}");
    }
    let Err(NamedError::Open(_)) = NamedOptions::new().open(&t, "worker") else { panic!() };
    assert_eq!(values(&s), ["a"], "reading is as ever");

    // The way out that is told.
    let to = scratch.path().join("u");
    backup(OsVfs::new(), &t, &to, &BackupOptions::new(), &mut |_, _| {}).unwrap();
    std::fs::remove_dir_all(&t).unwrap();
    append(&mut held, "b");
    assert_eq!((values(&s).len(), values(&to).len()), (2, 1));

    // Sealed segments are only read: they may have as many names as they like.
    for value in ["c", "d"] {
        append(&mut held, &value.repeat(3000));
    }
    std::fs::hard_link(segment(&s, 0), scratch.path().join("kept")).unwrap();
    append(&mut held, "e");
    append(&mut Producer::open(&s).unwrap(), "f");
}
