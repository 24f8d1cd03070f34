//! Consumers, with a name or without.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use puro::{AutoCommit, IfLost, Watcher};
use puro_shared::{Reader, ReaderOptions, Trouble};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::convert::{bytes, lock_wait, seconds, start};
use crate::record::{Record, Token};
use crate::shared::{Shared, told};

/// How long a wait goes on without a look whether Ctrl-C was pressed. A consumer that waits wakes up
/// as often anyway.
const SLICE: Duration = Duration::from_millis(100);

pub struct Reading {
    pub reader: Reader,
    watcher: Option<Watcher>,
    last_topic: Option<(Vec<u8>, Py<PyString>)>,
}

/// Reads the records of a stream in their order.
#[pyclass(frozen, subclass, module = "puro")]
pub struct Consumer {
    dir: PathBuf,
    name: Option<String>,
    pub reading: Shared<Reading>,
}

#[pymethods]
impl Consumer {
    #[new]
    #[pyo3(signature = (
        dir, *, topics=None, start=None, name=None, durable=false, wait_for_stream=false,
        commit_every=Some(1.0), commit_records=None, if_lost="fail", owner_wait=Some(0.0),
        lock_wait=Some(60.0), allow_network=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        dir: PathBuf,
        topics: Option<&Bound<'_, PyAny>>,
        start: Option<&Bound<'_, PyAny>>,
        name: Option<String>,
        durable: bool,
        wait_for_stream: bool,
        commit_every: Option<f64>,
        commit_records: Option<u64>,
        if_lost: &str,
        owner_wait: Option<f64>,
        lock_wait: Option<f64>,
        allow_network: bool,
    ) -> PyResult<Self> {
        let auto_commit = match (commit_every, commit_records) {
            (_, Some(records)) => AutoCommit::Records(records),
            (None, None) => AutoCommit::Never,
            (interval, None) => AutoCommit::Interval(seconds(interval)?),
        };
        let options = ReaderOptions {
            name: name.clone(),
            start: start.map(self::start).transpose()?,
            topics: topics.map_or(Ok(Vec::new()), all_topics)?,
            durable,
            wait_for_stream,
            allow_network,
            lock_wait: Some(self::lock_wait(lock_wait)?),
            auto_commit: Some(auto_commit),
            if_lost: self::if_lost(if_lost)?,
            owner_wait: Some(self::lock_wait(owner_wait)?),
        };
        let reader = py.detach(|| options.open(&dir)).map_err(told(py))?;
        let reading = Reading { reader, watcher: None, last_topic: None };
        Ok(Self { dir, name, reading: Shared::new(reading) })
    }

    /// The next record, waiting for it up to `timeout` seconds, or without limit; `None` if none
    /// came in time. With a name, to ask says that the records before are done.
    #[pyo3(signature = (timeout=None))]
    fn poll(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Record>> {
        let mut wait = Wait::new(seconds(timeout)?);
        while wait.goes_on(py, &self.reading)? {
            let taken = self.reading.attached(py, |reading| reading.take(py))?;
            // Another thread may have been faster.
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }

    /// The records that are left of a block, as a list, waiting for one as `poll` does: the fastest
    /// way to read. All of them count as read.
    #[pyo3(signature = (timeout=None))]
    fn read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyList>> {
        let mut wait = Wait::new(seconds(timeout)?);
        while wait.goes_on(py, &self.reading)? {
            let records = self.reading.attached(py, |reading| reading.take_block(py))?;
            if !records.is_empty() {
                return PyList::new(py, records);
            }
        }
        Ok(PyList::empty(py))
    }

    /// With a name: commits the position behind the last record given; tells whether there was
    /// progress.
    fn commit(&self, py: Python<'_>) -> PyResult<bool> {
        self.reading.detached(py, |reading| Ok(reading.reader.named()?.commit()?))
    }

    /// A descriptor that becomes readable when there may be something new. Go in this order:
    /// `clear()`, then `poll(0)` until there is nothing, then wait for it, for a second at most.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.reading.detached(py, |reading| Ok(reading.watcher()?.as_raw_fd()))
    }

    /// Forgets what the descriptor has noticed until now.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.reading.detached(py, |reading| {
            reading.watcher()?.clear();
            Ok(())
        })
    }

    /// The position of the next record; `None` until there is a stream.
    #[getter]
    fn token(&self, py: Python<'_>) -> PyResult<Option<Token>> {
        let token = self.reading.detached(py, |reading| Ok(reading.reader.token()))?;
        Ok(token.map(Token::from))
    }

    /// The directory.
    #[getter]
    fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// The name under which the stream keeps its position.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.reading.is_closed()
    }

    /// Ends it. With a name it commits first that all it gave is done, unless it commits by hand.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.reading.close(py, |reading| reading.reader.close())
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// Closes it; after an exception the record given last does not count as done.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_none() {
            return self.close(py);
        }
        self.reading.close(py, |reading| {
            drop(reading);
            Ok(())
        })
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// Waits without limit.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        self.poll(py, None)
    }

    fn __repr__(&self) -> String {
        let name = self.name.as_ref().map_or(String::new(), |name| format!(" '{name}'"));
        let closed = if self.closed() { " (closed)" } else { "" };
        format!("<puro.Consumer{name} of {}{closed}>", self.dir.display())
    }
}

/// A wait in slices, between which Ctrl-C is looked for. Waiting loads what is next: to take it then
/// takes no time.
struct Wait {
    begun: Instant,
    timeout: Duration,
    over: bool,
}

impl Wait {
    fn new(timeout: Duration) -> Self {
        Self { begun: Instant::now(), timeout, over: false }
    }

    /// Whether there is a record; `false` when the time is over.
    fn goes_on(&mut self, py: Python<'_>, reading: &Shared<Reading>) -> PyResult<bool> {
        while !self.over {
            let left = self.timeout.saturating_sub(self.begun.elapsed());
            self.over = left.is_zero();
            if reading.detached(py, |reading| reading.reader.wait(left.min(SLICE)))? {
                return Ok(true);
            }
            py.check_signals()?;
            reading.give_way(py);
        }
        Ok(false)
    }
}

impl Reading {
    fn take(&mut self, py: Python<'_>) -> PyResult<Option<Record>> {
        let Self { reader, last_topic, .. } = self;
        let record = reader.poll(Duration::ZERO).map_err(told(py))?;
        record.map(|record| Record::new(py, &record, last_topic)).transpose()
    }

    fn take_block(&mut self, py: Python<'_>) -> PyResult<Vec<Record>> {
        let Self { reader, last_topic, .. } = self;
        let made = |record: puro::Record<'_>| Record::new(py, &record, last_topic);
        reader.block(Duration::ZERO, made).map_err(told(py))?.into_iter().collect()
    }

    fn watcher(&mut self) -> Result<&mut Watcher, Trouble> {
        if self.watcher.is_none() {
            self.watcher = Some(self.reader.watcher()?);
        }
        self.watcher.as_mut().ok_or_else(|| Trouble::misuse("there is no watcher"))
    }
}

/// One topic, or several.
fn all_topics(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u8>>> {
    if let Ok(one) = bytes(given) {
        return Ok(vec![one.into_owned()]);
    }
    given.try_iter()?.map(|topic| Ok(bytes(&topic?)?.into_owned())).collect()
}

fn if_lost(given: &str) -> PyResult<IfLost> {
    match given {
        "fail" => Ok(IfLost::Fail),
        "beginning" => Ok(IfLost::Beginning),
        "end" => Ok(IfLost::End),
        _ => Err(PyValueError::new_err("if_lost must be 'fail', 'beginning' or 'end'")),
    }
}
