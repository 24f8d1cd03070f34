//! One segment to a copy of it: every committed block is checked, and encoded again.
//!
//! Under the same header that makes the same bytes (F-6); under another the same blocks with
//! other checksums.

use crate::engine::at_end::judge;
use crate::engine::cursor::Step;
use crate::engine::dir::{Directory, OpenSegment, segment_name};
use crate::engine::maker::SegmentMaker;
use crate::engine::seek::ReadPlace;
use crate::engine::segment::{TailKind, Window};
use crate::engine::vfs::{OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext};
use crate::format::block::{Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Cause, Link};
use crate::format::layout::header;
use crate::format::record::Fields;
use crate::format::token::Token;

/// What was copied of a segment.
pub struct Copied {
    /// Length of the copy.
    pub bytes: u64,
    /// How many blocks.
    pub blocks: u64,
    /// Its end.
    pub token: Token,
}

/// Copies a pinned segment into the directory of the copy, under another stream id if asked
/// to, and puts it on the disk.
///
/// The last segment of the stream is copied up to its committed end, and without its segment
/// end, should it have been sealed since it was found to be the last: the copy has no successor
/// of it. To be kept is only what no loss of power can take back from the stream, so it is
/// synced first; sealed segments are on the disk (V-3).
pub fn copy_segment<V: Vfs>(
    segment: OpenSegment<V::File>,
    sealed: bool,
    new_id: Option<[u8; 16]>,
    target: &Directory<V>,
    progress: &mut dyn FnMut(u64),
) -> Result<Copied, Failure> {
    let mut source =
        Source { place: ReadPlace::at_start_of(segment), sealed, window: Window::default() };
    let mut header = source.place.segment.header;
    header.stream_id = new_id.unwrap_or(header.stream_id);
    // Its directory has no name yet; in it, the segment has its own.
    let (name, like) = (segment_name(header.sequence), &source.place.segment.file);
    let mut copy = SegmentMaker::begin(target, &name, header, Some(like))?;
    let mut builder = BlockBuilder::default();
    while let Some(start) = source.next(&target.vfs, &mut builder)? {
        let meta = meta_of(&start, copy.link(start.first_offset));
        copy.add(&builder.finish_copy(&meta, copy.place()))?;
        progress(copy.end());
    }
    if !sealed && new_id.is_none() {
        let segment = &source.place.segment;
        segment.file.sync_data().while_doing("sync", &segment.path)?;
    }
    let (bytes, blocks) = (copy.end(), copy.blocks);
    copy.finish(None)?;
    let ReadPlace { epoch, link, .. } = source.place;
    let token = Token { stream_id: header.stream_id.into(), epoch, offset: link.next_offset };
    Ok(Copied { bytes, blocks, token })
}

/// Gives a sealed segment that an earlier backup has one more name, in the copy, instead of copying it;
/// nobody writes to that file any more. `false` where that backup has another one, or the system cannot.
///
/// The same header and length are the same bytes: a compaction counts `generation`, and a segment
/// that was copied before it was sealed is shorter. Besides, the whole copy is read back.
pub fn link_segment<V: Vfs>(
    segment: &OpenSegment<V::File>,
    base: &Directory<V>,
    target: &Directory<V>,
) -> Result<bool, Failure> {
    let name = segment_name(segment.header.sequence);
    Ok(is_in(segment, base)? && target.link_from(base, &name)?)
}

/// What there is of a sealed segment that need not be copied.
pub fn count_segment<F: VfsFile>(segment: OpenSegment<F>) -> Result<Copied, Failure> {
    let mut place = ReadPlace::at_start_of(segment);
    let mut blocks = 0;
    let stop = place.skip(|_| {
        blocks += 1;
        Ok(true)
    })?;
    if let Some(cause) = stop.filter(|_| !place.ended) {
        return Err(place.segment.damage(place.position, place.link.next_offset, cause));
    }
    let ReadPlace { epoch, link, position: bytes, segment, .. } = place;
    let stream_id = segment.header.stream_id.into();
    Ok(Copied { bytes, blocks, token: Token { stream_id, epoch, offset: link.next_offset } })
}

/// Whether an earlier backup has this sealed segment.
pub fn is_in<V: Vfs>(segment: &OpenSegment<V::File>, base: &Directory<V>) -> Result<bool, Failure> {
    let Some(there) = base.open_segment(segment.header.sequence, OpenMode::Read)? else {
        return Ok(false);
    };
    let length = |segment: &OpenSegment<V::File>| {
        segment.file.status().while_doing("look at", &segment.path).map(|status| status.len)
    };
    Ok(there.header == segment.header && length(&there)? == length(segment)?)
}

/// The segment that is copied.
struct Source<F> {
    place: ReadPlace<F>,
    /// Whether another one follows in the stream.
    sealed: bool,
    window: Window,
}

impl<F: VfsFile> Source<F> {
    /// Takes the next block into `builder`; `None` behind the last.
    fn next<V: Vfs<File = F>>(
        &mut self,
        vfs: &V,
        builder: &mut BlockBuilder,
    ) -> Result<Option<BlockStart>, Failure> {
        let mut doubted = false;
        loop {
            if self.place.ended {
                return Ok(None);
            }
            let cause = match self.place.look(&mut self.window)? {
                Step::Block(before, block) => {
                    if block.start.kind == BlockKind::SegmentEnd && !self.sealed {
                        return Ok(None);
                    }
                    let damage = |cause| self.place.segment.damage_at(&before, cause);
                    rebuild(&block, builder).map_err(damage)?;
                    self.place.pass(&block);
                    return Ok(Some(block.start));
                }
                Step::Stopped(cause) => cause,
            };
            match self.lost_behind(vfs)? {
                None if !self.sealed => return Ok(None),
                // Writers may have come this far since the block was looked for: look afresh.
                Some(_) if !doubted => {
                    doubted = true;
                    self.window.clear();
                }
                lost => return Err(self.damage(lost.unwrap_or(cause))),
            }
        }
    }

    /// Whether what was on the disk is missing at the place, by the recovery table; for it
    /// must not be taken for the committed end.
    fn lost_behind<V: Vfs<File = F>>(&self, vfs: &V) -> Result<Option<Cause>, Failure> {
        let ReadPlace { segment, position, durable_to, .. } = &self.place;
        if *position == header::LEN as u64 {
            return Ok(Some(Cause::NoCheckpoint));
        }
        // A tail that is cut, for whatever reason, is not copied.
        Ok(match judge(vfs, segment, *position, *durable_to)? {
            TailKind::Damaged { cause } => Some(cause),
            TailKind::Clean | TailKind::Unseen | TailKind::Lost => None,
        })
    }

    fn damage(&self, cause: Cause) -> Failure {
        self.place.segment.damage(self.place.position, self.place.link.next_offset, cause)
    }
}

/// Takes the records of a block, control records too.
fn rebuild(block: &Block<'_>, builder: &mut BlockBuilder) -> Result<(), Cause> {
    block.check_records()?;
    builder.clear();
    let mut rest = block.body;
    while !rest.is_empty() {
        let (fields, after) = Fields::split(rest)?;
        // What the decoder lets pass the encoder takes, too (F-6).
        builder.push(&fields.to_new()).map_err(|_| Cause::Count)?;
        rest = after;
    }
    Ok(())
}

/// What the copy of a block says beside its records.
fn meta_of(start: &BlockStart, link: Link) -> BlockMeta {
    let BlockStart { kind, timestamp_ms, durable_to, epoch, .. } = *start;
    BlockMeta { kind, link, timestamp_ms, durable_to, epoch, committed: true }
}
