//! The first 64 bytes of a segment (format.md, chapter 4).

use crate::format::block::{Cause, Link, Place};
use crate::format::codec::{crc, get_u16, get_u32, get_u64, put};
use crate::format::layout::{MAGIC, VERSION, header};
use crate::format::sure::part;

/// The first 64 bytes of a segment (F-12), checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Features that may be ignored; 0 in what version 1 makes (F-13).
    pub features_compatible: u16,
    /// Features that forbid writing to who does not know them; 0 in what version 1 makes.
    pub features_read_compatible: u16,
    /// The same in all segments of a stream.
    pub stream_id: [u8; 16],
    /// The offset at which the segment began.
    pub base_offset: u64,
    /// When the file was made, in ms since 1970.
    pub created_ms: u64,
    /// The number in the name.
    pub sequence: u32,
    /// One more for each compaction.
    pub generation: u32,
    /// The epoch at `base_offset`.
    pub epoch: u32,
    /// The header's checksum.
    pub crc: u32,
}

/// Why bytes are not a segment header that can be used (F-12).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderCause {
    /// The magic bytes are missing: not a segment at all.
    #[error("it does not begin with the magic bytes")]
    Foreign,
    /// The header is cut or its checksum wrong.
    #[error("{0}")]
    Damaged(Cause),
    /// A newer version, or features that are not known.
    #[error("it was written by a newer Puro ({0})")]
    Newer(String),
}

impl SegmentHeader {
    /// Decodes a header, to be read and, if `for_writing`, written behind.
    ///
    /// # Errors
    /// What is wrong, in the order of F-12.
    pub fn decode(bytes: &[u8], for_writing: bool) -> Result<Self, HeaderCause> {
        let magic = bytes.get(..MAGIC.len()).unwrap_or(bytes);
        if !MAGIC.starts_with(magic) {
            return Err(HeaderCause::Foreign);
        }
        let short = HeaderCause::Damaged(Cause::HeaderCut);
        let covered = bytes.get(..header::CRC).ok_or(short.clone())?;
        let stored = get_u32(bytes, header::CRC).ok_or(short.clone())?;
        if crc(covered) != stored {
            return Err(HeaderCause::Damaged(Cause::HeaderCrc));
        }
        Self::check_version(bytes, for_writing)?;
        Self::decode_fields(bytes, stored).ok_or(short)
    }

    fn check_version(bytes: &[u8], for_writing: bool) -> Result<(), HeaderCause> {
        let field = |at| get_u16(bytes, at).ok_or(HeaderCause::Damaged(Cause::HeaderCut));
        let version = field(header::VERSION)?;
        if version != VERSION {
            return Err(HeaderCause::Newer(format!("format version {version}")));
        }
        let incompatible = field(header::FEATURES_INCOMPATIBLE)?;
        if incompatible != 0 {
            return Err(HeaderCause::Newer(format!("incompatible features {incompatible:#06x}")));
        }
        let read_only = field(header::FEATURES_READ_COMPATIBLE)?;
        if for_writing && read_only != 0 {
            return Err(HeaderCause::Newer(format!("read-only features {read_only:#06x}")));
        }
        Ok(())
    }

    fn decode_fields(bytes: &[u8], crc: u32) -> Option<Self> {
        Some(Self {
            features_compatible: get_u16(bytes, header::FEATURES_COMPATIBLE)?,
            features_read_compatible: get_u16(bytes, header::FEATURES_READ_COMPATIBLE)?,
            stream_id: *bytes.get(header::STREAM_ID..)?.first_chunk()?,
            base_offset: get_u64(bytes, header::BASE_OFFSET)?,
            created_ms: get_u64(bytes, header::CREATED)?,
            sequence: get_u32(bytes, header::SEQUENCE)?,
            generation: get_u32(bytes, header::GENERATION)?,
            epoch: get_u32(bytes, header::EPOCH)?,
            crc,
        })
    }

    /// The header's bytes; sets `crc` to what they say.
    pub fn encode(&mut self) -> [u8; header::LEN] {
        let mut bytes = [0; header::LEN];
        put(&mut bytes, header::MAGIC, &MAGIC);
        put(&mut bytes, header::VERSION, &VERSION.to_le_bytes());
        let (compatible, read_compatible) =
            (self.features_compatible, self.features_read_compatible);
        put(&mut bytes, header::FEATURES_COMPATIBLE, &compatible.to_le_bytes());
        put(&mut bytes, header::FEATURES_READ_COMPATIBLE, &read_compatible.to_le_bytes());
        put(&mut bytes, header::STREAM_ID, &self.stream_id);
        put(&mut bytes, header::BASE_OFFSET, &self.base_offset.to_le_bytes());
        put(&mut bytes, header::CREATED, &self.created_ms.to_le_bytes());
        put(&mut bytes, header::SEQUENCE, &self.sequence.to_le_bytes());
        put(&mut bytes, header::GENERATION, &self.generation.to_le_bytes());
        put(&mut bytes, header::EPOCH, &self.epoch.to_le_bytes());
        self.crc = crc(part(&bytes, ..header::CRC));
        put(&mut bytes, header::CRC, &self.crc.to_le_bytes());
        debug_assert_eq!(Self::decode(&bytes, false), Ok(*self));
        bytes
    }

    /// The place of a block, for its checksums.
    #[must_use]
    pub fn place(&self, position: u64) -> Place {
        Place { header_crc: self.crc, position }
    }

    /// What the first block must continue (F-21).
    #[must_use]
    pub fn first_link(&self) -> Link {
        Link { prev_crc: self.crc, next_offset: self.base_offset, may_jump: self.may_jump() }
    }

    /// Whether offsets may jump ahead: in a compacted segment.
    #[must_use]
    pub fn may_jump(&self) -> bool {
        self.generation > 0
    }
}
