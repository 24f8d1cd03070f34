//! What is read, and what is told: records, tokens, what an append did.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::convert::{datetime, text};
use crate::shared::told;

/// A record of the stream.
#[pyclass(frozen, module = "puro", get_all)]
pub struct Record {
    /// Its offset.
    pub offset: u64,
    /// When it was appended, in ms since 1970.
    pub timestamp_ms: u64,
    /// Its topic.
    pub topic: Py<PyString>,
    /// Its key, if it has one.
    pub key: Option<Py<PyBytes>>,
    /// Its value; `None`: a delete marker.
    pub value: Option<Py<PyBytes>>,
    /// Its headers: pairs of a name and a value.
    pub headers: Py<PyTuple>,
}

impl Record {
    /// What was read last gives its topic, for the next record has the same more often than not.
    pub fn new(
        py: Python<'_>,
        record: &puro::Record<'_>,
        last: &mut Option<(Vec<u8>, Py<PyString>)>,
    ) -> PyResult<Self> {
        let topic = match last {
            Some((bytes, topic)) if bytes == record.topic => topic.clone_ref(py),
            _ => {
                let topic = text(py, record.topic)?.unbind();
                *last = Some((record.topic.to_vec(), topic.clone_ref(py)));
                topic
            }
        };
        let bytes = |bytes: &[u8]| PyBytes::new(py, bytes).unbind();
        let headers = if record.headers.is_empty() {
            PyTuple::empty(py)
        } else {
            let pair = |(name, value): (&[u8], &[u8])| -> PyResult<_> {
                (text(py, name)?, PyBytes::new(py, value)).into_pyobject(py)
            };
            let pairs: PyResult<Vec<_>> = record.headers.iter().map(pair).collect();
            PyTuple::new(py, pairs?)?
        };
        Ok(Self {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            topic,
            key: record.key.map(bytes),
            value: record.value.map(bytes),
            headers: headers.unbind(),
        })
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let Self { offset, timestamp_ms, topic, key, value, headers } = self;
        (*offset, *timestamp_ms, topic, key, value, headers).into_pyobject(py)
    }
}

#[pymethods]
impl Record {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str, &'static str) =
        ("topic", "value", "key", "offset");

    #[new]
    fn made(
        offset: u64,
        timestamp_ms: u64,
        topic: Py<PyString>,
        key: Option<Py<PyBytes>>,
        value: Option<Py<PyBytes>>,
        headers: Py<PyTuple>,
    ) -> Self {
        Self { offset, timestamp_ms, topic, key, value, headers }
    }

    /// When it was appended.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.timestamp_ms)
    }

    /// Short enough for one line of a notebook.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        const MOST: usize = 60;
        let topic = self.topic.bind(py).repr()?;
        let mut shown = format!("Record(offset={}, topic={topic}", self.offset);
        for (name, bytes) in [("key", &self.key), ("value", &self.value)] {
            let Some(bytes) = bytes else { continue };
            let bytes = bytes.as_bytes(py);
            let head = PyBytes::new(py, bytes.get(..MOST).unwrap_or(bytes)).repr()?;
            let rest = if bytes.len() > MOST {
                format!("... {} bytes", bytes.len())
            } else {
                String::new()
            };
            shown += &format!(", {name}={head}{rest}");
        }
        if self.value.is_none() {
            shown += ", value=None";
        }
        let headers = self.headers.bind(py);
        if !headers.is_empty() {
            shown += &format!(", headers={}", headers.repr()?);
        }
        Ok(format!("{shown}, time={})", self.time(py)?))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        match other.cast::<Self>() {
            Ok(other) => self.fields(py)?.eq(other.get().fields(py)?),
            Err(_) => Ok(false),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.fields(py)?.hash()
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok((py.get_type::<Self>().into_any(), self.fields(py)?))
    }
}

/// A position in the history of a stream, to be kept anywhere: its `str` is its text, and it can be
/// pickled. Unlike a bare offset it notices when that history was lost.
#[pyclass(frozen, module = "puro", eq)]
#[derive(PartialEq)]
pub struct Token {
    pub token: puro::Token,
}

#[pymethods]
impl Token {
    #[new]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { token: text.parse().map_err(told(py))? })
    }

    /// The stream, in hexadecimal.
    #[getter]
    fn stream_id(&self) -> String {
        self.token.stream_id.to_string()
    }

    /// The epoch of what was read before it.
    #[getter]
    fn epoch(&self) -> u32 {
        self.token.epoch
    }

    /// The next offset to read.
    #[getter]
    fn offset(&self) -> u64 {
        self.token.offset
    }

    fn __str__(&self) -> String {
        self.token.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Token('{}')", self.token)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.token.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (String,)) {
        (py.get_type::<Self>().into_any(), (self.token.to_string(),))
    }
}

impl From<puro::Token> for Token {
    fn from(token: puro::Token) -> Self {
        Self { token }
    }
}

/// What an append did.
#[pyclass(frozen, module = "puro", get_all)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: u64,
    /// How many records.
    pub record_count: u32,
    /// The time they carry, in ms since 1970.
    pub timestamp_ms: u64,
    /// Whether they stood there already, from an earlier try.
    pub duplicate: bool,
    #[pyo3(name = "token")]
    pub behind: TokenOf,
}

/// A token that becomes an object when it is asked for.
#[derive(Clone, Copy)]
pub struct TokenOf(puro::Token);

impl<'py> IntoPyObject<'py> for TokenOf {
    type Target = Token;
    type Output = Bound<'py, Token>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        Bound::new(py, Token::from(self.0))
    }
}

#[pymethods]
impl Appended {
    /// The time they carry.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.timestamp_ms)
    }

    fn __repr__(&self) -> String {
        let Self { first_offset, record_count, duplicate, .. } = self;
        let again = if *duplicate { ", duplicate=True" } else { "" };
        format!("Appended(first_offset={first_offset}, record_count={record_count}{again})")
    }
}

impl From<puro::Appended> for Appended {
    fn from(appended: puro::Appended) -> Self {
        let puro::Appended { first_offset, record_count, timestamp_ms, duplicate, token, .. } =
            appended;
        Self { first_offset, record_count, timestamp_ms, duplicate, behind: TokenOf(token) }
    }
}
