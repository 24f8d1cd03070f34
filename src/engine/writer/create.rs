//! Making a stream (O-1).

use crate::engine::dir::{Directory, parent_of};
use crate::engine::error::{Failure, IoContext, OpenError};
use crate::engine::segment::SegmentHeader;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, Vfs};
use crate::engine::writer::WriterLock;
use crate::engine::writer::roll::{impossible, make_segment};
use crate::format::state::{EPOCH, SETTING, State, encode_epoch};
use crate::format::token::Epoch;

/// Makes the stream if there is none (O-1); tells whether it did.
///
/// # Errors
/// Where the directory holds something else, or a step fails; done again, it goes on.
pub(crate) fn create<V: Vfs>(
    dir: &Directory<V>,
    settings: &[(Vec<u8>, Vec<u8>)],
    wait: LockWait,
    allow_network: bool,
) -> Result<bool, OpenError> {
    dir.vfs.create_dir(&dir.path).while_doing("create", &dir.path).map_err(Failure::from)?;
    if !allow_network {
        dir.check_local()?;
    }
    refuse_strays(dir)?;
    let mut lock = WriterLock::open(dir)?;
    let guard = lock.take(wait)?;
    let found = dir.segments()?.is_some();
    dir.vfs.trace(&Action::new(Operator::Finish).label(if found { "" } else { "nothing" }));
    if found {
        return Ok(false);
    }
    sync_parent(dir)?;
    dir.vfs.trace(&Action::new(Operator::SyncParent));
    let now_ms = dir.vfs.now_ms();
    let header = SegmentHeader {
        stream_id: dir
            .vfs
            .random()
            .while_doing("get random bytes for", &dir.path)
            .map_err(Failure::from)?,
        created_ms: now_ms,
        epoch: 1,
        ..SegmentHeader::default()
    };
    let state = first_state(dir, settings, now_ms)?;
    make_segment(dir, &guard, header, &state, 0, None)?;
    Ok(true)
}

/// Puts the directory's own name on the disk: before there is a segment in it, for nobody
/// does it afterwards.
fn sync_parent<V: Vfs>(dir: &Directory<V>) -> Result<(), Failure> {
    Ok(Directory::new(dir.vfs.clone(), parent_of(&dir.path)).sync()?)
}

fn refuse_strays<V: Vfs>(dir: &Directory<V>) -> Result<(), OpenError> {
    let listing = dir.list().map_err(Failure::from)?.unwrap_or_default();
    match listing.strays.into_iter().next() {
        Some(found) if listing.segments.is_empty() => {
            Err(OpenError::NotEmpty { dir: dir.path.clone(), found })
        }
        _ => Ok(()),
    }
}

fn first_state<V: Vfs>(
    dir: &Directory<V>,
    settings: &[(Vec<u8>, Vec<u8>)],
    now_ms: u64,
) -> Result<State, Failure> {
    let epoch = Epoch { number: 1, first_offset: 0, boot_id: dir.vfs.boot_id(), time_ms: now_ms };
    let (key, value) = encode_epoch(&epoch);
    let mut state = State::default();
    let entries = settings.iter().map(|(key, value)| (SETTING, key.as_slice(), value.as_slice()));
    for (kind, key, value) in entries.chain([(EPOCH, key.as_slice(), value.as_slice())]) {
        state.set(kind, key, value).map_err(|cause| impossible(&dir.path, &cause))?;
    }
    Ok(state)
}
