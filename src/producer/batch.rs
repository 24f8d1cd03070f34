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
///
/// It may be collected, too. What cannot be a record is told when the batch is appended, and nothing
/// is appended then:
///
/// ```
/// use puro::{Batch, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let fruit = ["apple", "pear"];
/// let mut batch: Batch = fruit.iter().map(|fruit| NewRecord::new("fruit", fruit)).collect();
/// Producer::open(dir.path())?.append_batch(&mut batch)?;
/// batch.extend([NewRecord::new("", "no topic")]);
/// assert!(batch.check().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) builder: BlockBuilder,
    /// The first record that was refused while it was extended.
    refused: Option<RecordError>,
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
        self.check()?;
        self.builder.push(record)
    }

    /// Whether it took all records that it was extended by.
    ///
    /// # Errors
    /// What is wrong with the first that it refused; none behind that was taken. It stays so until
    /// [`Batch::clear`].
    pub fn check(&self) -> Result<(), RecordError> {
        self.refused.clone().map_or(Ok(()), Err)
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
        self.refused = None;
    }
}

impl<'a, R: Into<NewRecord<'a>>> Extend<R> for Batch {
    /// Adds records up to the first that cannot be one: see [`Batch::check`].
    fn extend<I: IntoIterator<Item = R>>(&mut self, records: I) {
        for record in records {
            if let Err(refused) = self.push(&record.into()) {
                self.refused = Some(refused);
                return;
            }
        }
    }
}

impl<'a, R: Into<NewRecord<'a>>> FromIterator<R> for Batch {
    /// Collects records up to the first that cannot be one: see [`Batch::check`].
    fn from_iter<I: IntoIterator<Item = R>>(records: I) -> Self {
        let mut batch = Self::new();
        batch.extend(records);
        batch
    }
}
