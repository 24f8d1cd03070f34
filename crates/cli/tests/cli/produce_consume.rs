//! `puro create`, `produce`, `consume` and `repair`, as a user runs them: every flag, every
//! exit code.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::{Place, append_to};
use puro::Consumer;

const LONGEST: usize = 10 * 1024 * 1024;

/// A place whose stream holds these lines under topic `t`.
fn with_lines(lines: &str) -> Place {
    let place = Place::new();
    assert_eq!(place.puro_with(&["produce", "s", "-t", "t"], lines).text(), "");
    place
}

#[test]
fn help_tells_the_exit_codes_and_wrong_usage_is_64() {
    let place = Place::new();
    let help = place.puro(&["--help"]).text();
    for part in ["produce", "consume", "demo", "64   wrong usage", "130  interrupted"] {
        assert!(help.contains(part), "{part}");
    }
    assert!(!help.contains("demo-worker"), "hidden");
    assert!(place.puro(&["--version"]).text().starts_with("puro "));
    place.puro(&[]).fails(64, "Usage");
    place.puro(&["fetch"]).fails(64, "fetch");
    place.puro(&["produce", "s"]).fails(64, "--topic");
    place.puro(&["consume", "s", "--json", "-f", "%s"]).fails(64, "--format");
    place.puro(&["produce", "s", "-t", "t", "-k", "a", "-K", ":"]).fails(64, "--key-delimiter");
    for (flag, value) in [("-c", "0"), ("-f", "%q"), ("-f", "50%"), ("-f", "\\q"), ("--from", "x")]
    {
        place.puro(&["consume", "s", flag, value]).fails(64, "invalid value");
    }
}

#[test]
fn create_makes_a_stream_once() {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4K"]).fails(0, "made the stream s");
    place.puro(&["create", "s"]).fails(0, "is a stream already");
    place.puro_with(&["produce", "s", "-t", "t", "--batch", "10"], "0123456789\n".repeat(1000));
    let segments = std::fs::read_dir(place.path("s")).unwrap().count() - 1;
    assert!(segments > 3, "4 KiB each, but there are only {segments}");
    assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "0123456789\n".repeat(1000));

    place.puro(&["create", "t", "--segment-bytes", "1"]).fails(64, "segment_bytes");
    place.puro(&["create", "t", "--segment-bytes", "1x"]).fails(64, "no unit");
    place.puro(&["create", "."]).fails(64, "not empty");
    place.puro(&["create", "no/parent"]).fails(74, "no/parent");
}

#[test]
fn lines_come_back_as_they_were() {
    let place = Place::new();
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let input = [b"one\n\n two \r\n", every_byte.as_slice(), b"\nlast"].concat();
    place.write("file", &input);
    assert_eq!(place.puro(&["produce", "s", "-t", "t", "file"]).text(), "");
    let back = place.puro(&["consume", "s", "-e"]);
    assert_eq!((back.code, back.stdout), (0, [&input[..], b"\n"].concat()));

    // An empty input has no lines; a stream is made all the same.
    assert_eq!(place.puro(&["produce", "empty", "-t", "t"]).text(), "");
    assert_eq!(place.puro(&["consume", "empty", "-e"]).text(), "");
}

#[test]
fn many_lines_come_back_from_files_and_pipes() {
    let place = Place::new();
    let lines: String = (0..200_000).map(|n| format!("{n} {}\n", "x".repeat(n % 97))).collect();
    place.write("file", &lines);
    assert_eq!(place.puro(&["produce", "s", "-t", "file", "file"]).text(), "");
    assert_eq!(place.puro_with(&["produce", "s", "-t", "pipe"], &lines).text(), "");
    assert!(place.puro(&["consume", "s", "-e", "-t", "file"]).text() == lines);
    assert!(place.puro(&["consume", "s", "-e", "-t", "pipe"]).text() == lines);
}

#[test]
fn files_are_read_in_their_order_and_a_missing_one_before_all() {
    let place = Place::new();
    place.write("a", "a1\na2");
    place.write("b", "b1\n");
    assert_eq!(place.puro_with(&["produce", "s", "-t", "t", "a", "-", "b"], "in\n").text(), "");
    assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "a1\na2\nin\nb1\n");

    place.puro(&["produce", "s", "-t", "t", "a", "none"]).fails(64, "none");
    place.puro(&["produce", "s", "-t", "t", "."]).fails(74, "cannot read .");
    assert_eq!(place.puro(&["consume", "s", "-e", "--from", "4"]).text(), "");
}

#[test]
fn keys_come_from_a_flag_or_from_the_lines() {
    let place = Place::new();
    let produce = |args: &[&str], lines: &str| {
        let args = [&["produce", "s", "-t", "t"], args].concat();
        assert_eq!(place.puro_with(&args, lines).text(), "");
    };
    produce(&["-k", "all"], "v\n");
    produce(&["-K", ":"], "a:1:2\nplain\n:no key\nb:\n");
    produce(&["-K", "\\t"], "a\tb\n");
    produce(&["-K", "=>"], "a=>b\n");
    produce(&["-K", "-"], "a-b\n");
    let printed = place.puro(&["consume", "s", "-e", "-f", "[%k][%s]\\n"]).text();
    let expected = "[all][v]\n[a][1:2]\n[][plain]\n[][no key]\n[b][]\n[a][b]\n[a][b]\n[a][b]\n";
    assert_eq!(printed, expected);
    let json = place.puro(&["consume", "s", "-e", "--from", "2", "-c", "2", "--json"]).text();
    assert!(json.contains(r#""key":null,"value":"plain""#), "{json}");
    assert!(json.contains(r#""key":"","value":"no key""#), "{json}");

    place.puro_with(&["produce", "s", "-t", "t", "-K", ""], "").fails(64, "must not be empty");
    let long_key = format!("ok:1\n{}:2\nafter:3\n", "k".repeat(1025));
    let failed = place.puro_with(&["produce", "s", "-t", "t", "-K", ":"], &long_key);
    failed.fails(64, "1 records appended: stdin, line 2: key of 1025 bytes");
}

#[test]
fn an_empty_value_deletes_if_asked_for() {
    let place = Place::new();
    let args = ["produce", "s", "-t", "t", "-K", ":", "-Z"];
    assert_eq!(place.puro_with(&args, "a:1\na:\nb:2\n").text(), "");
    let json = place.puro(&["consume", "s", "-e", "--json"]).text();
    assert_eq!(json.matches(r#""key":"a","value":null"#).count(), 1, "{json}");
    assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "1\n\n2\n");

    let failed = place.puro_with(&args, "c:3\n\nd:4\n");
    failed.fails(64, "1 records appended: stdin, line 2: a delete marker needs the key");
    assert_eq!(place.puro(&["consume", "s", "-e", "--from", "3"]).text(), "3\n");
}

#[test]
fn headers_are_given_to_all_records() {
    let place = Place::new();
    let args = ["produce", "s", "-t", "t", "-H", "a=1", "-H", "b=2=3", "-H", "a="];
    assert_eq!(place.puro_with(&args, "x\ny\n").text(), "");
    let printed = place.puro(&["consume", "s", "-e", "-f", "%s %h\\n"]).text();
    assert_eq!(printed, "x a=1,b=2=3,a=\ny a=1,b=2=3,a=\n");
    let json = place.puro(&["consume", "s", "-e", "-c", "1", "--json"]).text();
    let headers = r#""headers":[{"name":"a","value":"1"},{"name":"b","value":"2=3"},{"name":"a","value":""}]"#;
    assert!(json.contains(headers), "{json}");

    for (header, says) in [("none", "NAME=VALUE"), ("=v", "at least one byte")] {
        place.puro(&["produce", "s", "-t", "t", "-H", header]).fails(64, says);
    }
    place.puro(&["produce", "s", "-t", ""]).fails(64, "topic");
}

#[test]
fn formats_know_tokens_and_escapes() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "tea", "-k", "k", "-H", "h=1"], "v\n").text();
    let time_ms = place.wait_for_records(1)[0].timestamp_ms;
    let format = "%t|%k|%s|%o|%T|%h|%%|\\x41\\0\\r\\t\\\\é\\n";
    let printed = place.puro(&["consume", "s", "-e", "-f", format]).text();
    assert_eq!(printed, format!("tea|k|v|0|{time_ms}|h=1|%|A\0\r\t\\é\n"));
    assert_eq!(place.puro(&["consume", "s", "-e", "-f", ""]).text(), "");
}

#[test]
fn json_holds_any_bytes() {
    let place = Place::new();
    let lines = b"\xFF\xFE:\x80\nk\"\\:caf\xC3\xA9 \x01\n";
    place.puro_with(&["produce", "s", "-t", "t", "-K", ":"], lines).text();
    let records = place.wait_for_records(2);
    let printed = place.puro(&["consume", "s", "-e", "--json"]).text();
    let object = |line| {
        let mut object: serde_json::Value = serde_json::from_str(line).unwrap();
        let time = object.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        object
    };
    let objects: Vec<_> = printed.lines().map(object).collect();
    let expected = [
        serde_json::json!({
            "topic": "t", "key_base64": "//4=", "value_base64": "gA==", "headers": [],
            "offset": 0, "timestamp_ms": records[0].timestamp_ms,
        }),
        serde_json::json!({
            "topic": "t", "key": "k\"\\", "value": "café \u{1}", "headers": [],
            "offset": 1, "timestamp_ms": records[1].timestamp_ms,
        }),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn a_line_that_is_too_long_ends_it_after_all_before() {
    let place = Place::new();
    let fits = "x".repeat(LONGEST);
    let args = ["produce", "s", "-t", "t"];
    let failed = place.puro_with(&args, format!("first\n{fits}\n{fits}x\nafter\n"));
    failed.fails(64, "2 records appended: stdin, line 3: longer than 10485760 bytes");
    assert!(place.puro(&["consume", "s", "-e"]).text() == format!("first\n{fits}\n"));

    // With a key before it, a value may still be of that length.
    place.write("keys", format!("k:{fits}\nk:{fits}x\n"));
    let failed = place.puro(&["produce", "s", "-t", "u", "-K", ":", "keys"]);
    failed.fails(64, "1 records appended: keys, line 2: value of 10485761 bytes");
}

#[test]
fn batches_are_as_large_as_asked_for() {
    let place = Place::new();
    place.write("five", "1\n2\n3\n4\n5\n");
    let run = |args: &[&str]| place.puro(&[&["produce", "s", "-t", "t", "-v"], args].concat());
    run(&["--batch", "2", "five"]).fails(0, "5 records appended in 3 blocks");
    run(&["--batch", "1", "--durable", "five"]).fails(0, "5 records appended in 5 blocks");
    run(&["five", "five"]).fails(0, "10 records appended in 2 blocks");
    run(&["--batch", "0", "five"]).fails(64, "invalid value");

    // A block holds no more than 16 MiB, however many records were asked for.
    place.write("large", format!("{}\n", "x".repeat(1024 * 1024)).repeat(20));
    run(&["--batch", "1000", "large"]).fails(0, "20 records appended in 2 blocks");
    assert_eq!(place.puro(&["consume", "s", "-e", "-f", "."]).text().len(), 40);
}

#[test]
fn no_create_wants_a_stream() {
    let place = Place::new();
    let args = ["produce", "s", "-t", "t", "--no-create"];
    place.puro_with(&args, "x\n").fails(64, "not a stream");
    assert!(!place.path("s").exists());
    place.puro(&["create", "s"]);
    assert_eq!(place.puro_with(&args, "x\n").text(), "");
}

#[test]
fn consume_takes_topics_a_count_and_places_to_start() {
    let place = Place::new();
    for (topic, line) in [("a", "a0\n"), ("b", "b1\n"), ("c", "c2\n"), ("a", "a3\n")] {
        place.puro_with(&["produce", "s", "-t", topic], line).text();
    }
    let consume = |args: &[&str]| place.puro(&[&["consume", "s", "-e"], args].concat());
    assert_eq!(consume(&["-t", "a", "-t", "c"]).text(), "a0\nc2\na3\n");
    assert_eq!(consume(&["-t", "none"]).fails(0, "topic `none`").stdout, b"");
    assert_eq!(consume(&["-c", "2"]).text(), "a0\nb1\n");
    assert_eq!(consume(&["--from", "beginning"]).text(), "a0\nb1\nc2\na3\n");
    assert_eq!(consume(&["--from", "end"]).text(), "");
    assert_eq!(consume(&["--from", "2"]).text(), "c2\na3\n");
    assert_eq!(consume(&["--from", "4"]).text(), "");
    assert_eq!(consume(&["--from", "-3"]).text(), "b1\nc2\na3\n");
    assert_eq!(consume(&["--from", "-1", "-t", "b"]).text(), "b1\n");
    assert_eq!(consume(&["--from", "-9"]).text(), "a0\nb1\nc2\na3\n");
    consume(&["--from", "5"]).fails(64, "offset 5 is out of range: the stream holds 0 to 4");
    assert_eq!(consume(&["--durable", "--from", "3"]).text(), "a3\n");

    let mut consumer = Consumer::open(place.path("s")).unwrap();
    consumer.try_next().unwrap();
    let token = consumer.token().unwrap();
    assert_eq!(consume(&["--from", &token.to_string()]).text(), "b1\nc2\na3\n");
    let foreign = puro::Token { stream_id: [1; 16].into(), ..token };
    consume(&["--from", &foreign.to_string()]).fails(2, "another stream");
}

#[test]
fn consume_starts_at_a_time() {
    let now_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let place = with_lines("old\n");
    let old_ms = place.wait_for_records(1)[0].timestamp_ms;
    while now_ms() <= old_ms {
        std::thread::yield_now();
    }
    place.puro_with(&["produce", "s", "-t", "t"], "new\n").text();
    let new_ms = place.wait_for_records(2)[1].timestamp_ms;
    assert!(new_ms > old_ms);

    let consume = |from: &str| place.puro(&["consume", "s", "-e", "--from", from]).text();
    let iso = |ms: u64| {
        let printed = place.puro(&["consume", "s", "-e", "-f", "%T %I\\n"]).text();
        let line = printed.lines().find(|line| line.starts_with(&ms.to_string()));
        line.unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(consume(&format!("@{old_ms}")), "old\nnew\n");
    assert_eq!(consume(&format!("@{new_ms}")), "new\n");
    assert_eq!(consume(&iso(new_ms)), "new\n");
    assert_eq!(consume(&iso(new_ms).replace('Z', "+00:00")), "new\n");
    assert_eq!(consume(&format!("@{}", new_ms + 1)), "");
    assert_eq!(consume("2001-01-31"), "old\nnew\n");
    assert_eq!(consume("15m"), "old\nnew\n");
    while now_ms() <= new_ms {
        std::thread::yield_now();
    }
    assert_eq!(consume("0s"), "");
}

#[test]
fn a_missing_stream_is_an_error_for_whoever_does_not_wait() {
    let place = Place::new();
    place.puro(&["consume", "s", "-e"]).fails(64, "s is not a stream");
    place.puro(&["repair", "s"]).fails(64, "s is not a stream");
    place.write("s", "a file");
    place.puro(&["consume", "s", "-e"]).fails(74, "s");
}

/// Bytes behind the committed end that were never seen: chapter 5 of the protocol, R-6.
#[test]
fn an_end_that_needs_repair_is_told_and_repaired() {
    let place = with_lines("one\ntwo\n");
    assert_eq!(
        place.puro(&["repair", "s"]).text(),
        "s: nothing to repair at its end; `puro verify` looks at all of it\n"
    );
    assert_eq!(place.puro(&["repair", "s", "--json"]).text(), "{\"repairs\":[]}\n");

    append_to(&place.segment(), &[0xFF; 100]);
    let read = place.puro(&["consume", "s", "-e"]).fails(1, "needs repair");
    assert_eq!(read.stdout, b"one\ntwo\n");
    let repaired = place.puro(&["repair", "s", "--json"]).text();
    let report: serde_json::Value = serde_json::from_str(&repaired).unwrap();
    assert_eq!(report["repairs"][0]["label"], "lost");
    assert_eq!(report["repairs"][0]["cut_bytes"], 100);
    let saved = report["repairs"][0]["saved"].as_str().unwrap();
    assert_eq!(std::fs::read(place.path(saved)).unwrap(), [0xFF; 100]);
    assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "one\ntwo\n");

    // A producer repairs it, too, and says so.
    append_to(&place.segment(), &[0xFF; 100]);
    let produced = place.puro_with(&["produce", "s", "-t", "t"], "three\n");
    produced.fails(0, "cut 100 bytes");
    // Zeros at the end are nothing.
    append_to(&place.segment(), &[0; 10]);
    let repaired = place.puro(&["repair", "s"]).text();
    assert!(repaired.contains("nothing to repair"), "{repaired}");
    assert_eq!(place.puro(&["consume", "s", "-e"]).text(), "one\ntwo\nthree\n");
}

/// Synced bytes that are not valid any more: row `damaged` of the recovery table.
#[test]
fn damage_is_told_and_left_alone() {
    let place = Place::new();
    let args = ["produce", "s", "-t", "t", "--batch", "1", "--durable"];
    place.puro_with(&args, "first\nsecond\nthird\n").text();
    let mut bytes = std::fs::read(place.segment()).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 1;
    std::fs::write(place.segment(), &bytes).unwrap();

    let read = place.puro(&["consume", "s", "-e"]).fails(2, "damaged");
    assert_eq!(read.stdout, b"first\n");
    place.puro(&["repair", "s"]).fails(2, "damaged");
    place.puro_with(&args, "fourth\n").fails(2, "damaged");
    assert_eq!(std::fs::read(place.segment()).unwrap(), bytes);
}

/// A retention of a millisecond on a stream of one segment: "nothing to do", every time.
#[test]
fn a_steward_says_what_a_limit_waits_for() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t"], "1\n").text();
    place.puro(&["config", "s", "set", "retention_bytes", "1"]).fails(0, "");
    let said = place.puro(&["steward", "s", "--once"]).text();
    assert!(said.contains("did not delete segment 0") && said.contains("roll_ms"), "{said}");
    let json = place.puro(&["steward", "s", "--once", "--json", "--clock-is-right"]).text();
    assert!(json.contains("\"why\":\"active\""), "{json}");
    let said = place.puro(&["steward", "s", "--once", "--roll"]).text();
    assert!(said.contains("deleted segment 0"), "{said}");
}
