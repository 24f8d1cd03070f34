//! What an append may ask for beside its records, in any combination.

use super::Producer;
use super::batch::Batch;
use super::request::{Positioned, Request, SourceChange};
use crate::appended::Appended;
use crate::engine::vfs::Vfs;
use crate::error::{AppendError, IoError};
use crate::format::token::Token;
use crate::producer::is_appended;

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
    position: Option<&'a mut dyn Positioned>,
    durable: Option<bool>,
}

impl<V: Vfs> std::fmt::Debug for Transaction<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("records", &self.batch.len()).finish_non_exhaustive()
    }
}

impl<V: Vfs> Producer<V> {
    /// How far something outside the stream was copied into it, as the stream says now
    /// ([`Transaction::copied`]).
    ///
    /// # Errors
    /// Where the stream cannot be looked at.
    pub fn source(&mut self, name: &str) -> Result<Option<String>, AppendError> {
        let guard = self.lock_and_look()?;
        guard.give_back();
        Ok(self.writer.tail.state.source(name).map(str::to_owned))
    }

    /// Begins an append of a batch to which conditions may be added. The batch keeps its records.
    pub fn transaction<'a>(&'a mut self, batch: &'a mut Batch) -> Transaction<'a, V> {
        let request = Request::default();
        Transaction { producer: self, batch, request, position: None, durable: None }
    }
}

impl<'a, V: Vfs> Transaction<'a, V> {
    /// Only if the stream's next offset is that of the token, and the token's history is the
    /// stream's (A-16): a compare-and-append. `Conflict` or `Diverged` if not.
    ///
    /// The condition is on the whole stream. Any record that anybody appends in between, of
    /// whatever topic and key, is a conflict. A writer that takes longer to decide than others to
    /// append may lose every time. So use it where writers are few, or give what changes on its
    /// own a stream of its own. After a conflict, read on, decide again, and try again with the
    /// new token.
    pub fn if_end(mut self, token: &'a Token) -> Self {
        self.request.expected = Some(token);
        self
    }

    /// Unless this identity has appended it before: however often it is tried, it is in the stream
    /// once (C-4). Sequences rise from one batch to the next; [`Producer::last_sequence`] tells
    /// where to go on after a restart. An earlier try that went through is the answer, whatever
    /// the other conditions are.
    ///
    /// The stream remembers the last batch of each identity. It forgets an identity only when that
    /// batch was deleted by retention, and `expiry_ms` has passed since it was appended (C-10).
    /// Where retention is *never*, which is the default, nothing is forgotten. After that, a
    /// batch that is tried again is appended again. So retention has to be longer than anybody
    /// goes on trying.
    ///
    /// A sequence stands for one batch. `OldSequence` if a later batch of this identity was
    /// appended; `OtherContent` if the last one was another. The number of records is compared
    /// always, their content as long as they are in the stream.
    pub fn once(mut self, identity: &'a str, sequence: u64) -> Self {
        self.request.once = Some((identity, sequence));
        self
    }

    /// Commits a position with the records, in one block: both or neither (C-3). So what is made
    /// from the records of a stream is in the stream exactly once, whenever the process dies.
    pub(crate) fn positioned(mut self, positioned: &'a mut dyn Positioned) -> Self {
        self.position = Some(positioned);
        self
    }

    /// Notes in the same block how far something outside the stream was copied into it: all up to
    /// `after`, if the note still says `before` (T-4). So what is copied is there exactly once,
    /// whenever the copying process dies. The batch may be empty: the note alone moves.
    /// [`Producer::source`] tells where to go on after a restart. `SourceChanged` if another process
    /// copies, too.
    ///
    /// ```
    /// use puro::{Batch, NewRecord, Producer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let mut producer = Producer::open(dir.path())?;
    /// let lines = ["3 apples", "1 pear"]; // of a file, say
    /// let noted = producer.source("orders.txt")?;
    /// let done = noted.as_deref().map_or(Ok(0), str::parse)?;
    /// let mut batch = Batch::new();
    /// for line in lines.iter().skip(done) {
    ///     batch.push(&NewRecord::new("orders", line))?;
    /// }
    /// let copied = lines.len().to_string();
    /// producer.transaction(&mut batch).copied("orders.txt", noted.as_deref(), &copied).commit()?;
    /// assert_eq!(producer.source("orders.txt")?.as_deref(), Some("2"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn copied(mut self, name: &'a str, before: Option<&'a str>, after: &'a str) -> Self {
        self.request.source = Some(SourceChange { name, before, after });
        self.request.may_be_empty = true;
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
    pub fn commit(mut self) -> Result<Appended, AppendError> {
        let usual = self.producer.durable;
        self.producer.durable = self.durable.or(usual);
        let appended = self.append();
        self.producer.durable = usual;
        appended
    }

    fn append(&mut self) -> Result<Appended, AppendError> {
        let Self { producer, batch, request, position, .. } = self;
        let Some(positioned) = position else { return producer.append_request(batch, request) };
        let change = positioned.change();
        if batch.is_empty()
            && change.is_none()
            && request.once.is_none()
            && request.source.is_none()
        {
            batch.check()?;
            return producer.look(request);
        }
        let position = change.as_ref();
        let request = Request { position, may_be_empty: true, ..*request };
        let appended = producer.append_request(batch, &request);
        if let Some(change) = change.filter(|_| is_appended(&appended)) {
            positioned.committed(producer.position(&change.name));
        }
        appended
    }
}

impl<V: Vfs> Producer<V> {
    /// An append of nothing: whether its conditions hold now, and the end they hold at.
    fn look(&mut self, request: &Request<'_>) -> Result<Appended, AppendError> {
        let guard = self.lock_and_look()?;
        let _no_duplicate = request.check(&self.writer)?;
        guard.give_back();
        let token = self.token();
        let timestamp_ms = request.timestamp_ms.unwrap_or_else(|| self.vfs().now_ms());
        let (first_offset, record_count) = (token.offset, 0);
        let appended =
            Appended { first_offset, record_count, timestamp_ms, token, duplicate: false };
        if self.is_durable() {
            let not_durable = |error: IoError| AppendError::NotDurable { appended, error };
            self.make_durable().map_err(not_durable)?;
        }
        Ok(appended)
    }
}
