//! What becomes of processes whose stream's directory is moved, copied or looked at (O-8, A-19, O-9).

use std::io::{Read, Write};
use std::process::Command;

use crate::cli::{LIMIT, Place};
use crate::real::{Reaped, files, segment};
use puro::ConsumerOptions;

fn count(place: &Place, stream: &str) -> usize {
    place.puro(&["consume", stream, "-e"]).text().lines().count()
}

/// A log was rotated by hand: `mv aa aa.old; puro create aa`, while a producer had `aa` open. At
/// its next rollover it went on in the *new* `aa`: 1,200 records became strays that neither stream
/// shows, and the new stream could never roll again. Field report A3; realm-core #1944,
/// logrotate #338.
#[test]
fn a_producer_goes_on_in_a_directory_that_was_moved() {
    let place = Place::new();
    place.puro(&["create", "aa", "--segment-bytes", "4096"]).fails(0, "made");
    let mut producer = Reaped(place.start(&["produce", "aa", "-t", "t", "--batch", "1"]));
    let mut lines = producer.0.stdin.take().unwrap();
    writeln!(lines, "first").unwrap();
    let mut consumer = ConsumerOptions::new().open(place.path("aa")).unwrap();
    assert!(consumer.wait(LIMIT).unwrap(), "no record came");

    std::fs::rename(place.path("aa"), place.path("aa.old")).unwrap();
    place.puro(&["create", "aa", "--segment-bytes", "4096"]).fails(0, "made");
    place.puro_with(&["produce", "aa", "-t", "t"], "another\n").text();
    for number in 0..1500 {
        writeln!(lines, "line {number}").unwrap();
    }
    drop(lines);
    let mut told = String::new();
    producer.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(producer.0.wait().unwrap().success(), "{told}");

    assert_eq!((count(&place, "aa.old"), count(&place, "aa")), (1501, 1));
    let more: String = (0..300).map(|number| format!("more {number}\n")).collect();
    place.puro_with(&["produce", "aa", "-t", "t", "--batch", "1"], more).text();
    assert_eq!(count(&place, "aa"), 301, "the new stream rolls, too");
    for stream in ["aa", "aa.old"] {
        assert!(segment(&place.path(stream), 1).exists(), "{stream} has rolled");
        place.puro(&["verify", stream, "--deep"]).text();
    }
}

/// The same, seen by a consumer that waits at the end: those who open the path now append to
/// another stream, and it would wait for ever.
#[test]
fn a_consumer_that_waits_is_told_that_its_stream_was_moved() {
    for replaced in [false, true] {
        let place = Place::new();
        place.puro_with(&["produce", "aa", "-t", "t"], "first\n").text();
        let mut consumer = Reaped(place.start(&["consume", "aa"]));
        let mut line = [0; 6];
        consumer.0.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"first\n");
        std::fs::rename(place.path("aa"), place.path("aa.old")).unwrap();
        if replaced {
            place.puro_with(&["produce", "aa", "-t", "t"], "another\n").text();
        }
        let mut told = String::new();
        consumer.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(consumer.0.wait().unwrap().code(), Some(74), "{told}");
        assert!(told.contains("removed, moved or replaced"), "{told}");
    }
}

/// `cp -al s t; rm t/writer.lock`, then `puro produce` for each: both exited 0, a third of the
/// records was gone. Field report A4.
#[test]
fn a_copy_by_hard_links_is_refused_by_its_writers() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t"], "a\n").text();
    let copied = Command::new("cp").arg("-al").args([place.path("s"), place.path("t")]).status();
    assert!(copied.unwrap().success());
    std::fs::remove_file(place.path("t").join("writer.lock")).unwrap();
    for stream in ["s", "t"] {
        let ran = place.puro_with(&["produce", stream, "-t", "t"], "b\n");
        ran.fails(74, "has 2 names").fails(74, "puro backup");
    }
    place.puro(&["backup", "t", "u"]).fails(0, "");
    std::fs::remove_dir_all(place.path("t")).unwrap();
    for stream in ["s", "u"] {
        place.puro_with(&["produce", stream, "-t", "t"], "b\n").text();
        assert_eq!(count(&place, stream), 2);
    }
}

/// An operator only looked: `puro repair` and `puro steward --dry-run` left lock files of root in
/// somebody else's stream. Field report B2.
#[test]
fn looking_makes_no_files() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t"], "a\n").text();
    std::fs::remove_file(place.path("s").join("writer.lock")).unwrap();
    let before = files(&place.path("s"));
    place.puro(&["repair", "s"]).fails(0, "");
    place.puro(&["steward", "s", "--once", "--roll", "--dry-run"]).fails(0, "");
    assert_eq!(files(&place.path("s")), before);
}
