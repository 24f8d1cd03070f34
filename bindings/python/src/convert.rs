//! Python's values as Rust's, and back.

use std::borrow::Cow;
use std::time::Duration;

use puro::{LockWait, Start};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::record::Token;

/// Text of any bytes: what is not UTF-8 comes through as surrogates, as it does in `os`.
pub fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => {
            let text = PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogateescape"));
            Ok(text?.cast_into()?)
        }
    }
}

/// The bytes of a `str`, of `bytes`, or of anything else with a buffer.
pub fn bytes<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if let Ok(text) = given.cast::<PyString>() {
        if let Ok(text) = text.to_str() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        let bytes = text.call_method1("encode", ("utf-8", "surrogateescape"))?;
        return Ok(Cow::Owned(bytes.cast::<PyBytes>()?.as_bytes().to_vec()));
    }
    let py = given.py();
    // bytes(7) would be seven zeros.
    let view = py.get_type::<pyo3::types::PyMemoryView>().call1((given,)).map_err(|_| {
        let kind = given.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("bytes or str are needed here, not {kind}"))
    })?;
    Ok(Cow::Owned(view.call_method0("tobytes")?.cast::<PyBytes>()?.as_bytes().to_vec()))
}

/// A time in ms since 1970 as a `datetime` in UTC.
pub fn datetime(py: Python<'_>, timestamp_ms: u64) -> PyResult<Bound<'_, PyAny>> {
    let module = py.import("datetime")?;
    let utc = module.getattr("timezone")?.getattr("utc")?;
    let epoch = module.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
    epoch.add(module.getattr("timedelta")?.call1((0, 0, 0, timestamp_ms))?)
}

/// A `datetime` as a time in ms since 1970.
pub fn timestamp_ms(given: &Bound<'_, PyAny>) -> PyResult<u64> {
    if given.getattr("tzinfo")?.is_none() {
        return Err(PyValueError::new_err("a datetime must say its time zone: tzinfo is None"));
    }
    let seconds: f64 = given.call_method0("timestamp")?.extract()?;
    Ok((seconds * 1000.0).round().max(0.0) as u64)
}

/// Where a consumer begins: "beginning", "end", an offset, the last so many as a number below 0, a
/// `Token`, or a `datetime`.
pub fn start(given: &Bound<'_, PyAny>) -> PyResult<Start> {
    if let Ok(token) = given.cast::<Token>() {
        return Ok(Start::Token(token.get().token));
    }
    if let Ok(offset) = given.extract::<u64>() {
        return Ok(Start::Offset(offset));
    }
    if let Ok(last) = given.extract::<i64>() {
        return Ok(Start::Last(last.unsigned_abs()));
    }
    if given.hasattr("tzinfo")? {
        return timestamp_ms(given).map(Start::Time);
    }
    match given.extract::<&str>().unwrap_or_default() {
        "beginning" => Ok(Start::Beginning),
        "end" => Ok(Start::End),
        _ => Err(PyValueError::new_err(format!(
            "start must be 'beginning', 'end', an offset, a Token or a datetime, not {given}"
        ))),
    }
}

/// Seconds; `None`: without limit.
pub fn seconds(seconds: Option<f64>) -> PyResult<Duration> {
    let Some(seconds) = seconds else { return Ok(Duration::MAX) };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("{seconds} seconds are no time to wait")));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The same for a lock.
pub fn lock_wait(given: Option<f64>) -> PyResult<LockWait> {
    Ok(match seconds(given)? {
        Duration::MAX => LockWait::Forever,
        Duration::ZERO => LockWait::Try,
        waited => LockWait::AtMost(waited),
    })
}
