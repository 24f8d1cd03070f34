//! `puro consume --name`, `puro positions` and `puro config`, as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use crate::cli::Place;

#[test]
fn a_named_consumer_goes_on_where_it_was() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "x", "-"], b"1\n2\n3\n4\n");
    assert_eq!(place.puro(&["consume", "s", "--name", "w", "-c", "2"]).text(), "1\n2\n");
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
