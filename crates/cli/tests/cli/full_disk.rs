//! A disk without a free byte (field report B4): what frees space takes none, and nothing is printed
//! that could not be noted.

use std::path::Path;

use crate::cli::Place;
use crate::disk::{Mounted, make_room};
use crate::skipped::skipped;

/// A place whose directory `d` is a disk of its own, of a mebibyte.
struct Disk {
    place: Place,
    mounted: Mounted,
}

impl Disk {
    fn new() -> Option<Self> {
        let (place, mounted) = (Place::new(), Mounted::new(1024)?);
        std::os::unix::fs::symlink(mounted.path(), place.path("d")).unwrap();
        let disk = Self { place, mounted };
        std::fs::write(disk.ballast(), vec![1; 400 * 1024]).unwrap();
        Some(disk)
    }

    /// Appends a record at a time until the disk is full, so that no room is left that was reserved.
    fn fill_with_records(&self) {
        for bytes in [3000, 1] {
            if bytes == 1 {
                // What is left where a new segment would not fit any more.
                self.mounted.fill(&self.ballast());
            }
            let lines = format!("{}\n", "x".repeat(bytes)).repeat(2000);
            let produce = ["produce", "d/s", "-t", "t", "--batch", "1"];
            let ran = self.place.puro_with(&produce, lines);
            ran.fails(74, "records appended: not appended: no space left");
        }
    }

    /// Makes a stream of many small segments, and fills the disk with it.
    fn fill_with_small_segments(&self) {
        self.place.puro(&["create", "d/s", "--segment-bytes", "4096"]);
        let lines: String = (0..3000).map(|number| format!("line {number}\n")).collect();
        self.place.puro_with(&["produce", "d/s", "-t", "t", "--batch", "20"], &lines).text();
        self.fill_with_records();
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.mounted.path().join("ballast")
    }
}

/// Somebody's disk was full. `config set retention_bytes`, `positions delete` and `steward --once`
/// all failed for lack of space, so the records that could go could not go.
#[test]
fn old_segments_go_from_a_full_disk() {
    for by_hand in [true, false] {
        let Some(disk) = Disk::new() else {
            skipped("cannot mount a file system");
            return;
        };
        let place = &disk.place;
        disk.fill_with_small_segments();
        place
            .puro(&["config", "d/s", "set", "retention_bytes", "20000"])
            .fails(74, "no space left");
        let freeing: &[&str] = if by_hand {
            &["trim", "d/s", "--keep-bytes", "20K"]
        } else {
            &["steward", "d/s", "--once", "--retention-bytes", "20K"]
        };
        let freed = place.puro(freeing).text();
        assert!(freed.contains("deleted segment 0 ("), "{freed}");
        assert!(stream_bytes(&place.path("d/s")) <= 20 * 1024);
        place.puro_with(&["produce", "d/s", "-t", "t"], "room again\n").text();
        let last = place.puro(&["consume", "d/s", "-e", "--from", "-1"]).text();
        assert_eq!(last, "room again\n");
        place.puro(&["verify", "d/s", "--deep"]).text();
    }
}

/// Others on the disk need some of it, and it is full.
#[test]
fn segments_go_until_enough_is_free() {
    for by_hand in [true, false] {
        let Some(disk) = Disk::new() else {
            skipped("cannot mount a file system");
            return;
        };
        let place = &disk.place;
        disk.fill_with_small_segments();
        let free = || {
            let told = nix::sys::statvfs::statvfs(disk.mounted.path()).unwrap();
            told.blocks_available() * told.fragment_size()
        };
        let before = free();
        let freeing = |wanted| {
            let command = if by_hand { "trim" } else { "steward" };
            place.puro(&[command, "d/s", "--min-free-bytes", wanted, "--json"])
        };
        let dry = place.puro(&["trim", "d/s", "--min-free-bytes", "160K", "--dry-run"]).text();
        assert!(before < 32 * 1024 && free() == before, "{before}");
        assert!(dry.contains("would have deleted segment 0 ("), "{dry}");
        freeing("160K").text();
        // No more than it takes, by whole segments.
        assert!((160 * 1024..160 * 1024 + 8192).contains(&free()), "{}", free());
        place.puro_with(&["produce", "d/s", "-t", "t"], "room again\n").text();
        place.puro(&["verify", "d/s", "--deep"]).text();

        // More than there is.
        let ran = freeing("1G").fails(0, "fewer than asked for, and nothing more may be deleted");
        assert!(ran.stdout.starts_with(b"{"));
        let info = place.puro(&["info", "d/s"]).text();
        assert_eq!(info.lines().filter(|line| line.starts_with("segment")).count(), 1, "{info}");
        assert!(info.contains(" active from offset "), "{info}");
    }
}

fn stream_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let segments =
        entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "puro"));
    segments.map(|entry| entry.metadata().unwrap().len()).sum()
}

/// A named consumer on a full disk printed its records, could not commit, and ended; its supervisor
/// started it again, and it printed the same records, for as long as the disk was full.
#[test]
fn a_named_consumer_prints_nothing_that_it_cannot_note() {
    for segment_bytes in ["64M", "4096"] {
        let Some(disk) = Disk::new() else {
            skipped("cannot mount a file system");
            return;
        };
        let place = &disk.place;
        place.puro(&["create", "d/s", "--segment-bytes", segment_bytes]);
        place.puro_with(&["produce", "d/s", "-t", "t"], "a\nb\n").text();
        let named = || place.puro(&["consume", "d/s", "--name", "n", "-e"]);
        place.puro(&["positions", "d/s", "set", "n", "0"]).fails(0, "offset 0");
        disk.fill_with_records();
        for _ in 0..2 {
            let ran = named().fails(74, "nothing more is printed");
            assert!(ran.stdout.is_empty(), "printed {} bytes", ran.stdout.len());
        }
        // Without a name there is nothing to note.
        assert!(place.puro(&["consume", "d/s", "-e"]).text().starts_with("a\nb\n"));
        make_room(&disk.ballast());
        assert!(named().text().starts_with("a\nb\n"));
        assert_eq!(named().text(), "");
    }
}
