//! Repair on demand: what every producer does when it opens a stream (protocol.md, chapter 5).

use std::path::Path;

use crate::engine::dir::{Directory, WRITER_LOCK};
use crate::engine::os::OsVfs;
use crate::engine::tail::open_tail;
use crate::engine::vfs::{OpenMode, Vfs};
pub use crate::engine::writer::RepairReport;
use crate::error::{Failure, OpenError};
use crate::producer::ProducerOptions;

/// Opens a stream for writing, which repairs it if it must be, and tells what was done. Where
/// there is nothing to repair and no `writer.lock`, none is made (O-9).
///
/// ```
/// use puro::{Producer, repair};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// assert!(repair(dir.path())?.is_empty()); // There was nothing to do.
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Where it cannot be opened, or is damaged; nothing was changed then.
pub fn repair(dir: impl AsRef<Path>) -> Result<Vec<RepairReport>, OpenError> {
    repair_at(&ProducerOptions::new(), Directory::new(OsVfs::new(), dir.as_ref()))
}

/// The same in a directory that may be open already.
pub(crate) fn repair_at<V: Vfs>(
    options: &ProducerOptions,
    dir: Directory<V>,
) -> Result<Vec<RepairReport>, OpenError> {
    if needs_no_lock(&dir)? {
        return Ok(Vec::new());
    }
    let producer = options.clone().create(false).open_at(dir)?;
    Ok(producer.repairs().to_vec())
}

/// Whether nobody can hold `writer.lock`, for it is missing, and the stream has a clean end.
fn needs_no_lock<V: Vfs>(dir: &Directory<V>) -> Result<bool, Failure> {
    let Some((mut tail, _)) = open_tail(dir, OpenMode::Read)? else { return Ok(false) };
    let clean = tail.may_end_here() && !tail.sealed && tail.has_nothing_behind()?;
    Ok(clean && dir.id_of(WRITER_LOCK)?.is_none())
}
