//! L-3: a process forks while it has a handle of each type open, and the child drops its copy. It
//! must do nothing but close: the child shares its parent's locks, and the threads that handles
//! started are not there.
//!
//! Field report A2: a child that only dropped a `HeldProducer` unlocked its parent's lock. Five
//! records that a consumer had printed were overwritten. A `BufferedProducer` dropped in a child
//! panicked.
//!
//! | type | what its drop does in the process that opened it | in a forked child |
//! |---|---|---|
//! | `Producer` | closes | closes |
//! | `HeldProducer`, `WriterGuard` | gives `writer.lock` back | nothing |
//! | `BufferedProducer` | appends what is left, ends its thread | nothing; its thread is not there |
//! | `Consumer`, with or without a watch | closes, which gives the pin back | closes; the pin stays |
//! | `NamedConsumer` | closes, which gives the name back | closes; the name stays locked |
//! | `Steward` | closes | closes |
//!
//! This program has no test harness: a fork takes along only the thread that calls it.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use fork::{Fork, fork, waitpid};
use puro::error::Failure;
use puro::internals::vfs::LockWait;
use puro::{
    AppendError, BufferOptions, BufferedProducer, Consumer, NamedError, NamedOptions, NewRecord,
    OpenError, Producer, ProducerOptions, StewardOptions,
};

/// Runs `act` in a forked child, and waits for it.
fn in_child(act: impl FnOnce()) {
    match fork().unwrap() {
        Fork::Child => {
            let done = catch_unwind(AssertUnwindSafe(act));
            std::process::exit(i32::from(done.is_err()));
        }
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0, "the child panicked"),
    }
}

fn append(producer: &mut Producer, value: &str) {
    producer.append(&NewRecord::new("t", value)).unwrap();
}

fn values(dir: &Path) -> Vec<String> {
    let mut consumer = Consumer::open(dir).unwrap();
    let text = |record: puro::OwnedRecord| String::from_utf8(record.value.unwrap()).unwrap();
    consumer.try_iter().map(|record| text(record.unwrap())).collect()
}

/// Whether the writer's lock keeps others out.
fn is_locked(dir: &Path) -> bool {
    let opened = ProducerOptions::new().lock_wait(LockWait::Try).open(dir);
    matches!(opened, Err(OpenError::Failure(Failure::LockTimeout { .. })))
}

fn a_producer(dir: &Path) {
    let mut producer = Producer::open(dir).unwrap();
    append(&mut producer, "one");
    let mut producer = Some(producer);
    in_child(|| {
        let mut producer = producer.take().unwrap();
        let refused = producer.append(&NewRecord::new("t", "child")).unwrap_err();
        assert!(matches!(refused, AppendError::NotAppended(Failure::Forked { .. })), "{refused}");
        drop(producer);
    });
    append(producer.as_mut().unwrap(), "two");
    assert_eq!(values(dir), ["one", "two"]);
}

fn a_held_producer(dir: &Path) {
    let mut producer = Producer::open(dir).unwrap();
    let mut held = Some(producer.hold().unwrap());
    held.as_mut().unwrap().append(&NewRecord::new("t", "one")).unwrap();
    in_child(|| drop(held.take()));
    assert!(is_locked(dir), "the child gave its parent's lock back");
    in_child(|| {
        held.take().unwrap().append(&NewRecord::new("t", "child")).unwrap_err();
    });
    assert!(is_locked(dir), "the child gave its parent's lock back after a refusal");
    held.as_mut().unwrap().append(&NewRecord::new("t", "two")).unwrap();
    drop(held);
    assert!(!is_locked(dir));
    assert_eq!(values(dir), ["one", "two"]);
}

fn a_buffered_producer(dir: &Path) {
    for linger in [None, Some(Duration::from_secs(3600))] {
        let options = BufferOptions::new().linger(linger);
        let mut buffered = Some(BufferedProducer::new(Producer::open(dir).unwrap(), options));
        buffered.as_ref().unwrap().push(&NewRecord::new("t", "pushed")).unwrap();
        in_child(|| drop(buffered.take()));
        in_child(|| {
            let buffered = buffered.take().unwrap();
            buffered.flush().unwrap_err();
            buffered.append(&NewRecord::new("t", "child")).unwrap_err();
            buffered.close().unwrap_err();
        });
        assert!(!values(dir).contains(&"child".to_owned()));
        buffered.take().unwrap().close().unwrap();
    }
    assert_eq!(values(dir), ["pushed", "pushed"]);
}

fn a_consumer(dir: &Path) {
    let mut producer = Producer::open(dir).unwrap();
    append(&mut producer, "one");
    let mut consumer = Some(Consumer::open(dir).unwrap());
    assert!(consumer.as_mut().unwrap().try_next().unwrap().is_some());
    // It watches from here on.
    assert!(!consumer.as_mut().unwrap().wait(Duration::from_millis(1)).unwrap());
    in_child(|| {
        let mut consumer = consumer.take().unwrap();
        consumer.try_next().unwrap_err();
        drop(consumer);
    });
    append(&mut producer, "two");
    assert!(consumer.as_mut().unwrap().wait(Duration::from_secs(60)).unwrap());
}

fn a_named_consumer(dir: &Path) {
    let mut producer = Producer::open(dir).unwrap();
    append(&mut producer, "one");
    append(&mut producer, "two");
    let open = || NamedOptions::new().open(dir, "reader");
    let mut named = Some(open().unwrap());
    assert!(named.as_mut().unwrap().try_next().unwrap().is_some());
    in_child(|| drop(named.take()));
    in_child(|| {
        named.take().unwrap().commit().unwrap_err();
    });
    let busy = open().unwrap_err();
    assert!(matches!(busy, NamedError::Busy { .. }), "{busy}");
    let position = puro::Stream::open(dir)
        .unwrap()
        .positions()
        .unwrap()
        .first()
        .map(|found| found.position.offset);
    assert_eq!(position, None, "the child committed");
    named.as_mut().unwrap().commit().unwrap();
}

fn a_steward(dir: &Path) {
    let mut producer = Producer::open(dir).unwrap();
    append(&mut producer, "one");
    let mut steward = Some(StewardOptions::new().open(dir).unwrap());
    in_child(|| drop(steward.take()));
    steward.as_mut().unwrap().run_once().unwrap();
}

type Case = fn(&Path);

fn main() {
    let cases: [(&str, Case); 6] = [
        ("a_producer", a_producer),
        ("a_held_producer", a_held_producer),
        ("a_buffered_producer", a_buffered_producer),
        ("a_consumer", a_consumer),
        ("a_named_consumer", a_named_consumer),
        ("a_steward", a_steward),
    ];
    let filter = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let chosen =
        cases.iter().filter(|(name, _)| filter.as_deref().is_none_or(|f| name.contains(f)));
    let mut passed = 0;
    for (name, case) in chosen {
        let scratch = tempfile::tempdir().unwrap();
        case(&scratch.path().join("s"));
        println!("test {name} ... ok");
        passed += 1;
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}
