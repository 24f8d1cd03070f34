//! What others put into a stream's directory, or hand over to be read: what the commands make of it,
//! in bounded time and memory, with one true cause.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::real::{blocks, flip, scratch, segment, set_len, small_segments};
use puro::{NewRecord, Producer};

/// Runs the program under a limit of the shell.
fn puro_limited(limit: &str, args: &[&str]) -> Output {
    let script = format!("ulimit {limit}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_puro")]).args(args);
    command.stdin(Stdio::null()).output().unwrap()
}

fn puro(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_puro")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

const GIB: u64 = 1 << 30;

/// Field report D8: a line of 56 MB for `import`, a list of millions of headers. The tree that was made of
/// it took 5.2 GiB.
#[test]
fn a_line_of_millions_of_members_takes_little_memory() {
    let dir = scratch();
    let file = dir.path().join("lines");
    let mut line = br#"{"topic":"t","value":"v","headers":["#.to_vec();
    while line.len() < 56_000_000 {
        line.extend_from_slice(br#"{"name":"n","value":""},"#);
    }
    line.extend_from_slice(b"{}]}\n");
    std::fs::write(&file, line).unwrap();
    let stream = dir.path().join("s");
    let output = puro_limited("-v 700000", &["import", text(&stream), text(&file)]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("`headers` take more than 65536 bytes"), "{}", said(&output));
}

/// Field report D8: `who` read a sparse lock file of 3 GiB whole. A hint has 64 bytes at most.
#[test]
fn a_lock_file_of_gigabytes_is_not_read() {
    let dir = scratch();
    let mut held = Producer::open(dir.path()).unwrap();
    held.append(&NewRecord::new("t", "v")).unwrap();
    let held = held.hold().unwrap();
    set_len(&dir.path().join("writer.lock"), 3 * GIB);
    // To read it whole takes more than a second of the processor's time.
    let output = puro_limited("-t 1", &["who", text(dir.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("writer.lock"), "{}", said(&output));
    drop(held);
}

/// Field report D8: a sparse tail of 2 GiB was copied into `lost/` as real bytes, under `writer.lock`, without
/// a look at the free space.
#[test]
fn the_holes_of_a_tail_stay_holes_where_it_is_saved() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    Producer::open(dir.path()).unwrap().append(&NewRecord::new("t", "v")).unwrap();
    let active = segment(dir.path(), 0);
    let end = std::fs::metadata(&active).unwrap().len();
    let mut file = std::fs::File::options().append(true).open(&active).unwrap();
    file.write_all(b"not a block").unwrap();
    set_len(&active, end + GIB / 4);
    let output = puro(&["repair", text(dir.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let saved = std::fs::read_dir(dir.path().join("lost")).unwrap().next().unwrap().unwrap();
    let saved = saved.metadata().unwrap();
    assert_eq!(saved.len(), GIB / 4, "all of it is there");
    assert!(saved.blocks() * 512 < GIB / 64, "{} bytes on the disk", saved.blocks() * 512);
}

/// Field report B3: a segment that the caller may not read, or a loop of links in its place, was called damaged,
/// with exit code 2. The stream is not what is wrong.
#[test]
fn what_the_system_refuses_is_not_called_damage() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    while !segment(dir.path(), 2).exists() {
        producer.append(&NewRecord::new("t", &"v".repeat(500))).unwrap();
    }
    drop(producer);
    let path = segment(dir.path(), 1);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    for args in [&["verify", text(dir.path())][..], &["verify", "--deep", text(dir.path())]] {
        let output = puro(args);
        assert_eq!(output.status.code(), Some(74), "{}", said(&output));
        assert!(said(&output).contains("0000000001.puro"), "{}", said(&output));
        assert!(said(&output).contains("unreadable"), "{}", said(&output));
    }
    let beside = scratch();
    let out = beside.path().join("out");
    let output = puro(&["salvage", text(dir.path()), text(&out)]);
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(said(&output).contains("0000000001.puro"), "{}", said(&output));
    assert!(!out.exists());
    let output = puro(&["salvage", "--leave-out-unreadable", text(dir.path()), text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("lost:"), "{}", said(&output));
}

/// Field report B17: what a repair saved could be read by no command.
#[test]
fn what_was_saved_is_shown_and_taken() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for number in 0..10 {
        producer.append(&NewRecord::new("t", &format!("value {number}"))).unwrap();
    }
    drop(producer);
    let starts = blocks(&segment(dir.path(), 0));
    let (harmed, last) = (starts[3].0, starts.last().unwrap().0);
    flip(&segment(dir.path(), 0), harmed + 50, 1);
    cut_as_lost(dir.path(), harmed);
    let saved = std::fs::read_dir(dir.path().join("lost")).unwrap().next().unwrap().unwrap();
    let output = puro(&["inspect", "--records", text(&saved.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for part in ["value 9", &last.to_string(), &harmed.to_string(), "damaged"] {
        assert!(said(&output).contains(part), "no {part}: {}", said(&output));
    }
    let beside = scratch();
    let out = beside.path().join("out");
    let output = puro(&["salvage", "--lost", text(dir.path()), text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = puro(&["consume", "-e", text(&out)]);
    let expected: Vec<_> = (3..10).map(|number| format!("value {number}")).collect();
    assert_eq!(said(&output).lines().collect::<Vec<_>>(), expected);
}

/// Does by hand what a repair does in row *lost*: saves what stands from there on, and cuts it off.
fn cut_as_lost(dir: &Path, position: u64) {
    let path = segment(dir, 0);
    let bytes = std::fs::read(&path).unwrap();
    let tail = &bytes[position as usize..];
    std::fs::create_dir(dir.join("lost")).unwrap();
    let name =
        format!("lost/0000000000-{position:020}-{:08x}.tail", puro::internals::codec::crc(tail));
    std::fs::write(dir.join(name), tail).unwrap();
    set_len(&path, position);
}

/// Field report D11: `config` and `info` showed settings that count as not set (F-34) as if they held.
/// Set by a faulty program, or a later one.
#[test]
fn a_setting_that_does_not_count_is_not_shown_as_if_it_did() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    producer.set(&"retention_ms=86400000".parse().unwrap()).unwrap();
    drop(producer);
    let path = segment(dir.path(), 0);
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"86400000").unwrap();
    let (begin, _) = *blocks(&path).last().unwrap();
    let mut bytes = bytes;
    bytes[at..at + 8].copy_from_slice(b"86400x00");
    mend(&mut bytes, &path, begin);
    std::fs::write(&path, bytes).unwrap();
    let output = puro(&["config", text(dir.path()), "get", "retention_ms"]);
    assert!(said(&output).starts_with("0\n"), "{}", said(&output));
    let output = puro(&["info", text(dir.path())]);
    assert!(said(&output).contains("86400x00 (cannot be: counts as not set)"), "{}", said(&output));
}

/// Makes the checksums of a block of one record right again, the record's own first.
fn mend(bytes: &mut [u8], path: &Path, begin: u64) {
    use puro::internals::block::Place;
    use puro::internals::codec::{crc, crc_continue};
    let begin = begin as usize;
    let start = blocks(path).last().unwrap().1;
    let body = begin + 48;
    let length = start.body_len;
    let sum = crc(&bytes[body + 4..body + length]);
    bytes[body..body + 4].copy_from_slice(&sum.to_le_bytes());
    let block_end = begin + start.block_bytes() as usize;
    let place = Place { header_crc: crc(&bytes[..60]), position: begin as u64 };
    let mut seed = place.header_crc.to_le_bytes().to_vec();
    seed.extend_from_slice(&place.position.to_le_bytes());
    let start_crc = crc_continue(crc(&seed), &bytes[begin + 1..begin + 44]);
    let sum = crc_continue(start_crc, &bytes[begin + 48..block_end - 4]);
    bytes[block_end - 4..block_end].copy_from_slice(&sum.to_le_bytes());
}
