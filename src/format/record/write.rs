//! Records to bytes (format.md, chapter 6).

use super::{Fields, NewRecord};
use crate::format::codec::{crc, put, put_sized, put_varint, varint_len};
use crate::format::layout::attribute;
use crate::format::sure::part;

impl NewRecord<'_> {
    pub(super) fn headers_len(&self) -> usize {
        if self.headers.is_empty() {
            return 0;
        }
        let fields = self.headers.iter().map(|(name, value)| sized_len(name) + sized_len(value));
        varint_len(self.headers.len() as u64) + fields.sum::<usize>()
    }

    fn attributes(&self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(self.key.is_some(), attribute::KEY)
            | bit(self.value.is_some(), attribute::VALUE)
            | bit(!self.headers.is_empty(), attribute::HEADERS)
            | bit(self.control, attribute::CONTROL)
    }

    /// The record's field `length`: bytes after that field.
    fn length(&self) -> usize {
        1 + sized_len(self.topic)
            + self.key.map_or(0, sized_len)
            + self.headers_len()
            + self.value.map_or(0, <[u8]>::len)
    }

    /// Bytes that the record takes in a block.
    #[must_use]
    pub fn encoded_bytes(&self) -> u64 {
        let length = self.length() as u64;
        4 + varint_len(length) as u64 + length
    }

    /// Appends the encoding of a record that was checked.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        let length = self.length();
        out.extend_from_slice(&[0; 4]);
        put_varint(out, length as u64);
        out.push(self.attributes());
        put_sized(out, self.topic);
        if let Some(key) = self.key {
            put_sized(out, key);
        }
        if !self.headers.is_empty() {
            put_varint(out, self.headers.len() as u64);
            for (name, value) in &self.headers {
                put_sized(out, name);
                put_sized(out, value);
            }
        }
        if let Some(value) = self.value {
            out.extend_from_slice(value);
        }
        let crc = crc(part(out, begin + 4..));
        put(out, begin, &crc.to_le_bytes());
        debug_assert!((out.len() - begin) as u64 == self.encoded_bytes(), "a wrong length");
        debug_assert_eq!(
            Fields::split(part(out, begin..)).map(|(fields, rest)| (fields.to_new(), rest)),
            Ok((self.clone(), &[][..]))
        );
    }
}

fn sized_len(field: &[u8]) -> usize {
    varint_len(field.len() as u64) + field.len()
}
