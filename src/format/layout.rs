//! Every constant of the format, in the order of `spec/format.md`.
//!
//! Field offsets are chained from each other, so that a field cannot move without
//! all behind it; `tests/core/format_tables.rs` compares them with the tables of the spec.

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = [0x8B, b'P', b'U', b'R', b'O', 0x0D, 0x0A, 0x1A];
/// The version that this code writes, and the highest it reads.
pub const VERSION: u16 = 1;

/// Where the fields of a segment header stand (F-12).
pub mod header {
    #![allow(missing_docs)]
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = MAGIC + 8;
    pub const FEATURES_COMPATIBLE: usize = VERSION + 2;
    pub const FEATURES_READ_COMPATIBLE: usize = FEATURES_COMPATIBLE + 2;
    pub const FEATURES_INCOMPATIBLE: usize = FEATURES_READ_COMPATIBLE + 2;
    pub const STREAM_ID: usize = FEATURES_INCOMPATIBLE + 2;
    pub const BASE_OFFSET: usize = STREAM_ID + 16;
    pub const CREATED: usize = BASE_OFFSET + 8;
    pub const SEQUENCE: usize = CREATED + 8;
    pub const GENERATION: usize = SEQUENCE + 4;
    pub const EPOCH: usize = GENERATION + 4;
    pub const CRC: usize = EPOCH + 4;
    pub const LEN: usize = CRC + 4;
}

/// Where the fields of a block's start stand (F-15).
pub mod start {
    #![allow(missing_docs)]
    pub const SIGNAL: usize = 0;
    pub const KIND: usize = SIGNAL + 1;
    pub const FLAGS: usize = KIND + 1;
    pub const BODY_LEN: usize = FLAGS + 2;
    pub const RECORD_COUNT: usize = BODY_LEN + 4;
    pub const PREV_CRC: usize = RECORD_COUNT + 4;
    pub const FIRST_OFFSET: usize = PREV_CRC + 4;
    pub const TIMESTAMP: usize = FIRST_OFFSET + 8;
    pub const DURABLE_TO: usize = TIMESTAMP + 8;
    pub const EPOCH: usize = DURABLE_TO + 8;
    pub const START_CRC: usize = EPOCH + 4;
    pub const LEN: usize = START_CRC + 4;
}

/// Where the fields of a block's end stand, counted from the block's end.
pub mod end {
    #![allow(missing_docs)]
    pub const CRC: usize = 4;
    pub const END_BODY_LEN: usize = CRC + 4;
    pub const LEN: usize = END_BODY_LEN;
}

/// Every block begins on a multiple of this (F-15).
pub const BLOCK_ALIGN: u64 = 64;
/// The signal of a block that is not committed.
pub const SIGNAL_LOW: u8 = 0x00;
/// The signal of a committed block.
pub const SIGNAL_HIGH: u8 = 0xA5;
/// Flag: the body holds at least one control record (F-17).
pub const FLAG_CONTROL: u16 = 1;

/// Bits of a record's attributes (F-27).
pub mod attribute {
    #![allow(missing_docs)]
    pub const KEY: u8 = 1;
    pub const VALUE: u8 = 1 << 1;
    pub const HEADERS: u8 = 1 << 2;
    pub const CONTROL: u8 = 1 << 3;
    pub const ALL: u8 = KEY | VALUE | HEADERS | CONTROL;
}

/// Most bytes of a topic; the least is 1.
pub const MAX_TOPIC_BYTES: usize = 1024;
/// Most bytes of a key.
pub const MAX_KEY_BYTES: usize = 1024;
/// Most bytes of a record's headers as encoded, their count included.
pub const MAX_HEADERS_BYTES: usize = 64 * 1024;
/// Most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 10 * 1024 * 1024;
/// Most bytes of a block's body.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of a consumer's name or a producer's identity (F-11).
pub const MAX_NAME_BYTES: usize = 200;
/// Bytes after which a checkpoint goes on in a new block (F-37).
pub const CHECKPOINT_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of blocks after which a writer puts a checkpoint among them (O-7).
pub const CHECKPOINT_EVERY_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes beyond which a writer lets an index of topics say nothing (F-42).
pub const MAX_INDEX_BYTES: usize = 64 * 1024;
/// Most zeros that a writer may put behind the end of a segment (F-56).
pub const ZEROS_AHEAD_BYTES: u64 = 256 * 1024;
/// Setting `segment_bytes` where nothing is set.
pub const DEFAULT_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Least setting `segment_bytes`.
pub const MIN_SEGMENT_BYTES: u64 = 4096;
/// Greatest setting `segment_bytes`.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 40;

/// Longest varint (F-2).
pub const MAX_VARINT_BYTES: usize = 10;
/// Longest block.
pub const MAX_BLOCK_BYTES: u64 = block_bytes(MAX_BODY_BYTES);

/// Length of a block with a body of so many bytes (F-15).
#[must_use]
pub const fn block_bytes(body_bytes: usize) -> u64 {
    ((start::LEN + body_bytes + end::LEN) as u64).next_multiple_of(BLOCK_ALIGN)
}

const _: () = {
    assert!(header::LEN == 64);
    assert!(start::LEN == 48);
    assert!(end::LEN == 8);
    assert!((header::LEN as u64).is_multiple_of(BLOCK_ALIGN));
    assert!(block_bytes(0) == 64 && block_bytes(8) == 64 && block_bytes(9) == 128);
    assert!(MAX_BLOCK_BYTES <= u32::MAX as u64);
    assert!(
        MAX_VALUE_BYTES + MAX_HEADERS_BYTES + MAX_TOPIC_BYTES + MAX_KEY_BYTES + 64 < MAX_BODY_BYTES
    );
};
