//! Records to the bytes of a block.

mod shift;

use super::{Block, BlockKind, BlockStart, Link, Place};
use crate::format::codec::{crc_continue, put};
use crate::format::layout::{MAX_BODY_BYTES, block_bytes, end, start};
use crate::format::record::NewRecord;
use crate::format::record::RecordError;
use crate::format::sure::{part, sure};

/// What a block says beside its records.
#[derive(Clone, Copy, Debug)]
pub struct BlockMeta {
    /// What the block is for.
    pub kind: BlockKind,
    /// What it continues.
    pub link: Link,
    /// Time, see F-22.
    pub timestamp_ms: u64,
    /// Bytes of the segment known to be on disk (F-23).
    pub durable_to: u64,
    /// Epoch (E-5).
    pub epoch: u32,
    /// Whether the signal is high from the beginning: only in a file without a name (V-4).
    pub committed: bool,
}

/// A block that was built, as bytes and as what they say.
#[derive(Clone, Copy, Debug)]
pub struct BuiltBlock<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// The same, decoded.
    pub block: Block<'a>,
}

impl BuiltBlock<'_> {
    /// What is built is what a reader will take (F-15 to F-19).
    fn assert_sound(&self, place: Place) {
        let BlockStart { kind, body_len, record_count, .. } = self.block.start;
        let records = kind == BlockKind::Records;
        assert!(body_len <= MAX_BODY_BYTES && (body_len > 0 || !records), "F-16");
        assert!(records || record_count == 0, "F-18");
        assert!(self.bytes.len() == self.block.start.block_len(), "F-15");
        debug_assert_eq!(BlockStart::decode(self.bytes, place), Ok(self.block.start));
        debug_assert!(Block::verify(self.bytes, self.block.start).is_ok());
        debug_assert_eq!(self.block.check_records(), Ok(()));
    }
}

/// Builds one block after another in one buffer.
#[derive(Clone, Debug)]
pub struct BlockBuilder {
    /// Start and body; pad and end too once the block was fitted to a place.
    bytes: Vec<u8>,
    body_end: usize,
    record_count: u32,
    /// Whether a control record was added; that of the shift does not count.
    has_control: bool,
    /// Bytes of the control record at the beginning of the body that shifts the rest (F-43).
    shift: usize,
    /// The place that the block was fitted to.
    fitted: Option<Place>,
}

/// How far a block was built.
#[derive(Clone, Copy, Debug)]
pub struct BuilderMark {
    body_end: usize,
    record_count: u32,
    has_control: bool,
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self {
            bytes: vec![0; start::LEN],
            body_end: start::LEN,
            record_count: 0,
            has_control: false,
            shift: 0,
            fitted: None,
        }
    }
}

impl BlockBuilder {
    /// Begins a new block.
    pub fn clear(&mut self) {
        self.body_end = start::LEN;
        self.record_count = 0;
        self.has_control = false;
        (self.shift, self.fitted) = (0, None);
    }

    /// Bytes of the body so far.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.body_end - start::LEN
    }

    /// The body so far.
    pub(crate) fn body(&self) -> &[u8] {
        part(&self.bytes, start::LEN..self.body_end)
    }

    /// Length of the block if it were finished now, where it was last fitted to.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        block_bytes(self.body_len())
    }

    /// Adds a record to the body.
    ///
    /// # Errors
    /// What is wrong with the record, or the body's limit; nothing was added then.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<(), RecordError> {
        record.check()?;
        self.unshift();
        self.bytes.truncate(self.body_end);
        record.encode(&mut self.bytes);
        let bytes = self.bytes.len() - start::LEN;
        if bytes > MAX_BODY_BYTES {
            return Err(RecordError::TooLong { field: "batch", bytes, limit: MAX_BODY_BYTES });
        }
        self.body_end = self.bytes.len();
        self.has_control |= record.is_control();
        let offsets = self.record_count.checked_add(record.spanned_offsets());
        self.record_count = sure(offsets, "a body has no room for so many offsets");
        Ok(())
    }

    /// A mark to come back to with [`BlockBuilder::rollback`].
    #[must_use]
    pub fn mark(&self) -> BuilderMark {
        let Self { body_end, record_count, has_control, shift, .. } = *self;
        BuilderMark { body_end: body_end - shift, record_count, has_control }
    }

    /// Takes out what was added since the mark.
    pub fn rollback(&mut self, mark: BuilderMark) {
        self.unshift();
        self.body_end = mark.body_end.min(self.body_end);
        self.record_count = mark.record_count;
        self.has_control = mark.has_control;
    }

    /// How many offsets the records take that were added: a control record takes none (F-18).
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The finished block for this place. May be asked for again with another meta or place.
    ///
    /// # Errors
    /// As [`BlockBuilder::fit`]; and where the stream has no offsets left for the records (F-18).
    pub fn finish(
        &mut self,
        meta: &BlockMeta,
        place: Place,
    ) -> Result<BuiltBlock<'_>, RecordError> {
        let next_offset = meta.link.next_offset;
        if next_offset.checked_add(u64::from(self.record_count)).is_none() {
            return Err(RecordError::OffsetsExhausted { next_offset });
        }
        self.fit(place)?;
        Ok(self.seal(meta, place))
    }

    /// The finished block, its body byte for byte as it was added: for a copy of a block that
    /// stands at this very place in another file.
    pub fn finish_copy(&mut self, meta: &BlockMeta, place: Place) -> BuiltBlock<'_> {
        self.unshift();
        self.fill_up();
        self.seal(meta, place)
    }

    fn seal(&mut self, meta: &BlockMeta, place: Place) -> BuiltBlock<'_> {
        let length = self.bytes.len();
        let body_len = self.body_len();
        let mut start = self.block_start(meta);
        let bytes = self.bytes.as_mut_slice();
        start.encode(bytes, place);
        put(bytes, length - end::END_BODY_LEN, &(body_len as u32).to_le_bytes());
        let covered = part(bytes, start::LEN..length - end::CRC);
        let crc = crc_continue(start.start_crc, covered);
        put(bytes, length - end::CRC, &crc.to_le_bytes());
        let built =
            BuiltBlock { bytes: &self.bytes, block: Block { start, body: self.body(), crc } };
        built.assert_sound(place);
        built
    }

    fn block_start(&self, meta: &BlockMeta) -> BlockStart {
        BlockStart {
            committed: meta.committed,
            kind: meta.kind,
            has_control: self.has_control || self.shift > 0,
            body_len: self.body_len(),
            record_count: self.record_count,
            prev_crc: meta.link.prev_crc,
            first_offset: meta.link.next_offset,
            timestamp_ms: meta.timestamp_ms,
            durable_to: meta.durable_to,
            epoch: meta.epoch,
            start_crc: 0,
        }
    }
}
