//! What there is to salvage from: segments whose header may be damaged.

use crate::check::Problem;
use crate::codec::get_u32;
use crate::dir::{Directory, OpenSegment};
use crate::error::Failure;
use crate::layout::{SIGNAL_LOW, header, start};
use crate::producer::DEFAULT_LOCK_WAIT;
use crate::segment::SegmentHeader;
use crate::state::State;
use crate::vfs::{LockWait, OpenMode, Vfs, VfsFile};
use crate::walk::{Piece, Walk};

/// A segment to salvage from.
pub struct Source<F> {
    /// The file, and its header as far as it can be known.
    pub segment: OpenSegment<F>,
    /// What is wrong with the header; then only its crc and sequence can be relied on.
    pub damaged_header: Option<Problem>,
}

/// Why there is nothing to salvage from under a segment's name.
pub enum NoSource {
    /// It is gone.
    Gone,
    /// Nothing in it can be recognized.
    Problem(Problem),
}

/// Opens a segment, whatever is wrong with it.
pub fn open<V: Vfs>(
    dir: &Directory<V>,
    sequence: u32,
) -> Result<Result<Source<V::File>, NoSource>, Failure> {
    let problem = match dir.pin_segment(sequence, LockWait::AtMost(DEFAULT_LOCK_WAIT)) {
        Ok(Some(segment)) => return Ok(Ok(Source { segment, damaged_header: None })),
        Ok(None) => return Ok(Err(NoSource::Gone)),
        Err(Failure::Damage(damage)) => Problem::Bytes(damage.cause),
        Err(Failure::NotASegment { .. }) => Problem::NotASegment,
        Err(Failure::Io(error)) => Problem::Unreadable(error.source.to_string()),
        Err(other) => return Err(other),
    };
    let path = dir.segment_path(sequence);
    let Ok(file) = dir.vfs.open(&path, OpenMode::Read) else {
        return Ok(Err(NoSource::Problem(problem)));
    };
    Ok(match restore_header(&file, sequence) {
        Some(header) => {
            let segment = OpenSegment { file, header, path };
            Ok(Source { segment, damaged_header: Some(problem) })
        }
        None => Err(NoSource::Problem(problem)),
    })
}

/// A header for a file whose own is damaged. All that the blocks need of it is its crc: it
/// stands in the header, and in the first block as prev_crc. The right one is the one with
/// which the start of some block is right.
fn restore_header<F: VfsFile>(file: &F, sequence: u32) -> Option<SegmentHeader> {
    let unknown = SegmentHeader {
        features_compatible: 0,
        features_read_compatible: 0,
        stream_id: [0; 16],
        base_offset: 0,
        created_ms: 0,
        sequence,
        // Offsets may jump in a compacted segment; whether this is one is not known.
        generation: 1,
        epoch: 0,
        crc: 0,
    };
    let mut walk = Walk::new(file, &unknown).ok()?;
    let bytes = walk.bytes(0, header::LEN + start::LEN);
    let candidates = [header::CRC, header::LEN + start::PREV_CRC];
    let candidates = candidates.map(|at| get_u32(bytes, at));
    candidates.into_iter().flatten().find_map(|crc| {
        let header = SegmentHeader { crc, ..unknown };
        let mut walk = Walk::new(file, &header).ok()?;
        loop {
            if let Piece::Block(found) = walk.next()? {
                return Some(SegmentHeader { base_offset: found.start.first_offset, ..header });
            }
        }
    })
}

/// What must be known of the last segment before it is salvaged.
#[derive(Default)]
pub struct Survey {
    /// Where the last block stands that was certainly committed.
    pub last_committed: u64,
    /// The state that its blocks amount to.
    pub state: State,
}

/// Surveys the last segment. A low block before a committed one was committed too; one
/// behind all of them never was.
pub fn survey<F: VfsFile>(source: &Source<F>) -> Survey {
    let mut survey = Survey::default();
    let segment = &source.segment;
    let Ok(mut walk) = Walk::new(&segment.file, &segment.header) else { return survey };
    while let Some(piece) = walk.next() {
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
