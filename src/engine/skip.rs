//! The way of a consumer of few topics through a segment, by the indexes of topics.

use std::io;

use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::error::{Failure, IoContext};
use crate::engine::seek::Topics;
use crate::engine::segment::{NoBlock, READ_AHEAD_BYTES, Window, block_ending_at, data_end};
use crate::engine::tail::behind::newest_checkpoint;
use crate::engine::vfs::{Vfs, VfsFile};
use crate::format::block::{Block, BlockKind};
use crate::format::layout::{CHECKPOINT_EVERY_BYTES, header};
use crate::format::state::State;
use crate::format::topics::{index_begin, index_in, wanted_blocks};

/// Bytes read in one go behind a jump: a block or two.
const JUMP_AHEAD_BYTES: usize = 16 * 1024;

/// Which blocks of a segment need not be read.
#[derive(Debug)]
pub struct Skips {
    /// What stands before the last index, in ascending order.
    stretches: Vec<Stretch>,
    /// The stretch that is being read.
    current: usize,
    /// The blocks of that stretch that are wanted; `None` until its index was asked.
    wanted: Option<Vec<u64>>,
    /// Position of the last block with an index: from here on all is read.
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
    /// Looks for the indexes of a segment; `None` where there are none, or none can be believed.
    ///
    /// # Errors
    /// What the system says.
    pub fn of<V: Vfs>(
        dir: &Directory<V>,
        segment: &OpenSegment<V::File>,
    ) -> Result<Option<Self>, Failure> {
        let Some(end_at) = last_index(dir, segment)? else { return Ok(None) };
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
        Ok((self.end_at.max(position), READ_AHEAD_BYTES))
    }
}

impl Skips {
    /// Whether an index names the block at a place as one that holds a wanted topic.
    #[must_use]
    pub fn names(&self, position: u64) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.binary_search(&position).is_ok())
    }
}

fn ahead(left_bytes: u64, most: usize) -> usize {
    usize::try_from(left_bytes).map_or(most, |left| left.min(most))
}

/// Where the last index stands before which everything is known to be committed.
fn last_index<V: Vfs>(
    dir: &Directory<V>,
    segment: &OpenSegment<V::File>,
) -> Result<Option<u64>, Failure> {
    let (file, header) = (&segment.file, &segment.header);
    let length = file.status().while_doing("look at", &segment.path)?.len;
    let length = data_end(file, length).while_doing("read", &segment.path)?;
    let last = block_ending_at(file, header, length);
    let last = last.while_doing_at("read", &segment.path, length)?;
    if let Some((end_at, start)) = last
        && start.kind == BlockKind::SegmentEnd
        && let Some(next) = header.sequence.checked_add(1)
        && dir.has_segment(&header.stream_id, next)?
    {
        return Ok(Some(end_at)); // it was synced before it got a successor (V-3)
    }
    let limit = length.saturating_sub(2 * CHECKPOINT_EVERY_BYTES);
    let found = newest_checkpoint(file, header, length, limit);
    let Some((at, _)) = found.while_doing("read", &segment.path)? else { return Ok(None) };
    let of_boot = is_of_boot(segment, at, dir.vfs.boot_id());
    Ok(of_boot.while_doing_at("read", &segment.path, at)?.then_some(at))
}

/// Whether a checkpoint is of an epoch that was begun in this boot: then all before it was
/// read by whoever began that, and only a loss of power could have changed it (O-6).
fn is_of_boot<F: VfsFile>(
    segment: &OpenSegment<F>,
    position: u64,
    boot_id: Option<[u8; 16]>,
) -> io::Result<bool> {
    let mut window = Window::default();
    let Some(block) = committed_block(&mut window, segment, position)? else { return Ok(false) };
    let mut state = State::default();
    let newest = state.apply(&block).ok().and_then(|()| state.newest_epoch());
    let own = newest.is_some_and(|epoch| epoch.number == block.start.epoch);
    Ok(own && state.is_of_boot(boot_id))
}

/// Goes from the last index to the one before it, and so on (F-42).
fn stretches<F: VfsFile>(segment: &OpenSegment<F>, end_at: u64) -> io::Result<Vec<Stretch>> {
    let mut found = Vec::new();
    let mut window = Window::default();
    let mut to = end_at;
    while let Some(from) = begin_of_index(&mut window, segment, to)? {
        found.push(Stretch { from, to, indexed: true });
        match block_ending_at(&segment.file, &segment.header, from)? {
            Some((at, start)) if start.kind == BlockKind::Checkpoint => to = at,
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
    let block = committed_block(window, segment, position)?;
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
    let block = committed_block(&mut window, segment, position)?;
    let wants = |topic: &[u8]| topics.wants(topic);
    Ok(block.and_then(|block| wanted_blocks(index_in(&block)?, position, wants)))
}

/// The block that an index stands in: nothing but what it says itself leads to it.
fn committed_block<'w, F: VfsFile>(
    window: &'w mut Window,
    segment: &OpenSegment<F>,
    position: u64,
) -> io::Result<Option<Block<'w>>> {
    match window.valid_block(&segment.file, segment.header.place(position), 0) {
        Ok(block) => Ok(Some(block).filter(|block| block.start.committed)),
        Err(NoBlock::Invalid(_)) => Ok(None),
        Err(NoBlock::Unreadable(error)) => Err(error),
    }
}
