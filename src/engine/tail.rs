//! The end of a stream as a writer remembers it, and how it catches up with what others
//! committed (O-3, A-2 to A-4).

pub mod behind;

use std::io;

use crate::engine::cursor::Step;
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::error::{Failure, IoError};
use crate::engine::segment::{CommittedPart, READ_AHEAD_BYTES, Window, is_zero, only_zeros};
use crate::engine::tail::behind::{FromBehind, scan_from_behind};
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{FileId, FileStatus, OpenMode, Vfs, read_full};
use crate::format::block::{Block, BlockKind, BlockMeta, Cause, Link};
use crate::format::chain::Chain;
use crate::format::layout::{BLOCK_ALIGN, CHECKPOINT_EVERY_BYTES, MAX_INDEX_BYTES, end, header};
use crate::format::state::State;
use crate::format::sure::{part, part_mut};
use crate::format::token::{Token, is_taken_back};
use crate::format::topics::TopicIndex;

/// A writer's memory of the active segment up to its committed end.
#[derive(Debug)]
pub struct Tail<F> {
    /// The segment.
    pub segment: OpenSegment<F>,
    /// Which file that is, once it was asked.
    pub file_id: Option<FileId>,
    /// The committed end, in bytes.
    pub end: u64,
    /// What the next block must continue.
    pub link: Link,
    /// The eight bytes before the committed end: what the last block ends in.
    last_bytes: [u8; end::LEN],
    /// The state as of the committed end.
    pub state: State,
    /// Whether the last block is a segment end.
    pub sealed: bool,
    /// End of the opening checkpoints.
    pub records_from: u64,
    /// Where the blocks begin after which the next checkpoint is due: the end of the newest one, or
    /// the place where one was due and was left out (O-7).
    pub checkpoint_end: u64,
    /// Which blocks behind the newest checkpoint hold which topics (F-42).
    pub topics: TopicIndex,
    /// Highest timestamp of any records block of the stream.
    pub max_timestamp_ms: u64,
    /// The same as it was when the segment was begun.
    pub opening_timestamp_ms: u64,
    /// Bytes of the segment that are known to be on disk.
    pub durable_to: u64,
    /// Bytes that were known to be on disk by a memory that turned out wrong: where they are no
    /// longer there, that is damage, and nothing else follows from it.
    expected_to: u64,
    /// End of the block that raised the newest epoch, 0 if it is not in this segment (E-4).
    pub epoch_end: u64,
    /// Whether the segment's name is known to be on disk (V-7).
    pub named_durably: bool,
    /// Whether a sync of this file failed, so that a mere second one proves nothing (M-6).
    pub sync_failed: bool,
    /// Up to where room was reserved on the disk.
    pub reserved_to: u64,
    /// How long the file was at the last look: it tells whether zeros may be due, and nothing
    /// else (Z-1).
    pub length: u64,
    /// Whether all behind the end was looked at since the segment was opened or scanned (Z-6).
    pub seen_behind: bool,
    /// Up to where nothing but zeros stands, as it was seen under the lock that is held (Z-7).
    pub zeros_to: u64,
}

impl<F> Tail<F> {
    /// The end of a segment of which nothing was read yet.
    pub fn unread(segment: OpenSegment<F>) -> Self {
        let link = segment.header.first_link();
        Self {
            segment,
            file_id: None,
            end: header::LEN as u64,
            link,
            last_bytes: [0; end::LEN],
            state: State::default(),
            sealed: false,
            records_from: header::LEN as u64,
            checkpoint_end: header::LEN as u64,
            topics: index_from(header::LEN as u64),
            max_timestamp_ms: 0,
            opening_timestamp_ms: 0,
            durable_to: 0,
            expected_to: 0,
            epoch_end: 0,
            named_durably: false,
            sync_failed: false,
            reserved_to: 0,
            length: 0,
            seen_behind: false,
            zeros_to: 0,
        }
    }

    /// The next offset to be given.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.link.next_offset
    }

    /// The newest epoch, 0 if nothing was read yet.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.state.newest_epoch().map_or(0, |epoch| epoch.number)
    }

    /// When the segment was begun, as far as two clocks agree: one that was off by decades,
    /// for once, does not move it far (C-5).
    #[must_use]
    pub fn began_ms(&self) -> u64 {
        self.segment.header.created_ms.min(self.opening_timestamp_ms)
    }

    /// The committed end as a token.
    #[must_use]
    pub fn token(&self) -> Token {
        let stream_id = self.segment.header.stream_id;
        Token { stream_id: stream_id.into(), epoch: self.epoch(), offset: self.next_offset() }
    }

    /// Whether nothing is missing behind the committed end, as far as the end itself tells: a
    /// segment that ends with its header lost its checkpoint, one that ends below what is known
    /// to be on disk lost that.
    #[must_use]
    pub fn may_end_here(&self) -> bool {
        self.end > header::LEN as u64 && self.end >= self.known_to()
    }

    /// What the recovery table needs to know.
    #[must_use]
    pub fn committed_part(&self, boot_id: Option<[u8; 16]>) -> CommittedPart {
        let current_boot = self.state.is_of_boot(boot_id);
        CommittedPart { end: self.end, durable_to: self.known_to(), current_boot }
    }

    /// Up to where bytes must be there, because they were on disk.
    fn known_to(&self) -> u64 {
        self.durable_to.max(self.expected_to)
    }

    /// An action at the committed end.
    #[must_use]
    pub fn action(&self, operator: Operator) -> Action<'static> {
        Action::new(operator).at(self.segment.header.sequence, self.end)
    }

    /// Says that something is wrong at the committed end.
    #[must_use]
    pub fn damage(&self, cause: Cause) -> Failure {
        self.segment.damage(self.end, self.next_offset(), cause)
    }

    /// Says that a call failed at the committed end.
    #[must_use]
    pub fn io_error(&self, operation: &'static str, source: io::Error) -> IoError {
        let path = self.segment.path.clone();
        IoError { position: Some(self.end), ..IoError::of(operation, path, source) }
    }

    /// Moves the end behind a block that was found or made there.
    ///
    /// # Errors
    /// What makes the block unfit to be there; nothing has changed then.
    pub fn absorb(&mut self, block: &Block<'_>) -> Result<(), Cause> {
        let opening = self.end == self.records_from && block.start.kind == BlockKind::Checkpoint;
        assert!(
            opening || self.end > header::LEN as u64,
            "F-25: a segment opens with a checkpoint"
        );
        assert!(!self.sealed && self.link.leads_to(&block.start), "F-21: it continues the chain");
        let epoch = self.epoch();
        if opening || block.start.kind != BlockKind::Checkpoint {
            self.state.apply(block)?;
        }
        self.topics.add(block, self.end);
        self.move_to(Chain::behind(self.end, block, self.link.may_jump));
        self.last_bytes = block.end_bytes();
        if block.start.kind == BlockKind::Checkpoint {
            self.checkpoint_end = self.end;
            self.topics = index_from(self.end);
            // Whoever wrote it knew that its epoch's beginning is on disk (O-7, E-4).
            self.epoch_end = 0;
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(block.start.timestamp_ms);
        self.durable_to = self.durable_to.max(block.start.durable_to);
        if opening {
            self.records_from = self.end;
            self.opening_timestamp_ms = block.start.timestamp_ms;
        } else if self.epoch() != epoch {
            self.epoch_end = self.end;
        }
        Ok(())
    }

    /// The committed end as a place between two blocks.
    pub fn chain(&self) -> Chain {
        Chain { position: self.end, link: self.link, ended: self.sealed }
    }

    fn move_to(&mut self, chain: Chain) {
        (self.end, self.link, self.sealed) = (chain.position, chain.link, chain.ended);
    }

    /// Meta of a block to be written at the committed end.
    #[must_use]
    pub fn meta(&self, kind: BlockKind, timestamp_ms: u64) -> BlockMeta {
        BlockMeta {
            kind,
            link: self.link,
            timestamp_ms,
            durable_to: self.durable_to,
            epoch: self.epoch(),
            committed: false,
        }
    }
}

impl<F: crate::engine::vfs::VfsFile> Tail<F> {
    /// Reads the end of a segment from its header on.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged in its opening checkpoints or its state.
    pub fn scan(segment: OpenSegment<F>) -> Result<(Self, Cause), Failure> {
        let mut tail = Self::unread(segment);
        let cause = tail.step_over()?;
        Ok((tail, cause))
    }

    /// Goes on over committed blocks that are new; tells why it stopped.
    ///
    /// # Errors
    /// Where the file cannot be read, or a control record is malformed.
    pub fn step_over(&mut self) -> Result<Cause, Failure> {
        let mut window = Window::default();
        loop {
            match self.segment.look(&self.chain(), &mut window, READ_AHEAD_BYTES)? {
                Step::Block(_, block) => {
                    self.absorb(&block).map_err(|cause| self.damage(cause))?;
                }
                Step::Stopped(cause) => return Ok(cause),
            }
        }
    }

    /// Looks whether the file, which is like this, still ends as remembered.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn look(&mut self, status: FileStatus) -> Result<Look, IoError> {
        let file = &self.segment.file;
        let FileStatus { len, id, links } = status;
        let behind = len.saturating_sub(self.end).min(LOOK_BYTES as u64);
        self.length = len;
        let mut bytes = [0; end::LEN + LOOK_BYTES];
        let bytes = part_mut(&mut bytes, ..end::LEN + behind as usize);
        let read = read_full(file, bytes, self.end - end::LEN as u64);
        let read = read.map_err(|error| self.io_error("read", error))?;
        let (last_bytes, behind) = part(bytes, ..read).split_at(end::LEN.min(read));
        let nothing_read = self.end == header::LEN as u64;
        let changed = !nothing_read && last_bytes != self.last_bytes;
        let zeros = is_zero(behind);
        self.zeros_to = match zeros {
            true if len > self.end + LOOK_BYTES as u64 => self.end + LOOK_BYTES as u64,
            true => u64::MAX,
            false => self.end,
        };
        Ok(Look { len, id, links, changed, zeros })
    }

    /// What the file is like, whatever leads to it.
    ///
    /// # Errors
    /// Where the file cannot be looked at.
    pub fn status(&self) -> Result<FileStatus, IoError> {
        self.segment.file.status().map_err(|error| self.io_error("look at", error))
    }

    /// Whether nothing but zeros stands behind the end, up to the end of the file (Z-6). Asked once
    /// for each segment and scan: from then on, whoever leaves more is found by A-2 and Z-7.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn has_nothing_behind(&mut self) -> Result<bool, IoError> {
        if !self.seen_behind {
            let seen = only_zeros(&self.segment.file, self.end, u64::MAX);
            self.seen_behind = seen.map_err(|error| self.io_error("read", error))?;
            if self.seen_behind {
                self.zeros_to = u64::MAX;
            }
        }
        Ok(self.seen_behind)
    }

    /// Whether nothing but zeros stands where a block of so many bytes is to go, and in the
    /// 64 behind it (Z-7).
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn has_room_of_zeros(&mut self, block_bytes: u64) -> Result<bool, IoError> {
        let to = self.end.saturating_add(block_bytes).saturating_add(BLOCK_ALIGN);
        if to > self.zeros_to {
            let seen = only_zeros(&self.segment.file, self.zeros_to.max(self.end), to);
            if !seen.map_err(|error| self.io_error("read", error))? {
                return Ok(false);
            }
            self.zeros_to = to;
        }
        Ok(true)
    }

    /// Reads the segment again from its header. Where what was remembered is `wrong`, or turns
    /// out so because the segment ends before it, what it knew to be on disk is so no longer: other
    /// bytes may come to stand there.
    ///
    /// # Errors
    /// As [`Tail::scan`].
    pub fn scan_again(&mut self, wrong: bool) -> Result<Cause, Failure> {
        let (remembered, remembered_end) = (self.token(), self.end);
        let durable_to = self.durable_to;
        let expected_to = self.known_to();
        self.end = header::LEN as u64;
        self.link = self.segment.header.first_link();
        self.last_bytes = [0; end::LEN];
        self.state = State::default();
        self.sealed = false;
        self.records_from = header::LEN as u64;
        self.checkpoint_end = header::LEN as u64;
        self.topics = index_from(header::LEN as u64);
        self.max_timestamp_ms = 0;
        self.durable_to = 0;
        self.epoch_end = 0;
        self.reserved_to = 0;
        self.seen_behind = false;
        self.zeros_to = 0;
        let cause = self.step_over()?;
        if !wrong && self.end >= remembered_end {
            self.durable_to = self.durable_to.max(durable_to);
        }
        // What a repair took back, with a new epoch, need not be there any more.
        let taken_back = is_taken_back(&remembered, self.state.epochs());
        self.expected_to = if taken_back { 0 } else { expected_to };
        Ok(cause)
    }
}

/// What a writer sees of the file that it remembers the end of.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Length of the file.
    pub len: u64,
    /// Which file it is.
    pub id: FileId,
    /// How many names lead to it.
    pub links: u64,
    /// Whether other bytes than those remembered stand before the end: it was cut off, and perhaps
    /// grown over.
    pub changed: bool,
    /// Whether nothing but zeros stands right behind the end, if anything.
    pub zeros: bool,
}

/// Bytes looked at behind the end: the 64 of A-2, and as many as most blocks need (Z-7).
const LOOK_BYTES: usize = 1024;

fn index_from(position: u64) -> TopicIndex {
    TopicIndex::new(position, MAX_INDEX_BYTES)
}

/// The end of a stream, and why it ends there; `None` where there is no stream yet.
pub type FoundTail<F> = Option<(Tail<F>, Cause)>;

/// Opens the active segment and reads it to its committed end; `None` where there is no
/// stream yet.
///
/// # Errors
/// Where it cannot be read or used.
pub fn open_tail<V: Vfs>(
    dir: &Directory<V>,
    mode: OpenMode,
) -> Result<FoundTail<V::File>, Failure> {
    open_tail_behind(dir, mode, CHECKPOINT_EVERY_BYTES)
}

/// The same in a stream whose writers put a checkpoint among their blocks after so many bytes.
///
/// # Errors
/// As [`open_tail`].
pub fn open_tail_behind<V: Vfs>(
    dir: &Directory<V>,
    mode: OpenMode,
    checkpoint_every_bytes: u64,
) -> Result<FoundTail<V::File>, Failure> {
    let Some(segment) = dir.open_active(mode)? else { return Ok(None) };
    let look_back_bytes = checkpoint_every_bytes.saturating_mul(2);
    match scan_from_behind(segment, dir.vfs.boot_id(), look_back_bytes)? {
        FromBehind::Found(tail) => Ok(Some((*tail, Cause::End))),
        FromBehind::ReadAll(segment) => Tail::scan(segment).map(Some),
    }
}
