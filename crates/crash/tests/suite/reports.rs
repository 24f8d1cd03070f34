//! What is told to people, to CI, and by whom it can be had again.

use std::fs;
use std::process::Command;

use crate::common::{Place, Said};

/// A value that is written in place, without a sync: acknowledged, and lost.
const LOSES: &str = "echo 1 >value; echo 1; echo 2 >value; echo 2";
const CHECK: &str = r#"[ "$(cat "$1/value" 2>/dev/null)" = "$(tail -n 1 "$2")" ] || [ ! -s "$2" ] ||
{ echo 'it is <not> & never "there"'; exit 1; }"#;

fn run(options: &[&str]) -> (Place, Said) {
    let place = Place::new();
    let (check, loses) = (place.script("check", CHECK), place.script("loses", LOSES));
    let said = place.run(&[&["--check", &check], options].concat(), &[&loses]);
    (place, said)
}

#[test]
fn what_was_found_can_be_checked_again() {
    let (place, said) = run(&[]);
    let said = said.expect(1);
    let again = said.stdout.lines().find_map(|line| line.strip_prefix("  again: ")).unwrap();
    let output = Command::new("sh").arg(place.path(again)).output().unwrap();
    Said::new(output).expect(1);
    // Twice: the checker works on a copy.
    let output = Command::new("sh").arg(place.path(again)).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("never"));
    // And it can be told what happened.
    let state =
        said.stdout.lines().find_map(|line| line.strip_prefix("  the smallest of them is "));
    let told = place.crash(&["explain", "puro-crash-out/trace", state.unwrap()]).expect(0);
    assert!(told.stdout.contains("     3          print(\"1\")"), "{}", told.stdout);
}

#[test]
fn a_baseline_fails_only_on_what_is_new() {
    let (place, said) = run(&["--write-baseline", "known.json"]);
    said.expect(1);
    let check = place.path("check");
    let options = ["--check", check.to_str().unwrap(), "--baseline", "known.json"];
    let loses = place.path("loses");
    let said = place.run(&options, &[loses.to_str().unwrap()]).expect(0);
    assert!(said.stdout.contains("(known to the baseline)"), "{}", said.stdout);
    assert!(said.numbers().1 > 0);
    let worse = place.script("worse", &format!("{LOSES}; mkdir d; mv value d; echo lost"));
    place.run(&options, &[&worse]).expect(1);
}

#[test]
fn machines_read_json_and_junit() {
    let (place, said) = run(&["--json", "report.json", "--junit", "report.xml"]);
    let (states, failed) = said.expect(1).numbers();
    let json = fs::read_to_string(place.path("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["profiles"][0]["states"], states);
    assert_eq!(json["profiles"][0]["failed"], failed);
    let xml = fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(xml.contains("<failure message=\"After `"), "{xml}");
    assert!(xml.contains("it is &lt;not&gt; &amp; never &quot;there&quot;"), "{xml}");
}

#[test]
fn the_timeline_is_one_page_that_needs_nothing() {
    let (place, said) = run(&["--html", "timeline.html"]);
    said.expect(1);
    let page = fs::read_to_string(place.path("timeline.html")).unwrap();
    assert!(page.contains("print(&quot;2&quot;)") && page.contains("class=bar"), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "{page}");
}

#[test]
fn the_same_seed_makes_the_same_states() {
    let (place, said) = run(&[]);
    said.expect(1);
    let list = |seed| {
        place.crash(&["states", "puro-crash-out/trace", "--list", "--seed", seed]).expect(0).stdout
    };
    assert_eq!(list("7"), list("7"));
    assert!(list("7").lines().count() > 5);
}

#[test]
fn a_budget_is_kept_and_said() {
    let (_, said) = run(&["--states", "4"]);
    let (states, _) = said.numbers();
    assert_eq!(states, 4);
}

#[test]
fn wrong_calls_are_64_and_say_what_to_do() {
    let place = Place::new();
    let cases: [(&[&str], &str); 4] = [
        (&["--check", "true", "--profile", "ntfs"], "there are process, posix"),
        (&["--check", "/no/such/checker"], "cannot be run"),
        (&["--check", "no-such-checker --flag"], "cannot be run"),
        (&["--profile", "posix"], "--check"),
    ];
    for (options, told) in cases {
        let said = place.run(options, &["touch", "file"]).expect(64);
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    fs::create_dir_all(place.path("full/of")).unwrap();
    let said = place.crash(&["run", "--dir", "full", "--check", "true", "--", "true"]).expect(64);
    assert!(said.stderr.contains("--base"), "{}", said.stderr);
}

#[test]
fn a_checker_that_cannot_tell_is_not_a_success() {
    let place = Place::new();
    let check = place.script("check", "echo 'no ruler here'; exit 77");
    let said = place.run(&["--check", &check], &["sh", "-c", "echo x >f"]).expect(77);
    assert!(said.stdout.contains("no ruler here"), "{}", said.stdout);
}

#[test]
fn what_was_there_before_is_durable() {
    let place = Place::new();
    fs::create_dir(place.path("dir")).unwrap();
    fs::write(place.path("dir/value"), "0\n").unwrap();
    let check = place.script("check", "grep -q '^[01]$' \"$1/value\"");
    let words = ["run", "-q", "--base", "--dir", "dir", "--check", &check, "--"];
    let replace = "echo 1 >tmp; sync tmp; mv tmp value";
    place.crash(&[&words[..], &["sh", "-c", replace]].concat()).expect(0);
}

#[test]
fn every_help_has_an_example() {
    let place = Place::new();
    for command in ["run", "record", "states", "check", "faults", "explain"] {
        let said = place.crash(&[command, "--help"]).expect(0);
        let example = format!("Example:\n  puro-crash {command} ");
        assert!(said.stdout.contains(&example), "{}", said.stdout);
    }
    assert!(place.crash(&["--help"]).expect(0).stdout.contains("Example:"));
}

/// No state was looked at, so nothing is known.
#[test]
fn nothing_checked_is_not_a_success() {
    let place = Place::new();
    let said = place.run(&["--check", "true", "--states", "0"], &["sh", "-c", "echo x >f"]);
    let said = said.expect(77);
    assert!(said.stdout.contains("not measured: no state was checked"), "{}", said.stdout);
}
