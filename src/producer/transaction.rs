//! What an append may ask for beside its records, in any combination.

use super::Producer;
use super::batch::Batch;
use super::request::Request;
use crate::appended::Appended;
use crate::engine::vfs::Vfs;
use crate::error::AppendError;
use crate::format::token::Token;

/// An append with conditions: all of it or nothing, in one block.
///
/// Made by [`Producer::transaction`]. Nothing happens before [`Transaction::commit`].
///
/// ```
/// use puro::{Batch, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let end = producer.token();
/// let mut batch = Batch::new();
/// batch.push(&NewRecord::new("orders", "3 apples"))?;
/// // Only if nobody else appended since, once however often it is tried, and on disk.
/// let appended =
///     producer.transaction(&mut batch).if_end(&end).once("shop-1", 7).durable(true).commit()?;
/// assert!(!appended.duplicate);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is appended before `commit`"]
pub struct Transaction<'a, V: Vfs> {
    producer: &'a mut Producer<V>,
    batch: &'a mut Batch,
    request: Request<'a>,
    durable: Option<bool>,
}

impl<V: Vfs> std::fmt::Debug for Transaction<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("records", &self.batch.len()).finish_non_exhaustive()
    }
}

impl<V: Vfs> Producer<V> {
    /// Begins an append of a batch to which conditions may be added. The batch keeps its records.
    pub fn transaction<'a>(&'a mut self, batch: &'a mut Batch) -> Transaction<'a, V> {
        Transaction { producer: self, batch, request: Request::default(), durable: None }
    }
}

impl<'a, V: Vfs> Transaction<'a, V> {
    /// Only if the stream ends at this token: see [`Producer::append_if`].
    pub fn if_end(mut self, token: &'a Token) -> Self {
        self.request.expected = Some(token);
        self
    }

    /// Once, however often it is tried: see [`Producer::append_once`]. An earlier try that went
    /// through is the answer, whatever the other conditions are.
    pub fn once(mut self, identity: &'a str, sequence: u64) -> Self {
        self.request.once = Some((identity, sequence));
        self
    }

    /// With this time, in ms since 1970, instead of that of the append: for copies of records that
    /// were written elsewhere before.
    pub fn timestamp_ms(mut self, timestamp_ms: u64) -> Self {
        self.request.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Whether to return only once the records are on disk, whatever the producer does otherwise.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Appends.
    ///
    /// # Errors
    /// What did not hold, or failed; [`AppendError`]'s variants say whether the records were
    /// appended.
    pub fn commit(self) -> Result<Appended, AppendError> {
        let Self { producer, batch, request, durable } = self;
        let usual = producer.durable;
        producer.durable = durable.or(usual);
        let appended = producer.append_request(batch, &request);
        producer.durable = usual;
        appended
    }
}
