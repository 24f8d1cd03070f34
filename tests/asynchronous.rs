//! Feature `async`, and waiting by a descriptor: by an executor of one thread, which must not block.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::Stream;
use pollster::block_on;
use puro::asynchronous::{Append, AsyncProducer, Records};
use puro::{
    AppendError, Batch, Consumer, ConsumerOptions, NewRecord, OwnedRecord, Producer,
    ProducerOptions, ReadError, Start,
};
use tempfile::tempdir;

async fn next(records: &mut Records) -> Option<Result<OwnedRecord, ReadError>> {
    poll_fn(|context| Pin::new(&mut *records).poll_next(context)).await
}

async fn value(records: &mut Records) -> String {
    next(records).await.unwrap().unwrap().value_str().unwrap().to_owned()
}

/// Far more records than are read ahead: all come, in their order, also those that are appended
/// while the task waits at the end.
#[test]
fn records_come_as_a_stream() {
    let dir = tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut records = Consumer::open(dir.path()).unwrap().into_records().unwrap();
    let mut batch: Batch = Batch::new();
    for number in 0..1000 {
        batch.push(&NewRecord::new("n", &number.to_string())).unwrap();
    }
    producer.append_batch(&mut batch).unwrap();
    block_on(async {
        for number in 0..1000 {
            assert_eq!(value(&mut records).await, number.to_string());
        }
    });
    let waiting = std::thread::spawn(move || block_on(value(&mut records)));
    producer.append(&NewRecord::new("n", "last")).unwrap();
    assert_eq!(waiting.join().unwrap(), "last");
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A poll of what is not there returns at once, and its waker is woken once it is.
#[test]
fn a_poll_does_not_block_and_is_woken() {
    let dir = tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut records = Consumer::open(dir.path()).unwrap().into_records().unwrap();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut records).poll_next(&mut context).is_pending());
    producer.append(&NewRecord::new("n", "1")).unwrap();
    while !flag.0.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let found = Pin::new(&mut records).poll_next(&mut context);
    assert!(matches!(found, Poll::Ready(Some(Ok(record))) if record.offset == 0));
}

/// Somebody removes the stream: that is told once, and the stream of records ends.
#[test]
fn an_error_ends_the_records() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    Producer::open(&path).unwrap();
    let mut records = Consumer::open(&path).unwrap().into_records().unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    block_on(async {
        assert!(next(&mut records).await.unwrap().is_err());
        assert!(next(&mut records).await.is_none());
    });
}

/// Another producer holds the lock: the future is pending, whoever polls goes on, and is told later.
#[test]
fn an_append_never_blocks_the_executor() {
    let dir = tempdir().unwrap();
    let mut other = Producer::open(dir.path()).unwrap();
    let producer = AsyncProducer::new(Producer::open(dir.path()).unwrap()).unwrap();
    let held = other.hold().unwrap();
    let mut append = pin!(producer.append(&NewRecord::new("n", "1")).unwrap());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        assert!(append.as_mut().poll(&mut context).is_pending());
    }
    drop(held);
    assert_eq!(block_on(append).unwrap().first_offset, 0);
}

/// Many tasks append at once, each record a block; whoever is told finds it where it was told.
#[test]
fn appends_that_wait_together_are_all_told() {
    let dir = tempdir().unwrap();
    let durable = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
    let producer = AsyncProducer::new(durable).unwrap();
    let text = |number: u64| NewRecord::new("n", &b"0123456789"[number as usize..][..1]);
    let appends: Vec<Append> =
        (0..10).map(|number| producer.clone().append(&text(number)).unwrap()).collect();
    for (number, append) in (0..).zip(appends) {
        assert_eq!(block_on(append).unwrap().first_offset, number);
    }
    // What was dropped was appended all the same, before what came after it.
    drop(producer.append(&text(3)).unwrap());
    assert_eq!(block_on(producer.append(&text(4)).unwrap()).unwrap().first_offset, 11);
}

/// What is no record is told at once, what is no batch by the future, and others go on.
#[test]
fn what_cannot_be_appended_is_told() {
    let dir = tempdir().unwrap();
    let producer = AsyncProducer::new(Producer::open(dir.path()).unwrap()).unwrap();
    assert!(producer.append(&NewRecord::new("", "v")).is_err());
    let none = producer.append_batch(Batch::new());
    let good = producer.append(&NewRecord::new("n", "1")).unwrap();
    assert!(matches!(block_on(none), Err(AppendError::Record(_))));
    assert_eq!(block_on(good).unwrap().first_offset, 0);
}

/// The three steps of a watcher: what comes between the last look and the wait is noticed.
#[cfg(target_os = "linux")]
#[test]
fn a_watcher_becomes_readable() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    let dir = tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut consumer = Consumer::open(dir.path()).unwrap();
    let mut watcher = consumer.watcher().unwrap();
    let readable = |watcher: &puro::Watcher, timeout: Duration| {
        let timeout = PollTimeout::try_from(timeout).unwrap();
        poll(&mut [PollFd::new(watcher.as_fd(), PollFlags::POLLIN)], timeout).unwrap() == 1
    };
    watcher.clear();
    assert!(consumer.try_next().unwrap().is_none());
    assert!(!readable(&watcher, Duration::ZERO));
    producer.append(&NewRecord::new("n", "1")).unwrap();
    assert!(readable(&watcher, Duration::from_secs(10)));
    watcher.clear();
    assert!(!readable(&watcher, Duration::ZERO));
    assert!(consumer.try_next().unwrap().is_some());
    let none = dir.path().join("none");
    let nothing = ConsumerOptions::new().wait_for_stream(true).start(Start::End).open(&none);
    assert!(nothing.unwrap().watcher().is_err());
}

#[test]
fn the_example_answers_what_it_sees() {
    let dir = tempdir().unwrap();
    Producer::open(dir.path()).unwrap().append(&NewRecord::new("q", "this")).unwrap();
    let mut program: PathBuf = std::env::current_exe().unwrap();
    program.pop();
    program.set_file_name("examples");
    program.push("async_tail");
    assert!(program.exists(), "cargo build --features async --example async_tail");
    let out = Command::new(program).arg(dir.path()).args(["q", "1"]).output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "0 answered at 1\n");
}
