//! What a stream is and what it holds.

use std::collections::BTreeMap;

use super::Stream;
use crate::engine::vfs::{OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext, ReadError};
use crate::format::record::Record;
use crate::format::token::Token;

/// What a stream is, as told by its names and headers.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// let info = stream.info()?;
/// assert_eq!((info.lowest_offset(), info.end.offset), (0, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Id, newest epoch, and next offset.
    pub end: Token,
    /// Its segments, the lowest first.
    pub segments: Vec<SegmentInfo>,
}

/// One file of a stream.
///
/// ```
/// use puro::Stream;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let segments = stream.info()?.segments;
/// assert!(segments.len() == 1 && segments[0].active);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The number in its name.
    pub sequence: u32,
    /// The offset at which it begins.
    pub base_offset: u64,
    /// How often it was compacted.
    pub generation: u32,
    /// When it was made, in ms since 1970.
    pub created_ms: u64,
    /// Its length.
    pub bytes: u64,
    /// Whether it is the one that is appended to.
    pub active: bool,
}

/// A topic of a stream.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let mut producer = stream.producer()?;
/// for value in ["3 apples", "1 pear"] {
///     producer.append(&NewRecord::new("orders", value))?;
/// }
/// let topics = stream.topics()?;
/// assert_eq!(topics[0].topic, b"orders");
/// assert_eq!((topics[0].records, topics[0].last_offset), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicInfo {
    /// Its name.
    pub topic: Vec<u8>,
    /// How many records it has.
    pub records: u64,
    /// The offset of the first of them.
    pub first_offset: u64,
    /// The offset of the last of them.
    pub last_offset: u64,
    /// How many bytes their keys, values and headers have.
    pub bytes: u64,
}

impl StreamInfo {
    /// The lowest offset there is.
    #[must_use]
    pub fn lowest_offset(&self) -> u64 {
        self.segments.first().map_or(self.end.offset, |segment| segment.base_offset)
    }

    /// The length of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl<V: Vfs> Stream<V> {
    /// Its end and its segments. Reads headers, and no records.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn info(&self) -> Result<StreamInfo, Failure> {
        let tail = self.tail()?;
        let not_a_stream = || Failure::NotAStream { dir: self.dir.path.clone() };
        let listed = self.dir.segments()?.ok_or_else(not_a_stream)?;
        let last = tail.segment.header.sequence;
        let mut segments = Vec::new();
        // What was rolled since has its turn next time.
        for sequence in listed.sequences.into_iter().filter(|sequence| *sequence <= last) {
            let Some(segment) = self.dir.open_segment(sequence, OpenMode::Read)? else { continue };
            if !segment.belongs_to(&listed.stream_id, sequence) {
                continue; // a stray is not of this stream
            }
            let bytes = match sequence == last {
                true => tail.end, // zeros ahead of what is to come do not count (Z-4)
                false => segment.file.status().while_doing("look at", &segment.path)?.len,
            };
            let header = segment.header;
            segments.push(SegmentInfo {
                sequence,
                base_offset: header.base_offset,
                generation: header.generation,
                created_ms: header.created_ms,
                bytes,
                active: sequence == last,
            });
        }
        Ok(StreamInfo { end: tail.token(), segments })
    }

    /// Its topics, by name. Reads every record to count them.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn topics(&self) -> Result<Vec<TopicInfo>, ReadError> {
        self.topics_telling(&mut |_| Ok(()))
    }

    /// The same. Tells `progress` each record's offset, and ends with what that answers.
    ///
    /// # Errors
    /// As [`Stream::topics`]; or what `progress` says.
    pub fn topics_telling<E: From<ReadError>>(
        &self,
        progress: &mut dyn FnMut(u64) -> Result<(), E>,
    ) -> Result<Vec<TopicInfo>, E> {
        let end = self.end().map_err(ReadError::from)?.offset;
        let mut topics: BTreeMap<Vec<u8>, TopicInfo> = BTreeMap::new();
        let mut consumer = self.consumer()?;
        while let Some(record) = consumer.try_next()?.filter(|record| record.offset < end) {
            let offset = record.offset;
            progress(offset)?;
            let bytes = bytes_of(&record);
            match topics.get_mut(record.topic) {
                Some(known) => {
                    known.records += 1;
                    known.last_offset = offset;
                    known.bytes += bytes;
                }
                None => {
                    let topic = record.topic.to_vec();
                    let (first_offset, last_offset) = (offset, offset);
                    let found = TopicInfo { topic, records: 1, first_offset, last_offset, bytes };
                    topics.insert(found.topic.clone(), found);
                }
            }
        }
        Ok(topics.into_values().collect())
    }
}

fn bytes_of(record: &Record<'_>) -> u64 {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (length(record.key) + length(record.value) + headers) as u64
}
