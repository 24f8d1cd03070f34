//! `puro stat` and `puro diff`.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::cli::Place;

/// Somebody watches a stream into which somebody else appends, and a consumer that is behind.
#[test]
fn stat_tells_rates_lag_and_who() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t", "--durable"], "1\n2\n3\n").text();
    place.puro(&["consume", "s", "--name", "slow", "-c", "1"]);
    let once = place.puro(&["stat", "s"]).text();
    let lines: Vec<Vec<_>> = once.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0].join(" "),
        "time offset records/s bytes/s bytes segments unsynced processes lag"
    );
    let (time, row) = lines[1].split_first().unwrap();
    assert!(time.ends_with('Z'));
    assert_eq!((row[0], row[1], row[2], row[4], row[6]), ("3", "-", "-", "1", "0"));
    assert_eq!(row[7..], ["2", "slow"]);

    let mut consumer = place.start(&["consume", "s", "--name", "live"]);
    let mut values = BufReader::new(consumer.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        values.next().unwrap().unwrap();
    }
    let mut stat = place.start(&["stat", "s", "-i", "300ms", "--json"]);
    let mut lines = BufReader::new(stat.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!((&first["records_per_second"], &first["next_offset"]), (&Value::Null, &3.into()));
    if cfg!(target_os = "linux") {
        assert!(first["processes"].as_u64().unwrap() >= 1, "{first}");
    }
    place.puro_with(&["produce", "s", "-t", "t"], "4\n5\n").text();
    let rate = loop {
        let line = next();
        let rate = line["records_per_second"].as_f64().unwrap();
        if rate > 0.0 {
            assert!(line["bytes_per_second"].as_f64().unwrap() > 0.0);
            assert_eq!(line["next_offset"], 5);
            break rate;
        }
    };
    assert!(rate <= 2.0 / 0.3, "{rate}");
    drop(lines);
    assert!(stat.wait().unwrap().success(), "nobody reads it any more");
    crate::cli::signal(&consumer, "INT");
    consumer.wait().unwrap();
    let two = place.puro(&["stat", "s", "-i", "10ms", "-c", "2"]).text();
    assert_eq!(two.lines().count(), 3);
    place.puro(&["stat", "s", "-i", "0"]).fails(64, "longer than nothing");
    place.puro(&["stat", "none"]).fails(64, "not a stream");
}

#[test]
fn diff_tells_what_is_not_the_same() {
    let place = Place::new();
    let lines = "a:1\nb:2\na:3\nc:4\n";
    place.puro_with(&["produce", "s", "-t", "t", "-K", ":"], lines).text();
    place.puro(&["backup", "s", "copy"]).text();
    place.puro(&["diff", "s", "copy"]).fails(0, "no difference in 4 records");

    // The stream goes on, and its first key is compacted.
    place.puro_with(&["produce", "s", "-t", "u", "-H", "h=v"], "\x1b[2J\n").text();
    place.puro(&["config", "s", "set", "cleanup:t", "compact"]).fails(0, "");
    place.puro(&["steward", "s", "--roll"]).fails(0, "");
    let differs = place.puro(&["diff", "s", "copy"]);
    let differs = differs.fails(1, "3 records are the same; 1 of s and 1 of copy are not");
    let text = String::from_utf8(differs.stdout).unwrap();
    let (gone, new) = text.split_once('\n').unwrap();
    assert!(gone.starts_with("> 0 20") && gone.ends_with("Z t key a: 1"), "{gone}");
    assert!(new.starts_with("< 4 20") && new.ends_with("Z u: \\u001b[2J\n"), "{new}");
    place.puro(&["diff", "s", "copy", "-t", "t", "--from", "1"]).fails(0, "in 3 records");
    let one = place.puro(&["diff", "s", "copy", "-c", "1"]).fails(1, "1 of s and 1 of copy");
    assert_eq!(String::from_utf8(one.stdout).unwrap().lines().count(), 1);

    // By hand, elsewhere: other offsets and times, the same content.
    let kept = place.puro(&["consume", "s", "-e", "-t", "t", "-f", "%k:%s\\n"]).text();
    place.puro_with(&["produce", "other", "-t", "t", "-K", ":"], kept).text();
    place.puro(&["diff", "s", "other", "-t", "t"]).fails(1, "0 records are the same");
    place.puro(&["diff", "s", "other", "-t", "t", "--content"]).fails(0, "in 3 records");
    // The same place, another record.
    place.puro_with(&["produce", "x", "-t", "t"], "one\n").text();
    let there = place.puro(&["diff", "copy", "x", "--content"]).fails(1, "4 of copy and 1 of x");
    let text = String::from_utf8(there.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with('>')).count(), 1);
    place.puro(&["diff", "s", "none"]).fails(64, "not a stream");
}
