//! Record batches (version 2), by hand: clients write them, and read them back.
//!
//! A batch is 61 bytes of header and a body of records, which may be compressed as a whole. Every
//! integer of the header is big endian; those in records are zigzag varints.

mod codec;
mod decode;
mod encode;
mod varint;

pub use self::codec::Codec;
pub use self::decode::{BatchError, Decoded, Field, Header, HeaderFields, decode};
pub use self::encode::Encoder;

/// Bytes before the records.
pub const HEADER_BYTES: usize = 61;
/// What the checksum covers begins here.
const CRC_FROM: usize = 21;
/// Bytes before those that the field of the length counts.
const LENGTH_FROM: usize = 12;
/// The time is that of the append.
const LOG_APPEND_TIME: i16 = 1 << 3;
/// The batch belongs to a transaction.
const TRANSACTIONAL: i16 = 1 << 4;
/// The batch holds control records.
const CONTROL: i16 = 1 << 5;
/// The fewest bytes that a record can have: its length, attributes, two deltas, two lengths and
/// the number of its headers.
const MIN_RECORD_BYTES: usize = 7;
