//! The steps that all writers share: the lock, catching up, writing a block, committing
//! it, making it durable (protocol.md, chapter 4).
//!
//! Whatever writes past the committed end takes the [`WriterGuard`] as an argument: there
//! is no way to do so without holding `writer.lock`.

mod commit;
mod create;
mod lock;
mod repair;
mod roll;
mod zeros;

use std::io;

pub(crate) use self::commit::reserve;
use self::commit::{begin_sync, commit, withdraw};
pub(crate) use self::create::create;
pub use self::lock::{WriterGuard, WriterLock};
pub use self::repair::RepairReport;
use crate::engine::dir::{Directory, OpenSegment, new_segment_name};
use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::segment::PIECE_BYTES;
use crate::engine::tail::{Look, Tail};
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{
    FIRST_PIECE_BYTES, FileStatus, OpenMode, Vfs, VfsFile, read_full, write_full,
};
use crate::format::block::{BlockBuilder, BlockKind, Cause};
use crate::format::layout::CHECKPOINT_EVERY_BYTES;
use crate::format::record::NewRecord;
use crate::format::record::RecordError;
use crate::format::state::{EPOCH, encode_epoch};
use crate::format::sure::part;
use crate::format::token::Epoch;

/// What all writers know and do.
#[derive(Debug)]
pub struct Writer<V: Vfs> {
    /// The stream's directory.
    pub dir: Directory<V>,
    /// The end of the stream as remembered.
    pub tail: Tail<V::File>,
    /// What was repaired since the writer was opened.
    pub repairs: Vec<RepairReport>,
    /// The process that opened it (L-3).
    owner: u32,
    boot_id: Option<[u8; 16]>,
    /// Bytes of blocks after which a checkpoint is put among them (O-7).
    pub checkpoint_every_bytes: u64,
    /// How many zeros it puts behind the end for durable appends (Z-1).
    pub zeros_ahead_bytes: u64,
    /// Whether it did so.
    put_zeros_here: bool,
    /// Whether this writer raised an epoch: where the boot is unknown, once is enough (E-2).
    raised: bool,
}

/// How a commit can fail: before it, or in it.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was appended.
    #[error("not committed: {0}")]
    NotAppended(Failure),
    /// The commit failed and cannot be looked at.
    #[error("perhaps committed: {0}")]
    Unknown(IoError),
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        Self::NotAppended(failure)
    }
}

impl CommitError {
    /// For blocks that carry no records of a user, both are the same.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::NotAppended(failure) => failure,
            Self::Unknown(error) => error.into(),
        }
    }
}

/// More than a block that raises an epoch has.
const RAISE_BYTES: u64 = 192;

impl<V: Vfs> Writer<V> {
    /// A writer that remembers `tail`; to be caught up before it writes (O-4).
    pub fn new(dir: Directory<V>, tail: Tail<V::File>) -> Self {
        let (owner, boot_id) = (dir.vfs.pid(), dir.vfs.boot_id());
        let checkpoint_every_bytes = CHECKPOINT_EVERY_BYTES;
        Self {
            dir,
            tail,
            repairs: Vec::new(),
            owner,
            boot_id,
            checkpoint_every_bytes,
            zeros_ahead_bytes: 0,
            put_zeros_here: false,
            raised: false,
        }
    }

    /// Refuses to be used in a forked child (L-3).
    ///
    /// # Errors
    /// `Forked`.
    pub fn check_owner(&self) -> Result<(), Failure> {
        if self.dir.vfs.pid() == self.owner {
            return Ok(());
        }
        Err(Failure::Forked { owner: self.owner })
    }

    /// This boot, if known.
    pub fn boot_id(&self) -> Option<[u8; 16]> {
        self.boot_id
    }

    /// Brings the memory to the committed end of the stream, repairs what stands behind it,
    /// and finishes a rollover that was left half done.
    ///
    /// # Errors
    /// Where the stream cannot be read, is damaged, or was removed.
    pub fn catch_up(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        let (mut scanned_again, mut repaired) = (false, false);
        loop {
            if self.tail.sealed && self.hop(guard)? {
                continue;
            }
            let look = self.look()?;
            if look.links > 0 && self.ends_as_remembered(&look)? {
                self.refuse_other_names(&look)?;
                break;
            }
            if look.changed && !scanned_again {
                // The end was cut off, and perhaps grown over, since it was remembered.
                scanned_again = true;
                self.tail.scan_again(true)?;
                continue;
            }
            let remembered = self.tail.end;
            self.tail.step_over()?;
            if self.tail.end != remembered {
                continue;
            }
            if look.links == 0 {
                return Err(Failure::Removed { path: self.tail.segment.path.clone() });
            }
            // Before anything is cut, nothing remembered is believed.
            if self.open_newer_active(guard)? {
                continue;
            }
            if !scanned_again {
                scanned_again = true;
                self.tail.scan_again(false)?;
                continue;
            }
            self.trace_look();
            self.refuse_other_names(&look)?;
            self.repair(guard)?;
            repaired = true;
            break;
        }
        if !repaired {
            self.trace_look();
            self.trace(self.tail.action(Operator::Classify).label("clean"));
        }
        let sealed = self.tail.sealed;
        let finish = self.tail.action(Operator::Finish).value(self.tail.next_offset());
        self.trace(finish.label(if sealed { "sealed" } else { "" }));
        if sealed {
            self.finish_rollover(guard)?;
        }
        Ok(())
    }

    /// Looks at the file that the segment's name leads to.
    fn look(&mut self) -> Result<Look, Failure> {
        let status = self.status()?;
        Ok(self.tail.look(status)?)
    }

    /// What the segment is like. One that has lost its name, for it was removed or moved away, is told
    /// as one that no name leads to.
    ///
    /// # Errors
    /// What the system says.
    pub fn status(&mut self) -> Result<FileStatus, Failure> {
        let tail = &mut self.tail;
        let held = match tail.file_id {
            Some(held) => held,
            None => *tail.file_id.insert(tail.status()?.id),
        };
        let named = self.dir.status_of(tail.segment.name())?;
        match named.filter(|named| named.id == held) {
            Some(named) => Ok(named),
            None => Ok(FileStatus { links: 0, ..tail.status()? }),
        }
    }

    /// Whether the committed end is the one remembered, with nothing but zeros behind it. The
    /// length says nothing of that, but that there is nothing to look at.
    fn ends_as_remembered(&mut self, look: &Look) -> Result<bool, Failure> {
        if look.changed || !look.zeros || !self.tail.may_end_here() {
            return Ok(false);
        }
        Ok(look.len <= self.tail.end || self.tail.has_nothing_behind()?)
    }

    /// Sees that nothing stands in the way of a block of so many bytes, and repairs otherwise: of
    /// the write in which another writer died, the beginning may be missing (Z-7).
    pub(crate) fn clear_the_way(
        &mut self,
        guard: &WriterGuard<V>,
        block_bytes: u64,
    ) -> Result<(), Failure> {
        if self.tail.has_room_of_zeros(block_bytes)? {
            return Ok(());
        }
        self.tail.seen_behind = false;
        self.catch_up(guard)
    }

    /// Under another name somebody may append who holds another lock.
    fn refuse_other_names(&self, look: &Look) -> Result<(), Failure> {
        let segment = &self.tail.segment;
        let mut links = look.links;
        if links > 1 {
            // Of a rename, a loss of power may have kept the old name beside the new one (M-4).
            let temporary = new_segment_name(segment.header.sequence);
            if self.dir.id_of(&temporary)? == Some(look.id) {
                self.dir.remove(&temporary, "remove")?;
                links -= 1;
            }
        }
        if links > 1 {
            return Err(Failure::HardLinked { path: segment.path.clone(), links });
        }
        Ok(())
    }

    /// Hands an action to whoever keeps a trace.
    pub(crate) fn trace(&self, action: Action<'_>) {
        self.dir.vfs.trace(&action);
    }

    fn trace_look(&self) {
        self.trace(self.tail.action(Operator::StepOver).value(self.tail.next_offset()));
    }

    /// Goes on from a sealed segment to the active one, if there is a later one.
    fn hop(&mut self, guard: &WriterGuard<V>) -> Result<bool, Failure> {
        let header = self.tail.segment.header;
        let next = match header.sequence.checked_add(1) {
            Some(next) => self.dir.open_segment(next, OpenMode::Write)?,
            None => None,
        };
        match next.filter(|next| next.header.sequence == header.sequence + 1) {
            Some(next) => self.enter(guard, next).map(|()| true),
            None => self.open_newer_active(guard), // missing or stray
        }
    }

    /// Opens the active segment where it is no longer the one remembered: what stands in a
    /// segment that others sealed is not for a writer to repair.
    fn open_newer_active(&mut self, guard: &WriterGuard<V>) -> Result<bool, Failure> {
        let own = self.tail.segment.header.sequence;
        match self.dir.open_active(OpenMode::Write)? {
            Some(active) if active.header.sequence != own => {
                self.enter(guard, active).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Leaves a segment that others sealed for a later one.
    fn enter(&mut self, guard: &WriterGuard<V>, next: OpenSegment<V::File>) -> Result<(), Failure> {
        // Whoever sealed it synced it, but perhaps after this writer was told of a failure.
        if self.tail.sync_failed {
            self.rewrite_and_sync(guard)?;
        }
        let own = &self.tail.segment.header;
        let follows = own.sequence.checked_add(1) == Some(next.header.sequence);
        let wrong = if next.header.stream_id != own.stream_id {
            Some("stream id")
        } else if follows && self.tail.sealed && next.header.base_offset != self.tail.next_offset()
        {
            Some("base offset") // F-49
        } else {
            None
        };
        if let Some(field) = wrong {
            return Err(next.damage(0, self.tail.next_offset(), Cause::HeaderField(field)));
        }
        self.tail = Tail::scan(next)?.0;
        Ok(())
    }

    /// Makes sure that records may be appended: the epoch and its block's durability,
    /// and the durability of the segment's name (A-7, E-2, E-4, V-7).
    ///
    /// # Errors
    /// Where a sync or a write fails.
    pub fn prepare(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        if !self.tail.named_durably {
            self.dir.sync()?;
            self.tail.named_durably = true;
            self.trace(self.tail.action(Operator::SyncNamesFirst));
        }
        if self.needs_epoch() {
            self.clear_the_way(guard, RAISE_BYTES)?;
            if self.needs_epoch() {
                self.raise_epoch(guard)?; // otherwise a repair did it
            }
        }
        if self.tail.durable_to < self.tail.epoch_end {
            self.sync(guard, Operator::SyncEpoch)?;
        }
        Ok(())
    }

    /// Whether records need a new epoch (E-2).
    fn needs_epoch(&self) -> bool {
        let raised_here = self.raised && self.boot_id.is_none();
        !raised_here && !self.tail.state.is_of_boot(self.boot_id)
    }

    /// Begins a new epoch at the committed end, in a block of its own that is on disk
    /// before anything follows (E-3).
    ///
    /// # Errors
    /// Where a sync or a write fails.
    pub fn raise_epoch(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        let now_ms = self.dir.vfs.now_ms();
        // No number is ever used for two histories.
        let exhausted = || Failure::EpochsExhausted { dir: self.dir.path.clone() };
        let epoch = Epoch {
            number: self.tail.epoch().checked_add(1).ok_or_else(exhausted)?,
            first_offset: self.tail.next_offset(),
            boot_id: self.boot_id,
            time_ms: now_ms,
        };
        let (key, value) = encode_epoch(&epoch);
        let mut builder = BlockBuilder::default();
        let entry = NewRecord::control(EPOCH, Some(&key), Some(&value));
        builder.push(&entry).map_err(|error| self.impossible(&error))?;
        let written =
            self.write_block(guard, &mut builder, BlockKind::Records, now_ms, epoch.number);
        written.map_err(CommitError::into_failure)?;
        self.raised = true;
        self.sync(guard, Operator::SyncRaise)
    }

    /// An error of our own making, told instead of a panic.
    pub(crate) fn impossible(&self, error: &dyn std::error::Error) -> Failure {
        let path = self.tail.segment.path.clone();
        let source = io::Error::other(error.to_string());
        IoError { position: Some(self.tail.end), ..IoError::of("encode for", path, source) }.into()
    }

    /// Appends a block with records of users or with state, in the newest epoch.
    ///
    /// # Errors
    /// Which outcome it had instead.
    pub fn append_block(
        &mut self,
        guard: &WriterGuard<V>,
        builder: &mut BlockBuilder,
        kind: BlockKind,
        timestamp_ms: u64,
    ) -> Result<(), CommitError> {
        self.clear_the_way(guard, builder.block_bytes())?;
        let epoch = self.tail.epoch();
        self.write_block(guard, builder, kind, timestamp_ms, epoch)
    }

    /// Makes a block fit for the committed end: no block may stand within it (F-43). Its length may
    /// be another afterwards, so whoever asks whether it fits into the segment does this before. To do it
    /// again for the same place costs nothing.
    ///
    /// # Errors
    /// `HoldsBlocks` where no way was found.
    pub fn fit(&self, builder: &mut BlockBuilder) -> Result<(), RecordError> {
        let place = self.tail.segment.header.place(self.tail.end);
        builder.fit(place).or_else(|refused| match self.dir.vfs.random() {
            Ok(key) => builder.fit_by_lot(place, &key),
            Err(_) => Err(refused),
        })
    }

    fn write_block(
        &mut self,
        _guard: &WriterGuard<V>,
        builder: &mut BlockBuilder,
        kind: BlockKind,
        timestamp_ms: u64,
        epoch: u32,
    ) -> Result<(), CommitError> {
        let mut meta = self.tail.meta(kind, timestamp_ms);
        meta.epoch = epoch;
        let place = self.tail.segment.header.place(self.tail.end);
        let built = self.fit(builder).and_then(|()| builder.finish(&meta, place));
        let built = built.map_err(|error| self.impossible(&error))?;
        let (dir, tail) = (&self.dir, &mut self.tail);
        let length = built.bytes.len() as u64;
        reserve(dir, tail, tail.end + length)?;
        let begin = if epoch == tail.epoch() { Operator::Reserve } else { Operator::RaiseEpoch };
        let label = if kind == BlockKind::SegmentEnd { "end" } else { "" };
        dir.vfs.trace(&tail.action(begin).value(length).label(label));
        if let Err(error) = write_full(&tail.segment.file, built.bytes, tail.end) {
            withdraw(dir, tail);
            return Err(CommitError::NotAppended(tail.io_error("write", error).into()));
        }
        dir.vfs.trace(&tail.action(Operator::WritePart).value(length).label(label));
        commit(dir, tail)?;
        let begin = tail.end;
        tail.absorb(&built.block).map_err(|cause| tail.damage(cause))?;
        assert!(tail.end == begin + length, "the end is not behind the block that was committed");
        dir.vfs.trace(&tail.action(Operator::Commit).value(tail.next_offset()).label(label));
        begin_sync(tail, begin);
        Ok(())
    }

    /// Puts the segment on the disk, whatever it takes: the step of the
    /// protocol that is called `action`.
    ///
    /// # Errors
    /// `Io` when rewriting and syncing again failed too.
    pub fn sync(&mut self, guard: &WriterGuard<V>, action: Operator) -> Result<(), Failure> {
        if self.try_sync(action).is_ok() {
            return Ok(());
        }
        self.rewrite_and_sync(guard)
    }

    /// Syncs without the lock: fine unless it fails.
    ///
    /// # Errors
    /// What the system says; then only [`Writer::rewrite_and_sync`] helps (M-6).
    pub fn try_sync(&mut self, action: Operator) -> Result<(), IoError> {
        let tail = &mut self.tail;
        let path = &tail.segment.path;
        if tail.sync_failed {
            let source = io::Error::other("an earlier sync failed");
            return Err(source).while_doing("sync", path);
        }
        let end = tail.end;
        match tail.segment.file.sync_data() {
            Ok(()) => {
                tail.durable_to = tail.durable_to.max(end);
                self.dir.vfs.trace(&tail.action(action));
                self.dir.counters.syncs.add(1);
                Ok(())
            }
            Err(error) => {
                tail.sync_failed = true;
                self.dir.vfs.trace(&tail.action(Operator::SyncFails).label(action.name()));
                Err(error).while_doing("sync", path)
            }
        }
    }

    /// After a failed sync: writes again what is not known durable, and syncs.
    ///
    /// That is everything up to the end of the file: the failed sync may have lost blocks too
    /// that others committed behind the end remembered here, and once it was told, no later one is.
    ///
    /// # Errors
    /// What the system says.
    pub fn rewrite_and_sync(&mut self, _guard: &WriterGuard<V>) -> Result<(), Failure> {
        let tail = &mut self.tail;
        let (file, path) = (&tail.segment.file, &tail.segment.path);
        let mut position = tail.durable_to.min(tail.end);
        let mut bytes = vec![0; FIRST_PIECE_BYTES];
        loop {
            let count =
                read_full(file, &mut bytes, position).while_doing_at("read", path, position)?;
            if count == 0 {
                break;
            }
            write_full(file, part(&bytes, ..count), position)
                .while_doing_at("rewrite", path, position)?;
            position += count as u64;
            bytes.resize(PIECE_BYTES, 0);
        }
        self.dir.vfs.trace(&tail.action(Operator::Rewrite));
        let synced = file.sync_data();
        let told =
            tail.action(if synced.is_ok() { Operator::SyncAgain } else { Operator::SyncFails });
        self.dir.vfs.trace(&told.label(Operator::SyncAgain.name()));
        synced.while_doing("sync", path)?;
        self.dir.counters.syncs.add(1);
        tail.sync_failed = false;
        tail.durable_to = tail.durable_to.max(position.min(tail.end));
        Ok(())
    }
}
