//! The settings of a stream, as texts: for who reads or checks them by name.

use std::path::Path;

use crate::engine::dir::Directory;
use crate::engine::error::Failure;
use crate::engine::os::OsVfs;
use crate::engine::tail::open_tail;
use crate::engine::vfs::{OpenMode, Vfs};
pub use crate::format::settings::{SettingError, check, defaults};
use crate::format::state::SETTING;

/// The settings of a stream that are set, by name. One that [`check`] refuses counts as not set
/// (F-34).
///
/// # Errors
/// Where the stream cannot be read.
pub fn read(dir: impl AsRef<Path>) -> Result<Vec<(String, String)>, Failure> {
    read_at(&Directory::new(OsVfs::new(), dir.as_ref()))
}

/// The same in a directory that may be open already.
pub(crate) fn read_at<V: Vfs>(dir: &Directory<V>) -> Result<Vec<(String, String)>, Failure> {
    let Some((tail, _)) = open_tail(dir, OpenMode::Read)? else {
        return Err(Failure::NotAStream { dir: dir.path.clone() });
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(tail.state.of_kind(SETTING).map(|(name, value)| (text(name), text(value))).collect())
}
