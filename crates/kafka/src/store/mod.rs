//! The stream behind the gateway: its watermarks, the one thread that appends, and its readers.

mod follow;
mod marks;
mod names;
mod readers;
mod records;
mod sequence;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use puro::{AppendError, Failure, LockWait, OpenError, ReadError, Stream, StreamOptions};

pub use self::marks::{Mark, Marks};
pub use self::names::{identity, is_legal_topic, parse_position, position, transaction_identity};
pub use self::readers::{Portion, Readers};
pub use self::records::push_records;
pub use self::sequence::{Idempotent, Judged, epoch_of, judge, sequence_of};
pub use self::writer::{Append, AppendFailed, Writer, first_producer_epoch};
use crate::code::{self, Code};

/// How long an append waits while another process holds the lock.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A stream that is served.
pub struct Store {
    stream: Stream,
    marks: Arc<Marks>,
    writer: Writer,
    id: String,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Store {
    /// Opens a stream, makes it if it is missing, and reads it once for the watermarks.
    ///
    /// # Errors
    /// What stands against it.
    pub fn open(dir: &Path, durable: bool) -> Result<Self, OpenError> {
        let options = StreamOptions::new().create(true).lock_wait(LockWait::AtMost(LOCK_WAIT));
        let stream = options.open(dir)?;
        let id = stream.id()?.to_string();
        let marks = Arc::new(Marks::default());
        let stop = Arc::new(AtomicBool::new(false));
        let follower = follow::start(&stream, &marks, &stop)?;
        let (writer, thread) = Writer::start(&stream, &marks, durable)?;
        Ok(Self { stream, marks, writer, id, stop, threads: vec![follower, thread] })
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What is known of its topics.
    #[must_use]
    pub fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    /// The thread that appends.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The stream's id, which clients see as that of the cluster.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the threads, once everything that was asked for is appended.
    pub fn close(self) {
        let Self { writer, stop, threads, .. } = self;
        stop.store(true, Ordering::Relaxed);
        drop(writer);
        for thread in threads {
            // It has told already what went wrong there.
            let _ = thread.join();
        }
    }
}

/// Kafka's code for what came of an append.
#[must_use]
pub fn append_code(error: &AppendError) -> Code {
    match error {
        AppendError::Record(puro::RecordError::TooLong { .. }) => code::MESSAGE_TOO_LARGE,
        AppendError::Record(_) | AppendError::OtherContent { .. } => code::INVALID_RECORD,
        AppendError::OldSequence { .. } => code::DUPLICATE_SEQUENCE,
        AppendError::Diverged(_) => code::OFFSET_OUT_OF_RANGE,
        // Whether it was appended is not known, or it may work later: to be tried again.
        AppendError::Unknown(_) | AppendError::NotAppended(Failure::LockTimeout { .. }) => {
            code::REQUEST_TIMED_OUT
        }
        _ => code::STORAGE_ERROR,
    }
}

/// Kafka's code for what came of a read.
#[must_use]
pub fn read_code(error: &ReadError) -> Code {
    match error {
        ReadError::OffsetOutOfRange { .. } => code::OFFSET_OUT_OF_RANGE,
        _ => code::STORAGE_ERROR,
    }
}
