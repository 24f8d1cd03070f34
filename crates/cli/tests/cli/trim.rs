//! `puro trim` as somebody types it: by place, by what was read, by size; and that it appends nothing.

use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;
use puro::{StewardOptions, Trim};

use crate::cli::Place;

/// Thirty records in segments of a few each; named consumers `fast` and `slow`.
fn stream() -> Place {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4096"]).fails(0, "made");
    let line = "x".repeat(1000);
    let lines: String = (0..30).map(|n| format!("{n} {line}\n")).collect();
    place.puro_with(&["produce", "s", "-t", "t", "--batch", "1"], lines).text();
    for (name, count) in [("slow", "10"), ("fast", "20")] {
        place.puro(&["consume", "s", "--name", name, "-c", count]);
    }
    place
}

fn lowest(place: &Place) -> u64 {
    let info = place.puro(&["info", "s", "--json"]).text();
    serde_json::from_str::<serde_json::Value>(&info).unwrap()["lowest_offset"].as_u64().unwrap()
}

fn end(place: &Place) -> Vec<u8> {
    let names = std::fs::read_dir(place.path("s")).unwrap().map(|entry| entry.unwrap().path());
    let last = names.filter(|path| path.extension().is_some_and(|end| end == "puro")).max();
    std::fs::read(last.unwrap()).unwrap()
}

#[test]
fn segments_go_by_place_by_what_was_read_and_by_size() {
    for (what, must_stay, must_go) in [
        (&["--before", "15"][..], 15, 10),
        (&["--before", "-5"], 25, 20),
        (&["--before", "0s"], 30, 25),
        (&["--before", "1h"], 0, 0),
        (&["--consumed"], 10, 5),
        (&["--consumed", "fast"], 20, 15),
        (&["--consumed", "fast", "slow"], 10, 5),
        (&["--keep-bytes", "12K"], 24, 15),
    ] {
        let place = stream();
        let before = end(&place);
        let dry = [&["trim", "s", "--dry-run"], what].concat();
        assert!(place.puro(&dry).stdout.starts_with(b"would have ") || must_go == 0, "{what:?}");
        assert_eq!(lowest(&place), 0);
        let told = place.puro(&[&["trim", "s", "--json"], what].concat());
        let report: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(report["freed_bytes"].as_u64().unwrap() > 0, must_go > 0, "{what:?}");
        let low = lowest(&place);
        assert!((must_go..=must_stay).contains(&low), "{what:?}: offsets from {low} on are left");
        assert!(end(&place) == before, "{what:?}: something was appended");
        place.puro(&["verify", "s", "--deep"]).text();
    }
    let place = stream();
    place.puro(&["trim", "s", "--consumed", "nobody"]).fails(64, "nobody");
    place.puro(&["trim", "s"]).fails(64, "--before");
    place.puro(&["trim", "s", "--before", "1", "--keep-bytes", "1"]).fails(64, "cannot be used");
}

/// More than the disk has: all goes but what is protected or held.
#[test]
fn free_space_does_not_take_what_is_kept() {
    let all = "9000000000000000000";
    let place = stream();
    assert!(
        place
            .puro(&["trim", "s", "--min-free-bytes", "1"])
            .text()
            .starts_with("freed 0 bytes in 0")
    );
    place.puro(&["steward", "s", "--min-free-bytes", "1"]).text();
    assert_eq!(lowest(&place), 0);
    place.puro(&["config", "s", "set", "keep_unconsumed", "true"]).fails(0, "true");
    let ran = place.puro(&["trim", "s", "--min-free-bytes", all]).fails(0, "fewer than asked for");
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(told.contains("consumer `slow` has not read it"), "{told}");
    assert!((5..=10).contains(&lowest(&place)));
    place.puro(&["config", "s", "set", "keep_unconsumed", "false"]).fails(0, "false");
    let mut consumer = puro::Consumer::open(place.path("s")).unwrap();
    let first = consumer.try_next().unwrap().unwrap().offset;
    for command in ["trim", "steward"] {
        let ran = place.puro(&[command, "s", "--min-free-bytes", all]).fails(0, "fewer than");
        let told = String::from_utf8(ran.stdout).unwrap();
        assert!(
            told.contains("did not delete segment") && told.contains("it is held by"),
            "{told}"
        );
        assert_eq!(lowest(&place), first);
    }
}

/// A file system that gives no room back for a while.
struct Late;

impl Hook for Late {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }

    fn free_bytes(&self, _real: u64) -> u64 {
        1000
    }
}

/// What is deleted may be in no figure yet: no more goes for that.
#[test]
fn no_more_goes_than_was_lacking() {
    for in_a_pass in [false, true] {
        let place = stream();
        let options = StewardOptions::new().dry_run(false);
        let options = if in_a_pass { options.min_free_bytes(7000) } else { options };
        let system = Interpose::new(OsVfs::new(), Late);
        let mut steward = options.open_in(system, place.path("s")).unwrap();
        let report = if in_a_pass {
            steward.run_once().unwrap()
        } else {
            steward.trim(&Trim::until_free(7000)).unwrap()
        };
        let bytes: Vec<_> = report.deleted.iter().map(|deleted| deleted.bytes).collect();
        let (freed, last) = (bytes.iter().sum::<u64>(), bytes.last().copied().unwrap());
        assert!(freed >= 6000 && freed - last < 6000, "{bytes:?}");
        assert!(lowest(&place) > 0 && report.kept.is_empty());
    }
}
