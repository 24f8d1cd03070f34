//! The one thread that follows the stream, whoever appends to it: it keeps the watermarks, and
//! wakes those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use puro::{Consumer, Failure, OpenError, ReadError, Start, Stream};

use super::Marks;

/// How soon it notices that it is to end, and that old records were deleted.
const LOOK: Duration = Duration::from_millis(250);
/// How long it rests after an error.
const REST: Duration = Duration::from_secs(1);

/// Reads what is there, and goes on in a thread.
pub(super) fn start(
    stream: &Stream,
    marks: &Arc<Marks>,
    stop: &Arc<AtomicBool>,
) -> Result<JoinHandle<()>, OpenError> {
    let mut follower = Follower { stream: stream.clone(), marks: Arc::clone(marks), looked: None };
    let begun = Instant::now();
    let failed = |error: ReadError| match error {
        ReadError::Failure(failure) => failure,
        other => Failure::Io(io_error(stream, &other.to_string())),
    };
    let mut consumer = stream.consumer().map_err(failed)?;
    while follower.step(&mut consumer, Duration::ZERO).map_err(failed)? {}
    let (topics, end, took) = (marks.count(), marks.end(), begun.elapsed());
    tracing::info!(topics, end, ?took, "read the stream once for its watermarks");
    let stop = Arc::clone(stop);
    let thread = Builder::new().name("follower".into()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            if let Err(error) = follower.step(&mut consumer, LOOK) {
                tracing::error!(%error, "cannot follow the stream");
                std::thread::sleep(REST);
                // What it stood at may be deleted; the marks are told twice what is left.
                if let Ok(anew) = follower.stream.consumer_with(|it| it.start(Start::Beginning)) {
                    consumer = anew;
                    follower.marks.lost_sight();
                    follower.looked = None;
                }
            }
        }
    });
    thread.map_err(|error| Failure::Io(io_error(stream, &error.to_string())).into())
}

fn io_error(stream: &Stream, text: &str) -> puro::error::IoError {
    puro::error::IoError::of("follow", stream.path().to_owned(), std::io::Error::other(text))
}

struct Follower {
    stream: Stream,
    marks: Arc<Marks>,
    looked: Option<Instant>,
}

impl Follower {
    /// The next block, if it comes in time.
    fn step(&mut self, consumer: &mut Consumer, timeout: Duration) -> Result<bool, ReadError> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.marks.begins(self.stream.bounds()?.start);
            self.looked = Some(Instant::now());
        }
        let epoch = consumer.token().map_or(0, |token| token.epoch);
        let Some(block) = consumer.next_block(timeout)? else { return Ok(false) };
        let mut failed = None;
        let records = block.map_while(|record| record.map_err(|error| failed = Some(error)).ok());
        // A topic that is no text cannot be named by a client.
        let named = records.filter_map(|record| {
            let topic = record.topic_str()?;
            Some((topic, record.offset, record.timestamp_ms))
        });
        self.marks.saw(named, epoch);
        failed.map_or(Ok(true), Err)
    }
}
