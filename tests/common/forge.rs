//! Segments that no writer makes, with all checksums right.

#![allow(dead_code)] // Each test takes what it needs.

use std::path::Path;

use puro::internals::codec::{crc, crc_continue, get_u32};
use puro::internals::layout::{block_bytes, end, header, start};

/// Makes the first record of a block, a short one, a control record of the kind that its topic says.
/// The block then spans so many offsets.
pub fn make_control(path: &Path, position: u64, record_count: u32) {
    const ATTRIBUTES: usize = 5;
    const CONTROL: u8 = 1 << 3;
    let mut bytes = std::fs::read(path).unwrap();
    let block = &mut bytes[position as usize..];
    block[start::FLAGS] = 1;
    block[start::RECORD_COUNT..][..4].copy_from_slice(&record_count.to_le_bytes());
    let record = &mut block[start::LEN..];
    record[ATTRIBUTES] |= CONTROL;
    let record_end = ATTRIBUTES + usize::from(record[4]);
    let record_crc = crc(&record[4..record_end]);
    record[..4].copy_from_slice(&record_crc.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    mend_checksums(path);
}

/// Makes all checksums and the chain of a segment right again, whatever was changed in it.
pub fn mend_checksums(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let header_crc = crc(&bytes[..header::CRC]);
    bytes[header::CRC..header::LEN].copy_from_slice(&header_crc.to_le_bytes());
    let (mut position, mut before) = (header::LEN, header_crc);
    while position < bytes.len() {
        let body_len = get_u32(&bytes, position + start::BODY_LEN).unwrap() as usize;
        let length = block_bytes(body_len) as usize;
        let block = &mut bytes[position..position + length];
        block[start::PREV_CRC..start::FIRST_OFFSET].copy_from_slice(&before.to_le_bytes());
        let mut seed = header_crc.to_le_bytes().to_vec();
        seed.extend((position as u64).to_le_bytes());
        let start_crc = crc_continue(crc(&seed), &block[1..start::START_CRC]);
        block[start::START_CRC..start::LEN].copy_from_slice(&start_crc.to_le_bytes());
        before = crc_continue(start_crc, &block[start::LEN..length - end::CRC]);
        block[length - end::CRC..].copy_from_slice(&before.to_le_bytes());
        position += length;
    }
    std::fs::write(path, bytes).unwrap();
}
