//! Streams mirrored into streams by real processes, which die.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use puro::{
    Batch, Cleanup, Consumer, NewRecord, OwnedRecord, Producer, Setting, Start, Stream,
    StreamOptions,
};

struct Place {
    _scratch: tempfile::TempDir,
    a: PathBuf,
    b: PathBuf,
}

fn place() -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
    Place { _scratch: scratch, a, b }
}

fn mirror(from: &Path, to: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro-mirror"));
    command.arg(from).arg(to).args(more).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn once(from: &Path, to: &Path, more: &[&str]) -> Output {
    mirror(from, to, more).arg("--once").output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn assert_fine(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output).1);
}

/// What counts of a record: all but its offset.
type Content = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Vec<u8>)>, u64);

fn content(record: OwnedRecord) -> Content {
    let OwnedRecord { topic, key, value, headers, timestamp_ms, .. } = record;
    (topic, key, value, headers, timestamp_ms)
}

/// The stream's blocks, as a reader is given them.
fn blocks(dir: &Path) -> Vec<Vec<Content>> {
    let mut consumer = Consumer::open(dir).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = consumer.next_block(Duration::ZERO).unwrap() {
        blocks.push(block.map(|record| content(record.unwrap().to_owned())).collect());
    }
    blocks
}

/// Transactions of several records, with everything that a record can have.
fn append_all_kinds(dir: &Path, count: u32) {
    let mut producer = Producer::open(dir).unwrap();
    for number in 0..count {
        let (key, value) = (format!("k{}", number % 7), format!("value {number}"));
        let mut batch = Batch::new();
        let headers = NewRecord::new("orders", &value).key(&key).header("h", "1").header("h", "2");
        batch.push(&headers).unwrap();
        batch.push(&NewRecord::new("empty", "").key("")).unwrap();
        batch.push(&NewRecord::delete_marker("users", &key)).unwrap();
        producer.append_batch(&mut batch).unwrap();
    }
}

/// Somebody mirrors a stream now and then: the copy has the same blocks, with keys, headers, delete
/// markers and times, and the same offsets. Settings come along, and a run without news adds nothing.
#[test]
fn a_copy_is_the_same_block_by_block() {
    let Place { a, b, .. } = &place();
    Stream::open_or_create(a).unwrap().set(&Setting::SegmentBytes(8192)).unwrap();
    Stream::open(a).unwrap().set(&Setting::CleanupOf("users".into(), Cleanup::Compact)).unwrap();
    for round in 1..=3 {
        append_all_kinds(a, 40);
        assert_fine(&once(a, b, &[]));
        assert_eq!(blocks(a), blocks(b), "round {round}");
    }
    let (source, target) = (Stream::open(a).unwrap(), Stream::open(b).unwrap());
    assert_eq!(source.settings().unwrap(), target.settings().unwrap());
    assert_eq!(source.bounds().unwrap(), target.bounds().unwrap());
    let before = target.info().unwrap().bytes();
    assert_fine(&once(a, b, &[]));
    assert_eq!(target.info().unwrap().bytes(), before, "a run without news");
    let positions = source.positions().unwrap();
    assert_eq!((positions.len(), positions[0].lag_offsets), (1, 0));
    assert_eq!(positions[0].name, format!("mirror-{}", target.id().unwrap()));
}

/// Only some topics are wanted; where the others were passed by, the note moves all the same, so that
/// retention at the source does not overtake it.
#[test]
fn some_topics_only() {
    let Place { a, b, .. } = &place();
    append_all_kinds(a, 10);
    assert_fine(&once(a, b, &["--topics", "ord*", "--topics", "no-such"]));
    let topics: Vec<_> = blocks(b).into_iter().flatten().map(|record| record.0).collect();
    assert_eq!(topics, vec![b"orders".to_vec(); 10]);
    Producer::open(a).unwrap().append(&NewRecord::new("other", "x")).unwrap();
    assert_fine(&once(a, b, &["--topics", "ord*"]));
    assert_eq!(Stream::open(a).unwrap().positions().unwrap()[0].lag_offsets, 0);
    let key = format!("puro-{}", Stream::open(a).unwrap().id().unwrap());
    let note = Producer::open(b).unwrap().source(&key).unwrap().unwrap();
    assert_eq!(note, Stream::open(a).unwrap().end().unwrap().to_string());
}

/// Waits until something holds: whoever is to bring it about is another process.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "in vain: {what}");
        std::thread::yield_now();
    }
}

fn end_of(dir: &Path) -> u64 {
    Stream::open(dir).map_or(0, |stream| stream.bounds().map_or(0, |bounds| bounds.end))
}

/// A mirror runs; somebody starts another one by mistake. That one is told, and ends; the first goes
/// on, and nothing is doubled. When the first is killed, the next one takes over.
#[test]
fn of_two_mirrors_one_is_told() {
    let Place { a, b, .. } = &place();
    append_all_kinds(a, 3);
    let mut first = mirror(a, b, &[]).spawn().unwrap();
    until("the first copies", || end_of(b) == end_of(a));
    let (code, told) = said(&mirror(a, b, &[]).output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("another mirror copies this stream"), "{told}");
    append_all_kinds(a, 3);
    until("the first goes on", || end_of(b) == end_of(a));
    kill(&mut first);
    append_all_kinds(a, 3);
    assert_fine(&once(a, b, &[]));
    assert_eq!(blocks(a), blocks(b));
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A source was put back from an old copy, so that its offsets mean other records: the mirror is
/// refused, says the way out, and changes nothing. So it is where retention was faster.
#[test]
fn a_source_that_diverged_or_was_overtaken_is_refused() {
    let Place { a, b, .. } = &place();
    append_all_kinds(a, 2);
    assert_fine(&once(a, b, &[]));
    let old = a.with_file_name("old");
    copy_dir(a, &old);
    append_all_kinds(a, 2);
    assert_fine(&once(a, b, &[]));
    std::fs::remove_dir_all(a).unwrap();
    std::fs::rename(&old, a).unwrap();
    let before = blocks(b);
    let (code, told) = said(&once(a, b, &[]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("not of one history") && told.contains("--reset"), "{told}");
    assert_eq!(blocks(b), before);

    let Place { a, b, .. } = &place();
    StreamOptions::new().create(true).segment_bytes(4096).make(a).unwrap();
    append_all_kinds(a, 2);
    assert_fine(&once(a, b, &[]));
    append_all_kinds(a, 200);
    let source = Stream::open(a).unwrap();
    source.trim(&puro::Trim::before(Start::End).unconsumed(true)).unwrap();
    let before = blocks(b);
    let (code, told) = said(&once(a, b, &[]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("deleted") && told.contains("--reset"), "{told}");
    assert_eq!(blocks(b), before);
    assert_fine(&once(a, b, &["--reset"]));
    assert_eq!(blocks(b)[before.len()..], blocks(a));
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The target is made the source of its own source: refused, for records would go in circles.
#[test]
fn no_circles() {
    let Place { a, b, .. } = &place();
    append_all_kinds(a, 1);
    assert_fine(&once(a, b, &[]));
    let (code, told) = said(&once(b, a, &[]));
    assert_eq!(code, Some(64), "{told}");
    assert!(told.contains("circles"), "{told}");
    assert_eq!(said(&once(a, a, &[])).0, Some(64));
}

/// Calls that cannot be are told, and change nothing; without Kafka built in, how that is done is told.
#[test]
fn wrong_calls() {
    let Place { a, b, .. } = &place();
    append_all_kinds(a, 1);
    let told = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_puro-mirror"));
        let (code, told) = said(&command.arg(a).args(arguments).output().unwrap());
        assert_eq!(code, Some(64), "{told}");
        told
    };
    assert!(told(&[]).contains("--to kafka://HOST:PORT"));
    assert!(told(&["--to", "nowhere"]).contains("kafka://HOST:PORT"));
    assert!(told(&["--from", "kafka://127.0.0.1:1", "b"]).contains("DIR is what is copied into"));
    if !cfg!(feature = "kafka") {
        let how = "cargo install --locked --path crates/mirror --features kafka";
        assert!(told(&["--to", "kafka://127.0.0.1:1"]).contains(how));
        assert!(told(&["--from", "kafka://127.0.0.1:1"]).contains(how));
    }
    assert!(!b.exists());
}

const KILLS: u64 = 50;
const PRODUCERS: u64 = 4;

/// Four producers write, both streams roll, retention deletes at the source what the mirror has copied,
/// stewards compact on both sides; the mirror is killed fifty times wherever it is. In the end each
/// record of the topic that is kept is there once, in order, its transactions whole; and of the compacted
/// topic the newest record of each key.
#[test]
fn fifty_kills_beside_rolls_retention_and_stewards() {
    let Place { a, b, .. } = &place();
    for dir in [a, b] {
        StreamOptions::new().create(true).segment_bytes(16384).make(dir).unwrap();
        let stream = Stream::open(dir).unwrap();
        stream.set(&Setting::CleanupOf("users".into(), Cleanup::CompactDelete)).unwrap();
    }
    let source = Stream::open(a).unwrap();
    source.set(&Setting::RetentionBytes(Some(65536))).unwrap();
    source.set(&Setting::KeepUnconsumed(true)).unwrap();
    // The place is kept from before the first record on.
    assert_fine(&once(a, b, &[]));
    Stream::open(b).unwrap().unset("retention_bytes").unwrap();
    Stream::open(b).unwrap().unset("keep_unconsumed").unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|who| {
                scope.spawn({
                    let over = &over;
                    move || produce(a, who, over)
                })
            })
            .collect();
        for dir in [a, b] {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _busy = Stream::open(dir).unwrap().steward().unwrap().run_once();
                    std::thread::yield_now();
                }
            });
        }
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..KILLS {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let goal = end_of(b) + 1 + (random >> 33) % 200;
            let mut running = mirror(a, b, &[]).spawn().unwrap();
            until("the mirror gets on", || {
                end_of(b) >= goal || running.try_wait().unwrap().is_some()
            });
            kill(&mut running);
            let mut told = String::new();
            std::io::Read::read_to_string(&mut running.stderr.take().unwrap(), &mut told).unwrap();
            assert_eq!(told, "", "it ended by itself");
        }
        over.store(true, Ordering::Relaxed);
        let appended: Vec<u64> = producers.into_iter().map(|it| it.join().unwrap()).collect();
        assert_fine(&once(a, b, &[]));
        compare(a, b, &appended);
    });
}

/// Transactions of three records: two numbered ones, and one of a topic that is compacted.
fn produce(dir: &Path, who: u64, over: &AtomicBool) -> u64 {
    let mut producer = Producer::open(dir).unwrap();
    let topic = format!("log{who}");
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        let (text, key) = (number.to_string(), format!("{who}-{}", number % 5));
        let mut batch = Batch::new();
        batch.push(&NewRecord::new(&topic, &text).header("half", "1")).unwrap();
        batch.push(&NewRecord::new("users", &text).key(&key)).unwrap();
        batch.push(&NewRecord::new(&topic, &text).header("half", "2")).unwrap();
        producer.append_batch(&mut batch).unwrap();
        number += 1;
        if number % 64 == 0 {
            std::thread::sleep(Duration::from_millis(5)); // so that the mirror can keep up
        }
    }
    number
}

fn compare(a: &Path, b: &Path, appended: &[u64]) {
    let copy = blocks(b);
    for (who, count) in appended.iter().enumerate() {
        let topic = format!("log{who}").into_bytes();
        let of_topic = |block: &Vec<Content>| -> Vec<Content> {
            block.iter().filter(|record| record.0 == topic).cloned().collect()
        };
        let whole: Vec<_> = copy.iter().map(of_topic).filter(|block| !block.is_empty()).collect();
        assert_eq!(whole.len() as u64, *count, "{who}: transactions");
        for (number, block) in whole.iter().enumerate() {
            let value = Some(number.to_string().into_bytes());
            let halves: Vec<_> = block.iter().map(|record| record.3[0].1.clone()).collect();
            assert_eq!(halves, [b"1".to_vec(), b"2".to_vec()], "{who}, {number}");
            assert!(block.iter().all(|record| record.2 == value), "{who}, {number}: {block:?}");
        }
    }
    // What is left at the source is the end of the copy: keys, headers, times.
    let log = |record: &Content| record.0.starts_with(b"log");
    let left: Vec<_> = blocks(a).into_iter().flatten().filter(log).collect();
    let all: Vec<_> = copy.iter().flatten().filter(|record| log(record)).cloned().collect();
    assert!(left.len() < all.len(), "retention deleted nothing");
    assert_eq!(left[..], all[all.len() - left.len()..]);
    let newest = |blocks: &[Vec<Content>]| -> std::collections::BTreeMap<_, _> {
        let users = blocks.iter().flatten().filter(|record| record.0 == b"users");
        users.map(|record| (record.1.clone(), record.2.clone())).collect()
    };
    let users = newest(&copy);
    assert_eq!(users.len() as u64, PRODUCERS * 5);
    for (key, value) in newest(&blocks(a)) {
        assert_eq!(users.get(&key), Some(&value));
    }
    for dir in [a, b] {
        let report = Stream::open(dir).unwrap().verify(true).unwrap();
        assert_eq!(report.verdict(), puro::check::Verdict::Sound, "{report:?}");
    }
}
