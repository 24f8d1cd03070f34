//! Records of other shapes than lines, transactions from the shell, and `--tee`.

use std::io::{BufRead, BufReader, Read, Write};

use crate::cli::Place;

/// Blocks of the stream `s`, each with how many records it holds.
fn blocks(place: &Place) -> Vec<usize> {
    let mut consumer = puro::Consumer::open(place.path("s")).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = consumer.next_block(std::time::Duration::ZERO).unwrap() {
        blocks.push(block.count());
    }
    blocks
}

fn json(place: &Place) -> Vec<(String, String)> {
    let printed = place.puro(&["consume", "s", "-e", "--json"]).text();
    let objects = printed.lines().map(|line| serde_json::from_str(line).unwrap());
    objects
        .map(|object: serde_json::Value| {
            let text = |name| object[name].as_str().unwrap().to_owned();
            (text("topic"), text("value"))
        })
        .collect()
}

/// Values with newlines in them, parted by NUL or anything else.
#[test]
fn records_end_in_any_delimiter() {
    let place = Place::new();
    let produce = |args: &[&str], bytes: &[u8]| {
        place.puro_with(&[&["produce", "s", "-t", "t"], args].concat(), bytes).text()
    };
    produce(&["-D", "\\0"], b"a\nb\0c\0\0last");
    produce(&["-D", "--\\n"], b"one-\n--\ntwo---\nthree");
    produce(&["-D", ";", "-K", "="], b"k=v;l=w");
    let printed = place.puro(&["consume", "s", "-e", "-D", "\\0"]).text();
    assert_eq!(printed, "a\nb\0c\0\0last\0one-\n\0two-\0three\0v\0w\0");
    assert_eq!(place.puro(&["consume", "s", "-e", "-D", ", ", "-k", "k"]).text(), "v, ");
    // It comes back the same way.
    place.puro_with(&["produce", "again", "-t", "t", "-D", "\\0"], &printed).text();
    assert_eq!(place.puro(&["consume", "again", "-e", "-D", "\\0"]).text(), printed);

    let longest = "x".repeat(10 * 1024 * 1024);
    produce(&["-D", "<>"], format!("{longest}<>").as_bytes());
    let long = place.puro_with(&["produce", "s", "-t", "t", "-D", "<>"], format!("{longest}y<>z"));
    long.fails(64, "line 1: longer than 10485760 bytes");
    place.puro(&["consume", "s", "-D", "", "-e"]).fails(64, "must not be empty");
    place.puro(&["consume", "s", "-D", ",", "--json"]).fails(64, "cannot be used");
}

/// A part is appended as soon as its end is there, though more is to come.
#[test]
fn a_delimiter_ends_the_waiting() {
    let place = Place::new();
    let mut producer = place.start(&["produce", "s", "-t", "t", "-D", "\\r\\n"]);
    let mut pipe = producer.stdin.take().unwrap();
    pipe.write_all(b"first\r\nsec").unwrap();
    assert_eq!(place.wait_for_records(1)[0].value.as_deref(), Some(&b"first"[..]));
    pipe.write_all(b"ond\r").unwrap();
    pipe.write_all(b"\n").unwrap();
    assert_eq!(place.wait_for_records(2)[1].value.as_deref(), Some(&b"second"[..]));
    drop(pipe);
    assert!(producer.wait().unwrap().success());
}

#[test]
fn a_file_is_one_record() {
    let place = Place::new();
    place.write("a", "one\ntwo\n");
    place.write("b", b"\0\xFF\n");
    place.write("empty", "");
    let args = ["produce", "s", "-t", "t", "--whole-files", "a", "b", "empty", "-"];
    place.puro_with(&args, "in\nput").text();
    let printed = place.puro(&["consume", "s", "-e", "-D", "|"]).stdout;
    assert_eq!(printed, b"one\ntwo\n|\0\xFF\n||in\nput|");
    place.write("long", "x".repeat(10 * 1024 * 1024 + 1));
    place.puro(&["produce", "s", "-t", "t", "--whole-files", "long"]).fails(64, "longer than");
}

/// An order, and that it is to be audited: both or neither, from a shell.
#[test]
fn several_topics_go_in_one_transaction() {
    let place = Place::new();
    let lines = "orders 1 pear\naudit pear reserved\norders 2 figs\n";
    place.puro_with(&["produce", "s", "-T", " ", "--atomic"], lines).text();
    assert_eq!(blocks(&place), [3]);
    let pair = |topic: &str, value: &str| (topic.to_owned(), value.to_owned());
    let expected =
        [pair("orders", "1 pear"), pair("audit", "pear reserved"), pair("orders", "2 figs")];
    assert_eq!(json(&place), expected);
    let keys = ["produce", "s", "-T", "/", "-K", "=", "--ack"];
    assert_eq!(place.puro_with(&keys, "t/k=v\n").text(), "3 1\n");
    assert_eq!(place.puro(&["consume", "s", "-k", "k", "-e"]).text(), "v\n");

    // A line that cannot be a record: none of them is.
    for (args, lines, says) in [
        (&["-T", " "][..], "orders a\nno-topic\n", "stdin, line 2: there is no topic"),
        (&["-t", "t", "-K", ":", "-Z"], "k:v\n\n", "stdin, line 2: a delete marker"),
    ] {
        let args = [&["produce", "s", "--atomic"], args].concat();
        place.puro_with(&args, lines).fails(64, &format!("0 records appended: {says}"));
    }
    let large = format!("{}\n", "x".repeat(9 << 20)).repeat(2);
    let refused = place.puro_with(&["produce", "s", "-t", "t", "--atomic"], &large);
    refused.fails(64, "0 records appended: stdin, line 2: batch of");
    assert_eq!(blocks(&place), [3, 1]);
    // Many more than make a block otherwise, from several files.
    place.write("many", "line\n".repeat(3000));
    place.puro(&["produce", "s", "-t", "t", "--atomic", "many", "many"]).text();
    assert_eq!(blocks(&place), [3, 1, 6000]);
    place.puro(&["produce", "s"]).fails(64, "--topic");
    place.puro(&["produce", "s", "-t", "t", "-T", " "]).fails(64, "cannot be used");
}

/// Nothing is seen of a transaction before its input has ended.
#[test]
fn an_atomic_input_is_appended_at_its_end() {
    let place = Place::new();
    let mut producer = place.start(&["produce", "s", "-t", "t", "--atomic", "--ack"]);
    let mut pipe = producer.stdin.take().unwrap();
    pipe.write_all(b"first\n").unwrap();
    // Somebody else is faster, for the first line waits for the last.
    while place.puro_with(&["produce", "s", "-t", "t", "--no-create"], "other\n").code != 0 {}
    pipe.write_all(b"second\n").unwrap();
    drop(pipe);
    let mut acks = String::new();
    producer.stdout.take().unwrap().read_to_string(&mut acks).unwrap();
    assert_eq!(acks, "1 2\n");
    assert!(producer.wait().unwrap().success());
}

#[test]
fn an_import_may_be_all_or_nothing() {
    let place = Place::new();
    let line =
        |topic: &str, time: &str| format!("{{\"topic\":\"{topic}\",\"value\":\"v\"{time}}}\n");
    let two = line("orders", "") + &line("audit", "");
    place.puro_with(&["import", "s", "--atomic"], &two).fails(0, "2 records imported");
    assert_eq!(blocks(&place), [2]);
    let bad = two.clone() + "{}\n";
    let refused = place.puro_with(&["import", "s", "--atomic"], &bad);
    refused.fails(64, "0 records imported: stdin, line 3: ");
    assert_eq!(blocks(&place), [2]);
    let times = line("a", ",\"timestamp_ms\":1") + &line("b", ",\"timestamp_ms\":2");
    place.puro_with(&["import", "s", "--atomic"], &times).fails(64, "--now");
    assert_eq!(blocks(&place), [2]);
    place.puro_with(&["import", "s", "--atomic", "--now"], &times).fails(0, "2 records");
    assert_eq!(blocks(&place), [2, 2]);
    let printed = place.puro(&["consume", "s", "-e", "-f", "%T\\n", "--from", "2"]).text();
    assert!(printed.lines().all(|time| time.len() > 10), "{printed}");
    // Without it, all before the bad line is there, as ever.
    place.puro_with(&["import", "s"], &bad).fails(64, "2 records imported");
}

/// `app | puro produce --tee | grep`: what is appended goes on, and only that.
#[test]
fn what_is_appended_is_copied_to_stdout() {
    let place = Place::new();
    let args = ["produce", "s", "-t", "t", "-K", ":", "--tee"];
    assert_eq!(place.puro_with(&args, "a:1\nno key\n").text(), "a:1\nno key\n");
    let failed = place.puro_with(&[&args[..], &["-Z"]].concat(), "b:2\n\nc:3\n");
    assert_eq!(failed.fails(64, "1 records appended").stdout, b"b:2\n");
    let nul = ["produce", "s", "-t", "t", "-D", "\\0", "--tee"];
    assert_eq!(place.puro_with(&nul, "x\0y\0").text(), "x\0y\0");

    // Whoever reads the copy goes away: the records are what counts.
    let mut producer = place.start(&args);
    let mut pipe = producer.stdin.take().unwrap();
    let mut lines = BufReader::new(producer.stdout.take().unwrap());
    pipe.write_all(b"d:4\n").unwrap();
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "d:4\n");
    drop(lines);
    for line in ["e:5\n", "f:6\n"] {
        pipe.write_all(line.as_bytes()).unwrap();
    }
    place.wait_for_records(8);
    drop(pipe);
    let left = producer.wait_with_output().unwrap();
    let told = String::from_utf8(left.stderr).unwrap();
    assert!(left.status.success() && told.contains("nothing more is copied"), "{told}");
}
