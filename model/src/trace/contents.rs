//! What stands in the segments of a simulated disk.

use std::path::Path;

use puro::dir::Directory;
use puro::segment::{Scan, SegmentHeader};
use puro::tail::open_tail;
use puro::vfs::{OpenMode, Vfs};

use crate::history::STREAM;
use crate::sim::{Disk, SimVfs, World};

/// The offsets of the records in a segment, up to its committed end; none where it has no name.
#[must_use]
pub fn offsets_in(disk: &Disk, name: &str) -> Option<Vec<u64>> {
    let vfs = SimVfs::new(&World::new(disk.clone()), 1);
    let file = vfs.open(&Path::new(STREAM).join(name), OpenMode::Read).ok()?;
    let mut offsets = Vec::new();
    let Ok(Ok(header)) = SegmentHeader::read(&file, false) else { return Some(offsets) };
    let mut scan = Scan::new(&file, header);
    while let Ok(Ok((_, block))) = scan.next() {
        let mut cursor = block.records();
        while let Some(record) = cursor.next(block.body) {
            offsets.push(record.offset);
        }
    }
    Some(offsets)
}

/// The position of a named consumer, 0 if there is none.
#[must_use]
pub fn position_in(disk: &Disk, name: &str) -> u64 {
    let dir = Directory::new(SimVfs::new(&World::new(disk.clone()), 1), Path::new(STREAM));
    let tail = open_tail(&dir, OpenMode::Read).ok().flatten();
    let position = tail.and_then(|(tail, _)| tail.state.position(name));
    position.map_or(0, |position| position.offset)
}

/// All segments, with the offsets of their records.
#[must_use]
pub fn all_offsets(disk: &Disk) -> Vec<(u32, Vec<u64>)> {
    let dir = Directory::new(SimVfs::new(&World::new(disk.clone()), 1), Path::new(STREAM));
    let listing = dir.list().ok().flatten().unwrap_or_default();
    let named = listing.segments.into_iter();
    named
        .filter_map(|sequence| Some((sequence, offsets_in(disk, &format!("{sequence:010}.puro"))?)))
        .collect()
}
