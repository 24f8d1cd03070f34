//! The one thread that appends. What waits meanwhile shares a sync.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use puro::{
    AppendError, Appended, Batch, NamedError, OpenError, OwnedName, Position, Producer, Stream,
};
use tokio::sync::{mpsc, oneshot};

use super::sequence::{Idempotent, Judged, judge};
use super::{Marks, append_code};
use crate::code::{self, Code};

/// Jobs that wait; who brings one more waits, too.
const QUEUE: usize = 256;
/// Names of positions whose locks are held.
const MAX_NAMES: usize = 1_000;

/// An append that is to be done.
#[derive(Default)]
pub struct Append {
    /// The records.
    pub batch: Batch,
    /// The topics of the records, in order, and how many of each follow each other.
    pub topics: Vec<(String, u32)>,
    /// Whose batch it is, where that decides whether it is the next one.
    pub idempotent: Option<(String, Idempotent)>,
    /// Identity and sequence, where they are known already.
    pub once: Option<(String, u64)>,
    /// Positions to be set in the same block.
    pub positions: Vec<(String, u64)>,
    /// Whether it is answered only once it is on the disk, if the gateway or the stream say so.
    pub waits_for_disk: bool,
}

/// Why nothing was appended, or it is not known.
#[derive(Debug, thiserror::Error)]
pub enum AppendFailed {
    /// What the library says.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The name of a position cannot be had.
    #[error(transparent)]
    Name(#[from] NamedError),
    /// The batch is not the next one of its producer.
    #[error("{0:?}")]
    Judged(Judged),
    /// The gateway ends.
    #[error("the gateway is ending")]
    Ending,
}

impl AppendFailed {
    /// Kafka's code for it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Append(error) => append_code(error),
            // Somebody else runs under the name, and may end.
            Self::Name(NamedError::Busy { .. }) | Self::Ending => code::COORDINATOR_NOT_AVAILABLE,
            Self::Name(_) => code::STORAGE_ERROR,
            Self::Judged(judged) => match judged {
                Judged::Old => code::DUPLICATE_SEQUENCE,
                Judged::Fenced => code::INVALID_PRODUCER_EPOCH,
                Judged::Unknown => code::UNKNOWN_PRODUCER_ID,
                Judged::Gap | Judged::Append(_) | Judged::Again(_) => code::OUT_OF_ORDER_SEQUENCE,
            },
        }
    }
}

type Answer = Result<Appended, AppendFailed>;

enum Job {
    Append(Box<Append>, oneshot::Sender<Answer>),
    Epoch(String, oneshot::Sender<Result<u32, AppendFailed>>),
    Positions(oneshot::Sender<Vec<(String, Position)>>),
    Release(String, oneshot::Sender<()>),
}

/// Brings jobs to the thread that appends.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(
        stream: &Stream,
        marks: &Arc<Marks>,
        durable: bool,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let mut producer = stream.producer()?;
        // Syncs are shared: whether to wait for one is decided here.
        producer.set_durable(false);
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let desk = Desk {
            stream: stream.clone(),
            producer,
            marks: Arc::clone(marks),
            durable,
            names: HashMap::new(),
        };
        let thread = Builder::new().name("writer".into()).spawn(move || desk.run(receiver));
        let thread = thread.map_err(|error| {
            let error = puro::error::IoError::of("write to", stream.path().to_owned(), error);
            puro::Failure::Io(error)
        })?;
        Ok((Self { jobs }, thread))
    }

    /// Appends.
    ///
    /// # Errors
    /// Why nothing was appended.
    pub async fn append(&self, append: Append) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.bring(Job::Append(Box::new(append), answer), answered).await?
    }

    /// Begins a new epoch of a transactional id, and fences those before.
    ///
    /// # Errors
    /// Why it could not.
    pub async fn next_epoch(&self, identity: String) -> Result<u32, AppendFailed> {
        let (answer, answered) = oneshot::channel();
        self.bring(Job::Epoch(identity, answer), answered).await?
    }

    /// The positions that the stream holds.
    ///
    /// # Errors
    /// Where the gateway ends.
    pub async fn positions(&self) -> Result<Vec<(String, Position)>, AppendFailed> {
        let (answer, answered) = oneshot::channel();
        self.bring(Job::Positions(answer), answered).await
    }

    /// Gives back the lock of a position.
    ///
    /// # Errors
    /// Where the gateway ends.
    pub async fn release(&self, name: String) -> Result<(), AppendFailed> {
        let (answer, answered) = oneshot::channel();
        self.bring(Job::Release(name, answer), answered).await
    }

    async fn bring<T>(&self, job: Job, answered: oneshot::Receiver<T>) -> Result<T, AppendFailed> {
        self.jobs.send(job).await.map_err(|_| AppendFailed::Ending)?;
        answered.await.map_err(|_| AppendFailed::Ending)
    }
}

/// The first producer epoch, and the id's number, of an epoch of a transactional id.
#[must_use]
pub fn first_producer_epoch(epoch: u32) -> (u32, i16) {
    let most = u32::from(i16::MAX.unsigned_abs());
    (epoch / most, i16::try_from(epoch % most).unwrap_or(0))
}

struct Desk {
    stream: Stream,
    producer: Producer,
    marks: Arc<Marks>,
    durable: bool,
    names: HashMap<String, OwnedName>,
}

impl Desk {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let mut waiting = Vec::new();
            self.take(job, &mut waiting);
            // What came meanwhile shares the sync.
            while let Some(job) = (waiting.len() < QUEUE).then(|| jobs.try_recv().ok()).flatten() {
                self.take(job, &mut waiting);
            }
            self.answer_durably(waiting);
        }
    }

    fn take(&mut self, job: Job, waiting: &mut Vec<(Appended, oneshot::Sender<Answer>)>) {
        // Whoever asked may be gone: then there is nobody to tell.
        match job {
            Job::Append(append, answer) => {
                let durable = self.durable || self.producer.settings().durable;
                let waits = append.waits_for_disk && durable;
                match self.append(*append) {
                    Ok(appended) if waits => waiting.push((appended, answer)),
                    done => drop(answer.send(done)),
                }
            }
            Job::Epoch(identity, answer) => drop(answer.send(self.next_epoch(&identity))),
            Job::Positions(answer) => drop(answer.send(self.positions())),
            Job::Release(name, answer) => {
                self.names.remove(&name);
                let _ = answer.send(());
            }
        }
    }

    fn answer_durably(&mut self, waiting: Vec<(Appended, oneshot::Sender<Answer>)>) {
        if waiting.is_empty() {
            return;
        }
        let synced = self.producer.sync();
        if let Err(error) = &synced {
            tracing::error!(%error, "appended, but not on the disk");
        }
        for (appended, answer) in waiting {
            let failed = |failure: &puro::Failure| AppendError::NotAppended(failure.clone()).into();
            let _ = answer.send(synced.as_ref().map(|()| appended).map_err(failed));
        }
    }

    fn append(&mut self, append: Append) -> Answer {
        let Append { mut batch, topics, idempotent, once, positions, .. } = append;
        let once = match idempotent {
            None => once,
            Some((identity, batch)) => {
                let mut judged = judge(self.producer.last_sequence(&identity), batch);
                if !matches!(judged, Judged::Append(_) | Judged::Again(_)) {
                    // Another gateway may have appended what is missing.
                    drop(self.producer.hold()?);
                    judged = judge(self.producer.last_sequence(&identity), batch);
                }
                let (Judged::Append(sequence) | Judged::Again(sequence)) = judged else {
                    return Err(AppendFailed::Judged(judged));
                };
                Some((identity, sequence))
            }
        };
        for (name, _) in &positions {
            self.own(name)?;
        }
        let mut transaction = self.producer.transaction(&mut batch);
        if let Some((identity, sequence)) = &once {
            transaction = transaction.once(identity, *sequence);
        }
        for (name, offset) in &positions {
            if let Some(name) = self.names.get(name) {
                transaction = transaction.set_position(name, *offset);
            }
        }
        let appended = transaction.commit()?;
        if !appended.duplicate {
            self.mark(&topics, &appended);
        }
        Ok(appended)
    }

    /// So that who is answered finds his records at once, also before the follower came there.
    fn mark(&self, topics: &[(String, u32)], appended: &Appended) {
        let mut offset = appended.first_offset;
        let lasts = topics.iter().filter(|(_, count)| *count > 0).flat_map(|(topic, count)| {
            let (first, last) = (offset, offset + u64::from(*count) - 1);
            offset = last + 1;
            [first, last].map(|offset| (topic.as_str(), offset, appended.timestamp_ms))
        });
        self.marks.saw(lasts, appended.token.epoch);
    }

    /// Holds the name of a position.
    fn own(&mut self, name: &str) -> Result<(), NamedError> {
        if !self.names.contains_key(name) {
            if self.names.len() >= MAX_NAMES {
                self.names.clear();
            }
            self.names.insert(name.to_owned(), self.stream.own_position(name)?);
        }
        Ok(())
    }

    fn next_epoch(&mut self, identity: &str) -> Result<u32, AppendFailed> {
        // Under the lock, so that what others did since is seen.
        drop(self.producer.hold()?);
        let last = self.producer.last_sequence(identity);
        let epoch = last.map_or(0, |last| (last >> 32) + 1);
        let mut nothing = Batch::new();
        let noted = self.producer.transaction(&mut nothing).may_be_empty(true);
        noted.once(identity, epoch << 32).commit()?;
        Ok(u32::try_from(epoch).unwrap_or(u32::MAX))
    }

    fn positions(&mut self) -> Vec<(String, Position)> {
        // Others may have changed some since.
        if let Err(error) = self.producer.hold().map(drop) {
            tracing::warn!(%error, "cannot look for positions that others set");
        }
        self.producer.positions().collect()
    }
}
