//! A block whose start is damaged, put together again from what stands around it.

use crate::format::block::{Block, BlockKind, BlockStart, Link, Place};
use crate::format::codec::{get_u32, put};
use crate::format::layout::{FLAG_CONTROL, MAX_BODY_BYTES, SIGNAL_HIGH, block_bytes, end, start};

use super::body::{Rescue, rescue};
use crate::format::sure::{part, sure};

/// The bytes of one block whose start cannot be read.
pub struct Headless<'a> {
    bytes: &'a [u8],
    body_len: usize,
}

impl<'a> Headless<'a> {
    /// Takes bytes between two blocks for a block, if the length in its end says so.
    pub fn recognize(bytes: &'a [u8]) -> Option<Self> {
        let body_len = get_u32(bytes, bytes.len().checked_sub(end::END_BODY_LEN)?)? as usize;
        let fits = body_len <= MAX_BODY_BYTES && block_bytes(body_len) == bytes.len() as u64;
        fits.then_some(Self { bytes, body_len })
    }

    /// Its body.
    pub fn body(&self) -> &'a [u8] {
        part(self.bytes, start::LEN..start::LEN + self.body_len)
    }

    /// The checksum that stands in its end.
    pub fn stored_crc(&self) -> u32 {
        sure(get_u32(self.bytes, self.bytes.len() - end::CRC), "it is as long as a block")
    }

    /// The block's bytes with the start as it must have been: the fields that follow from
    /// the block before and from the body, the others as they stand. `None` unless the
    /// checksum of the block proves it.
    pub fn restore(&self, place: Place, before: &Link) -> Option<(Vec<u8>, BlockStart)> {
        let body = rescue(self.body(), 0, true);
        let record_count = u32::try_from(body.spanned).ok().filter(|_| body.whole)?;
        let kinds = [BlockKind::Records, BlockKind::Checkpoint, BlockKind::SegmentEnd];
        kinds.iter().find_map(|kind| self.restore_as(*kind, &body, record_count, place, before))
    }

    fn restore_as(
        &self,
        kind: BlockKind,
        body: &Rescue<'_>,
        record_count: u32,
        place: Place,
        before: &Link,
    ) -> Option<(Vec<u8>, BlockStart)> {
        let has_control = body.good.iter().any(|fields| fields.control);
        let flags = if has_control { FLAG_CONTROL } else { 0 };
        let mut bytes = self.bytes.to_vec();
        put(&mut bytes, start::SIGNAL, &[SIGNAL_HIGH]);
        put(&mut bytes, start::KIND, &[kind as u8]);
        put(&mut bytes, start::FLAGS, &flags.to_le_bytes());
        put(&mut bytes, start::BODY_LEN, &(self.body_len as u32).to_le_bytes());
        put(&mut bytes, start::RECORD_COUNT, &record_count.to_le_bytes());
        put(&mut bytes, start::PREV_CRC, &before.prev_crc.to_le_bytes());
        put(&mut bytes, start::FIRST_OFFSET, &before.next_offset.to_le_bytes());
        let start_crc = place.start_crc(&bytes);
        put(&mut bytes, start::START_CRC, &start_crc.to_le_bytes());
        let start = BlockStart::decode(&bytes, place).ok()?;
        Block::verify(&bytes, start).ok()?;
        Some((bytes, start))
    }
}
