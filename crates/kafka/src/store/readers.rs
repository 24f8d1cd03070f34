//! Reading for Fetch. A connection keeps the places where it stopped, so that the next fetch goes
//! on there without looking for it.

use std::collections::VecDeque;

use puro::{Consumer, OwnedRecord, ReadError, Start, Stream};

use super::Marks;
use crate::batch::Encoder;
use crate::limits::READERS_PER_CONNECTION;

/// The places of one connection, the one used last behind.
#[derive(Debug, Default)]
pub struct Readers {
    readers: VecDeque<Reader>,
}

#[derive(Debug)]
struct Reader {
    topic: String,
    consumer: Consumer,
    /// What it reads next.
    next: u64,
    /// Read already, but there was no room for it.
    kept: Option<(OwnedRecord, u32)>,
}

/// What was read of a topic.
#[derive(Debug, Default)]
pub struct Portion {
    /// Record batches.
    pub batches: Vec<u8>,
    /// Where to go on.
    pub next: u64,
}

impl Readers {
    /// Reads records of a topic from an offset on, as far as there are any now, until they have
    /// `limit` bytes. The first is read whatever it has, if `at_least_one`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(
        &mut self,
        stream: &Stream,
        marks: &Marks,
        (topic, from): (&str, u64),
        limit: usize,
        at_least_one: bool,
    ) -> Result<Portion, ReadError> {
        let found = self.readers.iter().position(|it| it.topic == topic && it.next == from);
        let mut reader = match found.and_then(|at| self.readers.remove(at)) {
            Some(reader) => reader,
            None => Reader::open(stream, marks, topic, from)?,
        };
        let batches = reader.read(limit, at_least_one)?;
        let portion = Portion { batches, next: reader.next };
        if self.readers.len() >= READERS_PER_CONNECTION {
            self.readers.pop_front();
        }
        self.readers.push_back(reader);
        Ok(portion)
    }
}

impl Reader {
    fn open(stream: &Stream, marks: &Marks, topic: &str, from: u64) -> Result<Self, ReadError> {
        // What is below was deleted: the topic's own start was told with that in mind.
        let start = Start::Offset(from.max(marks.low()));
        let consumer = stream.consumer_with(|it| it.topic(topic).start(start))?;
        Ok(Self { topic: topic.to_owned(), consumer, next: from, kept: None })
    }

    fn read(&mut self, limit: usize, at_least_one: bool) -> Result<Vec<u8>, ReadError> {
        let mut encoder = Encoder::default();
        let mut first = at_least_one;
        if let Some((record, epoch)) = self.kept.take() {
            if !first && size(record.key.as_deref(), record.value.as_deref()) > limit {
                self.kept = Some((record, epoch));
                return Ok(Vec::new());
            }
            first = false;
            let headers = record.headers.iter().map(|(name, value)| (&name[..], &value[..]));
            let place = (record.offset, record.timestamp_ms, epoch);
            encoder.push(place, record.key.as_deref(), record.value.as_deref(), headers);
            self.next = record.offset + 1;
        }
        while encoder.bytes() < limit || first {
            let epoch = self.consumer.token().map_or(0, |token| token.epoch);
            let Some(record) = self.consumer.try_next()? else { break };
            if record.offset < self.next {
                continue;
            }
            let fits = encoder.bytes() + size(record.key, record.value) <= limit;
            if !fits && !first {
                self.kept = Some((record.to_owned(), epoch));
                break;
            }
            first = false;
            self.next = record.offset + 1;
            let headers: Vec<_> = record.headers.iter().collect();
            let place = (record.offset, record.timestamp_ms, epoch);
            encoder.push(place, record.key, record.value, headers.into_iter());
        }
        Ok(encoder.finish())
    }
}

/// About how large a record is.
fn size(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    const AROUND: usize = 128;
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + AROUND
}
