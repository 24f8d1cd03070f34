//! Records as they are read: borrowed from the reader's buffer, or owned.

use std::fmt;

use super::{Fields, Headers, NewRecord, Text};

/// A record that was read: its place in the stream and its content, borrowed from
/// the reader's buffer.
///
/// ```
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// producer.append(&NewRecord::delete_marker("users", "ann"))?;
/// let mut consumer = Consumer::open(dir.path())?;
/// let record = consumer.try_next()?.ok_or("no record")?;
/// assert_eq!((record.key, record.value), (Some(&b"ann"[..]), None)); // gone
/// # let copies = tempfile::tempdir()?;
/// # let mut copies = Producer::open(copies.path())?;
/// copies.append(&record.to_new())?; // to another stream, as it is
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the stream, from 0.
    pub offset: u64,
    /// When its block was written, in ms since 1970, by the writer's clock (F-22).
    pub timestamp_ms: u64,
    /// Its topic.
    pub topic: &'a [u8],
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` in a delete marker.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// As texts, as far as they are.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("offset", &self.offset)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("topic", &Text(self.topic))
            .field("key", &self.key.map(Text))
            .field("value", &self.value.map(Text))
            .field("headers", &self.headers)
            .finish()
    }
}

/// As texts, as far as they are.
impl fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, value)| (Text(name), Text(value)));
        f.debug_struct("OwnedRecord")
            .field("offset", &self.offset)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("topic", &Text(&self.topic))
            .field("key", &self.key.as_deref().map(Text))
            .field("value", &self.value.as_deref().map(Text))
            .field("headers", &headers.collect::<Vec<_>>())
            .finish()
    }
}

impl<'a> From<Record<'a>> for NewRecord<'a> {
    fn from(record: Record<'a>) -> Self {
        record.to_new()
    }
}

impl<'a> From<&'a OwnedRecord> for NewRecord<'a> {
    fn from(record: &'a OwnedRecord) -> Self {
        record.to_new()
    }
}

impl<'a> Record<'a> {
    #[inline]
    pub(crate) fn new(fields: Fields<'a>, offset: u64, timestamp_ms: u64) -> Self {
        let Fields { topic, key, value, headers, .. } = fields;
        Self { offset, timestamp_ms, topic, key, value, headers }
    }

    /// The same content, to be appended again.
    #[must_use]
    pub fn to_new(self) -> NewRecord<'a> {
        let Self { topic, key, value, headers, .. } = self;
        Fields { control: false, topic, key, value, headers }.to_new()
    }

    /// Its topic as text, if it is one.
    #[must_use]
    pub fn topic_str(&self) -> Option<&'a str> {
        str::from_utf8(self.topic).ok()
    }

    /// Its key as text, if it has one that is.
    #[must_use]
    pub fn key_str(&self) -> Option<&'a str> {
        self.key.and_then(|key| str::from_utf8(key).ok())
    }

    /// Its value as text, if it has one that is.
    #[must_use]
    pub fn value_str(&self) -> Option<&'a str> {
        self.value.and_then(|value| str::from_utf8(value).ok())
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            topic: self.topic.to_vec(),
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers: self.headers.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
        }
    }
}

/// A [`Record`] that owns its bytes.
///
/// ```
/// use puro::{Consumer, NewRecord, OwnedRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// let records: Result<Vec<OwnedRecord>, _> = Consumer::open(dir.path())?.try_iter().collect();
/// assert_eq!(records?[0].value.as_deref(), Some(&b"3 apples"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its number in the stream.
    pub offset: u64,
    /// When its block was written, in ms since 1970.
    pub timestamp_ms: u64,
    /// Its topic.
    pub topic: Vec<u8>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` in a delete marker.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl OwnedRecord {
    /// The same content, to be appended again.
    ///
    /// ```
    /// use puro::{Batch, Consumer, NewRecord, OwnedRecord, Producer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
    /// Producer::open(&from)?.append(&NewRecord::new("orders", "3 apples"))?;
    /// let kept: Result<Vec<OwnedRecord>, _> = Consumer::open(&from)?.try_iter().collect();
    /// let mut copies: Batch = kept?.iter().collect(); // each is `to_new`
    /// Producer::open(&to)?.append_batch(&mut copies)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_new(&self) -> NewRecord<'_> {
        let headers = self.headers.iter().map(|(name, value)| (&name[..], &value[..]));
        NewRecord {
            topic: &self.topic,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: headers.collect(),
            control: false,
        }
    }

    /// Its topic as text, if it is one.
    #[must_use]
    pub fn topic_str(&self) -> Option<&str> {
        str::from_utf8(&self.topic).ok()
    }

    /// Its key as text, if it has one that is.
    #[must_use]
    pub fn key_str(&self) -> Option<&str> {
        self.key.as_deref().and_then(|key| str::from_utf8(key).ok())
    }

    /// Its value as text, if it has one that is.
    #[must_use]
    pub fn value_str(&self) -> Option<&str> {
        self.value.as_deref().and_then(|value| str::from_utf8(value).ok())
    }
}
