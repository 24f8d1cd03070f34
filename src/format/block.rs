//! Blocks: records to bytes, and bytes back to records that can be trusted
//! (format.md, chapter 5). No files here.
//!
//! Trust is a type: bytes become a [`BlockStart`] only when its checksum is right, and
//! a [`Block`] only when the whole block is *valid* (F-24). Nothing beyond takes raw bytes.

mod builder;
mod cursor;

pub use builder::{BlockBuilder, BlockMeta, BuiltBlock};
pub use cursor::RecordCursor;

use crate::format::codec::{crc_continue, get_u16, get_u32, get_u64, put};
use crate::format::layout::{
    FLAG_CONTROL, MAX_BODY_BYTES, SIGNAL_HIGH, SIGNAL_LOW, block_bytes, end, start,
};
use crate::format::record::{Fields, RecordCause};
use crate::format::sure::part;

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Records of users, and changes of the state.
    Records = 1,
    /// The whole state (F-37).
    Checkpoint = 2,
    /// The last block of a sealed segment.
    SegmentEnd = 3,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Records, Self::Checkpoint, Self::SegmentEnd]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Why bytes are not a good, committed block, or a file is not a segment.
///
/// ```
/// use puro::{Consumer, Failure, NewRecord, ReadError, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::os::unix::fs::FileExt;
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// // A disk forgets the header of the segment:
/// let file = std::fs::OpenOptions::new().write(true).open(dir.join("0000000000.puro"))?;
/// file.write_all_at(&[0; 8], 16)?;
/// let Err(ReadError::Failure(Failure::Damage(damage))) = Consumer::open(&dir) else {
///     return Err("that is damage".into());
/// };
/// println!("{}", damage.cause);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The file ends here: nothing is wrong.
    #[error("the file ends here")]
    End,
    /// The file ends within the block.
    #[error("the file ends within the block")]
    Cut,
    /// The signal byte is neither low nor high (F-17).
    #[error("the signal byte is {0:#04x}")]
    Signal(u8),
    /// The start's checksum is wrong (F-19).
    #[error("the checksum of the block's start is wrong")]
    StartCrc,
    /// A field of the start that is not allowed, its checksum being right (F-16 to F-18).
    #[error("the block's start has an invalid {0}")]
    Field(&'static str),
    /// The block's checksum is wrong (F-19).
    #[error("the checksum of the block is wrong")]
    Crc,
    /// Pad bytes or the end are not as they must be (F-15).
    #[error("the block's pad or end is invalid")]
    Pad,
    /// The block is valid but low (F-24).
    #[error("the block was never committed (its signal is low)")]
    Low,
    /// The block is valid but does not follow the one before it (F-21).
    #[error("the block does not continue the one before it")]
    Chain,
    /// A record in a valid block is malformed (chapter 6).
    #[error("{0}")]
    Record(#[from] RecordCause),
    /// The records of a valid block are not as many as it says (F-17, F-18).
    #[error("the block's count of records or its flags do not fit its records")]
    Count,
    /// A control record that is needed is malformed (F-32).
    #[error("control record `{0}` is malformed")]
    Control(&'static str),
    /// The segment header's checksum is wrong (F-12).
    #[error("the checksum of the segment header is wrong")]
    HeaderCrc,
    /// The file is shorter than a segment header.
    #[error("the file is shorter than a segment header")]
    HeaderCut,
    /// A segment does not begin with a checkpoint (F-25).
    #[error("the segment does not begin with a checkpoint")]
    NoCheckpoint,
    /// Something stands behind a segment end (F-25).
    #[error("bytes follow the end of the segment")]
    BehindEnd,
    /// Bytes that were known to be on disk are not valid (recovery table: damaged).
    #[error("bytes that were synced (up to {durable_to}) are not valid")]
    Synced {
        /// Up to where they were known to be on disk.
        durable_to: u64,
    },
    /// A committed block stands behind bytes that are none, and no power was lost in between
    /// (recovery table: damaged).
    #[error(
        "the block is not valid, but one behind it, at byte {position}, is committed, \
         and no power was lost since it was written"
    )]
    CommittedBehind {
        /// Where that one stands.
        position: u64,
    },
    /// An index of topics names a block that does not hold the topic (F-42).
    #[error("an index of topics says that the block holds a topic that it does not hold")]
    Topics,
    /// No file is a segment under its own number: so nobody can say which stream this is (F-9).
    #[error(
        "its header says number {sequence}; if it was renamed, give it back the name that it had"
    )]
    OtherNumber {
        /// The number that its header says.
        sequence: u32,
    },
    /// A segment between others is missing (V-9).
    #[error("the segment is missing although a later one is there")]
    MissingSegment,
    /// A segment with a successor has no segment end.
    #[error("the segment has a successor but no segment end")]
    NotSealed,
    /// A header that does not fit its file's name or its neighbour.
    #[error("the segment header does not fit: wrong {0}")]
    HeaderField(&'static str),
}

/// Where a block stands: what its checksums are seeded with (F-19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// crc of the segment header.
    pub header_crc: u32,
    /// Position in the file.
    pub position: u64,
}

impl Place {
    fn seed(self) -> u32 {
        let mut seed = [0; 12];
        put(&mut seed, 0, &self.header_crc.to_le_bytes());
        put(&mut seed, 4, &self.position.to_le_bytes());
        crc_continue(0, &seed)
    }

    /// What start_crc must be for the bytes of a start, all 48 of them.
    pub(crate) fn start_crc(self, bytes: &[u8]) -> u32 {
        crc_continue(self.seed(), part(bytes, 1..start::START_CRC))
    }
}

/// A block's start whose own checksum is right. Says nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockStart {
    /// Whether the signal is high.
    pub committed: bool,
    /// What the block is for.
    pub kind: BlockKind,
    /// Whether the body holds a control record.
    pub has_control: bool,
    /// Bytes of the body.
    pub body_len: usize,
    /// Offsets that the block spans.
    pub record_count: u32,
    /// crc of the block before.
    pub prev_crc: u32,
    /// Offset of the first record, or of the next one to come.
    pub first_offset: u64,
    /// Time, see F-22.
    pub timestamp_ms: u64,
    /// Bytes of the segment known to be on disk (F-23).
    pub durable_to: u64,
    /// Epoch (E-5).
    pub epoch: u32,
    /// The start's checksum.
    pub start_crc: u32,
}

impl BlockStart {
    /// Decodes the 48 bytes of a start.
    ///
    /// # Errors
    /// `End` and `Cut` where there are none or too few; otherwise what is wrong,
    /// the checksum first (F-20).
    pub fn decode(bytes: &[u8], place: Place) -> Result<Self, Cause> {
        let Some(&signal) = bytes.first() else { return Err(Cause::End) };
        let covered = bytes.get(1..start::START_CRC).ok_or(Cause::Cut)?;
        let start_crc = get_u32(bytes, start::START_CRC).ok_or(Cause::Cut)?;
        if crc_continue(place.seed(), covered) != start_crc {
            return Err(Cause::StartCrc);
        }
        if signal != SIGNAL_LOW && signal != SIGNAL_HIGH {
            return Err(Cause::Signal(signal));
        }
        Self::decode_fields(bytes, signal, start_crc).ok_or(Cause::Cut)?
    }

    fn decode_fields(bytes: &[u8], signal: u8, start_crc: u32) -> Option<Result<Self, Cause>> {
        let kind = BlockKind::from_byte(*bytes.get(start::KIND)?);
        let flags = get_u16(bytes, start::FLAGS)?;
        let body_len = get_u32(bytes, start::BODY_LEN)? as usize;
        let record_count = get_u32(bytes, start::RECORD_COUNT)?;
        let Some(kind) = kind else { return Some(Err(Cause::Field("kind"))) };
        let records = kind == BlockKind::Records;
        if flags & !FLAG_CONTROL != 0 {
            return Some(Err(Cause::Field("flag")));
        }
        if body_len > MAX_BODY_BYTES || (records && body_len == 0) {
            return Some(Err(Cause::Field("body length")));
        }
        if !records && record_count != 0 {
            return Some(Err(Cause::Field("record count")));
        }
        let first_offset = get_u64(bytes, start::FIRST_OFFSET)?;
        if first_offset.checked_add(u64::from(record_count)).is_none() {
            return Some(Err(Cause::Field("first offset")));
        }
        Some(Ok(Self {
            committed: signal == SIGNAL_HIGH,
            kind,
            has_control: flags & FLAG_CONTROL != 0,
            body_len,
            record_count,
            prev_crc: get_u32(bytes, start::PREV_CRC)?,
            first_offset,
            timestamp_ms: get_u64(bytes, start::TIMESTAMP)?,
            durable_to: get_u64(bytes, start::DURABLE_TO)?,
            epoch: get_u32(bytes, start::EPOCH)?,
            start_crc,
        }))
    }

    /// Writes the start to the front of a block's bytes, and sets its checksum.
    fn encode(&mut self, bytes: &mut [u8], place: Place) {
        let flags = if self.has_control { FLAG_CONTROL } else { 0 };
        put(bytes, start::SIGNAL, &[if self.committed { SIGNAL_HIGH } else { SIGNAL_LOW }]);
        put(bytes, start::KIND, &[self.kind as u8]);
        put(bytes, start::FLAGS, &flags.to_le_bytes());
        put(bytes, start::BODY_LEN, &(self.body_len as u32).to_le_bytes());
        put(bytes, start::RECORD_COUNT, &self.record_count.to_le_bytes());
        put(bytes, start::PREV_CRC, &self.prev_crc.to_le_bytes());
        put(bytes, start::FIRST_OFFSET, &self.first_offset.to_le_bytes());
        put(bytes, start::TIMESTAMP, &self.timestamp_ms.to_le_bytes());
        put(bytes, start::DURABLE_TO, &self.durable_to.to_le_bytes());
        put(bytes, start::EPOCH, &self.epoch.to_le_bytes());
        let covered = part(bytes, 1..start::START_CRC);
        self.start_crc = crc_continue(place.seed(), covered);
        put(bytes, start::START_CRC, &self.start_crc.to_le_bytes());
    }

    /// The start that stands here, whatever its signal, which is in no checksum: what an encoder
    /// must not make within a block (F-43), and what the recovery table looks for behind the
    /// committed end. The fields come first, for hardly any other bytes look like those.
    #[inline]
    #[must_use]
    pub fn stands_at(bytes: &[u8], place: Place) -> Option<Self> {
        BlockKind::from_byte(*bytes.get(start::KIND)?)?;
        let signal = *bytes.first()?;
        let start_crc = get_u32(bytes, start::START_CRC)?;
        let found = Self::decode_fields(bytes, signal, start_crc)?.ok()?;
        (place.start_crc(bytes) == start_crc).then_some(found)
    }

    /// Length of the whole block.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        block_bytes(self.body_len)
    }

    /// The same in memory: no body is longer than [`MAX_BODY_BYTES`].
    #[must_use]
    pub fn block_len(&self) -> usize {
        self.block_bytes() as usize
    }
}

/// What the next block must continue (F-21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// crc of the block before, or of the segment header.
    pub prev_crc: u32,
    /// The next offset.
    pub next_offset: u64,
    /// Whether offsets may jump ahead: in a compacted segment.
    pub may_jump: bool,
}

impl Link {
    /// Whether a block with this start continues the chain.
    #[must_use]
    pub fn leads_to(&self, start: &BlockStart) -> bool {
        let offset_fits = start.first_offset == self.next_offset
            || (self.may_jump && start.first_offset > self.next_offset);
        start.prev_crc == self.prev_crc && offset_fits
    }
}

/// A valid block (F-24): both checksums, pad and end are right.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Its start.
    pub start: BlockStart,
    /// Its body. What the records in it are has not been looked at yet.
    pub body: &'a [u8],
    /// Its checksum.
    pub crc: u32,
}

impl<'a> Block<'a> {
    /// Checks the whole block whose start was decoded from the front of `bytes`.
    ///
    /// # Errors
    /// `Cut` where bytes are missing; otherwise what is wrong, the checksum first.
    pub fn verify(bytes: &'a [u8], start: BlockStart) -> Result<Self, Cause> {
        let length = start.block_len();
        let bytes = bytes.get(..length).ok_or(Cause::Cut)?;
        let crc_at = length - end::CRC;
        let crc = get_u32(bytes, crc_at).ok_or(Cause::Cut)?;
        let covered = bytes.get(start::LEN..crc_at).ok_or(Cause::Cut)?;
        if crc_continue(start.start_crc, covered) != crc {
            return Err(Cause::Crc);
        }
        let body_end = start::LEN + start.body_len;
        let body = bytes.get(start::LEN..body_end).ok_or(Cause::Cut)?;
        let pad = bytes.get(body_end..length - end::LEN).ok_or(Cause::Cut)?;
        let end_body_len = get_u32(bytes, length - end::END_BODY_LEN);
        if pad.iter().any(|byte| *byte != 0) || end_body_len != Some(start.body_len as u32) {
            return Err(Cause::Pad);
        }
        Ok(Self { start, body, crc })
    }

    /// What the block behind this one must continue.
    #[must_use]
    pub fn link(&self, may_jump: bool) -> Link {
        let next_offset = self.start.first_offset + u64::from(self.start.record_count);
        Link { prev_crc: self.crc, next_offset, may_jump }
    }

    /// The bytes that the block ends in: the length of its body again, and its checksum.
    #[must_use]
    pub fn end_bytes(&self) -> [u8; end::LEN] {
        let mut bytes = [0; end::LEN];
        put(&mut bytes, 0, &(self.start.body_len as u32).to_le_bytes());
        put(&mut bytes, end::LEN - end::CRC, &self.crc.to_le_bytes());
        bytes
    }

    /// Decodes all records, control records too, and checks that they are as many as
    /// the start says (F-17, F-18).
    ///
    /// # Errors
    /// The first rule that is broken. The block is damaged then (F-24).
    pub fn check_records(&self) -> Result<(), Cause> {
        let (mut rest, mut spanned, mut has_control) = (self.body, 0u64, false);
        let mut behind_gap = false;
        while !rest.is_empty() {
            let (fields, after) = Fields::split(rest)?;
            has_control |= fields.control;
            let offsets = spanned_offsets(&fields)?;
            let gap = fields.control && offsets > 0;
            if gap && behind_gap {
                return Err(Cause::Control("gap")); // two that should be one (F-33)
            }
            behind_gap = gap;
            spanned = spanned.checked_add(offsets).ok_or(Cause::Count)?;
            rest = after;
        }
        let counted = spanned == u64::from(self.start.record_count);
        if counted && has_control == self.start.has_control { Ok(()) } else { Err(Cause::Count) }
    }

    /// The control records, if any.
    ///
    /// # Errors
    /// In an item: a record that is malformed.
    pub fn control_records(&self) -> impl Iterator<Item = Result<Fields<'a>, Cause>> + use<'a> {
        let body = if self.start.has_control { self.body } else { &[] };
        split_all(body).filter(|fields| fields.as_ref().map_or(true, |fields| fields.control))
    }

    /// The topics of the records of users, in their order and as often as they come. Ends where a
    /// record is malformed.
    pub fn topics(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.body;
        let next = move || {
            let (topic, after) = Fields::split_topic(rest)?;
            rest = after;
            Some(topic)
        };
        std::iter::from_fn(next).flatten()
    }
}

fn split_all(mut rest: &[u8]) -> impl Iterator<Item = Result<Fields<'_>, Cause>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match Fields::split(rest) {
            Ok((fields, after)) => {
                rest = after;
                Some(Ok(fields))
            }
            Err(cause) => {
                rest = &[];
                Some(Err(cause.into()))
            }
        }
    })
}

/// How many offsets a record takes (F-29); a gap that does not say so is damage.
#[inline]
pub(crate) fn spanned_offsets(fields: &Fields<'_>) -> Result<u64, Cause> {
    fields.spanned_offsets().ok_or(Cause::Control("gap"))
}
