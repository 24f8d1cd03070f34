//! What can go wrong with the suite itself. A finding is not an error.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a run could not be finished.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrashError {
    /// A call to the system failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was to be done, such as `read`.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The recorder itself cannot work here.
    #[error("this system lets nobody watch programs: {why}. {instead}")]
    CannotRecord {
        /// Which call was refused, and how.
        why: String,
        /// What to do about it.
        instead: &'static str,
    },
    /// Something was asked for that cannot be.
    #[error("{0}")]
    Usage(String),
    /// A trace that cannot be read.
    #[error("{} is no trace that this version can read: {why}. Record it again", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        why: String,
    },
    /// The checker could not even be started.
    #[error("the checker `{command}` cannot be run: {why}. Give a program, or a line for sh")]
    Checker {
        /// The checker as it was given.
        command: String,
        /// What the system said.
        why: String,
    },
}

/// Shorthand for everything here.
pub type Result<T> = std::result::Result<T, CrashError>;

/// Says what was to be done to which file, when that fails.
pub trait At<T> {
    /// Adds `what` and `path` to the system's error.
    fn at(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| CrashError::Io { what, path: path.to_owned(), source })
    }
}

impl<T> At<T> for nix::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(io::Error::from).at(what, path)
    }
}
