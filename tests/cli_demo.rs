//! `puro demo`: it ends well, leaves nothing behind, and keeps what it is told to keep.

#![cfg(feature = "cli")]

#[path = "common/cli.rs"]
mod cli;

use cli::Place;

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
