//! Where consumers begin, what they wait for, and what they must not do (protocol.md, chapter 8).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::real::*;
use crate::skipped::skipped;
use puro::error::Failure;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{
    Batch, Blame, Consumer, ConsumerOptions, Diverged, EndState, NewRecord, Producer,
    ProducerOptions, ReadError, Start, Token,
};
use tempfile::TempDir;

/// A clock and a boot that tests set.
#[derive(Clone, Default)]
struct Told(Arc<(AtomicU64, Mutex<Option<[u8; 16]>>)>);

impl Told {
    fn now(&self, ms: u64) {
        self.0.0.store(ms, Ordering::SeqCst);
    }
    fn boot(&self, id: u8) {
        *self.0.1.lock().unwrap() = Some([id; 16]);
    }
    fn world(&self) -> Interpose<OsVfs> {
        Interpose::new(OsVfs::new(), self.clone())
    }
}

impl Hook for Told {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }
    fn now_ms(&self, _real: u64) -> u64 {
        self.0.0.load(Ordering::SeqCst)
    }
    fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        *self.0.1.lock().unwrap()
    }
}

fn from(dir: &Path, start: Start) -> Vec<String> {
    drain(&mut fast_consumer().start(start).open(dir).unwrap())
}

/// Records "0" to "29" of 300 bytes each, in topics "even" and "odd", three to a block, over
/// several segments.
fn numbers() -> TempDir {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for block in 0..10 {
        let mut batch = Batch::new();
        for number in 3 * block..3 * block + 3 {
            let topic = if number % 2 == 0 { "even" } else { "odd" };
            let padding = "x".repeat(300);
            let value = number.to_string();
            batch.push(&NewRecord::new(topic, &value).header("padding", &padding)).unwrap();
        }
        producer.append_batch(&mut batch).unwrap();
    }
    assert!(segment(dir.path(), 2).exists());
    dir
}

fn text(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

// --- where to begin

#[test]
fn every_offset_of_a_stream_can_be_begun_at_and_no_other() {
    let dir = numbers();
    assert_eq!(from(dir.path(), Start::Beginning), text(0..30));
    assert_eq!(from(dir.path(), Start::End), [""; 0]);
    for offset in 0..=30 {
        assert_eq!(from(dir.path(), Start::Offset(offset)), text(offset..30), "{offset}");
    }
    for offset in [31, 1000, u64::MAX] {
        let error = fast_consumer().start(Start::Offset(offset)).open(dir.path()).unwrap_err();
        assert!(
            matches!(error, ReadError::OffsetOutOfRange { low: 0, high: 30, offset: o } if o == offset),
            "{error}"
        );
        assert_eq!(error.blame(), Blame::Caller);
    }
    // A stream whose oldest segment was deleted.
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    let low = fast_consumer().open(dir.path()).unwrap().try_next().unwrap().unwrap().offset;
    assert!(low > 0 && low < 30);
    for offset in [0, low - 1] {
        let error = fast_consumer().start(Start::Offset(offset)).open(dir.path()).unwrap_err();
        assert!(matches!(error, ReadError::OffsetOutOfRange { low: l, high: 30, .. } if l == low));
    }
    assert_eq!(from(dir.path(), Start::Offset(low)), text(low..30));
    assert_eq!(from(dir.path(), Start::Beginning), text(low..30));
    assert_eq!(from(dir.path(), Start::Last(1000)), text(low..30));
}

#[test]
fn the_last_records_are_counted_over_segments_and_by_topic() {
    let dir = numbers();
    for count in [0, 1, 2, 3, 4, 10, 17, 29, 30, 31, u64::MAX] {
        let first = 30u64.saturating_sub(count);
        assert_eq!(from(dir.path(), Start::Last(count)), text(first..30), "{count}");
    }
    let of = |topics: &[&str], start| -> Vec<u64> {
        let options = topics.iter().fold(fast_consumer().start(start), |o, topic| o.topic(*topic));
        let mut reader = options.open(dir.path()).unwrap();
        reader.try_iter().map(|record| record.unwrap().offset).collect()
    };
    let even = |from: u64| (from..30).filter(|number| number % 2 == 0).collect::<Vec<_>>();
    for count in 0..=16 {
        let first = 30u64.saturating_sub(2 * count);
        assert_eq!(of(&["even"], Start::Last(count)), even(first), "{count}");
    }
    assert_eq!(of(&["even"], Start::Offset(7)), even(7));
    assert_eq!(of(&["even", "odd"], Start::Last(5)), (25..30).collect::<Vec<_>>());
    assert_eq!(of(&["even", "none"], Start::Beginning), even(0));
    assert_eq!(of(&["none"], Start::Beginning), [0_u64; 0]);
    assert_eq!(of(&["none"], Start::Last(3)), [0_u64; 0]);
}

/// F-22, R-10: clocks jump; a time means the first block at which the highest time so far
/// reaches it.
#[test]
fn a_time_is_found_although_the_clock_jumps() {
    let dir = scratch();
    let told = Told::default();
    told.boot(1);
    let mut producer = small_segments().open_in(told.world(), dir.path()).unwrap();
    let mut times = vec![100, 200, 200, 150, 120, 300, 10, 10, 400, 390, 500, 450, 600];
    times.extend([5000, 601, 602, 603, 604, 605, 606, 607, 5001]);
    for time in &times {
        told.now(*time);
        append(&mut producer, &format!("{:01000}", time));
    }
    assert!(segment(dir.path(), 4).exists());
    for wanted in (0..700).step_by(5).chain([599, 600, 601, 4999, 5000, 5001, 5002]) {
        let expected = times.iter().scan(0, |highest: &mut u64, time| {
            *highest = (*highest).max(*time);
            Some(*highest)
        });
        let first = expected.clone().position(|highest| highest >= wanted);
        let mut reader = fast_consumer().start(Start::Time(wanted)).open(dir.path()).unwrap();
        let found = reader.try_next().unwrap().map(|record| record.offset as usize);
        assert_eq!(found, first, "time {wanted}");
    }
}

// --- tokens

#[test]
fn a_token_leads_back_to_where_it_was_taken() {
    let dir = numbers();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    let begin = reader.token().unwrap();
    assert_eq!(from(dir.path(), Start::Token(begin)), text(0..30));
    for number in 0..30 {
        reader.try_next().unwrap().unwrap();
        let token: Token = reader.token().unwrap().to_string().parse().unwrap();
        assert_eq!(token, reader.token().unwrap());
        assert_eq!(token.offset, number + 1);
        assert_eq!(from(dir.path(), Start::Token(token)), text(number + 1..30));
    }
}

/// E-7: a consumer that saw what was then lost with the power is told, and where from.
#[test]
fn a_token_whose_history_was_lost_has_diverged() {
    let dir = scratch();
    let told = Told::default();
    told.boot(1);
    let open = || ProducerOptions::new().open_in(told.world(), dir.path()).unwrap();
    let mut producer = open();
    for value in ["a", "b", "c", "d"] {
        append(&mut producer, value);
    }
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    let tokens: Vec<_> = (0..4)
        .map(|_| {
            reader.try_next().unwrap().unwrap();
            reader.token().unwrap()
        })
        .collect();
    drop((producer, reader));
    // The power fails; of the file's length, a change is lost.
    let (c, _) = blocks(&segment(dir.path(), 0))[3];
    set_len(&segment(dir.path(), 0), c);
    told.boot(2);
    let check = |token: Token, end: Option<u64>| {
        let opened = fast_consumer().start(Start::Token(token)).open(dir.path());
        match (opened, end) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert_eq!(error.blame(), Blame::Data);
                let ReadError::Diverged(Diverged::Lost { token: told, end, .. }) = error else {
                    panic!("{error}")
                };
                assert_eq!((told, end), (token, expected));
            }
            (opened, end) => panic!("{token}: {:?}, {end:?}", opened.map(|_| ())),
        }
    };
    // Before anybody writes again, and after that.
    for round in 0..2 {
        for (token, offset) in tokens.iter().zip(1..) {
            check(*token, (offset > 2).then_some(2));
        }
        if round == 0 {
            let mut producer = open();
            for value in ["c2", "d2", "e2"] {
                append(&mut producer, value);
            }
        }
    }
    assert_eq!(values(dir.path()), ["a", "b", "c2", "d2", "e2"]);
    // E-7: epoch 0 claims to have seen nothing, and matches any; one that is yet to come, none.
    check(Token { epoch: 0, ..tokens[3] }, None);
    check(Token { epoch: 2, ..tokens[3] }, None);
    check(Token { epoch: 3, ..tokens[0] }, Some(5));
    check(Token { epoch: 2, offset: 6, ..tokens[0] }, Some(5));
    // E-8.
    let other = Token { stream_id: [1; 16].into(), ..tokens[0] };
    let error = fast_consumer().start(Start::Token(other)).open(dir.path()).unwrap_err();
    assert!(
        matches!(error, ReadError::Diverged(Diverged::OtherStream { token }) if token == other)
    );
}

// --- durable reading

/// nothing is delivered before the disk has it, and nothing is synced twice.
#[test]
fn a_durable_consumer_syncs_before_it_delivers() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for value in ["a", "b", "c"] {
        append(&mut producer, value);
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&log);
    let world = interpose(move |call| {
        if matches!(call.operation, Operation::SyncData | Operation::SyncDir) {
            noted.lock().unwrap().push(call.operation);
        }
        Answer::Proceed
    });
    let taken = || std::mem::take(&mut *log.lock().unwrap());
    let mut reader = fast_consumer().durable(true).open_in(world.clone(), dir.path()).unwrap();
    assert_eq!(taken(), []);
    reader.try_next().unwrap().unwrap();
    assert_eq!(taken(), [Operation::SyncDir, Operation::SyncData]);
    reader.try_next().unwrap().unwrap();
    assert!(taken().len() <= 1, "the directory once for each segment");
    reader.try_next().unwrap().unwrap();
    taken();
    assert!(reader.try_next().unwrap().is_none());
    assert_eq!(taken(), [], "nothing to deliver, nothing to sync");
    // What a later block knows to be on disk needs no sync.
    producer.sync().unwrap();
    append(&mut producer, "d");
    producer.sync().unwrap();
    append(&mut producer, "e");
    let mut plain = fast_consumer().open_in(world, dir.path()).unwrap();
    assert_eq!(drain(&mut plain), ["a", "b", "c", "d", "e"]);
    assert_eq!(taken(), [], "only durable readers sync");
}

// --- rights

/// L-7: reading takes neither a lock file nor any right to write.
#[test]
#[cfg(target_os = "linux")]
fn a_reader_without_rights_reads_and_makes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    if let Ok(dir) = std::env::var("PURO_TEST_READ_ONLY") {
        let dir = Path::new(&dir);
        assert!(std::fs::write(dir.join("probe"), "").is_err(), "rights were not taken away");
        let mut reader = fast_consumer().durable(true).open(dir).unwrap();
        for value in drain(&mut reader) {
            println!("read:{value}");
        }
        assert!(!reader.wait(Duration::from_millis(3)).unwrap());
        assert_eq!(reader.end_state().unwrap(), EndState::Clean);
        let refused = Producer::open(dir).unwrap_err();
        assert_eq!(refused.blame(), Blame::Environment);
        return;
    }
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    append(&mut producer, "b");
    std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
    let read_only = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    read_only(&segment(dir.path(), 0), 0o444);
    read_only(dir.path(), 0o555);
    let mut child = again(
        "reading::a_reader_without_rights_reads_and_makes_nothing",
        &[("PURO_TEST_READ_ONLY", dir.path().to_str().unwrap().to_owned())],
    );
    // Rights do not bind root: be somebody else.
    let root = Path::new("/proc/self").metadata().unwrap();
    if std::os::unix::fs::MetadataExt::uid(&root) == 0 {
        child.uid(65534).gid(65534);
    }
    match child.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            assert_eq!(marked(&output.stdout, "read:"), ["a", "b"]);
        }
        Err(error) => skipped(&format!("cannot run as another user: {error}")),
    }
    read_only(dir.path(), 0o755);
    assert_eq!(files(dir.path()).len(), 1, "nothing but the segment");
}

// --- waiting

#[test]
fn a_stream_that_is_not_there_yet_is_waited_for() {
    for start in [Start::Beginning, Start::End, Start::Last(1), Start::Offset(0)] {
        let dir = scratch();
        // Neither stream nor directory.
        let stream = dir.path().join("stream");
        assert!(fast_consumer().start(start).open(&stream).is_err());
        let options = fast_consumer().start(start).wait_for_stream(true);
        let mut reader = options.open(&stream).unwrap();
        assert!(reader.try_next().unwrap().is_none());
        assert!(reader.token().is_none());
        assert_eq!(reader.end_state().unwrap(), EndState::Clean);
        assert!(!stream.exists());
        let writer = std::thread::spawn({
            let stream = stream.clone();
            move || append(&mut Producer::open(stream).unwrap(), "first")
        });
        let read = reader.poll(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(read.value, Some(&b"first"[..]), "{start:?}");
        writer.join().unwrap();
    }
}

#[test]
fn a_topic_that_is_not_there_yet_is_waited_for() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut reader = fast_consumer().topic("later").open(dir.path()).unwrap();
    append(&mut producer, "other topic");
    assert!(!reader.wait(Duration::from_millis(2)).unwrap());
    producer.append(&NewRecord::new("later", "now")).unwrap();
    assert_eq!(reader.poll(Duration::from_secs(60)).unwrap().unwrap().offset, 1);
}

#[test]
fn a_wait_ends_when_its_time_is_over() {
    let dir = scratch();
    Producer::open(dir.path()).unwrap();
    let mut reader = Consumer::open(dir.path()).unwrap();
    for wait in [0, 1, 250] {
        let wait = Duration::from_millis(wait);
        let begun = Instant::now();
        assert!(reader.poll(wait).unwrap().is_none());
        assert!(begun.elapsed() >= wait);
    }
}

/// whatever is appended between the look and the wait is noticed. The poll interval is
/// so long that the test would not end if one notification were lost.
#[test]
fn no_wake_up_is_lost() {
    let dir = scratch();
    let mut ping = Producer::open(dir.path()).unwrap();
    let options = ConsumerOptions::new().poll_interval(Duration::from_secs(600));
    let rounds = 300;
    let (sender, answered) = mpsc::channel();
    let mut reader = options.open(dir.path()).unwrap();
    let echo = std::thread::spawn(move || {
        for _ in 0..rounds {
            let record = reader.poll(Duration::from_secs(500)).unwrap().expect("lost wake-up");
            sender.send(record.offset).unwrap();
        }
    });
    for round in 0..rounds {
        append(&mut ping, "ping");
        let offset = answered.recv_timeout(Duration::from_secs(60)).expect("a wake-up was lost");
        assert_eq!(offset, round);
    }
    echo.join().unwrap();
}

/// where the system cannot watch, or is out of watches, polling does it.
#[test]
fn without_notifications_it_polls() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let world = interpose(|call| match call.operation {
        Operation::Watch => Answer::Fail(errno(ENOSPC)),
        _ => Answer::Proceed,
    });
    let mut reader = fast_consumer().open_in(world, dir.path()).unwrap();
    let (sender, answered) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        while let Some(record) = reader.poll(Duration::from_secs(60)).unwrap() {
            sender.send(record.offset).unwrap();
            if record.offset == 4 {
                break;
            }
        }
    });
    for offset in 0..5 {
        append(&mut producer, "a");
        assert_eq!(answered.recv_timeout(Duration::from_secs(60)).unwrap(), offset);
    }
    waiter.join().unwrap();
}

/// a block that was looked at while it was being written is read afresh, all of it.
#[test]
fn a_block_seen_before_its_commit_is_read_once_it_is_committed() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let path = segment(dir.path(), 0);
    let position = std::fs::metadata(&path).unwrap().len();
    append(&mut producer, "b");
    append(&mut producer, "c");
    // As if "b" were not committed yet, nor all of its value written.
    flip(&path, position, 0xA5);
    flip(&path, position + 60, 0xFF);
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    flip(&path, position + 60, 0xFF);
    assert_eq!(drain(&mut reader), [""; 0]);
    flip(&path, position, 0xA5);
    assert_eq!(drain(&mut reader), ["b", "c"]);
}

#[test]
fn a_reader_at_the_end_learns_that_its_stream_was_removed() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    let error = reader.wait(Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, ReadError::Failure(Failure::Removed { .. })), "{error}");
}

/// V-8, V-9: a reader whose segments went is told that its offset is gone; a hole between
/// segments is damage.
#[test]
fn segments_that_are_missing_are_told() {
    let dir = numbers();
    let mut behind = fast_consumer().open(dir.path()).unwrap();
    behind.try_next().unwrap().unwrap();
    let hole = copy(dir.path());
    let mut before_hole = fast_consumer().open(hole.path()).unwrap();
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let error = std::iter::repeat_with(|| behind.try_next().map(|_| ()).err()).flatten().next();
    let error = error.unwrap();
    assert!(matches!(error, ReadError::OffsetOutOfRange { high: 30, .. }), "{error}");
    std::fs::remove_file(segment(hole.path(), 1)).unwrap();
    let mut last = 0;
    let error = loop {
        match before_hole.try_next() {
            Ok(record) => last = record.expect("a hole is no end").offset,
            Err(error) => break error,
        }
    };
    let ReadError::Failure(Failure::Damage(damage)) = error else { panic!("{error}") };
    assert_eq!(damage.offset, last + 1);
}
