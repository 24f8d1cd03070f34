//! Records and streams as the [ledger](crate::ledger) knows them.

use std::path::Path;

use puro::internals::dir::Directory;
use puro::internals::tail::open_tail;
use puro::internals::vfs::{OpenMode, Vfs};
use puro::{Batch, ConsumerOptions, LockWait, NewRecord, ReadError, Record};

use crate::history::STREAM;
use crate::ledger::{Entry, Found, NAMES, Topic};
use crate::oracle::{Promise, Violation};
use crate::upkeep::{broken, failed};

/// Records that say what they are.
pub fn batch(entries: &[Entry], bytes: usize) -> Batch {
    let mut batch = Batch::new();
    for entry in entries {
        let key = [entry.key.unwrap_or_default()];
        let value = entry.value.map(|value| {
            let mut text = value.to_le_bytes().to_vec();
            text.resize(4 + bytes, value as u8);
            text
        });
        let mut record = match &value {
            Some(value) => NewRecord::new(entry.topic.name(), value),
            None => NewRecord::delete_marker(entry.topic.name(), &key),
        };
        if entry.key.is_some() {
            record = record.key(&key);
        }
        batch.push(&record).expect("a small record");
    }
    batch
}

/// What a record says it is; one of nobody's has a value that was never given.
pub fn entry(record: &Record<'_>) -> Entry {
    let topic = Topic::ALL.into_iter().find(|topic| topic.name().as_bytes() == record.topic);
    let number = |value: &[u8]| value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    Entry {
        topic: topic.unwrap_or(Topic::Log),
        key: record.key.and_then(|key| key.first().copied()),
        value: record.value.map(|value| number(value).unwrap_or(u32::MAX)),
        time_ms: record.timestamp_ms,
    }
}

/// Reads all from the beginning, and what the state says.
pub fn find<V: Vfs>(vfs: V) -> Result<Found, Violation> {
    let dir = Directory::new(vfs.clone(), Path::new(STREAM));
    let looked = |error: puro::Failure| failed("look at the stream", &error);
    let no_stream = || broken(Promise::Progress, "there is no stream");
    let segments = dir.segments().map_err(looked)?.ok_or_else(no_stream)?;
    let lowest = segments.sequences.first().copied().ok_or_else(no_stream)?;
    let lowest = dir.open_segment(lowest, OpenMode::Read).map_err(looked)?.ok_or_else(no_stream)?;
    let (tail, _) = open_tail(&dir, OpenMode::Read).map_err(looked)?.ok_or_else(no_stream)?;
    let positions = NAMES.map(|name| tail.state.position(name).map(|position| position.offset));
    let mut found = Found {
        low: lowest.header.base_offset,
        next: tail.next_offset(),
        positions,
        ..Found::default()
    };
    found.records = read(vfs.clone(), None)?;
    if segments.sequences.len() > 1 {
        Topic::ALL.into_iter().try_for_each(|topic| compare(vfs.clone(), topic, &found))?;
    }
    Ok(found)
}

/// Reads all records of a topic, or of all of them.
fn read<V: Vfs>(vfs: V, topic: Option<Topic>) -> Result<Vec<(u64, Entry)>, Violation> {
    let mut options = ConsumerOptions::new().lock_wait(LockWait::Try);
    if let Some(topic) = topic {
        options = options.topic(topic.name());
    }
    let failed = |error: ReadError| failed("read the stream", &error);
    let mut consumer = options.open_in(vfs, STREAM).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(record) = consumer.try_next().map_err(failed)? {
        records.push((record.offset, entry(&record)));
    }
    Ok(records)
}

/// Whoever reads one topic, and passes over blocks by their indexes, sees what whoever reads
/// all of them sees of it.
fn compare<V: Vfs>(vfs: V, topic: Topic, found: &Found) -> Result<(), Violation> {
    let of_topic = found.records.iter().filter(|(_, entry)| entry.topic == topic);
    if of_topic.copied().eq(read(vfs, Some(topic))?) {
        return Ok(());
    }
    let what = format!("a consumer of {} does not see what others see of it", topic.name());
    Err(broken(Promise::Prefix, what))
}
