//! The settings of a stream, for who reads or checks them by name.

use crate::engine::dir::Directory;
use crate::engine::error::Failure;
use crate::engine::tail::{Tail, open_tail};
use crate::engine::vfs::{OpenMode, Vfs};
pub use crate::format::settings::{Cleanup, Setting, Settings};

/// A name and a value, as they stand there.
#[cfg(feature = "internals")]
pub type Entry = (Vec<u8>, Vec<u8>);

/// What stands in a stream under the names of settings, as it stands there. What cannot be one
/// counts as not set (F-34).
///
/// # Errors
/// Where the stream cannot be read.
#[cfg(feature = "internals")]
pub fn entries(dir: impl AsRef<std::path::Path>) -> Result<Vec<Entry>, Failure> {
    let tail = tail_of(&Directory::new(crate::engine::os::OsVfs::new(), dir.as_ref()))?;
    let entries = tail.state.of_kind(crate::format::state::SETTING);
    Ok(entries.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

/// What all settings of a stream amount to.
pub(crate) fn read_at<V: Vfs>(dir: &Directory<V>) -> Result<Settings, Failure> {
    Ok(tail_of(dir)?.state.settings().clone())
}

fn tail_of<V: Vfs>(dir: &Directory<V>) -> Result<Tail<V::File>, Failure> {
    let found = open_tail(dir, OpenMode::Read)?;
    found.map(|(tail, _)| tail).ok_or_else(|| Failure::NotAStream { dir: dir.path.clone() })
}
