//! What came of an append.

use crate::format::token::Token;

/// What an append did.
///
/// ```
/// use puro::{Batch, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let mut batch = Batch::new();
/// batch.push(&NewRecord::new("orders", "3 apples"))?;
/// batch.push(&NewRecord::new("orders", "1 pear"))?;
/// let appended = producer.append_batch(&mut batch)?;
/// assert_eq!((appended.first_offset, appended.record_count), (0, 2));
/// assert_eq!(appended.token.offset, 2); // the next one
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: u64,
    /// How many records.
    pub record_count: u32,
    /// The time they carry, in ms since 1970.
    pub timestamp_ms: u64,
    /// The position behind them, for [`Transaction::if_end`](crate::Transaction::if_end) or a
    /// consumer.
    pub token: Token,
    /// Whether they stood there already, from an earlier try (C-4).
    pub duplicate: bool,
}
