//! The way of a consumer of few topics through a sealed segment, by the indexes of topics.

use std::io;

use crate::block::BlockKind;
use crate::dir::{Directory, OpenSegment};
use crate::error::{Failure, IoContext};
use crate::layout::header;
use crate::seek::Topics;
use crate::segment::{READ_AHEAD_BYTES, Window, block_ending_at};
use crate::topics::{index_begin, index_in, wanted_blocks};
use crate::vfs::{Vfs, VfsFile};

/// Bytes read in one go behind a jump: a block or two.
const JUMP_AHEAD_BYTES: usize = 16 * 1024;

/// Which blocks of a sealed segment need not be read.
#[derive(Debug)]
pub struct Skips {
    /// All of the segment before its end, in ascending order.
    stretches: Vec<Stretch>,
    /// The stretch that is being read.
    current: usize,
    /// The blocks of that stretch that are wanted; `None` until its index was asked.
    wanted: Option<Vec<u64>>,
    /// Position of the segment end.
    end_at: u64,
}

/// Blocks that one index speaks of, or none.
#[derive(Debug)]
struct Stretch {
    from: u64,
    /// Where the block with the index stands.
    to: u64,
    indexed: bool,
}

impl Skips {
    /// Looks for the indexes of a segment; `None` where it is not sealed for good or has none.
    ///
    /// # Errors
    /// What the system says.
    pub fn of<V: Vfs>(
        dir: &Directory<V>,
        segment: &OpenSegment<V::File>,
    ) -> Result<Option<Self>, Failure> {
        let (file, header) = (&segment.file, &segment.header);
        let length = file.status().while_doing("look at", &segment.path)?.len;
        let last = block_ending_at(file, header, length);
        let last = last.while_doing_at("read", &segment.path, length)?;
        let Ok((end_at, start)) = last else { return Ok(None) };
        // Only then all before the end is known to be whole: it was synced first (V-3).
        let sealed = start.kind == BlockKind::SegmentEnd
            && dir.has_segment(&header.stream_id, header.sequence.saturating_add(1))?;
        if !sealed {
            return Ok(None);
        }
        let stretches = stretches(segment, end_at);
        let stretches = stretches.while_doing_at("read", &segment.path, end_at)?;
        let found = stretches.iter().any(|stretch| stretch.indexed);
        Ok(found.then_some(Self { stretches, current: 0, wanted: None, end_at }))
    }

    /// The first block from `position` on that is to be read, `position` being where one begins;
    /// and how far ahead it is worth to read there.
    ///
    /// # Errors
    /// What the system says.
    pub fn next<F: VfsFile>(
        &mut self,
        segment: &OpenSegment<F>,
        position: u64,
        topics: &Topics,
    ) -> io::Result<(u64, usize)> {
        while let Some(stretch) = self.stretches.get_mut(self.current) {
            if position < stretch.to {
                if stretch.indexed && self.wanted.is_none() {
                    self.wanted = ask(segment, stretch.to, topics)?;
                    stretch.indexed = self.wanted.is_some();
                }
                let Some(wanted) = &self.wanted else {
                    let at = position.max(stretch.from);
                    return Ok((at, ahead(stretch.to - at, READ_AHEAD_BYTES)));
                };
                let behind = wanted.partition_point(|at| *at < position);
                if let Some(&at) = wanted.get(behind) {
                    let one_by_one = at == position;
                    let most = if one_by_one { READ_AHEAD_BYTES } else { JUMP_AHEAD_BYTES };
                    return Ok((at, ahead(stretch.to - at, most)));
                }
            }
            self.current += 1;
            self.wanted = None;
        }
        Ok((self.end_at.max(position), 0))
    }
}

fn ahead(left_bytes: u64, most: usize) -> usize {
    usize::try_from(left_bytes).map_or(most, |left| left.min(most))
}

/// Goes from the index in the segment end to the one before it, and so on (F-42).
fn stretches<F: VfsFile>(segment: &OpenSegment<F>, end_at: u64) -> io::Result<Vec<Stretch>> {
    let mut found = Vec::new();
    let mut window = Window::default();
    let mut to = end_at;
    while let Some(from) = begin_of_index(&mut window, segment, to)? {
        found.push(Stretch { from, to, indexed: true });
        match block_ending_at(&segment.file, &segment.header, from)? {
            Ok((at, start)) if start.kind == BlockKind::Checkpoint => to = at,
            _ => {
                to = from;
                break;
            }
        }
    }
    found.push(Stretch { from: header::LEN as u64, to, indexed: false });
    found.reverse();
    Ok(found)
}

fn begin_of_index<F: VfsFile>(
    window: &mut Window,
    segment: &OpenSegment<F>,
    position: u64,
) -> io::Result<Option<u64>> {
    let block = window.valid_block(&segment.file, segment.header.place(position), 0)?;
    let block = block.ok().filter(|block| block.start.committed);
    let begin = block.and_then(|block| index_begin(index_in(&block)?));
    Ok(begin.filter(|begin| (header::LEN as u64..position).contains(begin)))
}

/// The wanted blocks by the index in the block at `position`; `None` if it does not say.
fn ask<F: VfsFile>(
    segment: &OpenSegment<F>,
    position: u64,
    topics: &Topics,
) -> io::Result<Option<Vec<u64>>> {
    let mut window = Window::default();
    let block = window.valid_block(&segment.file, segment.header.place(position), 0)?;
    Ok(block
        .ok()
        .and_then(|block| wanted_blocks(index_in(&block)?, position, |topic| topics.wants(topic))))
}
