//! The zeros that writers put behind the end ahead of what they append (protocol.md, chapter 12):
//! they are nothing, whoever meets them.

use std::io;

use crate::engine::vfs::{VfsFile, read_full};
use crate::format::layout::{BLOCK_ALIGN, ZEROS_AHEAD_BYTES};
use crate::format::sure::part;

/// Bytes looked at in one go.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// Whether all these bytes are zero, also where there are none.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(CHUNK_BYTES).all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

/// Whether a file holds nothing but zeros from `begin` up to `end`. What it does not have counts as
/// zero.
///
/// # Errors
/// What the system says.
pub fn only_zeros<F: VfsFile>(file: &F, begin: u64, end: u64) -> io::Result<bool> {
    let mut position = begin;
    let mut chunk = Vec::new();
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(usize::MAX);
        chunk.resize(wanted.min(CHUNK_BYTES), 0);
        let length = read_full(file, &mut chunk, position)?;
        if !is_zero(part(&chunk, ..length)) {
            return Ok(false);
        }
        if length < chunk.len() {
            return Ok(true);
        }
        position += length as u64;
        // A sparse tail may be very long. Where the system cannot tell, it is read.
        match file.next_data(position) {
            Ok(Some(data)) => position = position.max(data),
            Ok(None) => return Ok(true),
            Err(_) => {}
        }
    }
    Ok(true)
}

/// Where the last unit of 64 bytes ends that is not all zero: what stands behind it says nothing
/// (O-6, Z-4). No more than the zeros that writers may put there is passed over: of a longer tail it
/// is the file's end.
///
/// It is never asked for the last byte that is not zero: a checksum may end in a byte that is.
///
/// # Errors
/// What the system says.
pub fn data_end<F: VfsFile>(file: &F, length: u64) -> io::Result<u64> {
    let limit = length.saturating_sub(ZEROS_AHEAD_BYTES + BLOCK_ALIGN);
    let limit = limit / BLOCK_ALIGN * BLOCK_ALIGN;
    let mut end = length;
    let mut size = BLOCK_ALIGN as usize;
    let mut chunk = Vec::new();
    while end > limit {
        let begin = end.saturating_sub(size as u64).max(limit) / BLOCK_ALIGN * BLOCK_ALIGN;
        chunk.resize((end - begin) as usize, 0);
        let held = read_full(file, &mut chunk, begin)?;
        let units = part(&chunk, ..held).chunks(BLOCK_ALIGN as usize);
        let last = units.enumerate().rfind(|(_, unit)| !is_zero(unit));
        if let Some((index, unit)) = last {
            return Ok(begin + index as u64 * BLOCK_ALIGN + unit.len() as u64);
        }
        end = begin;
        // Most files end in a block.
        size = CHUNK_BYTES;
    }
    Ok(if limit == 0 { 0 } else { length })
}
