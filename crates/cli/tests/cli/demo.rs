//! `puro demo`: it ends well, leaves nothing behind, and keeps what it is told to keep.

use std::io::{BufRead, BufReader};

use crate::cli::{Place, signal};

#[test]
fn the_demo_proves_what_it_promises() {
    let place = Place::new();
    let shown = place.puro(&["demo", "s"]).text();
    for part in [
        "is in the middle of a block",
        "killed producer-4 with SIGKILL",
        "was next, and repaired",
        "consumer-3 saw",
        "all 3 consumers saw the same sequence",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    assert_eq!(shown.matches("\n  yes  ").count(), 5, "{shown}");
    assert!(!shown.contains("NO "), "{shown}");

    // What it kept is a sound stream with what it said, and no second demo's place.
    let read = place.puro(&["consume", "s", "-e", "-f", "%o\\n"]).text();
    let records = read.lines().count();
    assert!(shown.contains(&format!("it has {records} records, without gap or repeat")));
    assert_eq!(read.lines().last(), Some(&*(records - 1).to_string()));
    assert_eq!(place.puro(&["verify", "s"]).code, 0);
    place.puro(&["demo", "s"]).fails(64, "is a stream already");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let place = Place::new();
    let mut demo = place.start(&["demo"]);
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("made the stream"), "{first}");
    signal(&demo, "INT");
    // Only when all its processes are gone does the pipe of their messages end.
    let output = demo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let left = std::fs::read_dir(place.path(".")).unwrap().count();
    assert_eq!(left, 0, "its temporary directory is still there");
}
