//! What came of an append.

use crate::format::token::Token;

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: u64,
    /// How many records.
    pub record_count: u32,
    /// The time they carry, in ms since 1970.
    pub timestamp_ms: u64,
    /// The position behind them, for [`Producer::append_if`](crate::Producer::append_if) or a
    /// consumer.
    pub token: Token,
    /// Whether they stood there already, from an earlier try (C-4).
    pub duplicate: bool,
}
