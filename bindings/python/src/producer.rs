//! Batches and producers.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::PoisonError;

use puro::{NewRecord, ProducerOptions, Setting};
use puro_shared::Trouble;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::consumer::Consumer;
use crate::convert::{bytes, lock_wait, timestamp_ms};
use crate::record::{Appended, Token};
use crate::shared::{Shared, told};

/// The parts of a record to be appended, as they were given.
struct Parts<'a> {
    topic: Cow<'a, [u8]>,
    value: Option<Cow<'a, [u8]>>,
    key: Option<Cow<'a, [u8]>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Parts<'a> {
    fn new(
        topic: &'a Bound<'_, PyAny>,
        value: Option<&'a Bound<'_, PyAny>>,
        key: Option<&'a Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let headers = headers.map_or(Ok(Vec::new()), all_headers)?;
        let (value, key) = (value.map(bytes).transpose()?, key.map(bytes).transpose()?);
        Ok(Self { topic: bytes(topic)?, value, key, headers })
    }

    fn record(&self) -> Result<NewRecord<'_>, Trouble> {
        let mut record = match (&self.value, &self.key) {
            (Some(value), _) => NewRecord::new(&self.topic, value),
            (None, Some(key)) => NewRecord::delete_marker(&self.topic, key),
            (None, None) => return Err(puro::RecordError::MarkerWithoutKey.into()),
        };
        if let Some(key) = &self.key {
            record = record.key(key);
        }
        for (name, value) in &self.headers {
            record = record.header(name, value);
        }
        Ok(record)
    }
}

/// Headers of a `dict`, or of pairs, where a name may repeat.
fn all_headers(given: &Bound<'_, PyAny>) -> PyResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let pairs = match given.cast::<PyDict>() {
        Ok(dict) => dict.items().into_any(),
        Err(_) => given.clone(),
    };
    let pair = |pair: PyResult<Bound<'_, PyAny>>| -> PyResult<_> {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        Ok((bytes(&name)?.into_owned(), bytes(&value)?.into_owned()))
    };
    pairs.try_iter()?.map(pair).collect()
}

/// Records that are appended together: all or none, across topics.
#[pyclass(frozen, module = "puro")]
pub struct Batch {
    batch: std::sync::Mutex<puro::Batch>,
}

impl Batch {
    /// What was put in by a thread that panicked is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, puro::Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Batch {
    #[new]
    fn new() -> Self {
        Self { batch: std::sync::Mutex::default() }
    }

    /// Adds a record; if it cannot be one, the batch is as it was.
    #[pyo3(signature = (topic, value, *, key=None, headers=None))]
    fn append(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let parts = Parts::new(topic, value, key, headers)?;
        let record = parts.record().map_err(told(py))?;
        // An append in another thread takes the lock without the interpreter.
        py.detach(|| self.lock().push(&record)).map_err(told(py))
    }

    /// Takes all records out; the memory is kept for the next ones.
    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.lock().clear());
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().len())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<puro.Batch of {} records>", self.__len__(py))
    }
}

/// Appends records to a stream; makes it if it is missing.
#[pyclass(frozen, module = "puro")]
pub struct Producer {
    dir: PathBuf,
    producer: Shared<puro::Producer>,
}

#[pymethods]
impl Producer {
    #[new]
    #[pyo3(signature = (
        dir, *, create=true, durable=None, segment_bytes=None, lock_wait=Some(60.0),
        allow_network=false
    ))]
    fn new(
        py: Python<'_>,
        dir: PathBuf,
        create: bool,
        durable: Option<bool>,
        segment_bytes: Option<u64>,
        lock_wait: Option<f64>,
        allow_network: bool,
    ) -> PyResult<Self> {
        let mut options = ProducerOptions::new()
            .create(create)
            .allow_network(allow_network)
            .lock_wait(self::lock_wait(lock_wait)?);
        if let Some(durable) = durable {
            options = options.durable(durable);
        }
        if let Some(bytes) = segment_bytes {
            options = options.segment_bytes(bytes);
        }
        let producer = py.detach(|| options.open(&dir)).map_err(told(py))?;
        Ok(Self { dir, producer: Shared::new(producer) })
    }

    /// Appends one record. It is visible to all when this returns.
    #[pyo3(signature = (topic, value, *, key=None, headers=None))]
    fn append(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Appended> {
        let parts = Parts::new(topic, value, key, headers)?;
        let record = parts.record().map_err(told(py))?;
        let appended = self.producer.detached(py, |producer| Ok(producer.append(&record)?))?;
        Ok(appended.into())
    }

    /// Appends a batch, all of it or nothing. The batch keeps its records.
    #[pyo3(signature = (
        batch, *, if_end=None, once=None, position=None, time=None, durable=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn append_batch(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, Batch>,
        if_end: Option<&Bound<'_, Token>>,
        once: Option<(String, u64)>,
        position: Option<&Bound<'_, Consumer>>,
        time: Option<&Bound<'_, PyAny>>,
        durable: Option<bool>,
    ) -> PyResult<Appended> {
        let asked = Asked {
            if_end: if_end.map(|token| token.get().token),
            once,
            timestamp_ms: time.map(timestamp_ms).transpose()?,
            durable,
        };
        let batch = batch.get();
        let appended = match position {
            None => self
                .producer
                .detached(py, |producer| asked.commit(producer, &mut batch.lock(), None)),
            Some(consumer) => consumer.get().reading.detached(py, |reading| {
                let named = reading.reader.named()?;
                self.producer
                    .here(|producer| asked.commit(producer, &mut batch.lock(), Some(named)))
            }),
        };
        Ok(appended?.into())
    }

    /// Waits until all that was appended by it is on the disk.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.producer.detached(py, |producer| Ok(producer.sync()?))
    }

    /// The last sequence that the stream took of an identity, if any.
    fn last_sequence(&self, py: Python<'_>, identity: &str) -> PyResult<Option<u64>> {
        self.producer.detached(py, |producer| Ok(producer.last_sequence(identity)))
    }

    /// Sets a setting of the stream; `None` takes it back to its default.
    fn set(&self, py: Python<'_>, name: &str, value: Option<&str>) -> PyResult<()> {
        self.producer.detached(py, |producer| {
            match value {
                Some(value) => producer.set(&Setting::parse(name, value)?)?,
                None => producer.unset(name)?,
            }
            Ok(())
        })
    }

    /// The position behind all that it has seen.
    #[getter]
    fn token(&self, py: Python<'_>) -> PyResult<Token> {
        self.producer.detached(py, |producer| Ok(producer.token())).map(Token::from)
    }

    /// The directory.
    #[getter]
    fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.producer.is_closed()
    }

    /// Lets go of its locks and files.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.producer.close(py, |producer| {
            drop(producer);
            Ok(())
        })
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let closed = if self.closed() { " (closed)" } else { "" };
        format!("<puro.Producer of {}{closed}>", self.dir.display())
    }
}

/// What an append asks for beside its records.
struct Asked {
    if_end: Option<puro::Token>,
    once: Option<(String, u64)>,
    timestamp_ms: Option<u64>,
    durable: Option<bool>,
}

impl Asked {
    fn commit(
        &self,
        producer: &mut puro::Producer,
        batch: &mut puro::Batch,
        position: Option<&mut puro::NamedConsumer>,
    ) -> Result<puro::Appended, Trouble> {
        let mut transaction = producer.transaction(batch);
        if let Some(token) = &self.if_end {
            transaction = transaction.if_end(token);
        }
        if let Some((identity, sequence)) = &self.once {
            transaction = transaction.once(identity, *sequence);
        }
        if let Some(timestamp_ms) = self.timestamp_ms {
            transaction = transaction.timestamp_ms(timestamp_ms);
        }
        if let Some(durable) = self.durable {
            transaction = transaction.durable(durable);
        }
        if let Some(named) = position {
            transaction = transaction.with_position(named);
        }
        Ok(transaction.commit()?)
    }
}
