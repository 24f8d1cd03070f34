//! Making a segment: it is written whole under a name that no reader looks for, synced, and only
//! then named (V-4, V-5, S-6). Whoever makes one comes here: creation, rollover, compaction, copies.

use crate::engine::dir::Directory;
use crate::engine::error::{IoContext, IoError};
use crate::engine::segment::{OpenSegment, PIECE_BYTES};
use crate::engine::trace::Action;
use crate::engine::vfs::{Vfs, VfsFile, write_full};
use crate::format::block::{BuiltBlock, Link, Place};
use crate::format::chain::Chain;
use crate::format::header::SegmentHeader;

/// A segment that is being made.
#[derive(Debug)]
pub struct SegmentMaker<'d, V: Vfs> {
    dir: &'d Directory<V>,
    segment: OpenSegment<V::File>,
    /// The place before the next block.
    at: Chain,
    /// How many blocks it has.
    pub blocks: u64,
    /// What is yet to be written, and where.
    pending: Vec<u8>,
    written: u64,
}

impl<'d, V: Vfs> SegmentMaker<'d, V> {
    /// Begins a file under a name that may be left over from one who died. With mode and owner of
    /// `like` (O-9).
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(
        dir: &'d Directory<V>,
        name: &str,
        mut header: SegmentHeader,
        like: Option<&V::File>,
    ) -> Result<Self, IoError> {
        let file = dir.create_anew(name, like)?;
        let pending = header.encode().to_vec();
        let segment = OpenSegment { file, header, path: dir.path.join(name) };
        let at = Chain::at_start_of(&header);
        Ok(Self { dir, segment, at, blocks: 0, pending, written: 0 })
    }

    /// The header, its checksum included.
    #[must_use]
    pub fn header(&self) -> SegmentHeader {
        self.segment.header
    }

    /// Length of the file so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.position
    }

    /// Where the next block stands, for its checksums.
    #[must_use]
    pub fn place(&self) -> Place {
        self.segment.header.place(self.at.position)
    }

    /// What the next block must continue, if its first offset is to be `next_offset`.
    #[must_use]
    pub fn link(&self, next_offset: u64) -> Link {
        Link { next_offset, ..self.at.link }
    }

    /// Adds a block that was built for this place.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, built: &BuiltBlock<'_>) -> Result<(), IoError> {
        let admitted = self.at.admit(&built.block.start);
        assert!(admitted.is_ok(), "a block made for a segment does not fit: {admitted:?}");
        self.at = Chain::behind(self.at.position, &built.block, self.at.link.may_jump);
        self.blocks += 1;
        self.pending.extend_from_slice(built.bytes);
        if self.pending.len() < PIECE_BYTES { Ok(()) } else { self.write_out() }
    }

    fn write_out(&mut self) -> Result<(), IoError> {
        let OpenSegment { file, path, .. } = &self.segment;
        write_full(file, &self.pending, self.written).while_doing_at(
            "write",
            path,
            self.written,
        )?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes the rest, and puts the file on the disk: now it may be named. The actions tell of
    /// both, where a model knows them.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(
        mut self,
        told: Option<[Action<'_>; 2]>,
    ) -> Result<OpenSegment<V::File>, IoError> {
        let [made, synced] = told.map_or([None, None], |told| told.map(Some));
        let vfs = &self.dir.vfs;
        self.write_out()?;
        made.iter().for_each(|action| vfs.trace(action));
        assert!(self.written == self.at.position, "not all of a segment was written");
        let OpenSegment { file, path, .. } = &self.segment;
        file.sync_data().while_doing("sync", path)?;
        synced.iter().for_each(|action| vfs.trace(action));
        Ok(self.segment)
    }
}

/// Gives a segment that was made its name, over whatever has it, and puts that on the disk.
/// `operation` is for messages; the actions tell of the name, and that it is on the disk.
///
/// # Errors
/// What the system says.
pub fn give_name<V: Vfs>(
    dir: &Directory<V>,
    segment: &mut OpenSegment<V::File>,
    name: &str,
    operation: &'static str,
    [named, synced]: [Action<'_>; 2],
) -> Result<(), IoError> {
    assert!(segment.name() != name, "a segment is made under another name than its own");
    dir.rename(segment.name(), name, operation)?;
    dir.vfs.trace(&named);
    segment.path = dir.path.join(name);
    dir.sync()?;
    dir.vfs.trace(&synced);
    Ok(())
}
