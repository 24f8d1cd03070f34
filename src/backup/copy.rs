//! One segment to a copy of it: every committed block is checked, and encoded again.
//!
//! Under the same header that makes the same bytes (F-6); under another the same blocks with
//! other checksums.

use crate::engine::at_end::judge;
use crate::engine::dir::{Directory, OpenSegment, segment_name};
use crate::engine::seek::Place;
use crate::engine::segment::{SegmentHeader, Tail, Window};
use crate::engine::vfs::{Vfs, VfsFile, write_full};
use crate::error::{Failure, IoContext};
use crate::format::block::{Block, BlockBuilder, BlockKind, BlockMeta, Cause, Link};
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
        Source { place: Place::at_start_of(segment), sealed, window: Window::default() };
    let mut header = source.place.segment.header;
    header.stream_id = new_id.unwrap_or(header.stream_id);
    let mut copy = SegmentCopy::create(target, header, &source.place.segment.file)?;
    while let Some(meta) = source.next(&target.vfs, &mut copy.builder)? {
        copy.write(meta)?;
        progress(copy.end);
    }
    if !sealed && new_id.is_none() {
        let segment = &source.place.segment;
        segment.file.sync_data().while_doing("sync", &segment.path)?;
    }
    copy.file.sync_data().while_doing("sync", &copy.path)?;
    let Place { epoch, link, .. } = source.place;
    let token = Token { stream_id: copy.header.stream_id, epoch, offset: link.next_offset };
    Ok(Copied { bytes: copy.end, blocks: copy.blocks, token })
}

/// The segment that is copied.
struct Source<F> {
    place: Place<F>,
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
    ) -> Result<Option<BlockMeta>, Failure> {
        let mut doubted = false;
        loop {
            if self.place.ended {
                return Ok(None);
            }
            let (mut meta, sealed) = (None, self.sealed);
            let step = self.place.step(&mut self.window, |block| {
                if block.start.kind == BlockKind::SegmentEnd && !sealed {
                    return Ok(false);
                }
                rebuild(block, builder)?;
                meta = Some(meta_of(block));
                Ok(true)
            })?;
            let cause = match step {
                Ok(_) => return Ok(meta),
                Err(cause) => cause,
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
        let Place { segment, position, durable_to, .. } = &self.place;
        if *position == header::LEN as u64 {
            return Ok(Some(Cause::NoCheckpoint));
        }
        // A tail that is cut, for whatever reason, is not copied.
        let tail = judge(vfs, segment, *position, *durable_to);
        Ok(match tail.while_doing_at("read", &segment.path, *position)? {
            Tail::Damaged { cause } => Some(cause),
            Tail::Clean | Tail::Unseen | Tail::Lost => None,
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

/// What the copy of a block says beside its records; `prev_crc` is for the copy to know.
fn meta_of(block: &Block<'_>) -> BlockMeta {
    let start = &block.start;
    BlockMeta {
        kind: start.kind,
        link: Link { prev_crc: 0, next_offset: start.first_offset, may_jump: true },
        timestamp_ms: start.timestamp_ms,
        durable_to: start.durable_to,
        epoch: start.epoch,
        committed: true,
    }
}

/// The copy of a segment, as far as it is written.
struct SegmentCopy<F> {
    file: F,
    path: std::path::PathBuf,
    header: SegmentHeader,
    end: u64,
    prev_crc: u32,
    blocks: u64,
    builder: BlockBuilder,
}

impl<F: VfsFile> SegmentCopy<F> {
    fn create<V: Vfs<File = F>>(
        dir: &Directory<V>,
        mut header: SegmentHeader,
        like: &F,
    ) -> Result<Self, Failure> {
        let path = dir.segment_path(header.sequence);
        let file = dir.create_anew(&segment_name(header.sequence), Some(like))?;
        let bytes = header.encode();
        write_full(&file, &bytes, 0).while_doing_at("write", &path, 0)?;
        let (end, prev_crc) = (bytes.len() as u64, header.crc);
        Ok(Self { file, path, header, end, prev_crc, blocks: 0, builder: BlockBuilder::default() })
    }

    /// Writes the block in the builder.
    fn write(&mut self, mut meta: BlockMeta) -> Result<(), Failure> {
        meta.link.prev_crc = self.prev_crc;
        let built = self.builder.finish_copy(&meta, self.header.place(self.end));
        let written = write_full(&self.file, built.bytes, self.end);
        written.while_doing_at("write", &self.path, self.end)?;
        self.end += built.bytes.len() as u64;
        self.prev_crc = built.block.crc;
        self.blocks += 1;
        Ok(())
    }
}
