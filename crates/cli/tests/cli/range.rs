//! An end for reading, and times as people write them: `--from` and `--to`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cli::Place;

/// Six records, an hour from each to the next, from noon of 2026-01-31 (UTC) on; two topics.
fn hours() -> Place {
    let place = Place::new();
    let lines: String = (0..6)
        .map(|n| {
            let topic = if n % 2 == 0 { "even" } else { "odd" };
            let hour = 12 + n;
            format!(
                "{{\"topic\":\"{topic}\",\"value\":\"{n}\",\"time\":\"2026-01-31T{hour}:00:00Z\"}}\n"
            )
        })
        .collect();
    place.puro_with(&["import", "s"], lines).fails(0, "6 records imported");
    place
}

fn consume(place: &Place, args: &[&str]) -> String {
    let args = [&["consume", "s", "-e", "-f", "%s"], args].concat();
    place.puro(&args).text()
}

/// Somebody wants the records of one hour, or up to an offset, and no more.
#[test]
fn reading_ends_before_a_place() {
    let place = hours();
    let end = |to: &str| consume(&place, &["--to", to]);
    assert_eq!((end("4").as_str(), end("0").as_str(), end("end").as_str()), ("0123", "", "012345"));
    assert_eq!((end("-2").as_str(), end("beginning").as_str()), ("0123", ""));
    assert_eq!(end("2026-01-31T14:00Z"), "01");
    assert_eq!(end("2026-01-31T14:00:00.001Z"), "012");
    assert_eq!(end("1m"), "012345", "all of it is older");
    assert_eq!(consume(&place, &["--from", "1", "--to", "3"]), "12");
    assert_eq!(consume(&place, &["--from", "5", "--to", "3"]), "");
    assert_eq!(consume(&place, &["-t", "odd", "--to", "4"]), "13");
    assert_eq!(consume(&place, &["-t", "odd", "--to", "-1"]), "13", "the last of this topic");
    assert_eq!(consume(&place, &["--to", "9"]), "012345", "-e ends it where nothing more is");
    // What is reached already is not waited for.
    assert_eq!(place.puro(&["consume", "s", "-f", "%s", "--to", "end"]).text(), "012345");
    assert_eq!(place.puro(&["consume", "s", "-f", "%s", "-t", "none", "--to", "6"]).stdout, b"");
    place.puro(&["consume", "s", "--to", "stored"]).fails(64, "invalid value");
    place.puro(&["consume", "s", "-e", "--from", "2026-01-31T14:00[Nowhere/None]"]).fails(64, "");
}

/// An end that is yet to come is waited for, and what stands behind it is not printed.
#[test]
fn an_end_to_come_is_waited_for() {
    let place = hours();
    let mut consumer = place.start(&["consume", "s", "--from", "5", "--to", "7", "-t", "odd"]);
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "5");
    place.puro_with(&["produce", "s", "-t", "even"], "6\n").text();
    // It ends though no record of its topic came.
    assert!(lines.next().is_none());
    assert!(consumer.wait().unwrap().success());
    place.puro_with(&["produce", "s", "-t", "even", "--batch", "3"], "7\n8\n9\n").text();
    assert_eq!(consume(&place, &["--from", "6", "--to", "8"]), "67", "in the middle of a block");
}

/// A time that is yet to come ends it when the clock says so, or the first record of then.
#[test]
fn a_time_to_come_ends_it() {
    let place = hours();
    let later = "{\"topic\":\"odd\",\"value\":\"7\",\"time\":\"9000-01-01T00:00:00Z\"}\n";
    let args = ["consume", "s", "--from", "5", "--to", "8999-01-01T00:00:00Z"];
    let mut consumer = place.start(&args);
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "5");
    place.puro_with(&["produce", "s", "-t", "odd"], "6\n").text();
    assert_eq!(lines.next().unwrap().unwrap(), "6");
    place.puro_with(&["import", "s"], later).fails(0, "1 records");
    assert!(lines.next().is_none());
    assert!(consumer.wait().unwrap().success());
    // Two seconds from now, in a stream at rest.
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let soon = format!("@{}", soon.as_millis() + 500);
    place.puro(&["create", "other"]).fails(0, "made");
    assert_eq!(place.puro(&["consume", "other", "--to", &soon]).text(), "");
}

/// A named consumer goes on at the place where `--to` ended, though offsets before it are gone.
#[test]
fn a_named_consumer_goes_on_where_it_ended() {
    let place = hours();
    let named = |to: &str| {
        let args = ["consume", "s", "-e", "-f", "%s", "--name", "w", "--to", to];
        String::from_utf8(place.puro(&args).stdout).unwrap()
    };
    assert_eq!(named("2"), "01");
    assert_eq!(named("4"), "23");
    assert_eq!(named("4"), "");

    // Two of three keys of one block are compacted away: the record behind them is taken before it
    // is seen that it stands behind the end.
    place.puro(&["create", "c"]).fails(0, "made");
    place.puro(&["config", "c", "set", "cleanup:k", "compact"]).fails(0, "");
    let args = ["produce", "c", "-t", "k", "-K", ":", "--batch", "9"];
    place.puro_with(&args, "x:0\ny:1\ny:2\ny:3\nz:4\ny:5\n").text();
    place.puro(&["steward", "c", "--roll"]).fails(0, "");
    let args = ["consume", "c", "-e", "-f", "%s", "--name", "w", "--to"];
    let run =
        |to: &str| String::from_utf8(place.puro(&[&args[..], &[to]].concat()).stdout).unwrap();
    assert_eq!(place.puro(&["consume", "c", "-e", "-f", "%s"]).text(), "045");
    assert_eq!(run("3"), "0");
    assert_eq!(run("5"), "4", "it was read too far, and noted so");
    assert_eq!(run("end"), "5");
}

#[test]
fn an_export_may_have_an_end() {
    let place = hours();
    let export = |args: &[&str]| {
        let ran = place.puro(&[&["export", "s"], args].concat());
        assert_eq!(ran.code, 0);
        (ran.stdout.iter().filter(|byte| **byte == b'\n').count(), ran.stderr)
    };
    let (count, told) = export(&["--to", "2026-01-31T15:00:00Z"]);
    assert_eq!(count, 3);
    let token = told.split("--from ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(export(&["--from", token, "--to", "5"]).0, 2);
    assert_eq!(export(&["--from", token]).0, 3);
}

/// Without a zone a time is that of the wall clock, as `date` and journalctl have it.
#[test]
fn a_time_without_zone_is_local() {
    let place = hours();
    let from = |zone: &str, from: &str| {
        let mut command = Command::new(place.program());
        command.args(["consume", "s", "-e", "-f", "%s", "--from", from]).env("TZ", zone);
        let ran = command.current_dir(place.path("")).stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(from("UTC0", "2026-01-31T16:00"), "45");
    assert_eq!(from("EAST-2", "2026-01-31 16:00"), "2345", "16:00 there is 14:00 UTC");
    assert_eq!(from("EAST-2", "2026-01-31T16:00Z"), "45");
    assert_eq!(from("EAST-2", "2026-01-31T16:00+01:00"), "345");
    assert_eq!(from("EAST-2", "2026-01-31T16:00[UTC]"), "45");
    assert_eq!(from("WEST+9", "2026-02-01"), "", "midnight there is 09:00 of the next day");
    assert_eq!(from("EAST-9", "2026-02-01"), "345", "and here 15:00");
    if std::path::Path::new("/usr/share/zoneinfo/Europe/Helsinki").exists() {
        assert_eq!(from("UTC0", "2026-01-31T16:00[Europe/Helsinki]"), "2345");
    }
}

/// `%T` is for programs, `%I` for people; JSON has both, and both come back.
#[test]
fn times_are_printed_for_programs_and_for_people() {
    let place = hours();
    let first = place.puro(&["consume", "s", "-c", "1", "-f", "%T %I"]).text();
    assert_eq!(first, "1769860800000 2026-01-31T12:00:00.000Z");
    let json = place.puro(&["consume", "s", "-c", "1", "--json"]).text();
    let both = "\"timestamp_ms\":1769860800000,\"time\":\"2026-01-31T12:00:00.000Z\"}\n";
    assert!(json.ends_with(both), "{json}");
    place.puro_with(&["import", "again"], &json).fails(0, "1 records");
    assert_eq!(place.puro(&["consume", "again", "-e", "--json"]).text(), json);
    let far = "{\"topic\":\"t\",\"value\":\"\",\"timestamp_ms\":18446744073709551615}";
    place.puro_with(&["import", "again"], far).fails(0, "1 records");
    let json = place.puro(&["consume", "again", "-e", "--from", "1", "--json"]).text();
    assert!(json.ends_with("\"time\":null}\n"), "{json}");
    place.puro_with(&["import", "again"], &json).fails(0, "1 records");
    let bad = "{\"topic\":\"t\",\"value\":\"\",\"time\":\"noon\"}";
    place.puro_with(&["import", "again"], bad).fails(64, "`time` is no time: noon");
}
