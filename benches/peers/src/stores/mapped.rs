//! Puro's streams read through memory maps: what that would give, measured outside `src/`,
//! which has no `unsafe`. See "A mapped reader" in `benches/README.md`.
//!
//! Whoever reads here is alone with a stream that nobody writes any more. A mapped reader of
//! streams in use would need more: bytes must not be behind a `&[u8]` while others write them.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use puro::internals::block::{Block, BlockKind, BlockStart};
use puro::internals::dir::{Directory, HOP, OpenSegment};
use puro::internals::layout::header;
use puro::internals::os::{OsFile, OsVfs};
use puro::internals::segment::SegmentHeader;
use puro::internals::vfs::{FileId, LockWait, VfsFile};
use puro::{Consumer, ConsumerOptions};

use super::puro::{Puro, STREAM, tally_all};
use super::{Ack, Appender, Reader, Store, mapped_vfs::MappedVfs};
use crate::load::Tally;

#[derive(Clone, Copy)]
pub enum Mapped {
    /// The consumer as it is; what it reads is copied out of a map instead of by `pread`.
    Copied,
    /// The bound: blocks are checked, and records borrowed, right in the map.
    InPlace,
}

impl Store for Mapped {
    fn name(&self) -> &'static str {
        match self {
            Self::Copied => "Puro, mapped and copied",
            Self::InPlace => "Puro, mapped in place",
        }
    }

    fn ack(&self) -> Ack {
        Puro::Default.ack()
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        Puro::Default.create(dir)
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        let dir = dir.join(STREAM);
        Ok(match self {
            Self::Copied => Box::new(CopyingReader { dir }),
            Self::InPlace => Box::new(InPlaceReader { dir }),
        })
    }

    fn writes(&self) -> bool {
        false
    }
}

/// Maps a file that is also held open as `held`.
pub fn map(path: &Path, held: &OsFile) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let id = FileId { device: metadata.dev(), inode: metadata.ino() };
    if held.status()?.id != id {
        return Err(std::io::Error::other("replaced while it was opened"));
    }
    // SAFETY: whoever wrote the file has closed it, and nobody else knows of the directory, so
    // that the bytes stay as they are and the file as long as it is.
    unsafe { Mmap::map(&file) }
}

struct CopyingReader {
    dir: PathBuf,
}

impl Reader for CopyingReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let vfs = MappedVfs::default();
        let consumer: Consumer<MappedVfs> = ConsumerOptions::new().open_in(vfs, &self.dir)?;
        tally_all(consumer, tally)
    }
}

struct InPlaceReader {
    dir: PathBuf,
}

impl Reader for InPlaceReader {
    /// Checks what a consumer checks: header, checksums, chain, commitment and every record of each
    /// block, and that each segment continues the one before it.
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let dir = Directory::new(OsVfs::new(), &self.dir);
        let segments = dir.segments()?.context("no stream")?;
        let mut expected = None;
        for sequence in segments.sequences {
            let segment = dir.pin_segment(sequence, LockWait::Try, HOP)?.context("gone")?;
            ensure!(segment.belongs_to(&segments.stream_id, sequence), "a foreign segment");
            let base = segment.header.base_offset;
            ensure!(expected.is_none_or(|(last, next)| (last + 1, next) == (sequence, base)));
            let (next, sealed) = read_segment(&segment, tally)?;
            expected = Some((sequence, next));
            if !sealed {
                break;
            }
        }
        Ok(())
    }
}

/// Reads all of a segment; tells the next offset, and whether the segment is sealed.
fn read_segment(segment: &OpenSegment<OsFile>, tally: &mut Tally) -> Result<(u64, bool)> {
    let OpenSegment { file, header, path } = segment;
    let map = map(path, file)?;
    let (mut position, mut link) = (header::LEN, header.first_link());
    let mut ended = false;
    while position < map.len() {
        let block = block_at(&map, header, position)?;
        ensure!(link.leads_to(&block.start) && block.start.committed && !ended, "at {position}");
        let opens = position == header::LEN;
        ensure!(!opens || block.start.kind == BlockKind::Checkpoint, "no checkpoint");
        if block.start.kind == BlockKind::Records {
            tally_block(&block, tally)?;
        }
        ended = block.start.kind == BlockKind::SegmentEnd;
        link = block.link(header.may_jump());
        position += usize::try_from(block.start.block_bytes())?;
    }
    Ok((link.next_offset, ended))
}

fn block_at<'m>(map: &'m [u8], header: &SegmentHeader, position: usize) -> Result<Block<'m>> {
    let bytes = &map[position..];
    let start = BlockStart::decode(bytes, header.place(position as u64))?;
    Ok(Block::verify(bytes, start)?)
}

fn tally_block(block: &Block<'_>, tally: &mut Tally) -> Result<()> {
    block.check_records()?;
    let mut records = block.records();
    while let Some(record) = records.next(block.body) {
        tally.record(record.key.context("no key")?, record.value.context("no value")?);
    }
    Ok(())
}
