//! A batch as a client sent it: bytes to records, with nothing believed.

use std::borrow::Cow;

use super::varint::Cursor;
use super::{CONTROL, CRC_FROM, Codec, HEADER_BYTES, LENGTH_FROM, MIN_RECORD_BYTES, TRANSACTIONAL};
use crate::code::{self, Code};

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Its checksum does not match, or it is not as long as it says.
    #[error("the batch was damaged on its way")]
    Damaged,
    /// Not version 2.
    #[error("batches of version 2 only: the client is too old, or set to an older form")]
    OldFormat,
    /// A codec that is not known.
    #[error("the batch is compressed in a way that is not known")]
    UnknownCodec,
    /// What is compressed is malformed.
    #[error("what the batch holds cannot be expanded")]
    Compression,
    /// The records are larger than a block of Puro can be.
    #[error("the records of the batch have more than 16 MiB")]
    TooLarge,
    /// It is not one batch, and only that.
    #[error("one batch for a partition, and nothing behind it")]
    NotOne,
    /// Clients do not write control batches.
    #[error("clients may not write control records")]
    Control,
    /// A record is malformed.
    #[error("record {0} of the batch is malformed")]
    Record(i32),
}

impl BatchError {
    /// Kafka's code for it.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Damaged | Self::Compression => code::CORRUPT_MESSAGE,
            Self::OldFormat => code::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            Self::UnknownCodec => code::UNSUPPORTED_COMPRESSION,
            Self::TooLarge => code::MESSAGE_TOO_LARGE,
            Self::NotOne | Self::Control | Self::Record(_) => code::INVALID_RECORD,
        }
    }
}

/// What stands before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How they are compressed.
    pub codec: Codec,
    /// Whether they belong to a transaction.
    pub transactional: bool,
    /// Who made them; -1 where it is not idempotent.
    pub producer_id: i64,
    /// Which run of the producer.
    pub producer_epoch: i16,
    /// The number of the first; -1 where it is not idempotent.
    pub base_sequence: i32,
    /// How many there are: at least one.
    pub count: i32,
}

/// A batch whose checksum was right, and whose records are all well formed.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// What stands before them.
    pub header: Header,
    body: Cow<'a, [u8]>,
}

/// A record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: HeaderFields<'a>,
}

/// The headers of a record: names and values, in order, repeated ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFields<'a> {
    bytes: &'a [u8],
    left: i32,
}

/// Decodes a batch, and looks at each of its records. `limit` is the most bytes that they may have
/// once they are expanded.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Decoded<'_>, BatchError> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(BatchError::Damaged)?;
    let length = i32::from_be_bytes(part(header, 8));
    let [magic] = part(header, 16);
    if magic != 2 {
        return Err(BatchError::OldFormat);
    }
    let length = usize::try_from(length).map_err(|_| BatchError::Damaged)?;
    match length.checked_add(LENGTH_FROM) {
        Some(end) if end == bytes.len() => {}
        Some(end) if (HEADER_BYTES..bytes.len()).contains(&end) => return Err(BatchError::NotOne),
        _ => return Err(BatchError::Damaged),
    }
    let covered = bytes.get(CRC_FROM..).unwrap_or_default();
    if crc32c::crc32c(covered) != u32::from_be_bytes(part(header, 17)) {
        return Err(BatchError::Damaged);
    }
    let attributes = i16::from_be_bytes(part(header, 21));
    if attributes & CONTROL != 0 {
        return Err(BatchError::Control);
    }
    let last_delta = i32::from_be_bytes(part(header, 23));
    let count = i32::from_be_bytes(part(header, 57));
    let header = Header {
        codec: Codec::of(attributes).ok_or(BatchError::UnknownCodec)?,
        transactional: attributes & TRANSACTIONAL != 0,
        producer_id: i64::from_be_bytes(part(header, 43)),
        producer_epoch: i16::from_be_bytes(part(header, 51)),
        base_sequence: i32::from_be_bytes(part(header, 53)),
        count,
    };
    if count < 1 || last_delta != count - 1 {
        return Err(BatchError::Record(0));
    }
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let decoded = Decoded { header, body: header.codec.expand(body, limit)? };
    decoded.check()?;
    Ok(decoded)
}

/// Some bytes of the header; all places are below its end.
fn part<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    header.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

impl Decoded<'_> {
    fn check(&self) -> Result<(), BatchError> {
        let count = usize::try_from(self.header.count).unwrap_or(usize::MAX);
        if count > self.body.len() / MIN_RECORD_BYTES {
            return Err(BatchError::Record(0));
        }
        let mut rest = Cursor(&self.body);
        for number in 0..self.header.count {
            let malformed = BatchError::Record(number);
            let (delta, field) = record(&mut rest).ok_or(malformed)?;
            if delta != number || field.headers.into_iter().any(|header| header.is_none()) {
                return Err(malformed);
            }
        }
        if rest.0.is_empty() { Ok(()) } else { Err(BatchError::Record(self.header.count)) }
    }

    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = Field<'_>> {
        let mut rest = Cursor(&self.body);
        std::iter::from_fn(move || record(&mut rest).map(|(_, field)| field))
    }
}

/// The next record, and its place in the batch.
fn record<'a>(rest: &mut Cursor<'a>) -> Option<(i32, Field<'a>)> {
    let length = usize::try_from(rest.int()?).ok()?;
    let mut own = Cursor(rest.bytes(length)?);
    own.bytes(1)?; // attributes, of which none is used
    own.long()?; // the client's time: Puro's is that of the append
    let delta = own.int()?;
    let (key, value) = (own.nullable()?, own.nullable()?);
    let left = own.int().filter(|left| *left >= 0)?;
    // Each has two lengths at least.
    if usize::try_from(left).ok()? > own.0.len() / 2 {
        return None;
    }
    Some((delta, Field { key, value, headers: HeaderFields { bytes: own.0, left } }))
}

impl<'a> IntoIterator for HeaderFields<'a> {
    type Item = Option<(&'a [u8], Option<&'a [u8]>)>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        HeaderIter { rest: Cursor(self.bytes), left: self.left, failed: false }
    }
}

/// Names and values; `None` once where one is malformed.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: Cursor<'a>,
    left: i32,
    failed: bool,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Option<(&'a [u8], Option<&'a [u8]>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.left == 0 {
            // Nothing may stand behind the last.
            self.failed = !self.rest.0.is_empty();
            return self.failed.then_some(None);
        }
        self.left -= 1;
        let header = (|| Some((self.rest.nullable()??, self.rest.nullable()?)))();
        self.failed = header.is_none();
        Some(header)
    }
}

#[cfg(test)]
mod tests;
