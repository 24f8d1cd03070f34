//! Backups that copy what is new, and share the rest with an earlier one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Place;

/// A stream of several segments.
fn stream() -> Place {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4096"]).fails(0, "made");
    append(&place, 0, 20);
    place
}

fn append(place: &Place, from: u32, to: u32) {
    let pad = "x".repeat(1000);
    let lines: String = (from..to).map(|n| format!("{}:{n} {pad}\n", n % 3)).collect();
    place.puro_with(&["produce", "s", "-t", "t", "-K", ":", "--batch", "1"], lines).text();
}

fn backup(place: &Place, args: &[&str]) -> Value {
    let told = place.puro(&[&["backup", "s", "--json"], args].concat()).text();
    serde_json::from_str(&told).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|end| end == "puro")).collect();
    names.sort();
    names
}

fn shared(dir: &Path) -> usize {
    segments(dir).iter().filter(|path| path.metadata().unwrap().nlink() > 1).count()
}

fn is_the_stream(place: &Place, copy: &str) {
    place.puro(&["diff", "s", copy]).fails(0, "no difference");
    place.puro(&["verify", copy, "--deep"]).text();
}

/// Every night a backup of its own; what did not change is on the disk once.
#[test]
fn backups_share_what_is_the_same() {
    let place = stream();
    let monday = backup(&place, &["monday"]);
    assert_eq!(monday["shared_bytes"], 0);
    append(&place, 20, 30);
    let tuesday = backup(&place, &["tuesday", "--base", "monday"]);
    let sealed = segments(&place.path("monday")).len() - 1;
    assert_eq!(shared(&place.path("tuesday")), sealed, "all but the one that was not sealed then");
    let (bytes, shared_bytes) = (&tuesday["bytes"], &tuesday["shared_bytes"]);
    assert!(shared_bytes.as_u64() > Some(0) && shared_bytes.as_u64() < bytes.as_u64(), "{tuesday}");
    is_the_stream(&place, "tuesday");
    // Either may go.
    std::fs::remove_dir_all(place.path("monday")).unwrap();
    is_the_stream(&place, "tuesday");

    // What was compacted meanwhile is another segment, and what was deleted is left out.
    place.puro(&["config", "s", "set", "cleanup:t", "compact"]).fails(0, "");
    place.puro(&["steward", "s", "--roll"]).fails(0, "");
    backup(&place, &["wednesday", "--base", "tuesday"]);
    is_the_stream(&place, "wednesday");
    assert_eq!(place.puro(&["consume", "wednesday", "-e", "-t", "t"]).text().lines().count(), 3);

    place.puro(&["backup", "s", "x", "--base", "s"]).fails(64, "no earlier backup");
    place.puro_with(&["produce", "other", "-t", "t"], "1\n").text();
    place.puro(&["backup", "s", "x", "--base", "other"]).fails(64, "of another stream");
    place.puro(&["backup", "s", "x", "--base", "none"]).fails(64, "none is not a stream");
    assert!(!place.path("x").exists());
}

/// A disk has damaged what would be shared: no backup is made of it, and the old one stays.
#[test]
fn what_is_shared_is_read_back() {
    let place = stream();
    backup(&place, &["copy"]);
    append(&place, 20, 30);
    let first = place.path("copy/0000000000.puro");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    for args in [&["copy", "--update"][..], &["new", "--base", "copy"]] {
        let refused = place.puro(&[&["backup", "s"], args].concat());
        refused.fails(74, "no backup was made");
        assert!(!place.path("new").exists() && !place.path("copy.next").exists());
        assert!(place.path("copy").exists());
    }
    backup(&place, &["whole"]);
    is_the_stream(&place, "whole");
}

/// One backup, brought up to date again and again, whatever became of the last try.
#[test]
fn a_backup_is_brought_up_to_date() {
    let place = stream();
    assert_eq!(backup(&place, &["copy", "--update"])["shared_bytes"], 0, "there is none yet");
    for (from, to) in [(20, 25), (25, 25), (25, 40)] {
        append(&place, from, to);
        let told = backup(&place, &["copy", "--update"]);
        assert!(told["shared_bytes"].as_u64() > Some(0), "{told}");
        is_the_stream(&place, "copy");
        assert!(!place.path("copy.next").exists());
        assert_eq!(shared(&place.path("copy")), 0, "the old one is gone");
    }
    // It died before, or right behind, the moment in which the new one took the old one's place.
    backup(&place, &["copy.next"]);
    append(&place, 40, 45);
    backup(&place, &["copy", "--update"]);
    is_the_stream(&place, "copy");
    // What only has that name is nobody's to remove.
    place.puro_with(&["produce", "copy.next", "-t", "t"], "mine\n").text();
    place.puro(&["backup", "s", "copy", "--update"]).fails(64, "move it away");
    assert_eq!(place.puro(&["consume", "copy.next", "-e"]).text(), "mine\n");
    let trimmed = place.puro(&["trim", "s", "--before", "30"]);
    assert_eq!(trimmed.code, 0);
    std::fs::remove_dir_all(place.path("copy.next")).unwrap();
    backup(&place, &["copy", "--update"]);
    is_the_stream(&place, "copy");
    // A restored stream goes on, and shares nothing.
    place.puro(&["restore", "copy", "restored"]).text();
    assert_eq!(shared(&place.path("restored")), 0);
}
