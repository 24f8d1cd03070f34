//! What actors of a maintained stream do in the worlds of loom and shuttle.

use std::sync::Arc;

use puro::{
    AutoCommit, Consumer, ConsumerOptions, LockWait, NamedConsumer, NamedError, NamedOptions,
    Producer, ProducerOptions, ReadError, StewardError, StewardOptions,
};

use crate::judge::{STREAM, open};
use crate::ledger::{Entry, JOB, NAMES, Topic};
use crate::shared_world::{Threads, World};
use crate::upkeep_shared::{Minutes, NOW_MS, Outcome, Reader, Role};
use crate::upkeep_stream::entry;

/// Appends records of now, with an end remembered from before.
pub fn appends<T: Threads>(entries: &'static [Entry]) -> Role<T> {
    Arc::new(move |world, minutes| {
        let mut producer = open(&world).expect("opened at rest");
        Box::new(move || {
            for entry in entries {
                let entries = [Entry { time_ms: NOW_MS, ..*entry }];
                minutes.append(&world, &entries, |batch| {
                    producer.append_batch(batch).map(|appended| appended.first_offset)
                });
            }
        })
    })
}

/// A steward that makes some passes.
pub fn maintains<T: Threads>(passes: usize, roll: bool) -> Role<T> {
    Arc::new(move |world, minutes| {
        let options = StewardOptions::new().roll(roll).map_bytes(400);
        let mut steward = options.open_in(world.clone(), STREAM).expect("opened at rest");
        Box::new(move || {
            for _ in 0..passes {
                match steward.run_once() {
                    Ok(_) | Err(StewardError::Busy { .. }) => {}
                    Err(error) => minutes.wrong(&world, format!("Progress: a pass: {error}")),
                }
            }
        })
    })
}

/// Has read so many records from the beginning before all run, and reads on.
pub fn follows<T: Threads>(warm: usize, times: usize) -> Role<T> {
    Arc::new(move |world, minutes| {
        let consumer = ConsumerOptions::new().open_in(world.clone(), STREAM);
        let mut consumer = consumer.expect("opened at rest");
        let mut reader = Reader::of(&consumer);
        for _ in 0..warm {
            let record = consumer.try_next().expect("read at rest").expect("a record");
            reader.records.push((record.offset, entry(&record)));
        }
        Box::new(move || {
            for _ in 0..times {
                read_on(&world, &minutes, &mut consumer, &mut reader);
            }
            minutes.has_read(reader);
        })
    })
}

/// Opens at the beginning while others work, and reads.
pub fn opens_and_follows<T: Threads>() -> Role<T> {
    Arc::new(move |world, minutes| {
        Box::new(move || match ConsumerOptions::new().open_in(world.clone(), STREAM) {
            Ok(mut consumer) => {
                let mut reader = Reader::of(&consumer);
                read_on(&world, &minutes, &mut consumer, &mut reader);
                minutes.has_read(reader);
            }
            Err(error) => minutes.wrong(&world, format!("Progress: cannot open: {error}")),
        })
    })
}

fn read_on<T: Threads>(
    world: &World<T>,
    minutes: &Minutes,
    consumer: &mut Consumer<World<T>>,
    reader: &mut Reader,
) {
    loop {
        match consumer.try_next() {
            Ok(Some(record)) => reader.records.push((record.offset, entry(&record))),
            Ok(None) => {
                reader.end = consumer.token().map(|token| token.offset);
                return;
            }
            // Told so; what it has read until then counts.
            Err(ReadError::OffsetOutOfRange { offset, low, .. }) if offset <= low => return,
            Err(error) => {
                return minutes.wrong(world, format!("Progress: a reader failed: {error}"));
            }
        }
    }
}

fn named_options(name: usize) -> NamedOptions {
    let consumer = ConsumerOptions::new();
    let consumer = if name == JOB { consumer.topic(Topic::In.name()) } else { consumer };
    NamedOptions::new().consumer(consumer).auto_commit(AutoCommit::Never)
}

/// Runs under a name that was taken before all run, and commits after each record.
pub fn commits<T: Threads>(name: usize, records: usize) -> Role<T> {
    Arc::new(move |world, minutes| {
        let opened = named_options(name).open_in(world.clone(), STREAM, NAMES[name]);
        let mut named = opened.expect("opened at rest");
        Box::new(move || work_under(&world, &minutes, name, &mut named, records))
    })
}

/// Takes a name over as soon as it is free, and goes on where its owner was.
pub fn takes_over<T: Threads>(name: usize, records: usize) -> Role<T> {
    Arc::new(move |world, minutes| {
        Box::new(move || {
            let options = named_options(name).owner_wait(LockWait::Forever);
            let mut named = match options.open_in(world.clone(), STREAM, NAMES[name]) {
                Ok(named) => named,
                // Deleted meanwhile; it is told so.
                Err(NamedError::Lost { .. }) => return,
                Err(error) => {
                    return minutes.wrong(&world, format!("Progress: cannot take over: {error}"));
                }
            };
            let stored = named.stored().map(|position| position.offset);
            let places = minutes.may_be_at(name);
            if !places.contains(&stored) {
                let what = format!("PositionsKept: taken over at {stored:?}, not {places:?}");
                minutes.wrong(&world, what);
            }
            // What the dead attempted is decided by that.
            if let Some(stored) = stored {
                let number = minutes.begin_commit(name, stored);
                minutes.end_commit(number, Outcome::At(0));
            }
            work_under(&world, &minutes, name, &mut named, records);
        })
    })
}

fn work_under<T: Threads>(
    world: &World<T>,
    minutes: &Minutes,
    name: usize,
    named: &mut NamedConsumer<World<T>>,
    records: usize,
) {
    for _ in 0..records {
        let read = match named.try_next() {
            Ok(Some(record)) => record.offset,
            Ok(None) => return,
            Err(NamedError::Lost { .. }) => return,
            Err(error) => {
                return minutes.wrong(world, format!("Progress: a named consumer: {error}"));
            }
        };
        let Some(token) = named.token() else { return };
        let number = minutes.begin_commit(name, token.offset);
        let done = if name == JOB {
            transform(world, minutes, named, read)
        } else {
            named.commit().map(drop)
        };
        let outcome = match &done {
            Ok(()) => Outcome::At(0),
            Err(_) if world.is_troubled() => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        };
        minutes.end_commit(number, outcome);
        if let Err(error) = done {
            return minutes.wrong(world, format!("Progress: cannot commit: {error}"));
        }
    }
}

/// One output for one input, with the position.
fn transform<T: Threads>(
    world: &World<T>,
    minutes: &Minutes,
    named: &mut NamedConsumer<World<T>>,
    read: u64,
) -> Result<(), NamedError> {
    let value = Some(read as u32);
    let entry = Entry { topic: Topic::Out, key: None, value, time_ms: NOW_MS };
    let options = ProducerOptions::new().zeros_ahead_bytes(0).create(false);
    let mut producer: Producer<World<T>> = options.open_in(world.clone(), STREAM)?;
    let mut failure = None;
    minutes.append(world, &[entry], |batch| {
        let appended = producer.transaction(batch).with_position(named).commit();
        appended.map(|appended| appended.first_offset).inspect_err(|error| {
            failure = Some(error.to_string());
        })
    });
    match failure {
        None => Ok(()),
        Some(what) => Err(puro::Failure::from(puro::error::IoError {
            operation: "append",
            path: STREAM.into(),
            position: None,
            source: std::io::Error::other(what).into(),
        })
        .into()),
    }
}
