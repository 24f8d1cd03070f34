//! `puro trim` as somebody types it: by place, by what was read, by size; and that it appends nothing.

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
