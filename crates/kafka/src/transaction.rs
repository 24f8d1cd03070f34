//! Transactions. What a producer sends is kept here until it commits, and becomes one block then,
//! together with the positions that it commits: seen whole or not at all. An aborted one leaves
//! nothing, and neither does one that was open when the gateway died.
//!
//! A transactional id has one number in the stream (C-4), which fences: its upper half is the epoch,
//! which rises each time a producer begins; its lower half counts the commits of that epoch. So a
//! producer that was replaced is refused by the stream itself, whichever gateway it asks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use puro::{AppendError, Batch};

use crate::batch::Decoded;
use crate::code::{self, Code};
use crate::limits::{Limits, MAX_TRANSACTION_MS, MAX_TRANSACTIONAL_IDS};
use crate::store::{
    Append, AppendFailed, Idempotent, Judged, Writer, first_producer_epoch, judge, push_records,
    transaction_identity,
};

/// Who asks: its transactional id, and what it was given when it began.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Its name.
    pub id: &'a str,
    /// What it was given.
    pub producer_id: i64,
    /// What it was given.
    pub epoch: i16,
}

/// All transactional ids that are in use.
pub struct Transactions {
    inner: Mutex<HashMap<String, Transactional>>,
    one_bytes: usize,
    all_bytes: usize,
}

struct Transactional {
    producer_id: i64,
    epoch: i16,
    identity: String,
    timeout: Duration,
    /// What is noted in the stream with the next commit.
    sequence: u64,
    /// The last sequence in each topic.
    sequences: HashMap<String, u64>,
    stands: Stands,
}

enum Stands {
    /// Nothing is begun. Whether the last one was committed, if there was one.
    Idle(Option<bool>),
    Open(Box<Open>),
    /// It is being appended, with these positions.
    Ending(Vec<String>),
}

struct Open {
    begun: Instant,
    batch: Batch,
    topics: Vec<(String, u32)>,
    positions: Vec<(String, u64)>,
}

impl Transactional {
    fn open(&mut self) -> Result<&mut Open, Code> {
        if let Stands::Idle(_) = self.stands {
            let (begun, batch) = (Instant::now(), Batch::new());
            let open = Open { begun, batch, topics: Vec::new(), positions: Vec::new() };
            self.stands = Stands::Open(Box::new(open));
        }
        self.opened()
    }

    fn opened(&mut self) -> Result<&mut Open, Code> {
        match &mut self.stands {
            Stands::Open(open) => Ok(open),
            Stands::Idle(_) => Err(code::INVALID_TXN_STATE),
            Stands::Ending(_) => Err(code::CONCURRENT_TRANSACTIONS),
        }
    }

    fn bytes(&self) -> usize {
        match &self.stands {
            Stands::Open(open) => open.batch.bytes(),
            Stands::Idle(_) | Stands::Ending(_) => 0,
        }
    }
}

impl Transactions {
    /// Nobody yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let (one_bytes, all_bytes) = (limits.transaction_bytes, limits.transactions_bytes);
        Self { inner: Mutex::default(), one_bytes, all_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Transactional>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A producer begins, and fences those before; what they had open is gone. `given` is what it
    /// had, if it only wants to go on after an error.
    ///
    /// # Errors
    /// Why not.
    pub async fn begin(
        &self,
        writer: &Writer,
        id: &str,
        timeout_ms: i32,
        given: Option<(i64, i16)>,
    ) -> Result<(i64, i16), Code> {
        if !(1..=MAX_TRANSACTION_MS).contains(&timeout_ms) {
            return Err(code::INVALID_TRANSACTION_TIMEOUT);
        }
        {
            let mut known = self.lock();
            if !known.contains_key(id) && known.len() >= MAX_TRANSACTIONAL_IDS {
                known.retain(|_, it| !matches!(it.stands, Stands::Idle(_)));
            }
            if let Some(it) = known.get_mut(id) {
                if given.is_some_and(|given| given != (it.producer_id, it.epoch)) {
                    return Err(code::PRODUCER_FENCED);
                }
                if matches!(it.stands, Stands::Ending(_)) {
                    return Err(code::CONCURRENT_TRANSACTIONS);
                }
                it.stands = Stands::Idle(None);
            }
        }
        let identity = transaction_identity(id);
        let begun = writer.next_epoch(identity.clone()).await;
        let number = begun.map_err(|error| tell(id, &error))?;
        let (above, epoch) = first_producer_epoch(number);
        let producer_id = producer_id(&identity, above);
        let new = Transactional {
            producer_id,
            epoch,
            identity,
            timeout: Duration::from_millis(timeout_ms.max(0).unsigned_abs().into()),
            sequence: u64::from(number) << 32,
            sequences: HashMap::new(),
            stands: Stands::Idle(None),
        };
        self.lock().insert(id.to_owned(), new);
        Ok((producer_id, epoch))
    }

    /// Does something for a producer that is the one of its transactional id.
    fn for_one<T>(
        &self,
        who: Who<'_>,
        act: impl FnOnce(&mut Transactional) -> Result<T, Code>,
    ) -> Result<T, Code> {
        let mut known = self.lock();
        let it = known.get_mut(who.id).ok_or(code::INVALID_PRODUCER_ID_MAPPING)?;
        if it.producer_id != who.producer_id {
            return Err(code::INVALID_PRODUCER_ID_MAPPING);
        }
        if it.epoch != who.epoch {
            return Err(code::INVALID_PRODUCER_EPOCH);
        }
        act(it)
    }

    /// It is going to write: a transaction is open from here on.
    ///
    /// # Errors
    /// Why not.
    pub fn add(&self, who: Who<'_>) -> Result<(), Code> {
        self.for_one(who, |it| it.open().map(|_| ()))
    }

    /// Keeps a batch for a topic.
    ///
    /// # Errors
    /// Why not.
    pub fn keep(&self, who: Who<'_>, topic: &str, decoded: &Decoded<'_>) -> Result<(), Code> {
        let others: usize = self.lock().values().map(Transactional::bytes).sum();
        let (one_bytes, all_bytes) = (self.one_bytes, self.all_bytes);
        self.for_one(who, |it| {
            let header = decoded.header;
            let (epoch, base) = (header.producer_epoch, header.base_sequence);
            let count = header.count.max(0).unsigned_abs();
            let last = it.sequences.get(topic).copied();
            it.opened()?;
            let sequence = match judge(last, Idempotent { epoch, base, count }) {
                Judged::Append(sequence) => sequence,
                Judged::Again(_) => return Ok(()),
                judged => return Err(AppendFailed::Judged(judged).code()),
            };
            let open = it.opened()?;
            let before = open.batch.len();
            push_records(&mut open.batch, topic, decoded)?;
            let bytes = open.batch.bytes();
            if bytes > one_bytes || others.saturating_add(bytes) > all_bytes {
                // The producer has to abort: what it sent before is gone with that.
                tracing::warn!(id = who.id, bytes, "a transaction is too large");
                it.stands = Stands::Idle(Some(false));
                return Err(code::MESSAGE_TOO_LARGE);
            }
            let added = u32::try_from(open.batch.len() - before).unwrap_or(u32::MAX);
            open.topics.push((topic.to_owned(), added));
            it.sequences.insert(topic.to_owned(), sequence);
            Ok(())
        })
    }

    /// Keeps positions, by the names that they have in the stream.
    ///
    /// # Errors
    /// Why not.
    pub fn keep_positions(&self, who: Who<'_>, positions: Vec<(String, u64)>) -> Result<(), Code> {
        self.for_one(who, |it| {
            let open = it.open()?;
            for (name, _) in &positions {
                open.positions.retain(|(known, _)| known != name);
            }
            open.positions.extend(positions);
            Ok(())
        })
    }

    /// Commits what was kept, or lets go of it.
    ///
    /// # Errors
    /// Why not.
    pub async fn end(&self, writer: &Writer, who: Who<'_>, commit: bool) -> Result<(), Code> {
        let Some(append) = self.for_one(who, |it| it.end(commit))? else { return Ok(()) };
        let done = writer.append(append).await;
        let stands = Stands::Idle(Some(done.is_ok()));
        // One that began meanwhile has a state of its own.
        let _ = self.for_one(who, |it| {
            it.stands = stands;
            Ok(())
        });
        match done {
            Ok(_) => Ok(()),
            Err(AppendFailed::Append(AppendError::OldSequence { .. })) => {
                Err(code::PRODUCER_FENCED)
            }
            Err(error) => Err(tell(who.id, &error)),
        }
    }

    /// Whether a transaction that is not ended holds a position: what it will be is not known yet.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.lock().values().any(|it| match &it.stands {
            Stands::Open(open) => open.positions.iter().any(|(known, _)| known == name),
            Stands::Ending(names) => names.iter().any(|known| known == name),
            Stands::Idle(_) => false,
        })
    }

    /// Forgets transactions that take too long; their producers have to begin anew.
    pub fn expire(&self) {
        self.lock().retain(|id, it| {
            let late = match &it.stands {
                Stands::Open(open) => open.begun.elapsed() > it.timeout,
                Stands::Idle(_) | Stands::Ending(_) => false,
            };
            if late {
                tracing::warn!(id, "a transaction took too long, and is aborted");
            }
            !late
        });
    }
}

impl Transactional {
    fn end(&mut self, commit: bool) -> Result<Option<Append>, Code> {
        let stands = std::mem::replace(&mut self.stands, Stands::Ending(Vec::new()));
        let open = match stands {
            Stands::Open(open) => open,
            Stands::Ending(names) => {
                self.stands = Stands::Ending(names);
                return Err(code::CONCURRENT_TRANSACTIONS);
            }
            Stands::Idle(last) => {
                self.stands = Stands::Idle(last);
                // The answer to the first try may have been lost; nothing at all can be aborted.
                let fine = last == Some(commit) || !commit;
                return if fine { Ok(None) } else { Err(code::INVALID_TXN_STATE) };
            }
        };
        if !commit || (open.batch.is_empty() && open.positions.is_empty()) {
            self.stands = Stands::Idle(Some(commit));
            return Ok(None);
        }
        self.sequence += 1;
        let once = Some((self.identity.clone(), self.sequence));
        let Open { batch, topics, positions, .. } = *open;
        self.stands = Stands::Ending(positions.iter().map(|(name, _)| name.clone()).collect());
        Ok(Some(Append { batch, topics, positions, once, idempotent: None, waits_for_disk: true }))
    }
}

/// The id of a producer: the same for the same transactional id, but where its epochs wrap.
fn producer_id(identity: &str, above: u32) -> i64 {
    let digits = identity.get(identity.len().saturating_sub(11)..).unwrap_or_default();
    let hash = i64::from_str_radix(digits, 16).unwrap_or(1);
    (hash << 19) + 1 + i64::from(above)
}

fn tell(id: &str, error: &AppendFailed) -> Code {
    tracing::error!(id, %error, "a transaction failed");
    match error {
        AppendFailed::Ending => code::COORDINATOR_NOT_AVAILABLE,
        _ => code::UNKNOWN_SERVER_ERROR,
    }
}
