//! Puro for Python: what is native. `python/puro/__init__.py` adds what is better said in Python.
//!
//! No call holds the interpreter while it waits, for records, for the disk or for a lock. While a
//! record becomes an object the interpreter is held, and nothing is waited for.

mod consumer;
mod convert;
mod producer;
mod record;
mod shared;

use pyo3::prelude::*;

#[pymodule]
fn _puro(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<record::Record>()?;
    module.add_class::<record::Token>()?;
    module.add_class::<record::Appended>()?;
    module.add_class::<producer::Batch>()?;
    module.add_class::<producer::Producer>()?;
    module.add_class::<consumer::Consumer>()
}
