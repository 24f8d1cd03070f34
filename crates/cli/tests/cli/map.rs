//! `puro map`: what is on the page, what cannot get onto it, and that it leaves the stream alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use puro::internals::dir::open_path;
use puro::internals::os::OsVfs;
use puro::internals::vfs::{LockKind, LockWait, OpenMode, VfsFile};
use puro::{NewRecord, StreamOptions};

use crate::cli::Place;
use crate::real::{blocks, flip};

/// Forty keys in small segments, of which one is compacted; named consumers `fast` and `slow`.
fn stream() -> Place {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4096"]).fails(0, "made");
    let lines: String = (0..40).map(|n| format!("{}:{n}{}\n", n % 3, "x".repeat(200))).collect();
    place.puro_with(&["produce", "s", "-t", "users", "-K", ":", "--batch", "2"], &lines).text();
    place.puro(&["config", "s", "set", "cleanup:users", "compact"]).fails(0, "");
    place.puro(&["steward", "s"]).fails(0, "");
    place.puro_with(&["produce", "s", "-t", "users", "-K", ":", "--batch", "2"], &lines).text();
    place.puro_with(&["produce", "s", "-t", "orders", "--durable"], "1\n2\n").text();
    for (name, count) in [("slow", "3"), ("fast", "20")] {
        place.puro(&["consume", "s", "--name", name, "-c", count]);
    }
    // As who appends durably leaves them for a time (protocol.md, chapter 12).
    let names = fs::read_dir(place.path("s")).unwrap().map(|entry| entry.unwrap().path());
    let last = names.filter(|path| path.extension().is_some_and(|end| end == "puro")).max();
    crate::cli::append_to(&last.unwrap(), &[0; 8192]);
    place
}

/// All that is in a directory: length, times and content of each file.
fn snapshot(dir: &Path) -> BTreeMap<String, (u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let (name, metadata) =
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
        let inside = || format!("{:?}", snapshot(&entry.path())).into_bytes();
        let bytes = if metadata.is_dir() { inside() } else { fs::read(entry.path()).unwrap() };
        found.insert(name, (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), bytes));
    }
    found
}

fn map(place: &Place) -> String {
    place.puro(&["map", "s", "-o", "-"]).text()
}

fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    let ran = place.puro(args);
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Somebody wants to see what is in a stream, and sends the page to somebody else.
#[test]
fn the_page_names_segments_topics_and_consumers() {
    let place = stream();
    let before = snapshot(&place.path("s"));
    assert_eq!(place.puro(&["map", "s", "-o", "page.html"]).text(), "");
    assert!(snapshot(&place.path("s")) == before, "something in the stream changed");
    let names: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.contains("Sound: nothing is wrong.") && page.contains("<h2 id=\"damage\""));

    let info = json(&place, &["info", "s", "--json"]);
    let segments = info["segments"].as_array().unwrap();
    assert!(segments.len() > 3 && page.contains(info["stream_id"].as_str().unwrap()));
    for segment in segments {
        let row =
            format!("<th scope=\"row\">{:010}</th><td>", segment["sequence"].as_u64().unwrap());
        let (_, rest) = page.split_once(&row).unwrap_or_else(|| panic!("no {row}"));
        let compacted = if segment["generation"] == 0 { "" } else { ", compacted" };
        let state = format!("{}{compacted}</td>", segment["state"].as_str().unwrap());
        assert!(rest.starts_with(&state), "{row}{state}: {}", &rest[..60]);
    }
    assert!(segments.iter().any(|segment| segment["generation"] != 0));
    for topic in info["topics"].as_array().unwrap() {
        let name = topic["name"].as_str().unwrap();
        let (_, row) = page.split_once(&format!("<bdi>{name}</bdi>")).unwrap();
        let (row, _) = row.split_once("</tr>").unwrap();
        for figure in ["records", "bytes", "first_offset", "last_offset"] {
            assert!(
                row.contains(&format!("<td class=\"n\">{}</td>", topic[figure])),
                "{row}: {figure}"
            );
        }
    }
    let listed = place.puro(&["positions", "s", "list", "--json"]).text();
    assert_eq!(listed.lines().count(), 2);
    for line in listed.lines() {
        let position: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = position["name"].as_str().unwrap();
        let (_, row) = page.split_once(&format!("<bdi>{name}</bdi>")).unwrap();
        let (row, _) = row.split_once("</tr>").unwrap();
        for figure in ["offset", "lag_offsets", "lag_bytes"] {
            let cell = format!("<td class=\"n\">{}</td>", position[figure]);
            assert!(row.contains(&cell), "{name}, {figure}: {row}");
        }
    }
    // What the second half of the records supersedes.
    let debt = json(&place, &["steward", "s", "--dry-run", "--json"]);
    let removed = debt["compacted"].as_array().unwrap().iter();
    let removed: u64 = removed.map(|done| done["records_removed"].as_u64().unwrap()).sum();
    assert!(removed > 0 && page.contains(&format!("Compaction debt: {removed} superseded")));
    assert!(page.contains("<title>8192 bytes of zeros ahead"));
    assert!(page.contains("cleanup:users"));
}

/// It needs nothing besides, and nothing runs on it.
#[test]
fn the_page_is_alone() {
    let page = map(&stream());
    for foreign in ["http:", "https:", "src=", "href=", "<script", "@import", "url(", "javascript"]
    {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'") && page.contains("prefers-color-scheme: dark"));
    assert!(!page.contains("{{") && page.ends_with("</html>\n"));
}

/// A byte of the disk is not what it was, and later the last write was cut.
#[test]
fn damage_is_on_the_page_with_its_place() {
    let place = stream();
    let second = place.path("s/0000000001.puro");
    let position = blocks(&second)[2].0;
    flip(&second, position + 70, 1);
    let page = map(&place);
    let verified = json(&place, &["verify", "s", "--json"]);
    let finding = &verified["findings"][0];
    assert_eq!(finding["position"], position);
    let row = format!(
        "<td class=\"bad\">damage</td><th scope=\"row\" class=\"name\"><bdi>0000000001.puro</bdi></th>\
         <td class=\"n\">{position}</td><td class=\"n\">{}</td><td class=\"text\">{}</td>",
        finding["offset"],
        finding["cause"].as_str().unwrap()
    );
    assert!(page.contains(&row), "no {row}");
    assert!(page.contains("Damaged: puro salvage"));
    assert!(page.contains(&format!("<title>damaged: byte {position}, ")));
    assert!(page.contains("sealed, damaged") || page.contains("compacted, damaged"));

    let torn = Place::new();
    torn.puro_with(&["produce", "s", "-t", "t"], "a\n").text();
    crate::cli::append_to(&torn.segment(), &[7; 100]);
    let page = map(&torn);
    assert!(
        page.contains("Repairable: the next writer") && page.contains("<title>not committed: ")
    );
    // The whole segment is no segment.
    fs::write(torn.segment(), "a note of somebody\n".repeat(50)).unwrap();
    let page = map(&torn);
    assert!(
        page.contains("without a valid header, damaged") && page.contains("It cannot be told: ")
    );
    torn.puro(&["map", "none", "-o", "-"]).fails(64, "not a stream");
}

/// Somebody names a topic so that a browser would run it.
#[test]
fn crafted_names_are_no_markup() {
    let place = Place::new();
    let name = "<script>alert(1)</script>";
    let attack = "\"><img src=x onerror=alert(1)>";
    for topic in [name, attack, "' onload='x", "{{positions}}", "\x1b[2J\u{202e}", "&lt;b&gt;"] {
        place.puro_with(&["produce", "s", "-t", topic], "x\n").text();
    }
    place.write("s/<script>x.html", "stray");
    let page = map(&place);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onload='"));
    assert!(page.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    assert!(page.contains("<bdi>&lt;script&gt;x.html</bdi>"));
    assert!(
        page.contains("<bdi>{{positions}}</bdi>") && page.contains("<bdi>&amp;lt;b&amp;gt;</bdi>")
    );
    assert!(
        page.contains("<bdi>\\u001b[2J\u{202e}</bdi>"),
        "no control character, and no other direction"
    );
    fs::rename(place.path("s"), place.path("<script>s")).unwrap();
    let page = place.puro(&["map", "<script>s", "-o", "-"]).text();
    assert!(!page.contains("<script") && page.contains("<h1><bdi>&lt;script&gt;s</bdi></h1>"));
}

/// A thousand segments, twenty thousand blocks, a thousand topics of long names that grow when they
/// are escaped, five hundred consumers and as many strays.
#[test]
fn the_page_stays_small() {
    let place = Place::new();
    let options = StreamOptions::new().create(true).segment_bytes(4096);
    let stream = options.open(place.path("s")).unwrap();
    let mut producer = stream.producer().unwrap();
    for number in 0..20_000 {
        let long = if number % 20 == 0 { 900 } else { 0 };
        let topic = format!("{}{}", number % 1000, "\"".repeat(long));
        producer.append(&NewRecord::new(&topic, "value")).unwrap();
    }
    for number in 0..500 {
        let name = format!("{number}{}", "n".repeat(100));
        stream.set_position(&name, puro::Start::Offset(number)).unwrap();
        place.write(&format!("s/{number}{}", "<".repeat(200)), "");
    }
    let segments = stream.info().unwrap().segments.len();
    assert!(segments > 1000, "{segments}");
    let page = map(&place);
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    assert!(page.contains("<dt>records</dt><dd>20000</dd>"));
    assert!(page.contains("There are so many that a row is several of them."));
    assert!(page.contains("all others together") && page.contains("And 300 more."));
}

/// A steward at work has locked a segment, and `puro verify` waits for it.
#[test]
fn it_waits_for_nobody() {
    let place = stream();
    let mut held = Vec::new();
    for entry in fs::read_dir(place.path("s")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let file = open_path(&OsVfs::new(), &entry, OpenMode::Write).unwrap();
            assert!(file.lock(LockKind::Exclusive, LockWait::Try).unwrap());
            held.push(file);
        }
    }
    assert!(map(&place).contains("Sound: nothing is wrong."));
}

/// The page goes where it was told, and nowhere else.
#[test]
fn the_page_does_not_get_into_the_stream() {
    let place = stream();
    let before = snapshot(&place.path("s"));
    place.puro(&["map", "s", "-o", "s/page.html"]).fails(64, "is within");
    std::os::unix::fs::symlink(place.path("s/0000000000.puro"), place.path("link")).unwrap();
    place.puro(&["map", "s", "-o", "link"]).fails(64, "symbolic link");
    fs::hard_link(place.path("s/0000000000.puro"), place.path("page.html")).unwrap();
    place.puro(&["map", "s", "-o", "page.html"]).text();
    assert!(snapshot(&place.path("s")) == before, "something in the stream changed");
    assert!(fs::read_to_string(place.path("page.html")).unwrap().starts_with("<!DOCTYPE html>"));
    place.puro(&["map", "s", "-o", "none/page.html"]).fails(74, "none/page.html");
    place.puro(&["map", "s"]).fails(64, "--output");
}
