//! A consumer, whether it has a name or not.

use std::path::Path;
use std::time::Duration;

use puro::{
    AutoCommit, Consumer, ConsumerOptions, IfLost, LockWait, NamedConsumer, NamedOptions, Record,
    Start, Token, Watcher,
};

use crate::Trouble;

/// How a consumer is to be opened: what both kinds may be asked. What is `None` is as the library
/// has it.
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    /// The name under which the stream keeps its position.
    pub name: Option<String>,
    /// Where to begin; under a name, where there is no position yet.
    pub start: Option<Start>,
    /// The topics; none: all.
    pub topics: Vec<Vec<u8>>,
    /// Whether to read only what no loss of power can take back.
    pub durable: bool,
    /// Whether a stream that is not there yet is waited for.
    pub wait_for_stream: bool,
    /// Whether a network file system is accepted.
    pub allow_network: bool,
    /// How long to wait for locks.
    pub lock_wait: Option<LockWait>,
    /// Under a name: when it commits by itself.
    pub auto_commit: Option<AutoCommit>,
    /// Under a name: where to go on if the place was deleted.
    pub if_lost: IfLost,
    /// Under a name: how long to wait for another process that runs under it.
    pub owner_wait: Option<LockWait>,
}

/// A consumer, whether it has a name or not.
#[derive(Debug)]
pub enum Reader {
    /// Its position is its own.
    Plain(Box<Consumer>),
    /// Its position is in the stream.
    Named {
        /// The consumer.
        consumer: Box<NamedConsumer>,
        /// Whether it commits only when it is told to.
        by_hand: bool,
    },
}

impl ReaderOptions {
    /// Opens it.
    ///
    /// # Errors
    /// As `ConsumerOptions::open` and `NamedOptions::open`.
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Reader, Trouble> {
        let start = self.start.unwrap_or(Start::Beginning);
        let mut options = ConsumerOptions::new()
            .durable(self.durable)
            .wait_for_stream(self.wait_for_stream)
            .allow_network(self.allow_network);
        for topic in &self.topics {
            options = options.topic(topic);
        }
        let Some(name) = &self.name else {
            let waits = self.lock_wait.map_or(options.clone(), |wait| options.lock_wait(wait));
            return Ok(Reader::Plain(Box::new(waits.start(start).open(dir)?)));
        };
        let mut named = NamedOptions::new()
            .consumer(options)
            .start(start)
            .if_lost(self.if_lost)
            .allow_network(self.allow_network);
        named = self.lock_wait.map_or(named.clone(), |wait| named.lock_wait(wait));
        named = self.owner_wait.map_or(named.clone(), |wait| named.owner_wait(wait));
        named = self.auto_commit.map_or(named.clone(), |when| named.auto_commit(when));
        let by_hand = self.auto_commit == Some(AutoCommit::Never);
        Ok(Reader::Named { consumer: Box::new(named.open(dir, name)?), by_hand })
    }
}

impl Reader {
    /// Waits until there is a record to be read; `false` when the time was over first.
    ///
    /// # Errors
    /// As `Consumer::wait` and `NamedConsumer::wait`.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, Trouble> {
        Ok(match self {
            Self::Plain(consumer) => consumer.wait(timeout)?,
            Self::Named { consumer, .. } => consumer.wait(timeout)?,
        })
    }

    /// The next record, waiting for it up to `timeout`.
    ///
    /// # Errors
    /// As `Consumer::poll` and `NamedConsumer::poll`.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record<'_>>, Trouble> {
        Ok(match self {
            Self::Plain(consumer) => consumer.poll(timeout)?,
            Self::Named { consumer, .. } => consumer.poll(timeout)?,
        })
    }

    /// What is left of a block, waiting for it up to `timeout`; each record as `take` makes it.
    /// All count as read.
    ///
    /// # Errors
    /// As `Consumer::next_block`. Where a record in the middle is damaged, those before it come
    /// first, and the error with the next call.
    pub fn block<T>(
        &mut self,
        timeout: Duration,
        mut take: impl FnMut(Record<'_>) -> T,
    ) -> Result<Vec<T>, Trouble> {
        let block = match self {
            Self::Plain(consumer) => consumer.next_block(timeout)?,
            Self::Named { consumer, .. } => consumer.next_block(timeout)?,
        };
        let mut taken = Vec::new();
        for record in block.into_iter().flatten() {
            match record {
                Ok(record) => taken.push(take(record)),
                Err(error) if taken.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    /// The position of the next record; `None` until there is a stream.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Plain(consumer) => consumer.token(),
            Self::Named { consumer, .. } => consumer.token(),
        }
    }

    /// The one with a name.
    ///
    /// # Errors
    /// Where it has none.
    pub fn named(&mut self) -> Result<&mut NamedConsumer, Trouble> {
        match self {
            Self::Named { consumer, .. } => Ok(consumer),
            Self::Plain(_) => Err(Trouble::misuse(
                "the consumer has no name, so the stream keeps no position of it; open it by a name",
            )),
        }
    }

    /// What tells when there may be something new.
    ///
    /// # Errors
    /// As `Consumer::watcher`.
    pub fn watcher(&mut self) -> Result<Watcher, Trouble> {
        Ok(match self {
            Self::Plain(consumer) => consumer.watcher()?,
            Self::Named { consumer, .. } => consumer.consumer_mut().watcher()?,
        })
    }

    /// Ends it; under a name it commits first that all it gave is done, unless it commits by hand.
    /// Who drops it instead says that the last one is not done.
    ///
    /// # Errors
    /// As `NamedConsumer::close`.
    pub fn close(self) -> Result<(), Trouble> {
        match self {
            Self::Named { consumer, by_hand: false } => Ok(consumer.close()?),
            Self::Plain(_) | Self::Named { .. } => Ok(()),
        }
    }
}
