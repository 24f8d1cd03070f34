//! What is appended together.

use crate::error::RecordError;
use crate::format::block::BlockBuilder;
use crate::format::record::NewRecord;

/// Records to be appended as one block: all or nothing, across topics (A-15).
///
/// ```
/// use puro::{Batch, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut batch = Batch::new();
/// batch.push(&NewRecord::new("orders", "1 pear"))?;
/// batch.push(&NewRecord::new("audit", "pear reserved"))?;
/// Producer::open(dir.path())?.append_batch(&mut batch)?;
/// assert_eq!(batch.len(), 2); // It keeps its records,
/// batch.clear(); // and its memory for the next ones.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) builder: BlockBuilder,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record; its bytes are copied.
    ///
    /// # Errors
    /// What is wrong with the record, or `TooLong` where the batch would exceed 16 MiB.
    /// The batch is as it was then.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<(), RecordError> {
        self.builder.push(record)
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.builder.record_count() as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all records as encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.builder.body_len()
    }

    /// Takes all records out.
    pub fn clear(&mut self) {
        self.builder.clear();
    }
}
