//! Integers, varints and checksums: the only place that knows how bytes become numbers.

use crc_fast::CrcAlgorithm;

use crate::format::layout::MAX_VARINT_BYTES;
use crate::format::sure::{part, part_mut};

/// Reads a little-endian integer at a fixed place; `None` where there are too few bytes.
macro_rules! get_le {
    ($name:ident, $int:ty, $doc:literal) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(bytes: &[u8], at: usize) -> Option<$int> {
            let field = bytes.get(at..)?.first_chunk()?;
            Some(<$int>::from_le_bytes(*field))
        }
    };
}

get_le!(get_u16, u16, "Reads a `u16` at a place (F-1).");
get_le!(get_u32, u32, "Reads a `u32` at a place (F-1).");
get_le!(get_u64, u64, "Reads a `u64` at a place (F-1).");

/// Writes `field` at a place of a buffer that our own code made long enough.
#[track_caller]
pub fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    part_mut(bytes, at..at + field.len()).copy_from_slice(field);
}

/// Appends a varint in its shortest form (F-2).
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field behind its length.
pub fn put_sized(out: &mut Vec<u8>, field: &[u8]) {
    put_varint(out, field.len() as u64);
    out.extend_from_slice(field);
}

/// Length of a varint in bytes.
#[must_use]
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Splits a varint off the front of `bytes`; `None` where there is no shortest-form one (F-2).
#[inline]
#[must_use]
pub fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
    split_long_varint(bytes)
}

fn split_long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(MAX_VARINT_BYTES).enumerate() {
        let bits = u64::from(byte & 0x7F);
        let shift = 7 * index as u32;
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            // Not the only byte, for the first has the high bit: one of zeros says nothing (F-2).
            let overlong = byte == 0;
            return (!overlong).then(|| (value, part(bytes, index + 1..)));
        }
    }
    None
}

/// CRC-32C of `bytes` (F-3).
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of what `before` is the CRC of, followed by `bytes`.
#[must_use]
pub fn crc_continue(before: u32, bytes: &[u8]) -> u32 {
    // The crate's state is the CRC before it is inverted at the end.
    let state = u64::from(!before);
    let mut digest = crc_fast::Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state);
    digest.update(bytes);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crc_of_the_check_string_is_that_of_the_spec() {
        assert_eq!(crc(b"123456789"), 0xE306_9283); // F-3
    }

    proptest! {
        /// The hardware checksum against the table-driven one.
        #[test]
        fn crc_agrees_with_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..5000), cut in any::<prop::sample::Index>()) {
            let reference = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
            prop_assert_eq!(crc(&bytes), reference);
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc_continue(crc(left), right), reference);
        }

        #[test]
        fn varints_come_back(value in prop_oneof![any::<u64>(), 0..70_000u64], tail in any::<[u8; 2]>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_len(value));
            bytes.extend(tail);
            prop_assert_eq!(split_varint(&bytes), Some((value, &tail[..])));
        }

        /// F-6: what is accepted is what the encoder makes.
        #[test]
        fn accepted_varints_are_canonical(bytes in prop::collection::vec(prop_oneof![Just(0x80u8), Just(0), Just(0xFF), any::<u8>()], 0..12)) {
            if let Some((value, rest)) = split_varint(&bytes) {
                let mut again = Vec::new();
                put_varint(&mut again, value);
                prop_assert_eq!(&bytes[..bytes.len() - rest.len()], &again[..]);
            }
        }
    }

    #[test]
    fn varints_that_are_overlong_cut_or_too_large_are_refused() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0xFF; 10],
            &[0xFF; 11],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        ] {
            assert_eq!(split_varint(bytes), None, "{bytes:02x?}");
        }
        let most = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(split_varint(&most), Some((u64::MAX, &[][..])));
    }
}
