//! Records as clients read them: batches that are put together as they are read from the stream.

use super::varint::{put, put_nullable};
use super::{CRC_FROM, HEADER_BYTES, LENGTH_FROM, LOG_APPEND_TIME};

/// A batch is closed once it has so many bytes.
const FULL_BYTES: usize = 1 << 20;

/// Puts batches together. A batch has one time, that of its records' block: so it ends where
/// another time begins.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    open: Option<Open>,
    scratch: Vec<u8>,
}

/// The batch that is not closed yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    from: usize,
    base_offset: u64,
    last_offset: u64,
    timestamp_ms: u64,
    epoch: u32,
    count: u32,
}

impl Encoder {
    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    /// Adds a record behind those before. Offsets rise; they need not be dense.
    pub fn push<'a>(
        &mut self,
        place: (u64, u64, u32),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let (offset, timestamp_ms, epoch) = place;
        let mut open = self.batch_for(offset, timestamp_ms, epoch);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.push(0); // attributes
        put(&mut scratch, 0); // no time of its own
        put(&mut scratch, offset.saturating_sub(open.base_offset).cast_signed());
        put_nullable(&mut scratch, key);
        put_nullable(&mut scratch, value);
        put(&mut scratch, i64::try_from(headers.len()).unwrap_or(0));
        for (name, value) in headers {
            put_nullable(&mut scratch, Some(name));
            put_nullable(&mut scratch, Some(value));
        }
        put_nullable(&mut self.out, Some(&scratch));
        self.scratch = scratch;
        open.last_offset = offset;
        open.count += 1;
        self.open = Some(open);
    }

    /// The open batch if the record fits into it, or else a new one.
    fn batch_for(&mut self, offset: u64, timestamp_ms: u64, epoch: u32) -> Open {
        if let Some(open) = self.open {
            let near = offset.saturating_sub(open.base_offset) < i32::MAX.unsigned_abs().into();
            let same = open.timestamp_ms == timestamp_ms && open.epoch == epoch;
            if near && same && self.out.len() - open.from < FULL_BYTES {
                return open;
            }
            self.close();
        }
        let from = self.out.len();
        self.out.resize(from + HEADER_BYTES, 0);
        Open { from, base_offset: offset, last_offset: offset, timestamp_ms, epoch, count: 0 }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some(batch) = self.out.get_mut(open.from..) else { return };
        let length = i32::try_from(batch.len() - LENGTH_FROM).unwrap_or(i32::MAX);
        let delta = i32::try_from(open.last_offset - open.base_offset).unwrap_or(i32::MAX);
        let mut set = |at: usize, bytes: &[u8]| {
            if let Some(into) = batch.get_mut(at..at + bytes.len()) {
                into.copy_from_slice(bytes);
            }
        };
        set(0, &open.base_offset.to_be_bytes());
        set(8, &length.to_be_bytes());
        set(12, &open.epoch.to_be_bytes());
        set(16, &[2]);
        set(21, &LOG_APPEND_TIME.to_be_bytes());
        set(23, &delta.to_be_bytes());
        set(27, &open.timestamp_ms.to_be_bytes());
        set(35, &open.timestamp_ms.to_be_bytes());
        set(43, &(-1_i64).to_be_bytes());
        set(51, &(-1_i16).to_be_bytes());
        set(53, &(-1_i32).to_be_bytes());
        set(57, &open.count.to_be_bytes());
        let crc = crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default());
        if let Some(into) = batch.get_mut(17..CRC_FROM) {
            into.copy_from_slice(&crc.to_be_bytes());
        }
    }

    /// The batches.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.close();
        self.out
    }
}
