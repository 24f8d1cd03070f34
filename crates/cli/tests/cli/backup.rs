//! `puro backup`, `restore`, `export` and `import` as real processes, while others write and die.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::real::{
    self, Random, Reaped, fast_consumer, files, flip, number, scratch, segment, small_segments,
};
use puro::check::Verdict;
use puro::internals::check;
use puro::internals::os::OsVfs;
use puro::{Batch, CheckOptions, NewRecord, OwnedRecord, Producer, ProducerOptions};

fn puro(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro"));
    command.args(args).stdin(Stdio::null());
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs it to its end, which must be this exit code.
fn run(args: &[&str], code: i32) -> Output {
    let output = puro(args).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "puro {args:?}: {messages}");
    output
}

/// Runs it with this on stdin.
fn run_with(args: &[&str], input: &[u8], code: i32) -> Output {
    let mut command = puro(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A process that refuses its input closes it.
    let feeder = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "puro {args:?}: {messages}");
    output
}

fn records(dir: &Path) -> Vec<OwnedRecord> {
    fast_consumer().open(dir).unwrap().try_iter().map(Result::unwrap).collect()
}

fn assert_sound(dir: &Path) {
    let options = CheckOptions::new().deep(true).second_look(Duration::from_millis(1));
    let report = check(OsVfs::new(), dir, &options, &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Verdict::Sound, "{:?}", report.findings);
}

/// A writer that appends without end, in blocks of three lines.
fn writer(dir: &Path, name: &str) -> Reaped {
    let mut produce = puro(&["produce", text(dir), "-t", name, "--batch", "3"]);
    produce.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = produce.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        let mut number = 0u64;
        // Until the writer is killed; not faster, or the stream gets too large to be looked at.
        while writeln!(stdin, "{number} {}", "x".repeat(number as usize % 300)).is_ok() {
            number += 1;
            if number.is_multiple_of(3) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    Reaped(child)
}

/// Waits until the stream has grown to more bytes than this.
fn grown(dir: &Path, bytes: u64) -> u64 {
    let begun = Instant::now();
    loop {
        // What gets another name between the two looks counts the next time.
        let lengths = std::fs::read_dir(dir).unwrap().flatten().flat_map(|entry| entry.metadata());
        let now = lengths.map(|metadata| metadata.len()).sum();
        if now > bytes {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the writers do not write");
        std::thread::yield_now();
    }
}

/// two writers that are killed again and again, small segments, backups all the while, some
/// of them killed too. Every backup is sound, and the beginning of what the stream is at the end.
/// `PURO_BACKUPS` backups (30 if not given).
#[test]
fn backups_under_writers_that_die_are_sound_prefixes() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let mut random = Random::seeded("backups_under_writers_that_die_are_sound_prefixes");
    assert!(ProducerOptions::new().segment_bytes(16384).create_in(OsVfs::new(), &dir).unwrap());
    let mut writers = [writer(&dir, "a"), writer(&dir, "b")];
    let (mut made, mut killed, mut bytes) = (Vec::new(), 0, 0);
    for round in 0..number("PURO_BACKUPS", 30) {
        bytes = grown(&dir, bytes + random.below(100_000));
        let out = scratch.path().join(format!("backup-{round}"));
        if random.below(3) == 0 {
            let mut doomed = puro(&["backup", text(&dir), text(&out)]);
            let mut doomed = Reaped(doomed.stdout(Stdio::null()).spawn().unwrap());
            std::thread::sleep(Duration::from_micros(random.below(6000)));
            doomed.0.kill().unwrap();
            doomed.0.wait().unwrap();
            killed += u32::from(!out.exists());
        }
        if !out.exists() {
            run(&["backup", text(&dir), text(&out)], 0);
        }
        let victim = random.below(2) as usize;
        writers[victim] = writer(&dir, if victim == 0 { "a" } else { "b" });
        made.push(out);
    }
    drop(writers);
    let all = records(&dir);
    let mut longest = 0;
    for out in &made {
        assert_sound(out);
        let copied = records(out);
        assert_eq!(copied, all[..copied.len()], "{} is no prefix", out.display());
        assert!(copied.len() >= longest, "a later backup holds less");
        longest = copied.len();
        // Nothing of a backup that was killed and nothing of a rollover is in it.
        assert!(files(out).iter().all(|(name, _)| name.ends_with(".puro")));
    }
    assert!(longest > 0 && files(made.last().unwrap()).len() > 2);
    println!("{} backups, {killed} killed, {longest} records in the last", made.len());
}

/// Everything that a record can be.
fn colourful(dir: &Path) {
    let mut producer = small_segments().open(dir).unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    for round in 0..40u64 {
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("plain", "text \"quoted\"\n\t\u{1F34E}")).unwrap();
        batch.push(&NewRecord::new(&[0xC3, 0x28], &every_byte).key(&[0xFF, 0x00])).unwrap();
        batch
            .push(&NewRecord::new("empty", "").key("").header("h", "").header("h", &[0x80]))
            .unwrap();
        batch.push(&NewRecord::delete_marker("plain", &round.to_be_bytes())).unwrap();
        // Times go back, and to where no calendar reaches (F-5).
        let time_ms = [round, 1_700_000_000_000 - round, u64::MAX][round as usize % 3];
        producer.transaction(&mut batch).timestamp_ms(time_ms).commit().unwrap();
    }
}

#[test]
fn export_and_import_make_the_same_records() {
    let scratch = scratch();
    let (dir, copy) = (scratch.path().join("stream"), scratch.path().join("copy"));
    colourful(&dir);
    let exported = run(&["export", text(&dir), "--json"], 0);
    run_with(&["import", text(&copy)], &exported.stdout, 0);
    assert_eq!(records(&copy), records(&dir));
    assert_sound(&copy);
    let blocks = |dir: &Path| real::blocks(&segment(dir, 0)).len();
    assert!(blocks(&copy) > 5, "records of one time are one block, others are not");
    let again = run(&["export", text(&copy)], 0);
    assert_eq!(again.stdout, exported.stdout);
    assert_eq!(run(&["consume", text(&dir), "-e", "--json"], 0).stdout, exported.stdout);
}

/// An export goes on where the one before ended: by its token, or behind its last line.
#[test]
fn an_export_can_be_resumed() {
    let scratch = scratch();
    let (dir, copy) = (scratch.path().join("stream"), scratch.path().join("copy"));
    colourful(&dir);
    let first = run(&["export", text(&dir)], 0);
    let said = String::from_utf8(first.stderr).unwrap();
    let token = said.split("--from ").nth(1).unwrap().split(' ').next().unwrap();
    let before = records(&dir).len();
    colourful(&dir);
    let second = run(&["export", text(&dir), "--from", token], 0);
    let by_offset = run(&["export", text(&dir), "--from", &before.to_string()], 0);
    assert_eq!(second.stdout, by_offset.stdout);
    run_with(&["import", text(&copy)], &first.stdout, 0);
    run_with(&["import", text(&copy), "-"], &second.stdout, 0);
    assert_eq!(records(&copy), records(&dir));
}

#[test]
fn import_says_where_a_line_is_wrong_and_keeps_what_came_before() {
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let input = b"{\"topic\":\"t\",\"value\":\"a\"}\n{\"topic\":\"t\",\"value\":\"b\"}\n{\"topic\":\"t\"}\n";
    let output = run_with(&["import", text(&dir)], input, 64);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("2 records imported: stdin, line 3: `value` is missing"), "{said}");
    assert_eq!(real::values(&dir), ["a", "b"]);
    run_with(&["import", text(&scratch.path().join("none")), "--no-create"], input, 64);
}

#[test]
fn a_backup_is_restored_by_two_commands() {
    let scratch = scratch();
    let (dir, saved) = (scratch.path().join("stream"), scratch.path().join("saved"));
    let restored = scratch.path().join("restored");
    colourful(&dir);
    let old = Producer::open(&dir).unwrap().token();
    let output = run(&["backup", text(&dir), text(&saved), "--json"], 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["token"], old.to_string());
    assert_eq!(report["next_offset"], old.offset);
    run(&["restore", text(&saved), text(&restored)], 0);
    assert_eq!(records(&restored), records(&dir));
    assert_sound(&restored);
    let refused = run(&["consume", text(&restored), "-e", "--from", &old.to_string()], 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another stream"));
    assert_eq!(refused.stdout, b"");
    run(&["restore", text(&saved), text(&restored)], 64); // it is there
    run(&["backup", text(&scratch.path().join("nothing")), text(&restored)], 64);
}

#[test]
fn a_damaged_stream_leaves_no_backup() {
    let scratch = scratch();
    let (dir, saved) = (scratch.path().join("stream"), scratch.path().join("saved"));
    colourful(&dir);
    flip(&segment(&dir, 0), 300, 1);
    let output = run(&["backup", text(&dir), text(&saved)], 2);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no backup was made") && said.contains("puro salvage"), "{said}");
    assert!(!saved.exists());
}
