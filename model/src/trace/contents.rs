//! What stands in segments.

use std::path::{Path, PathBuf};

use puro::internals::cursor::{Scan, Step};
use puro::internals::dir::{Directory, open_path};
use puro::internals::segment::{OpenSegment, SegmentHeader, read_header};
use puro::internals::tail::open_tail;
use puro::internals::vfs::{OpenMode, Vfs};

use crate::history::STREAM;
use crate::sim::{Disk, SimVfs, World};

/// The offsets of the records in a segment, up to its committed end; none where it has no name.
#[must_use]
pub fn offsets_in<V: Vfs>(vfs: &V, path: &Path) -> Option<Vec<u64>> {
    let file = open_path(vfs, path, OpenMode::Read).ok()?;
    let mut offsets = Vec::new();
    let Ok(bytes) = read_header(&file) else { return Some(offsets) };
    let Ok(header) = SegmentHeader::decode(&bytes, false) else { return Some(offsets) };
    let segment = OpenSegment { file, header, path: path.to_owned() };
    let mut scan = Scan::new(&segment);
    while let Ok(Step::Block(_, block)) = scan.next() {
        let mut cursor = block.records();
        while let Some(record) = cursor.next(block.body) {
            offsets.push(record.offset);
        }
    }
    Some(offsets)
}

/// What a compaction of a segment is called until it takes its place.
#[must_use]
pub fn compacted(dir: impl AsRef<Path>, sequence: u32) -> PathBuf {
    dir.as_ref().join(format!("{sequence:010}.puro.compact"))
}

/// The position of a named consumer on a simulated disk, 0 if there is none.
#[must_use]
pub fn position_in(disk: &Disk, name: &str) -> u64 {
    let dir = Directory::new(SimVfs::new(&World::new(disk.clone()), 1), Path::new(STREAM));
    let tail = open_tail(&dir, OpenMode::Read).ok().flatten();
    let position = tail.and_then(|(tail, _)| tail.state.position(name));
    position.map_or(0, |position| position.offset)
}

/// All segments of a simulated disk, with the offsets of their records.
#[must_use]
pub fn all_offsets(disk: &Disk) -> Vec<(u32, Vec<u64>)> {
    let vfs = SimVfs::new(&World::new(disk.clone()), 1);
    let listing = Directory::new(vfs.clone(), Path::new(STREAM)).list().ok().flatten();
    let named = listing.unwrap_or_default().segments.into_iter();
    let path = |sequence| Path::new(STREAM).join(format!("{sequence:010}.puro"));
    named.filter_map(|sequence| Some((sequence, offsets_in(&vfs, &path(sequence))?))).collect()
}
