//! Appends as futures.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::appended::Appended;
use crate::engine::vfs::Vfs;
use crate::error::{AppendError, IoError, RecordError};
use crate::format::record::NewRecord;
use crate::producer::{Batch, Producer};

/// A producer for `async` code: cheap to clone, and no call of it blocks.
///
/// A thread appends what it is given, in that order, each batch as one block. Batches that wait
/// together are synced together where appends are durable. What was given is appended though its
/// [`Append`] be dropped; but nothing waits for it at the end of the program but who awaits it.
///
/// What is given and not appended yet is held in memory, without limit. Who awaits each append
/// before the next has one there at most.
///
/// ```
/// use puro::asynchronous::AsyncProducer;
/// use puro::{NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let producer = AsyncProducer::new(Producer::open(dir.path())?)?;
/// let appended = pollster::block_on(async {
///     let first = producer.append(&NewRecord::new("orders", "3 apples"))?;
///     let second = producer.append(&NewRecord::new("orders", "1 pear"))?;
///     first.await?;
///     second.await
/// })?;
/// assert_eq!(appended.first_offset, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AsyncProducer {
    jobs: Sender<Job>,
    stream: Arc<Path>,
}

impl fmt::Debug for AsyncProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncProducer").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl AsyncProducer {
    /// Gives a producer to a thread of its own, which ends with the last clone of this.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn new<V: Vfs>(producer: Producer<V>) -> io::Result<Self> {
        let (jobs, given) = channel();
        let stream = Arc::from(producer.path());
        let work = move || work(producer, &given);
        thread::Builder::new().name("puro-appends".to_owned()).spawn(work)?;
        Ok(Self { jobs, stream })
    }

    /// Appends a record, whose bytes are copied.
    ///
    /// # Errors
    /// What is wrong with the record. All else is told by the future.
    pub fn append(&self, record: &NewRecord<'_>) -> Result<Append, RecordError> {
        let mut batch = Batch::new();
        batch.push(record)?;
        Ok(self.append_batch(batch))
    }

    /// Appends a batch, all of it or nothing.
    pub fn append_batch(&self, batch: Batch) -> Append {
        let answer = Arc::new(Mutex::default());
        let (stream, told) = (Arc::clone(&self.stream), false);
        // One that cannot be given is dropped, and says so.
        let _ = self.jobs.send(Job { batch, answer: Arc::clone(&answer), stream, told });
        Append { answer }
    }
}

/// An append that is under way, made by [`AsyncProducer::append`].
///
/// ```
/// use std::future::Future;
/// use puro::asynchronous::{Append, AsyncProducer};
/// use puro::{AppendError, Appended, NewRecord, Producer};
/// fn is_future(append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
///     append
/// }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let producer = AsyncProducer::new(Producer::open(dir.path())?)?;
/// let append = producer.append(&NewRecord::new("orders", "3 apples"))?;
/// assert_eq!(pollster::block_on(is_future(append))?.first_offset, 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "whether it was appended is known by who awaits it"]
pub struct Append {
    answer: Arc<Mutex<Answer>>,
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Answer {
    told: Option<Result<Appended, AppendError>>,
    waker: Option<Waker>,
}

impl Future for Append {
    type Output = Result<Appended, AppendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.told.take() {
            Some(told) => Poll::Ready(told),
            None => {
                answer.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

struct Job {
    batch: Batch,
    answer: Arc<Mutex<Answer>>,
    stream: Arc<Path>,
    told: bool,
}

impl Job {
    fn tell(&mut self, told: Result<Appended, AppendError>) {
        self.told = true;
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.told = Some(told);
        let waker = answer.waker.take();
        // Never under the lock: a waker may poll at once.
        drop(answer);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Whoever waits is told, whatever becomes of the thread.
impl Drop for Job {
    fn drop(&mut self) {
        if !self.told {
            let source = io::Error::other("the thread that appends has ended");
            let error = IoError::of("append to", self.stream.to_path_buf(), source);
            self.tell(Err(AppendError::Unknown(error)));
        }
    }
}

/// Appends what is given, until nobody gives any more.
fn work<V: Vfs>(mut producer: Producer<V>, given: &Receiver<Job>) {
    while let Ok(first) = given.recv() {
        let mut jobs = vec![first];
        jobs.extend(given.try_iter());
        let answers = producer.append_together(jobs.iter_mut().map(|job| &mut job.batch));
        for (job, told) in jobs.iter_mut().zip(answers) {
            job.tell(told);
        }
    }
}
