//! Records: their fields, and how they become bytes and come back (format.md, chapter 6).

mod read;
mod write;

use std::fmt;

pub use self::read::{OwnedRecord, Record};
use crate::format::codec::{crc, split_varint};
use crate::format::layout::{
    MAX_HEADERS_BYTES, MAX_KEY_BYTES, MAX_TOPIC_BYTES, MAX_VALUE_BYTES, attribute,
};
use crate::format::sure::{part, sure};

/// Why a record or a batch cannot be stored at all (F-26, F-27, F-30).
///
/// ```
/// use puro::{Batch, NewRecord, RecordError};
/// let mut batch = Batch::new();
/// let refused = batch.push(&NewRecord::new("orders", "x").key(&[0; 2000]));
/// assert!(matches!(refused, Err(RecordError::TooLong { field: "key", limit: 1024, .. })));
/// assert!(batch.is_empty()); // It is as it was.
/// ```
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A topic of no bytes.
    #[error("a topic must have at least one byte")]
    EmptyTopic,
    /// A header's name of no bytes.
    #[error("a header's name must have at least one byte")]
    EmptyHeaderName,
    /// A delete marker that names no key.
    #[error("a delete marker needs the key that it deletes")]
    MarkerWithoutKey,
    /// A field over its limit.
    #[error("{field} of {bytes} bytes: at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Bytes that would be blocks of this very stream where they would stand (F-43), so many that
    /// no way was found to put them elsewhere.
    #[error(
        "the {bytes} bytes of this batch hold what would be blocks of this stream where they \
         would stand, and leave no room to shift them: append them in smaller batches"
    )]
    HoldsBlocks {
        /// Bytes of the body.
        bytes: usize,
    },
    /// More records than an offset can count (F-18).
    #[error(
        "the stream's next offset is {next_offset}, and no offset may exceed 2^64 - 2: \
         export it into a new stream"
    )]
    OffsetsExhausted {
        /// The next offset.
        next_offset: u64,
    },
    /// A batch without records.
    #[error("a batch must hold at least one record")]
    EmptyBatch,
    /// A name that no consumer or producer can have (F-11).
    #[error("`{name}` cannot be a name: 1 to 200 of A-Z a-z 0-9 . _ -, the first not a dot")]
    Name {
        /// The name asked for.
        name: String,
    },
}

/// A record to be appended.
///
/// ```
/// use puro::NewRecord;
/// let order = NewRecord::new("orders", "3 apples").key("customer-7").header("source", "shop");
/// let forget = NewRecord::delete_marker("orders", "customer-7");
/// assert!(order.check().is_ok() && forget.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    topic: &'a [u8],
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<(&'a [u8], &'a [u8])>,
    control: bool,
}

impl<'a> NewRecord<'a> {
    /// A record with a topic (1 to 1,024 bytes) and a value (up to 10 MiB).
    pub fn new<T, V>(topic: &'a T, value: &'a V) -> Self
    where
        T: AsRef<[u8]> + ?Sized,
        V: AsRef<[u8]> + ?Sized,
    {
        let value = Some(value.as_ref());
        Self { topic: topic.as_ref(), key: None, value, headers: Vec::new(), control: false }
    }

    /// A delete marker: says that whatever had this key in this topic is gone.
    pub fn delete_marker<T, K>(topic: &'a T, key: &'a K) -> Self
    where
        T: AsRef<[u8]> + ?Sized,
        K: AsRef<[u8]> + ?Sized,
    {
        let key = Some(key.as_ref());
        Self { topic: topic.as_ref(), key, value: None, headers: Vec::new(), control: false }
    }

    /// A control record (F-31); without a value it removes the entry.
    pub(crate) fn control(kind: &'a [u8], key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        Self { topic: kind, key, value, headers: Vec::new(), control: true }
    }

    /// The same with a key, of up to 1,024 bytes.
    #[must_use]
    pub fn key<K: AsRef<[u8]> + ?Sized>(mut self, key: &'a K) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// The same with one more header. Names may repeat; all headers of a record
    /// together take up to 64 KiB.
    #[must_use]
    pub fn header<N, V>(mut self, name: &'a N, value: &'a V) -> Self
    where
        N: AsRef<[u8]> + ?Sized,
        V: AsRef<[u8]> + ?Sized,
    {
        self.headers.push((name.as_ref(), value.as_ref()));
        self
    }

    /// Whether the record can be stored.
    ///
    /// # Errors
    /// What exceeds a limit or is missing (F-26, F-27, F-30).
    pub fn check(&self) -> Result<(), RecordError> {
        if self.topic.is_empty() {
            return Err(RecordError::EmptyTopic);
        }
        if self.value.is_none() && self.key.is_none() {
            return Err(RecordError::MarkerWithoutKey);
        }
        if self.headers.iter().any(|(name, _)| name.is_empty()) {
            return Err(RecordError::EmptyHeaderName);
        }
        let within = |field, bytes, limit| match bytes <= limit {
            true => Ok(()),
            false => Err(RecordError::TooLong { field, bytes, limit }),
        };
        within("topic", self.topic.len(), MAX_TOPIC_BYTES)?;
        within("key", self.key.map_or(0, <[u8]>::len), MAX_KEY_BYTES)?;
        within("headers", self.headers_len(), MAX_HEADERS_BYTES)?;
        within("value", self.value.map_or(0, <[u8]>::len), MAX_VALUE_BYTES)
    }

    /// Whether this is a control record.
    pub(crate) fn is_control(&self) -> bool {
        self.control
    }

    /// How many offsets the record takes. A gap is only ever made of what was checked (F-33).
    pub(crate) fn spanned_offsets(&self) -> u32 {
        let offsets = offsets_of(self.control, self.topic, self.key, self.value);
        let offsets = offsets.and_then(|offsets| u32::try_from(offsets).ok());
        sure(offsets, "a gap does not say how many offsets it stands for")
    }
}

/// The headers of a record that was read.
///
/// ```
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let record = NewRecord::new("orders", "3 apples").header("by", "shop").header("try", "2");
/// Producer::open(dir.path())?.append(&record)?;
/// let mut consumer = Consumer::open(dir.path())?;
/// let headers = consumer.try_next()?.ok_or("no record")?.headers;
/// assert_eq!(headers.get(b"by"), Some(&b"shop"[..]));
/// assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&b"by"[..], b"try"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Names and values, behind their count.
    fields: &'a [u8],
    count: u64,
}

/// As texts, as far as they are.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.iter().map(|(name, value)| (Text(name), Text(value)));
        f.debug_list().entries(headers).finish()
    }
}

/// Bytes to be shown as a text, with escapes for what is none.
pub(crate) struct Text<'a>(pub &'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Name and value of each header, made by [`Headers::iter`].
///
/// ```
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let record = NewRecord::new("orders", "3 apples").header("by", "shop");
/// Producer::open(dir.path())?.append(&record)?;
/// let mut consumer = Consumer::open(dir.path())?;
/// for (name, value) in consumer.try_next()?.ok_or("no record")?.headers {
///     assert_eq!((name, value), (&b"by"[..], &b"shop"[..]));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HeadersIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, after) = split_sized(self.rest)?;
        let (value, after) = split_sized(after)?;
        self.rest = after;
        Some((name, value))
    }
}

impl<'a> Headers<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Name and value of each, in the order given.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter { rest: self.fields }
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// A record as it stands in a block: decoded, every rule of chapter 6 checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Whether it is a control record (F-31).
    pub control: bool,
    /// The topic, or the kind of control record.
    pub topic: &'a [u8],
    /// The key, where there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` in a delete marker.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

/// What is wrong with the encoding of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordCause {
    /// It ends beyond the body (F-28).
    #[error("a record ends beyond its block")]
    Truncated,
    /// Its checksum is wrong.
    #[error("a record's checksum is wrong")]
    Crc,
    /// An attribute bit that is not defined, or a delete marker without key (F-27).
    #[error("a record has invalid attributes")]
    Attributes,
    /// A field that is malformed, over its limit, or does not fit the record's length.
    #[error("a record's {0} is malformed")]
    Field(&'static str),
}

impl<'a> Fields<'a> {
    /// Splits the first record off `bytes`, and checks all of it.
    ///
    /// # Errors
    /// The first rule of chapter 6 that is broken.
    pub fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RecordCause> {
        let (stored, covered) = bytes.split_first_chunk().ok_or(RecordCause::Truncated)?;
        let (length, fields) = split_varint(covered).ok_or(RecordCause::Field("length"))?;
        let length = usize::try_from(length).map_err(|_| RecordCause::Truncated)?;
        let (fields, rest) = fields.split_at_checked(length).ok_or(RecordCause::Truncated)?;
        let covered = part(covered, ..covered.len() - rest.len());
        if crc(covered) != u32::from_le_bytes(*stored) {
            return Err(RecordCause::Crc);
        }
        Ok((Self::decode(fields)?, rest))
    }

    /// Splits the first record off bytes that the checksum of a block covers: its own is not looked
    /// at, all else is.
    #[inline(always)]
    pub(crate) fn split_covered(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RecordCause> {
        let covered = bytes.get(4..).ok_or(RecordCause::Truncated)?;
        let (length, fields) = split_varint(covered).ok_or(RecordCause::Field("length"))?;
        let length = usize::try_from(length).map_err(|_| RecordCause::Truncated)?;
        let (fields, rest) = fields.split_at_checked(length).ok_or(RecordCause::Truncated)?;
        Ok((Self::decode(fields)?, rest))
    }

    /// The topic of the first record of bytes that passed [`Fields::split`] before, and what
    /// follows that record; no topic where it is a control record.
    pub(crate) fn split_topic(bytes: &'a [u8]) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        let (length, fields) = split_varint(bytes.get(4..)?)?;
        let (fields, rest) = fields.split_at_checked(usize::try_from(length).ok()?)?;
        let (&attributes, fields) = fields.split_first()?;
        let (topic, _) = split_sized(fields)?;
        Some(((attributes & attribute::CONTROL == 0).then_some(topic), rest))
    }

    /// The fields behind a record's length; its checksum was looked at before.
    #[inline(always)]
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, RecordCause> {
        let (&attributes, rest) = bytes.split_first().ok_or(RecordCause::Field("attributes"))?;
        let has = |bit: u8| attributes & bit != 0;
        if attributes & !attribute::ALL != 0 || !(has(attribute::KEY) || has(attribute::VALUE)) {
            return Err(RecordCause::Attributes);
        }
        let (topic, mut rest) =
            split_limited(rest, MAX_TOPIC_BYTES).ok_or(RecordCause::Field("topic"))?;
        if topic.is_empty() {
            return Err(RecordCause::Field("topic"));
        }
        let mut key = None;
        if has(attribute::KEY) {
            let (found, after) =
                split_limited(rest, MAX_KEY_BYTES).ok_or(RecordCause::Field("key"))?;
            (key, rest) = (Some(found), after);
        }
        let mut headers = Headers::default();
        if has(attribute::HEADERS) {
            (headers, rest) = split_headers(rest).ok_or(RecordCause::Field("header list"))?;
        }
        let control = has(attribute::CONTROL);
        if control && !headers.is_empty() {
            return Err(RecordCause::Attributes);
        }
        let value = has(attribute::VALUE).then_some(rest);
        if rest.len() > MAX_VALUE_BYTES || (value.is_none() && !rest.is_empty()) {
            return Err(RecordCause::Field("value"));
        }
        Ok(Self { control, topic, key, value, headers })
    }

    /// How many offsets the record takes (F-29); `None` for a malformed gap.
    #[must_use]
    #[inline]
    pub fn spanned_offsets(&self) -> Option<u64> {
        offsets_of(self.control, self.topic, self.key, self.value)
    }

    /// The same record, to be encoded again.
    pub fn to_new(self) -> NewRecord<'a> {
        NewRecord {
            topic: self.topic,
            key: self.key,
            value: self.value,
            headers: self.headers.iter().collect(),
            control: self.control,
        }
    }
}

/// The kind of control record that shifts what follows it in its block (F-43, F-46).
pub const PAD: &[u8] = b"pad";

/// The kind of control record that stands for removed ones (F-33).
pub const GAP: &[u8] = b"gap";

/// How many offsets a record takes: a record of a user one, a gap as many as it says (at least one,
/// F-33), any other control record none. `None` for a malformed gap.
#[inline]
fn offsets_of(
    control: bool,
    topic: &[u8],
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Option<u64> {
    if !control {
        return Some(1);
    }
    if topic != GAP || key.is_some() {
        return Some(0);
    }
    match value.and_then(split_varint) {
        Some((count, [])) if count > 0 => Some(count),
        _ => None,
    }
}

#[inline]
pub(crate) fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = split_varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[inline]
fn split_limited(bytes: &[u8], limit: usize) -> Option<(&[u8], &[u8])> {
    split_sized(bytes).filter(|(field, _)| field.len() <= limit)
}

fn split_headers(bytes: &[u8]) -> Option<(Headers<'_>, &[u8])> {
    let (count, begin) = split_varint(bytes)?;
    let mut rest = begin;
    for _ in 0..count {
        let (name, after) = split_sized(rest)?;
        if name.is_empty() {
            return None;
        }
        rest = split_sized(after)?.1;
    }
    let fields = begin.get(..begin.len() - rest.len())?;
    let within_limit = bytes.len() - rest.len() <= MAX_HEADERS_BYTES;
    (count > 0 && within_limit).then_some((Headers { fields, count }, rest))
}
