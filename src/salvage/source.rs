//! What there is to salvage from: segments whose header may be damaged.

use crate::check::Problem;
use crate::engine::dir::{Directory, OpenSegment, SEEK, segment_name};
use crate::engine::vfs::DEFAULT_LOCK_WAIT;
use crate::engine::vfs::{LockWait, OpenMode, Vfs, VfsFile};
use crate::engine::walk::{Piece, Walk, restore_header};
use crate::error::Failure;
use crate::format::layout::SIGNAL_LOW;
use crate::format::state::State;

/// A segment to salvage from.
pub struct Source<F> {
    /// The file, and its header as far as it can be known.
    pub segment: OpenSegment<F>,
    /// What is wrong with the header; then only its crc and sequence can be relied on.
    pub damaged_header: Option<Problem>,
}

/// What there is under a segment's name.
pub enum Opened<F> {
    /// A segment to salvage from.
    Source(Source<F>),
    /// Nothing any more.
    Gone,
    /// Something in which nothing can be recognized.
    Unusable(Problem),
}

impl<F> Opened<F> {
    /// The segment, if there is one.
    pub fn source(self) -> Option<Source<F>> {
        match self {
            Self::Source(source) => Some(source),
            Self::Gone | Self::Unusable(_) => None,
        }
    }

    /// What is wrong with its header, if anything is.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Source(source) => source.damaged_header.as_ref(),
            Self::Gone => None,
            Self::Unusable(problem) => Some(problem),
        }
    }
}

/// Opens a segment, whatever is wrong with it.
pub fn open<V: Vfs>(dir: &Directory<V>, sequence: u32) -> Result<Opened<V::File>, Failure> {
    let problem = match dir.pin_segment(sequence, LockWait::AtMost(DEFAULT_LOCK_WAIT), SEEK) {
        Ok(Some(segment)) => {
            return Ok(Opened::Source(Source { segment, damaged_header: None }));
        }
        Ok(None) => return Ok(Opened::Gone),
        Err(Failure::Damage(damage)) => Problem::Bytes(damage.cause),
        Err(Failure::NotASegment { .. }) => Problem::NotASegment,
        Err(Failure::Io(error)) => Problem::Unreadable(error.source.to_string()),
        Err(other) => return Err(other),
    };
    let path = dir.segment_path(sequence);
    let Ok(file) = dir.open_file(&segment_name(sequence), OpenMode::Read) else {
        return Ok(Opened::Unusable(problem));
    };
    Ok(match restore_header(&file, sequence) {
        Some(header) => {
            let segment = OpenSegment { file, header, path };
            Opened::Source(Source { segment, damaged_header: Some(problem) })
        }
        None => Opened::Unusable(problem),
    })
}

/// What must be known of the last segment before it is salvaged.
#[derive(Default)]
pub struct LastSegment {
    /// Where the last block stands that was certainly committed.
    pub last_committed: u64,
    /// The state that its blocks amount to.
    pub state: State,
}

/// Surveys the last segment. A low block before a committed one was committed too; one
/// behind all of them never was.
pub fn survey<F: VfsFile>(source: &Source<F>) -> LastSegment {
    let mut survey = LastSegment::default();
    let segment = &source.segment;
    let Ok(mut walk) = Walk::new(&segment.file, &segment.header) else { return survey };
    while let Some(piece) = walk.next_piece() {
        let Piece::Block(found) = piece else { continue };
        let Ok(block) = found.block else { continue };
        if found.signal != SIGNAL_LOW {
            survey.last_committed = found.position;
            // What cannot be folded is left out: only settings are taken from the state.
            let _ = survey.state.apply(&block);
        }
    }
    survey
}
