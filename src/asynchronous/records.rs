//! Records as a stream of futures.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_core::Stream;

use crate::consumer::Consumer;
use crate::engine::vfs::Vfs;
use crate::error::ReadError;
use crate::format::record::OwnedRecord;

/// How many records are read ahead of the task that takes them.
const READ_AHEAD: usize = 256;
/// How long after a [`Records`] was dropped its thread notices that at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The records of a consumer as a `futures_core::Stream`, made by [`Consumer::into_records`].
///
/// It waits at the end of the stream, and ends behind an error. A thread reads up to 256 records
/// ahead of the task. Where the task is, is behind the record that it was given last: keep
/// [`OwnedRecord::offset`] and one, to go on there.
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::Pin;
/// use futures_core::Stream as _;
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?.append(&NewRecord::new("orders", "3 apples"))?;
/// let mut records = Consumer::open(dir.path())?.into_records()?;
/// pollster::block_on(async {
///     // Executors have a `next` for that.
///     let next = poll_fn(|context| Pin::new(&mut records).poll_next(context)).await;
///     assert!(matches!(next, Some(Ok(record)) if record.value_str() == Some("3 apples")));
/// });
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read by who does not poll it"]
pub struct Records {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is room again, or nobody takes any more.
    room: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Result<OwnedRecord, ReadError>>,
    waker: Option<Waker>,
    /// Nothing will be added.
    ended: bool,
    /// Nobody takes any more.
    dropped: bool,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("ready", &self.shared.lock().ready.len()).finish()
    }
}

impl<V: Vfs> Consumer<V> {
    /// Its records from here on, for `async` code. See [`Records`].
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn into_records(self) -> io::Result<Records> {
        let shared = Arc::new(Shared::default());
        let reader = Reader { consumer: self, shared: Arc::clone(&shared) };
        thread::Builder::new().name("puro-records".to_owned()).spawn(move || reader.run())?;
        Ok(Records { shared })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over a record, once there is room; tells whether anybody takes more.
    fn give(&self, found: Result<OwnedRecord, ReadError>) -> bool {
        let mut state = self.lock();
        while state.ready.len() >= READ_AHEAD && !state.dropped {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let goes_on = found.is_ok() && !state.dropped;
        state.ready.push_back(found);
        wake(state);
        goes_on
    }
}

/// Never under the lock: a waker may poll at once.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

struct Reader<V: Vfs> {
    consumer: Consumer<V>,
    shared: Arc<Shared>,
}

impl<V: Vfs> Reader<V> {
    fn run(mut self) {
        loop {
            let goes_on = match self.consumer.poll(LOOK_AGAIN) {
                Ok(Some(record)) => self.shared.give(Ok(record.to_owned())),
                Ok(None) => !self.shared.lock().dropped,
                Err(error) => self.shared.give(Err(error)),
            };
            if !goes_on {
                return;
            }
        }
    }
}

/// However the thread ends, nobody waits for it any more.
impl<V: Vfs> Drop for Reader<V> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        wake(state);
    }
}

impl Stream for Records {
    type Item = Result<OwnedRecord, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.shared.lock();
        if let Some(found) = state.ready.pop_front() {
            drop(state);
            self.shared.room.notify_one();
            return Poll::Ready(Some(found));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.shared.lock().dropped = true;
        self.shared.room.notify_one();
    }
}
