//! What a file is continued by has its mode and owner (O-9), and who only looks makes no file (S-11).

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::real::*;
use puro::{NamedOptions, NewRecord, Producer, Steward, StewardOptions};

/// Whoever runs these tests as root sees owners, too.
fn is_root(dir: &Path) -> bool {
    let root = std::fs::metadata(dir).unwrap().uid() == 0;
    if !root {
        println!("owners are not tested: not run by root");
    }
    root
}

const GROUP: u32 = 4711;
const OWNER: u32 = 4712;

/// Gives all that is there a mode and, as root, an owner.
fn give(dir: &Path, mode: u32, root: bool) {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.push(dir.to_owned());
    for path in paths {
        if root {
            chown(&path, Some(OWNER), Some(GROUP)).unwrap();
        }
        let x = if path.is_dir() { 0o111 } else { 0 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode | x)).unwrap();
    }
}

#[track_caller]
fn assert_given(path: &Path, mode: u32, root: bool) {
    let found = std::fs::metadata(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let x = if path.is_dir() { 0o111 } else { 0 };
    assert_eq!(found.mode() & 0o777, mode | x, "{path:?}");
    if root {
        assert_eq!((found.uid(), found.gid()), (OWNER, GROUP), "{path:?}");
    }
}

/// Root, whose umask is 022, rolled the stream of a group (0664): all others were locked out. In
/// the other direction a private stream (0600) became readable by everybody. And lock files that
/// root was the first to need belonged to root. Field report B2; lamb #831, redis PR #12803.
#[test]
fn what_continues_or_replaces_a_file_has_its_mode_and_owner() {
    for mode in [0o664, 0o600, 0o640] {
        let dir = scratch();
        let root = is_root(dir.path());
        let mut producer = small_segments().open(dir.path()).unwrap();
        producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
        give(dir.path(), mode, root);
        for number in 0..2 {
            let value = format!("{number}").repeat(3000);
            producer.append(&NewRecord::new("t", &value).key("k")).unwrap();
        }
        drop(producer);
        assert_given(&segment(dir.path(), 1), mode, root);

        let mut steward = StewardOptions::new().roll(true).open(dir.path()).unwrap();
        assert_eq!(steward.run_once().unwrap().compacted.len(), 1);
        for sequence in 0..3 {
            assert_given(&segment(dir.path(), sequence), mode, root);
        }
        assert_given(&dir.path().join("steward.lock"), mode, root);

        drop(NamedOptions::new().open(dir.path(), "worker").unwrap());
        assert_given(&dir.path().join("consumers"), mode, root);
        assert_given(&dir.path().join("consumers/worker.lock"), mode, root);

        std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
        let active = std::fs::File::options().append(true).open(segment(dir.path(), 2)).unwrap();
        std::io::Write::write_all(&mut &active, &[0xA5; 300]).unwrap();
        let saved = puro::repair(dir.path()).unwrap().remove(0).saved.unwrap();
        for path in [saved.as_path(), saved.parent().unwrap(), &dir.path().join("writer.lock")] {
            assert_given(path, mode, root);
        }
    }
}

/// Root looked at somebody's stream by `steward --dry-run` and `repair`, which had nothing to do:
/// lock files stayed behind, of root, and kept the owner out. Field report B2.
#[test]
fn who_has_nothing_to_do_makes_no_file() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
    let before = files(dir.path());
    let mut steward = StewardOptions::new().dry_run(true).roll(true).open(dir.path()).unwrap();
    assert_eq!(steward.run_once().unwrap().sealed, Some(0));
    assert!(puro::repair(dir.path()).unwrap().is_empty());
    assert_eq!(files(dir.path()), before);
    // Where there is a lock, a dry run still respects it.
    drop(Steward::open(dir.path()).unwrap().run_once().unwrap());
    assert!(dir.path().join("steward.lock").exists());
    steward.run_once().unwrap();
}
