//! What stands behind the committed end, for those who only read: they do not fold the
//! state, and need it only where a committed block stands behind an invalid place.

use crate::engine::cursor::{Scan, Step};
use crate::engine::dir::OpenSegment;
use crate::engine::error::{IoContext, IoError};
use crate::engine::segment::{CommittedPart, TailKind, classify};
use crate::engine::vfs::{Vfs, VfsFile};
use crate::format::block::Cause;
use crate::format::state::State;

/// What the recovery table says of what stands behind a place to which the committed blocks lead.
/// *Unseen* and *lost* are not told apart: both are cut.
///
/// # Errors
/// What the system says.
pub fn judge<V: Vfs>(
    vfs: &V,
    segment: &OpenSegment<V::File>,
    end: u64,
    durable_to: u64,
) -> Result<TailKind, IoError> {
    let (file, header) = (&segment.file, &segment.header);
    let part = CommittedPart { end, durable_to, current_boot: true };
    let of_part = |part| classify(file, header, &part).while_doing_at("read", &segment.path, end);
    match of_part(part)? {
        TailKind::Damaged { cause: Cause::CommittedBehind { .. } }
            if !is_of_boot(segment, end, vfs.boot_id())? =>
        {
            of_part(CommittedPart { current_boot: false, ..part })
        }
        found => Ok(found),
    }
}

/// Whether the newest epoch at a place was begun in this boot.
fn is_of_boot<F: VfsFile>(
    segment: &OpenSegment<F>,
    end: u64,
    boot_id: Option<[u8; 16]>,
) -> Result<bool, IoError> {
    let (mut scan, mut state) = (Scan::new(segment), State::default());
    while scan.at.position < end {
        let Step::Block(_, block) = scan.next()? else { break };
        // What cannot be folded is told by whoever needs it.
        let _ = state.apply(&block);
    }
    Ok(state.is_of_boot(boot_id))
}
