//! No block may stand within a block (F-43).
//!
//! Whoever can read a stream knows what the checksums of its blocks are seeded with, and can put
//! into a value what would be a block if it stood in the right place: a file that ends within
//! that value would end with the block, and a look for traces of blocks would find it. So what
//! is written never holds one: the body is shifted by a record that says nothing.

use super::{BlockBuilder, BlockStart, Place};
use crate::format::layout::{BLOCK_ALIGN, MAX_BODY_BYTES, MAX_VALUE_BYTES, start};
use crate::format::record::RecordError;
use crate::format::record::{NewRecord, PAD};
use siphasher::sip::SipHasher;
use std::hash::{Hash, Hasher};

/// Shifts that anybody can foretell; the first is enough against everything but malice.
const PLAIN_TRIES: usize = 8;
/// Shifts that nobody can foretell. A body has room for one start in 48 of its bytes, and each
/// one forbids one shift: so each try fails with a probability of 1/48 at most.
const DRAWN_TRIES: u64 = 16;

impl BlockBuilder {
    /// Fits the body to this place: shifts it if a block would stand within (F-43). The
    /// block's length may be another afterwards.
    ///
    /// # Errors
    /// `HoldsBlocks` where no shift that was tried helps. Against bytes that are meant to be in
    /// the way, [`BlockBuilder::fit_by_lot`] goes on.
    pub fn fit(&mut self, place: Place) -> Result<(), RecordError> {
        if self.fitted == Some(place) {
            return Ok(());
        }
        self.unshift();
        self.fill_up();
        if self.holds_start(place) {
            self.try_shifts(place, 0..PLAIN_TRIES)?;
        }
        self.fitted = Some(place);
        Ok(())
    }

    /// The same with shifts drawn by lot, which nobody can foretell who does not know the key.
    ///
    /// # Errors
    /// `HoldsBlocks` where the body leaves no room for them.
    pub fn fit_by_lot(&mut self, place: Place, key: &[u8; 16]) -> Result<(), RecordError> {
        self.unshift();
        let room = MAX_BODY_BYTES.saturating_sub(self.body_len());
        let range = self.body_len().min(room).clamp(1, MAX_VALUE_BYTES);
        let draw = |number: u64| {
            let mut hasher = SipHasher::new_with_key(key);
            (place.header_crc, place.position, number).hash(&mut hasher);
            usize::try_from(hasher.finish()).unwrap_or(usize::MAX) % range
        };
        self.try_shifts(place, (0..DRAWN_TRIES).map(draw))?;
        self.fitted = Some(place);
        Ok(())
    }

    fn try_shifts(
        &mut self,
        place: Place,
        lengths: impl Iterator<Item = usize>,
    ) -> Result<(), RecordError> {
        let bytes = self.body_len();
        for length in lengths {
            if self.shift_by(length) && !self.holds_start(place) {
                return Ok(());
            }
            self.unshift();
        }
        Err(RecordError::HoldsBlocks { bytes })
    }

    /// Whether a start stands within the block (F-43).
    fn holds_start(&self, place: Place) -> bool {
        let positions = (place.position..).step_by(BLOCK_ALIGN as usize);
        let mut units = self.bytes.chunks_exact(BLOCK_ALIGN as usize).zip(positions).skip(1);
        units.any(|(unit, position)| {
            BlockStart::stands_at(unit, Place { position, ..place }).is_some()
        })
    }

    /// Puts a pad with a value of so many bytes in front of the body; `false` if there is no room.
    fn shift_by(&mut self, length: usize) -> bool {
        let value = vec![0; length];
        let mut pad = Vec::with_capacity(length + start::LEN);
        NewRecord::control(PAD, None, Some(&value)).encode(&mut pad);
        if self.body_len() + pad.len() > MAX_BODY_BYTES {
            return false;
        }
        self.bytes.truncate(self.body_end);
        self.body_end += pad.len();
        self.shift = pad.len();
        self.bytes.splice(start::LEN..start::LEN, pad);
        self.fill_up();
        true
    }

    /// Takes the shift out again.
    pub(super) fn unshift(&mut self) {
        self.fitted = None;
        if self.shift > 0 {
            self.bytes.drain(start::LEN..start::LEN + self.shift);
            self.body_end -= self.shift;
            self.shift = 0;
        }
    }

    /// Behind the body zeros, up to the block's length (F-15).
    pub(super) fn fill_up(&mut self) {
        let length = self.block_bytes() as usize;
        self.bytes.truncate(self.body_end);
        self.bytes.resize(length, 0);
    }
}
