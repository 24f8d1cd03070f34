//! `puro consume --name`, `puro positions` and `puro config`, as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead, BufReader};

use crate::cli::Place;

#[test]
fn a_named_consumer_goes_on_where_it_was() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "x", "-"], b"1\n2\n3\n4\n");
    let first = place.puro(&["consume", "s", "--name", "w", "-c", "2"]).fails(0, "no position yet");
    assert_eq!(first.stdout, b"1\n2\n");
    assert_eq!(place.puro(&["consume", "s", "--name", "w", "-e"]).text(), "3\n4\n");
    assert_eq!(place.puro(&["consume", "s", "--name", "w", "-e"]).text(), "");
    let stored = ["consume", "s", "--name", "w", "--from", "stored", "-e"];
    assert_eq!(place.puro(&stored).text(), "");
    let again = ["consume", "s", "--name", "w", "--from", "3", "-e"];
    assert_eq!(place.puro(&again).text(), "4\n");
    place.puro(&["consume", "s", "--from", "stored"]).fails(64, "--name");
    place.puro(&["consume", "s", "--name", "../w"]).fails(64, "cannot be a name");
}

/// C-7
#[test]
fn positions_are_listed_set_reset_and_deleted() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "x", "-"], b"1\n2\n3\n4\n");
    place.puro(&["consume", "s", "--name", "w", "-c", "1"]);
    let list = || {
        let text = place.puro(&["positions", "s", "list", "--json"]).text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<serde_json::Value>>()
    };
    assert_eq!(list()[0]["name"], "w");
    assert_eq!(list()[0]["lag_offsets"], 3);
    assert_eq!(list()[0]["running"], false);
    place.puro(&["positions", "s", "set", "w", "-1"]).fails(0, "offset 3");
    assert_eq!(list()[0]["offset"], 3);
    place.puro(&["positions", "s", "set", "w", "99"]).fails(64, "out of range");
    place.puro(&["positions", "s", "reset", "w"]).fails(0, "offset 0");
    assert_eq!(place.puro(&["consume", "s", "--name", "w", "-c", "1"]).text(), "1\n");
    place.puro(&["positions", "s", "delete", "w"]).fails(0, "no position");
    assert!(list().is_empty());
    // A silent fall back to the beginning is taken for a bug.
    let again = place.puro(&["consume", "s", "--name", "w", "-c", "1"]);
    assert_eq!(again.fails(0, "ran before, but has no position").stdout, b"1\n");
}

/// A consumer that retention had overtaken ended with exit code 64, "wrong usage", at every start.
#[test]
fn who_was_overtaken_by_retention_says_so_and_may_go_on() {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4096"]).fails(0, "");
    place.puro_with(&["produce", "s", "-t", "x", "--batch", "1"], "a\n".repeat(3)).text();
    place.puro(&["consume", "s", "--name", "w", "-c", "1"]).fails(0, "");
    place.puro_with(&["produce", "s", "-t", "x", "--batch", "1"], "b\n".repeat(200)).text();
    place.puro(&["config", "s", "set", "retention_bytes", "1"]).fails(0, "");
    place.puro(&["steward", "s", "--once"]).fails(0, "");
    for _ in 0..2 {
        let told = place.puro(&["consume", "s", "--name", "w", "-e"]).fails(2, "--if-lost");
        assert!(told.stdout.is_empty() && told.stderr.contains("offset 1"), "{}", told.stderr);
    }
    let args = ["consume", "s", "--name", "w", "-e", "--if-lost", "beginning"];
    let went_on = place.puro(&args).fails(0, "missed");
    assert!(went_on.stdout.starts_with(b"b\n") && went_on.stdout.len() < 400);
    assert_eq!(place.puro(&args).text(), "");
    place.puro(&["consume", "s", "--if-lost", "end"]).fails(64, "--name");
}

/// A consumer of a rare topic printed its one record and was ended with Ctrl-C; what else had come
/// stayed unread for its position, for ever.
#[test]
fn what_was_passed_by_is_committed_at_the_end() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "rare"], "1\n").text();
    let mut consumer = place.start(&["consume", "s", "-t", "rare", "--name", "n"]);
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "1");
    place.puro_with(&["produce", "s", "-t", "frequent"], "1\n2\n3\n").text();
    crate::cli::signal(&consumer, "INT");
    assert_eq!(consumer.wait().unwrap().code(), Some(130));
    let list = place.puro(&["positions", "s", "list"]).text();
    assert!(list.contains("offset 4\tlag 0 offsets"), "{list}");
}

/// A run with -e slept for a tenth of a second behind its own commit, which it took for a block
/// that somebody was writing.
#[test]
fn a_named_run_to_the_end_does_not_wait_for_itself() {
    let place = Place::new();
    let fastest = (0..10).map(|_| {
        place.puro_with(&["produce", "s", "-t", "x"], "1\n").text();
        let begun = std::time::Instant::now();
        place.puro(&["consume", "s", "--name", "n", "-e"]).fails(0, "");
        begun.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < std::time::Duration::from_millis(100), "{fastest:?}");
}

#[test]
fn settings_are_listed_got_and_set() {
    let place = Place::new();
    place.puro(&["create", "s"]);
    place.puro(&["config", "s", "set", "retention_bytes", "1000000"]).fails(0, "from now on");
    assert_eq!(place.puro(&["config", "s", "get", "retention_bytes"]).text(), "1000000\n");
    assert_eq!(place.puro(&["config", "s", "get", "cleanup:users"]).text(), "delete\n");
    let listed = place.puro(&["config", "s", "list"]).text();
    assert!(listed.contains("* retention_bytes 1000000\n") && listed.contains("  roll_ms 0\n"));
    let json = place.puro(&["config", "s", "list", "--json"]).text();
    assert_eq!(json, "{\"retention_bytes\":\"1000000\"}\n");
    place.puro(&["config", "s", "set", "retention_bytes", "many"]).fails(64, "whole number");
    place.puro(&["config", "s", "set", "colour", "red"]).fails(64, "no setting");
    place.puro(&["config", "s", "get", "colour"]).fails(64, "no setting");
    place.puro(&["config", "s", "set", "retention_bytes"]).fails(0, "default");
    assert_eq!(place.puro(&["config", "s", "get", "retention_bytes"]).text(), "0\n");
}
