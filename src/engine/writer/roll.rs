//! Going on in a new segment (protocol.md, chapter 7).

use std::io;
use std::path::Path;

use crate::engine::dir::{Directory, new_segment_name, open_owner_lock, segment_name};
use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::maker::{SegmentMaker, give_name};
use crate::engine::seek::lowest_offset;
use crate::engine::segment::SegmentHeader;
use crate::engine::tail::Tail;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockKind, OpenMode, Vfs, VfsFile, millis};
use crate::engine::writer::{CommitError, Writer, WriterGuard, reserve};
use crate::format::block::{BlockBuilder, BlockKind, BlockMeta};
use crate::format::layout::{CHECKPOINT_BODY_BYTES, MAX_INDEX_BYTES, header};
use crate::format::record::NewRecord;
use crate::format::record::RecordError;
use crate::format::state::{POSITION, PRODUCER, ProducerEntry, State};
use crate::format::topics::TOPICS;

/// Room that must be left beside what is about to be written (V-2).
const SPARE_BYTES: u64 = 64 * 1024 + MAX_INDEX_BYTES as u64;
/// A checkpoint among the blocks may take so small a part of them, or so few bytes.
const CHECKPOINT_PART: u64 = 16;
const SMALL_CHECKPOINT_BYTES: u64 = 512;

impl<V: Vfs> Writer<V> {
    /// Whether a block of this length belongs in the next segment (V-1).
    pub fn must_roll(&self, block_bytes: u64) -> bool {
        let tail = &self.tail;
        let used = tail.end - tail.records_from;
        used > 0 && used + block_bytes > tail.state.settings().segment_bytes
    }

    /// Puts a checkpoint at the committed end if there was none for long, so that who opens the
    /// stream need not read all of the segment (O-7). One that is large for what stands between
    /// it and the last is left out.
    ///
    /// # Errors
    /// Where it cannot be written; then it is not there.
    pub fn checkpoint_if_due(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        let passed = self.tail.end - self.tail.checkpoint_end;
        if passed < self.checkpoint_every_bytes {
            return Ok(());
        }
        let checkpoints = checkpoints(&self.tail.state);
        let mut checkpoints = checkpoints.map_err(|error| self.impossible(&error))?;
        match checkpoints.as_mut_slice() {
            [one] if one.block_bytes() <= SMALL_CHECKPOINT_BYTES.max(passed / CHECKPOINT_PART) => {
                self.push_index(one)?;
                let timestamp_ms = self.tail.max_timestamp_ms;
                let written = self.append_block(guard, one, BlockKind::Checkpoint, timestamp_ms);
                if written.is_err() {
                    // A favour: not asked of each append from here on.
                    self.tail.checkpoint_end = self.tail.end;
                }
                written.map_err(CommitError::into_failure)
            }
            _ => {
                self.tail.checkpoint_end = self.tail.end;
                Ok(())
            }
        }
    }

    /// Seals the active segment and goes on in a new one (V-2 to V-5), in which a block of
    /// `block_bytes` is to follow.
    ///
    /// # Errors
    /// `NoSpace` or `NameTaken` before anything was written; or a step that failed: whoever comes next
    /// finishes it (V-6).
    pub fn roll(&mut self, guard: &WriterGuard<V>, block_bytes: u64) -> Result<(), Failure> {
        self.check_space(block_bytes)?;
        let next = self.tail.segment.header.sequence.checked_add(1);
        let exhausted = || Failure::SegmentsExhausted { dir: self.dir.path.clone() };
        check_name_is_free(&self.dir, next.ok_or_else(exhausted)?)?;
        self.forget_expired(guard)?;
        let mut builder = BlockBuilder::default();
        self.push_index(&mut builder)?;
        let timestamp_ms = self.tail.max_timestamp_ms;
        let sealed = self.append_block(guard, &mut builder, BlockKind::SegmentEnd, timestamp_ms);
        sealed.map_err(CommitError::into_failure)?;
        self.trace(self.tail.action(Operator::Seal).value(self.tail.next_offset()));
        self.finish_rollover(guard)
    }

    /// Adds the index of the topics since the newest checkpoint (F-42).
    fn push_index(&self, builder: &mut BlockBuilder) -> Result<(), Failure> {
        let index = self.tail.topics.value();
        let pushed = builder.push(&NewRecord::control(TOPICS, None, Some(&index)));
        pushed.map_err(|error| self.impossible(&error))
    }

    /// Removes the entries that nobody renewed for too long (C-5), so that a checkpoint does
    /// not carry them on.
    fn forget_expired(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        let tail = &self.tail;
        let Some(expiry) = tail.state.settings().expiry else { return Ok(()) };
        let now_ms = self.dir.vfs.now_ms().min(tail.began_ms());
        let limit_ms = now_ms.saturating_sub(millis(expiry));
        let mut builder = BlockBuilder::default();
        let mut low = None;
        for (kind, key) in tail.state.expired(limit_ms) {
            let stays = if kind == POSITION {
                self.is_running(key)
            } else {
                let known = low.map_or_else(|| self.low(), Ok)?;
                self.holds_records_of(key, *low.insert(known))
            };
            if stays {
                continue;
            }
            let marker = NewRecord::control(kind, Some(key), None);
            if builder.push(&marker).is_err() || builder.body_len() > CHECKPOINT_BODY_BYTES {
                break; // the rest at the next rollover
            }
        }
        if builder.body_len() == 0 {
            return Ok(());
        }
        if low.is_some() {
            // What was deleted below stays so, whatever becomes of the power (C-10).
            self.dir.sync()?;
        }
        self.prepare(guard)?;
        let now_ms = self.dir.vfs.now_ms();
        let written = self.append_block(guard, &mut builder, BlockKind::Records, now_ms);
        written.map_err(CommitError::into_failure)?;
        self.trace(self.tail.action(Operator::Expire));
        Ok(())
    }

    /// Whether a process runs under the name of a consumer: it may have nothing to commit. Where
    /// nobody can tell, it may; a rollover does not fail for that.
    fn is_running(&self, name: &[u8]) -> bool {
        match open_owner_lock(&self.dir, &String::from_utf8_lossy(name)) {
            Ok(None) => false,
            Ok(Some((file, _))) => file.is_locked(LockKind::Shared).unwrap_or(true),
            Err(_) => true,
        }
    }

    /// Whether the last records of a producer with an identity are in the stream: as long as they
    /// are, a retry must find that they were appended (C-10).
    fn holds_records_of(&self, identity: &[u8], low: u64) -> bool {
        let state = &self.tail.state;
        let entry = state.get(PRODUCER, identity).and_then(ProducerEntry::decode);
        entry.is_some_and(|entry| {
            entry.first_offset.saturating_add(u64::from(entry.record_count)) > low
        })
    }

    /// The lowest offset there is.
    fn low(&self) -> Result<u64, Failure> {
        let low = match self.dir.segments()? {
            Some(segments) => lowest_offset(&self.dir, &segments)?,
            None => None,
        };
        Ok(low.unwrap_or(self.tail.segment.header.base_offset))
    }

    /// Makes the next segment of a sealed one (V-6).
    pub(crate) fn finish_rollover(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        // Before the sync: a sealed segment ends with its segment end, on the disk too. It also gives
        // back what was reserved.
        let cut = self.tail.segment.file.set_len(self.tail.end);
        cut.map_err(|error| self.tail.io_error("cut", error))?;
        self.sync(guard, Operator::SyncSeal)?;
        let tail = &self.tail;
        let exhausted = || Failure::SegmentsExhausted { dir: self.dir.path.clone() };
        let sequence = tail.segment.header.sequence.checked_add(1).ok_or_else(exhausted)?;
        let header = SegmentHeader {
            stream_id: tail.segment.header.stream_id,
            base_offset: tail.next_offset(),
            created_ms: self.dir.vfs.now_ms(),
            sequence,
            epoch: tail.epoch(),
            ..SegmentHeader::default()
        };
        let (state, max_timestamp_ms) = (&tail.state, tail.max_timestamp_ms);
        let like = Some(&tail.segment.file);
        self.tail = make_segment(&self.dir, guard, header, state, max_timestamp_ms, like)?;
        Ok(())
    }

    /// Sees to it that a block of this length will find room: here, or in the next segment.
    ///
    /// # Errors
    /// `NoSpace`, or what the system says.
    pub(crate) fn make_room(
        &mut self,
        _guard: &WriterGuard<V>,
        block_bytes: u64,
    ) -> Result<(), Failure> {
        if self.must_roll(block_bytes) {
            return self.check_space(block_bytes);
        }
        let block_end = self.tail.end.saturating_add(block_bytes);
        reserve(&self.dir, &mut self.tail, block_end)
    }

    /// Meets a full disk before a segment is begun, not in the middle of a block (V-2).
    fn check_space(&self, block_bytes: u64) -> Result<(), Failure> {
        let dir = &self.dir;
        // A look ahead: where the system cannot tell, the write itself does.
        let Ok(free) = dir.free_bytes() else { return Ok(()) };
        let checkpoint = self.tail.state.entries().map(|entry| entry.encoded_bytes()).sum::<u64>();
        let needed = checkpoint + block_bytes + SPARE_BYTES;
        if free >= needed {
            return Ok(());
        }
        Err(Failure::NoSpace { path: self.tail.segment.path.clone(), needed, free })
    }
}

/// Makes a segment that opens with a state, and names it (V-4, V-5). `like` is the one before (O-9).
pub(super) fn make_segment<V: Vfs>(
    dir: &Directory<V>,
    _guard: &WriterGuard<V>,
    header: SegmentHeader,
    state: &State,
    max_timestamp_ms: u64,
    like: Option<&V::File>,
) -> Result<Tail<V::File>, Failure> {
    let (temporary, name) = (new_segment_name(header.sequence), segment_name(header.sequence));
    let impossible = |error| impossible(&dir.path.join(&temporary), &error);
    let mut maker = SegmentMaker::begin(dir, &temporary, header, like)?;
    let mut checkpoints = checkpoints(state).map_err(impossible)?;
    let length = fit_all(&mut checkpoints, &maker.header()).map_err(impossible)?;
    let mut opening = Vec::new();
    for checkpoint in &mut checkpoints {
        let meta = BlockMeta {
            kind: BlockKind::Checkpoint,
            link: maker.link(header.base_offset),
            timestamp_ms: max_timestamp_ms,
            durable_to: length,
            epoch: header.epoch,
            committed: true,
        };
        let built = checkpoint.finish(&meta, maker.place()).map_err(impossible)?;
        maker.add(&built)?;
        opening.push(built.block);
    }
    let action = |name| Action::new(name).at(header.sequence, length).value(header.base_offset);
    let segment = maker.finish(Some([action(Operator::Make), action(Operator::SyncMade)]))?;
    let mut tail = Tail::unread(segment);
    for checkpoint in opening {
        tail.absorb(&checkpoint).map_err(|cause| tail.damage(cause))?;
    }
    debug_assert!(tail.state.entries().eq(state.entries()), "F-37: the state opens the segment");
    assert!(tail.end == length && tail.next_offset() == header.base_offset, "F-23, F-21");
    // Another writer, which took the lock while that had lost its name, began it anew.
    if !dir.still_names(&tail.segment)? {
        let source = io::Error::other("another writer makes it too: writer.lock was removed");
        return Err(source).while_doing("name", &tail.segment.path)?;
    }
    check_name_is_free(dir, header.sequence)?;
    give_name(
        dir,
        &mut tail.segment,
        &name,
        "name",
        [action(Operator::Name), action(Operator::SyncName)],
    )?;
    tail.named_durably = true;
    tail.seen_behind = true;
    tail.zeros_to = u64::MAX;
    Ok(tail)
}

/// Fits blocks to their places behind a segment's header (F-43); tells where the last one ends.
fn fit_all(blocks: &mut [BlockBuilder], header: &SegmentHeader) -> Result<u64, RecordError> {
    let mut end = header::LEN as u64;
    for block in blocks {
        block.fit(header.place(end))?;
        end += block.block_bytes();
    }
    Ok(end)
}

/// What has the name already is a stray, and not ours to replace (F-9). Found behind a segment
/// end, it would leave a stream to which nobody can append; so it is looked for before, too (V-10).
fn check_name_is_free<V: Vfs>(dir: &Directory<V>, sequence: u32) -> Result<(), Failure> {
    let name = segment_name(sequence);
    // Opened, for what is no regular file has the name, too, and is refused (F-8).
    match dir.open_if_there(&name, OpenMode::Read)? {
        None => Ok(()),
        Some(_) => Err(Failure::NameTaken { path: dir.path.join(name) }),
    }
}

/// The state in as many checkpoints as it takes, at least one (F-37).
fn checkpoints(state: &State) -> Result<Vec<BlockBuilder>, RecordError> {
    let mut done = Vec::new();
    let mut current = BlockBuilder::default();
    for entry in state.entries() {
        let full = current.body_len() as u64 + entry.encoded_bytes() > CHECKPOINT_BODY_BYTES as u64;
        if full && current.body_len() > 0 {
            done.push(std::mem::take(&mut current));
        }
        current.push(&entry)?;
    }
    done.push(current);
    Ok(done)
}

/// An error of our own making, told instead of a panic.
pub(super) fn impossible(path: &Path, error: &dyn std::error::Error) -> IoError {
    let source = io::Error::other(error.to_string());
    IoError::of("encode the state for", path.to_owned(), source)
}
