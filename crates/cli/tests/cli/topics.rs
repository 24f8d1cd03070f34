//! Topics: what there is, patterns, and a word where there is none.

use std::io::{BufRead, BufReader};

use crate::cli::Place;

fn shop() -> Place {
    let place = Place::new();
    for (topic, lines) in [("orders.eu", "a\nb\n"), ("orders.us", "c\n"), ("audit", "dd\n")] {
        place.puro_with(&["produce", "s", "-t", topic, "-k", "key", "-H", "n=v"], lines).text();
    }
    place
}

#[test]
fn topics_are_listed_with_what_they_hold() {
    let place = shop();
    let listed = place.puro(&["topics", "s"]).text();
    let lines: Vec<Vec<_>> =
        listed.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!(lines[0], ["records", "bytes", "first", "last", "topic"]);
    assert_eq!(lines[1], ["1", "7", "3", "3", "audit"]);
    assert_eq!(lines[2], ["2", "12", "0", "1", "orders.eu"]);
    let json = place.puro(&["topics", "s", "--json", "*.us"]).text();
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "topic": "orders.us", "records": 1, "bytes": 6, "first_offset": 2, "last_offset": 2,
    });
    assert_eq!(object, expected);
    let told = place.puro(&["topics", "s", "orders.*", "order"]).fails(0, "topic `order` in s");
    assert_eq!(String::from_utf8(told.stdout).unwrap().lines().count(), 3);
    place.puro(&["topics", "none"]).fails(64, "not a stream");
}

/// `-t 'orders.*'` reads what is there, and what comes of it later.
#[test]
fn a_pattern_takes_topics_that_come_later() {
    let place = shop();
    let consume = |topics: &[&str]| {
        let topics = topics.iter().flat_map(|topic| ["-t", topic]);
        let args: Vec<_> = ["consume", "s", "-e", "-f", "%s"].into_iter().chain(topics).collect();
        place.puro(&args).text()
    };
    assert_eq!(consume(&["orders.*"]), "abc");
    assert_eq!(consume(&["*.us", "audit"]), "cdd");
    assert_eq!(consume(&["?????"]), "dd");
    let mut consumer = place.start(&["consume", "s", "-c", "4", "-t", "orders.*"]);
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    for line in ["a", "b", "c"] {
        assert_eq!(lines.next().unwrap().unwrap(), line);
    }
    place.puro_with(&["produce", "s", "-t", "order"], "no\n").text();
    place.puro_with(&["produce", "s", "-t", "orders.jp"], "new\n").text();
    assert_eq!(lines.next().unwrap().unwrap(), "new");
    assert!(consumer.wait().unwrap().success());
    // A topic with a star in its name is asked for alone by a backslash.
    place.puro_with(&["produce", "s", "-t", "what*"], "star\n").text();
    place.puro_with(&["produce", "s", "-t", "whatever"], "ever\n").text();
    assert_eq!((consume(&["what*"]), consume(&["what\\*"])), ("starever".into(), "star".into()));
}

/// Patterns pass over what the index of topics says is not theirs, as names do.
#[test]
fn a_pattern_reads_no_more_than_a_name_does() {
    let place = Place::new();
    let filler = format!("{}\n", "x".repeat(1000)).repeat(6000);
    place.puro_with(&["produce", "s", "-t", "rare.one"], "first\n").text();
    place.puro_with(&["produce", "s", "-t", "often"], &filler).text();
    place.puro_with(&["produce", "s", "-t", "rare.two"], "last\n").text();
    place.puro(&["steward", "s", "--roll"]).fails(0, "");
    // What is passed over may be damaged.
    let mut bytes = std::fs::read(place.segment()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write("s/0000000000.puro", &bytes);
    place.puro(&["consume", "s", "-e"]).fails(2, "damaged");
    for topics in [&["-t", "rare.one", "-t", "rare.two"][..], &["-t", "rare.*"]] {
        let args = [&["consume", "s", "-e"], topics].concat();
        assert_eq!(place.puro(&args).text(), "first\nlast\n", "{topics:?}");
    }
}

/// A letter of a topic's name is wrong, and nothing is printed: it is said why.
#[test]
fn a_topic_that_is_not_there_is_told() {
    let place = shop();
    let none = place.puro(&["consume", "s", "-e", "-t", "order.eu"]);
    none.fails(0, "no record of topic `order.eu` in s");
    place.puro(&["consume", "s", "-e", "-t", "order.*"]).fails(0, "topic `order.*`");
    // What is there, but not in the part that is read, is no mistake.
    assert_eq!(place.puro(&["consume", "s", "-e", "-t", "orders.eu", "--from", "3"]).text(), "");
    let mut consumer = place.start(&["consume", "s", "-t", "audi", "-t", "b.*", "-c", "1"]);
    let mut messages = BufReader::new(consumer.stderr.take().unwrap()).lines();
    let message = messages.next().unwrap().unwrap();
    assert!(message.contains("no record of topic `audi` yet"), "{message}");
    place.puro_with(&["produce", "s", "-t", "b.1"], "x\n").text();
    assert!(consumer.wait().unwrap().success());
    assert!(messages.next().is_none(), "more may come of a pattern");
}

#[test]
fn patterns_match_as_in_a_shell() {
    assert!(puro::matches_pattern(b"*", b"") && puro::matches_pattern(b"*", b"any"));
    for (pattern, yes, no) in [
        ("", "", "a"),
        ("a*b*c", "a-b-b-c", "a-b-c-d"),
        ("*.*", ".", "ab"),
        ("**a", "bca", "b"),
        ("?b", "ab", "b"),
        ("a\\*", "a*", "ab"),
        ("a\\\\", "a\\", "a\\\\"),
        ("a\\", "a\\", "a"),
    ] {
        assert!(puro::matches_pattern(pattern.as_bytes(), yes.as_bytes()), "{pattern} {yes}");
        assert!(!puro::matches_pattern(pattern.as_bytes(), no.as_bytes()), "{pattern} {no}");
    }
}
