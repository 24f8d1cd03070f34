//! What actors do, for all worlds that schedule them: each role first gets ready while
//! nobody else runs, and hands out what it will do once all run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use puro::internals::dir::{Directory, segment_name};
use puro::internals::vfs::{LockKind, LockWait, OpenMode, VfsFile};
use puro::{Consumer, ConsumerOptions, ProducerOptions, ReadError, Start};

use crate::judge::{Journal, STREAM, open, open_ahead, open_consumer};
use crate::shared_world::{Threads, World};

/// What an actor does once all run.
pub type Work = Box<dyn FnOnce() + Send>;
/// Gets an actor ready.
pub type Role<T> = Arc<dyn Fn(World<T>, Journal) -> Work + Send + Sync>;

/// Appends batches, with an end remembered from before.
pub fn appends<T: Threads>(batches: &'static [&'static [&'static str]]) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut producer = open(&world).expect("opened at rest");
        Box::new(move || {
            for values in batches {
                journal.append(&world, &mut producer, values);
            }
        })
    })
}

/// Appends batches durably.
pub fn appends_durably<T: Threads>(batches: &'static [&'static [&'static str]]) -> Role<T> {
    appends_into_zeros(0, batches)
}

/// Appends batches durably, with at most so many zeros put ahead of them (Z-1), and cuts those off in the
/// end (Z-8).
pub fn appends_into_zeros<T: Threads>(
    zeros_ahead_bytes: u64,
    batches: &'static [&'static [&'static str]],
) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut producer = open_ahead(&world, zeros_ahead_bytes).expect("opened at rest");
        producer.set_durable(true);
        Box::new(move || {
            for values in batches {
                if let Some(appended) = journal.append(&world, &mut producer, values) {
                    journal.durable(appended.first_offset);
                }
            }
        })
    })
}

/// Appends one batch if nobody else has appended since it got ready.
pub fn appends_if_first<T: Threads>(values: &'static [&'static str]) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut producer = open(&world).expect("opened at rest");
        let token = producer.token();
        Box::new(move || {
            let done = journal.append_if(&world, &mut producer, &token, values);
            if done.is_some_and(|appended| appended.first_offset != token.offset) {
                journal.wrong("Prefix: a compare-and-append stands elsewhere".to_owned());
            }
        })
    })
}

/// Opens a producer while others work, and appends.
pub fn opens_and_appends<T: Threads>(values: &'static [&'static str]) -> Role<T> {
    Arc::new(move |world, journal| {
        Box::new(move || match open(&world) {
            Ok(mut producer) => drop(journal.append(&world, &mut producer, values)),
            Err(error) if !world.is_troubled() => journal.wrong(error),
            Err(_) => {}
        })
    })
}

/// Makes the stream if nobody else does, and appends (O-1).
pub fn creates_and_appends<T: Threads>(values: &'static [&'static str]) -> Role<T> {
    Arc::new(move |world, journal| {
        Box::new(move || {
            match ProducerOptions::new().zeros_ahead_bytes(0).open_in(world.clone(), STREAM) {
                Ok(mut producer) => drop(journal.append(&world, &mut producer, values)),
                Err(error) if !world.is_troubled() => {
                    journal.wrong(format!("Progress: a stream cannot be made: {error}"));
                }
                Err(_) => {}
            }
        })
    })
}

/// Looks `times` times for what is there, from a place found before all run.
pub fn reads<T: Threads>(start: Start, times: usize) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut consumer = open_consumer(&world, start).expect("opened at rest");
        Box::new(move || {
            for _ in 0..times {
                journal.read(&world, &mut consumer);
            }
        })
    })
}

/// Finds its place while others work, and reads what is there.
pub fn opens_and_reads<T: Threads>(start: Start) -> Role<T> {
    Arc::new(move |world, journal| {
        Box::new(move || match open_consumer(&world, start) {
            Ok(mut consumer) => drop(journal.read(&world, &mut consumer)),
            Err(error) if !world.is_troubled() => journal.wrong(error),
            Err(_) => {}
        })
    })
}

/// Waits for so many records, each without a time limit.
pub fn waits_for<T: Threads>(start: Start, count: usize) -> Role<T> {
    Arc::new(move |world, journal| {
        let options = ConsumerOptions::new().start(start).poll_interval(Duration::MAX);
        let mut consumer = options.open_in(world.clone(), STREAM).expect("opened at rest");
        Box::new(move || {
            for _ in 0..count {
                match consumer.poll(Duration::MAX) {
                    Ok(Some(record)) => {
                        let value = record.value.unwrap_or_default().to_vec();
                        journal.delivered(record.offset, value);
                    }
                    Ok(None) => journal.wrong("Progress: waiting ended by itself".to_owned()),
                    Err(error) => journal.read_failed(&world, &error),
                }
            }
        })
    })
}

/// Removes the lowest segments, as a steward does (S-3), if nobody is in them.
pub fn removes<T: Threads>(sequences: std::ops::Range<u32>) -> Role<T> {
    Arc::new(move |world, journal| {
        let sequences = sequences.clone();
        Box::new(move || {
            for sequence in sequences {
                match remove_segment(&world, sequence) {
                    Ok(true) => journal.removed(sequence),
                    Ok(false) => return,
                    Err(error) if !world.is_troubled() => {
                        return journal.wrong(format!("Progress: a steward failed: {error}"));
                    }
                    Err(_) => return,
                }
            }
        })
    })
}

fn remove_segment<T: Threads>(world: &World<T>, sequence: u32) -> std::io::Result<bool> {
    let dir = Directory::new(world.clone(), Path::new(STREAM));
    let name = segment_name(sequence);
    let file = dir.open_file(&name, OpenMode::Write)?;
    if !file.lock(LockKind::Exclusive, LockWait::Try)? {
        return Ok(false);
    }
    if dir.id_of(&name).map_err(std::io::Error::other)? != Some(file.status()?.id) {
        return Ok(false);
    }
    dir.remove(&name, "remove").and_then(|()| dir.sync()).map_err(std::io::Error::other)?;
    Ok(true)
}

/// Reads from the beginning while segments are removed: what it gets is in order, and if
/// what it wants is gone it is told so, not of damage (V-8, V-9).
pub fn reads_what_is_left<T: Threads>() -> Role<T> {
    Arc::new(move |world, journal| {
        let mut consumer = open_consumer(&world, Start::Beginning).expect("opened at rest");
        Box::new(move || read_what_is_left(&world, &journal, &mut consumer))
    })
}

/// The same, opened while others work.
pub fn opens_and_reads_what_is_left<T: Threads>() -> Role<T> {
    Arc::new(move |world, journal| {
        Box::new(move || match open_consumer(&world, Start::Beginning) {
            Ok(mut consumer) => read_what_is_left(&world, &journal, &mut consumer),
            Err(error) if !world.is_troubled() => journal.wrong(error),
            Err(_) => {}
        })
    })
}

fn read_what_is_left<T: Threads>(
    world: &World<T>,
    journal: &Journal,
    consumer: &mut Consumer<World<T>>,
) {
    let mut next = None;
    loop {
        match consumer.try_next() {
            Ok(Some(record)) => {
                if next.is_some_and(|next| next != record.offset) {
                    journal.wrong(format!("Prefix: {} follows {next:?}", record.offset));
                }
                next = Some(record.offset + 1);
                journal.delivered(record.offset, record.value.unwrap_or_default().to_vec());
            }
            Ok(None) | Err(ReadError::OffsetOutOfRange { .. }) => return,
            Err(error) => return journal.read_failed(world, &error),
        }
    }
}

/// Fills two segments, of the size that [`stream`](crate::judge::stream) makes.
pub fn fills_two_segments<T: Threads>() -> Role<T> {
    let value = |letter: &str| &*letter.repeat(4_000).leak();
    let (first, second) = (vec![value("y")].leak(), vec![value("z")].leak());
    appends(vec![&*first, &*second].leak())
}

/// Fills two segments, then removes the lowest, which is sealed by then (S-2).
pub fn fills_two_segments_and_removes<T: Threads>() -> Role<T> {
    let (fill, remove) = (fills_two_segments(), removes(0..1));
    Arc::new(move |world, journal| {
        let fills = fill(world.clone(), journal.clone());
        let removes = remove(world, journal);
        Box::new(move || {
            fills();
            removes();
        })
    })
}
