//! What comes from elsewhere: names with control characters, lines of other programs, settings that
//! cannot be, directories that hold more than a stream.

use crate::cli::Place;
use crate::forge::make_control;
use crate::real::blocks;

/// Demands that a terminal would only print what is there.
#[track_caller]
fn assert_printable(text: &str) {
    let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(bad, None, "{text:?}");
}

/// Field report B13. A topic with ESC, or with CSI in one character, went to the terminal as it was:
/// whoever may append could clear the screen of whoever looks, or feign a line of the report.
#[test]
fn control_characters_never_reach_a_terminal() {
    let place = Place::new();
    let evil = "t\u{1b}[2J\u{9b}31m\nsegment   all is well\r\u{7f}";
    place.puro_with(&["produce", "s", "-t", evil, "-k", evil, "-H", &format!("{evil}=v")], evil);
    let cleanup = format!("cleanup:{evil}");
    place.puro(&["config", "s", "set", &cleanup, "compact"]);
    for args in [
        &["info", "s"][..],
        &["info", "s", "--json"],
        &["inspect", "s", "--records"],
        &["inspect", "s", "--records", "--json"],
        &["config", "s", "list"],
        &["config", "s", "list", "--json"],
    ] {
        let text = place.puro(args).text();
        assert_printable(&text);
        assert!(!text.contains("\nsegment   all is well"), "{args:?}: {text}");
        if args.contains(&"--json") {
            text.lines()
                .for_each(|line| _ = serde_json::from_str::<serde_json::Value>(line).unwrap());
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&place.puro(&["info", "s", "--json"]).text()).unwrap();
    assert_eq!(json["topics"][0]["name"], evil, "escaped, and still the same");
    // Trimming stops at it, and says so.
    place.puro(&["steward", "s", "--roll"]);
    let told = place.puro(&["trim", "s", "--before", "end"]).text();
    assert!(told.contains("did not delete segment 0") && told.contains("t\\u001b[2J"), "{told}");
    assert_printable(&told);
    for args in [&["info", evil][..], &["consume", evil, "-e"], &["config", "s", "get", evil]] {
        let ran = place.puro(args).fails(64, "\\u001b[2J");
        assert_printable(&ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    // Where records are the output, they are what they are.
    assert_eq!(place.puro(&["consume", "s", "-e", "-f", "%t"]).text(), evil);
}

/// Field report B15. At the root of a volume there is `lost+found`, and `create` refused.
#[test]
fn the_root_of_a_volume_may_be_a_stream() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("s/lost+found")).unwrap();
    place.puro(&["create", "s"]).fails(0, "made the stream");
    place.puro_with(&["produce", "s", "-t", "t"], "a\n").text();
    let verified = place.puro(&["verify", "s"]).text();
    assert_eq!(verified.lines().count(), 1, "{verified}");
    std::fs::create_dir_all(place.path("out/lost+found")).unwrap();
    place.puro(&["salvage", "s", "out"]).text();
    std::fs::create_dir_all(place.path("other/lost+found.d")).unwrap();
    place.puro(&["create", "other"]).fails(64, "not empty");
}

/// Field report B22. Lines that other programs made begin with a byte order mark, or are blank
/// between records and at the end; the import ended there.
#[test]
fn marks_and_blank_lines_are_no_records() {
    let place = Place::new();
    let line = r#"{"topic":"t","value":"v"}"#;
    let lines = format!("\u{FEFF}{line}\r\n\n  \t\r\n{line}\n\n");
    place.write("lines", lines.as_bytes());
    let imported = place.puro(&["import", "s", "lines", "lines", "--json"]).text();
    assert_eq!(imported, "{\"imported\":4,\"next_offset\":4}\n");
    // Not in the midst of a file: there it is a mistake.
    place.write("lines", format!("{line}\n\u{FEFF}{line}\n"));
    place.puro(&["import", "s", "lines"]).fails(64, "lines, line 2: no JSON object");
}

/// Field report D11. `"value":"v","value":null` deleted: the last of two members counted.
#[test]
fn a_member_that_is_there_twice_is_refused() {
    let place = Place::new();
    let line = r#"{"topic":"t","key":"k","value":"v","value":null}"#;
    place.puro_with(&["import", "s"], line).fails(64, "line 1: `value` stands twice");
    assert_eq!(place.puro(&["export", "s"]).stdout, b"");
}

/// Field report D11. "Power failed" was said of any token that is too high, also of one that somebody
/// had mistyped, or that came from a copy.
#[test]
fn a_token_beyond_the_end_is_not_blamed_on_the_power() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t"], "a\n").text();
    let exported = place.puro(&["export", "s"]).stderr;
    let token = exported.split(' ').find(|word| word.contains(':') && word.len() > 32).unwrap();
    let (history, _) = token.rsplit_once(':').unwrap();
    let (id, _) = token.split_once(':').unwrap();
    for token in [format!("{history}:9"), format!("{id}:7:1")] {
        let ran = place.puro(&["consume", "s", "--from", &token, "-e"]);
        let ran = ran.fails(2, "is beyond the end of this stream, which is offset 1");
        assert!(ran.stderr.contains("from a copy that went on, or mistaken, or"), "{}", ran.stderr);
    }
}

/// Field report D11. A setting that stands in the stream but cannot be one counts as not set, and
/// `config` and `info` showed it as set.
#[test]
fn settings_that_do_not_count_are_told_as_such() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "setting", "-k", "durable"], "maybe\n").text();
    let (position, _) = blocks(&place.segment())[1];
    make_control(&place.segment(), position, 0);
    place.puro(&["verify", "s", "--deep"]).text();
    let ran = place.puro(&["config", "s", "get", "durable"]);
    assert_eq!((ran.code, ran.stdout.as_slice()), (0, &b"false\n"[..]));
    assert!(ran.stderr.contains("durable = maybe counts as not set"), "{}", ran.stderr);
    let listed = String::from_utf8(place.puro(&["config", "s", "list"]).stdout).unwrap();
    assert!(listed.contains("  durable false\n"), "{listed}");
    assert_eq!(place.puro(&["config", "s", "list", "--json"]).stdout, b"{}\n");
    let info = place.puro(&["info", "s"]).text();
    assert!(info.contains("durable = maybe (cannot be: counts as not set)"), "{info}");
    let json: serde_json::Value =
        serde_json::from_str(&place.puro(&["info", "s", "--json"]).text()).unwrap();
    assert_eq!(json["settings"][0]["counts"], false);
}

/// Every command that reports can report in JSON.
#[test]
fn changes_are_told_in_json() {
    let place = Place::new();
    for (args, told) in [
        (&["create", "s", "--json"][..], "{\"created\":true}\n"),
        (&["create", "s", "--json"], "{\"created\":false}\n"),
        (&["config", "s", "set", "roll_ms", "5", "--json"], "{\"roll_ms\":\"5\"}\n"),
        (&["config", "s", "get", "roll_ms", "--json"], "{\"roll_ms\":\"5\"}\n"),
        (&["config", "s", "set", "roll_ms", "--json"], "{\"roll_ms\":null}\n"),
        (&["positions", "s", "set", "n", "0", "--json"], "{\"name\":\"n\",\"offset\":0}\n"),
        (&["positions", "s", "reset", "n", "--json"], "{\"name\":\"n\",\"offset\":0}\n"),
        (&["positions", "s", "delete", "n", "--json"], "{\"name\":\"n\",\"offset\":null}\n"),
    ] {
        assert_eq!(place.puro(args).text(), told, "{args:?}");
    }
}
