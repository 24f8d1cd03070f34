//! The command line while others work: waiting, pipes that stay open or are closed, Ctrl-C.

use std::io::{BufRead, BufReader, Read, Write};

use crate::cli::{Place, signal};

fn values(records: &[puro::OwnedRecord]) -> Vec<&str> {
    records.iter().map(|record| str::from_utf8(record.value.as_ref().unwrap()).unwrap()).collect()
}

#[test]
fn a_line_is_appended_as_soon_as_nothing_follows() {
    let place = Place::new();
    let mut producer = place.start(&["produce", "s", "-t", "t"]);
    let mut pipe = producer.stdin.take().unwrap();
    pipe.write_all(b"first\n").unwrap();
    assert_eq!(values(&place.wait_for_records(1)), ["first"]);
    // The beginning of a line holds back nothing but itself.
    pipe.write_all(b"second\nth").unwrap();
    assert_eq!(values(&place.wait_for_records(2)), ["first", "second"]);
    pipe.write_all(b"ird").unwrap();
    drop(pipe);
    assert_eq!(values(&place.wait_for_records(3)), ["first", "second", "third"]);
    assert!(producer.wait().unwrap().success());
}

#[test]
fn consume_waits_for_a_stream_and_for_more() {
    for from in ["beginning", "end", "-1"] {
        let place = Place::new();
        let mut consumer = place.start(&["consume", "s", "-c", "2", "--from", from]);
        let mut messages = BufReader::new(consumer.stderr.take().unwrap()).lines();
        let message = messages.next().unwrap().unwrap();
        assert!(message.contains("s is not a stream yet"), "{message}");
        let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
        for line in ["first", "second"] {
            place.puro_with(&["produce", "s", "-t", "t"], line).text();
            assert_eq!(lines.next().unwrap().unwrap(), line, "from {from}");
        }
        assert!(consumer.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let lines = "a line that somebody may read, or not\n".repeat(100_000);
    place.puro_with(&["produce", "s", "-t", "t"], lines).text();
    for args in [&["consume", "s", "-e"][..], &["consume", "s"], &["consume", "s", "--json"]] {
        let mut consumer = place.start(args);
        let mut stdout = consumer.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let output = consumer.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{args:?}");
    }
}

#[test]
fn ctrl_c_ends_whoever_waits() {
    for name in ["INT", "TERM"] {
        let place = Place::new();
        let mut producer = place.start(&["produce", "s", "-t", "t"]);
        // To be kept open: at its end the producer would end well.
        let mut pipe = producer.stdin.take().unwrap();
        pipe.write_all(b"first\n").unwrap();
        place.wait_for_records(1);
        let mut consumer = place.start(&["consume", "s"]);
        let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "first");
        for child in [&mut producer, &mut consumer] {
            signal(child, name);
            assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
        }
        assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "first\n");
    }
}

/// A producer at work hears Ctrl-C between two blocks, and says how far it came.
#[test]
fn ctrl_c_stops_a_producer_between_blocks() {
    let place = Place::new();
    let lines: String = (0..1_000_000).map(|n| format!("{n}\n")).collect();
    place.write("file", &lines);
    let producer = place.start(&["produce", "s", "-t", "t", "--durable", "--batch", "3", "file"]);
    place.wait_for_records(1);
    signal(&producer, "INT");
    let output = producer.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let told = stderr.strip_prefix("puro: ").and_then(|rest| rest.split(' ').next());
    let told: usize = told.unwrap().parse().unwrap();
    assert!(stderr.contains("records appended: interrupted"), "{stderr}");

    // Its end is clean, and what it holds is what was told: whole blocks.
    let read = place.puro(&["consume", "s", "-e"]).text();
    let count = read.lines().count();
    assert!(count > 0 && count < 1_000_000 && lines.starts_with(&read));
    assert_eq!((count, count % 3), (told, 0));
}
