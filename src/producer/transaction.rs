//! What an append may ask for beside its records, in any combination.

use super::Producer;
use super::batch::Batch;
use super::request::{Positioned, Request, SourceChange};
use super::unchanged::Unchanged;
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
    unchanged: Vec<Unchanged<'a>>,
    position: Option<&'a mut dyn Positioned>,
    moves: Vec<(&'a str, u64)>,
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
        Transaction {
            producer: self,
            batch,
            request: Request::default(),
            unchanged: Vec::new(),
            position: None,
            moves: Vec::new(),
            durable: None,
        }
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

    /// Only if no record of this topic has an offset from the token's on, and the token's history is
    /// the stream's (A-23). `Overtaken` if not, which names the newest such record; or `Diverged`.
    ///
    /// Other topics may go on meanwhile. Given more than once, all of it must hold. Where the token's
    /// offset is one that was deleted, nobody can tell any more, and nothing is appended.
    ///
    /// What came since the token is looked through under the writer's lock, and others wait. So a
    /// token should be of a moment ago, or the topic a rare one, whose blocks the index of topics
    /// knows.
    ///
    /// ```
    /// use puro::{AppendError, Batch, NewRecord, Producer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let mut producer = Producer::open(dir.path())?;
    /// let decided_at = producer.token();
    /// producer.append(&NewRecord::new("audit", "looked"))?; // another topic: no matter
    /// let mut batch = Batch::new();
    /// batch.push(&NewRecord::new("seats", "12: ann"))?;
    /// producer.transaction(&mut batch).if_topic_unchanged("seats", &decided_at).commit()?;
    /// let again = producer.transaction(&mut batch).if_topic_unchanged("seats", &decided_at).commit();
    /// assert!(matches!(again, Err(AppendError::Overtaken { offset: Some(1), .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_topic_unchanged<T>(mut self, topic: &'a T, since: &'a Token) -> Self
    where
        T: AsRef<[u8]> + ?Sized,
    {
        self.unchanged.push(Unchanged { topic: topic.as_ref(), key: None, since });
        self
    }

    /// The same for one key of a topic: an aggregate, say, whose events stand under its name. A token
    /// of offset 0 asks that there never was one.
    ///
    /// A delete marker is a record of its key, too. But once a compaction has removed it, it is not
    /// seen: decide within `marker_grace_ms`.
    ///
    /// ```
    /// use puro::{Batch, NewRecord, Producer, Token};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let mut producer = Producer::open(dir.path())?;
    /// let never = Token { offset: 0, ..producer.token() };
    /// let mut batch = Batch::new();
    /// batch.push(&NewRecord::new("accounts", "opened").key("ann"))?;
    /// producer.transaction(&mut batch).if_key_unchanged("accounts", "ann", &never).commit()?;
    /// let again = producer.transaction(&mut batch).if_key_unchanged("accounts", "ann", &never).commit();
    /// assert!(again.is_err_and(|error| error.is_conflict()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn if_key_unchanged<T, K>(mut self, topic: &'a T, key: &'a K, since: &'a Token) -> Self
    where
        T: AsRef<[u8]> + ?Sized,
        K: AsRef<[u8]> + ?Sized,
    {
        let (topic, key) = (topic.as_ref(), Some(key.as_ref()));
        self.unchanged.push(Unchanged { topic, key, since });
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

    /// Sets a position, whatever it was, in the same block; its name is held by the caller (C-7).
    pub(crate) fn moved(mut self, name: &'a str, offset: u64) -> Self {
        self.moves.push((name, offset));
        self
    }

    /// Whether the batch may have no records: with [`Transaction::once`] that is only noted, so that
    /// whoever comes with an older sequence is refused from then on.
    pub fn may_be_empty(mut self, may_be_empty: bool) -> Self {
        self.request.may_be_empty = may_be_empty;
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
        let Self { producer, batch, request, unchanged, position, moves, .. } = self;
        let may_be_empty = request.may_be_empty || !moves.is_empty();
        let request = &Request { unchanged, moves, may_be_empty, ..*request };
        let Some(positioned) = position else { return producer.append_request(batch, request) };
        let change = positioned.change();
        if batch.is_empty() && change.is_none() && request.once.is_none() && !may_be_empty {
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
