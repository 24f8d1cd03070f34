//! The shape of each request, walked before it is decoded: the decoder believes the lengths of
//! arrays, and would allocate what a client only claims.

use kafka_protocol::messages::ApiKey;

use self::Kind::{Array, Bytes, Fixed, List, Text};

/// The most elements that all arrays of a request may have together.
const MAX_ELEMENTS: usize = 100_000;

/// What a field is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A text, or none.
    Text,
    /// Bytes, or none.
    Bytes,
    /// Structures, each with fields.
    Array(&'static [Field]),
    /// Plain values.
    List(&'static Kind),
}

/// A field, and the first and last version that has it.
type Field = (Kind, i16, i16);

const EVER: i16 = i16::MAX;

/// In every version that is served.
macro_rules! all {
    ($kind:expr) => {
        ($kind, 0, EVER)
    };
}

/// From a version on.
macro_rules! since {
    ($version:expr, $kind:expr) => {
        ($kind, $version, EVER)
    };
}

const B1: Field = all!(Fixed(1));
const B2: Field = all!(Fixed(2));
const B4: Field = all!(Fixed(4));
const B8: Field = all!(Fixed(8));
const TEXT: Field = all!(Text);
const NUMBERS: Field = all!(List(&Fixed(4)));
const TEXTS: Field = all!(List(&Text));

/// The first version with compact lengths and tagged fields, and the fields of a request.
#[rustfmt::skip]
fn shape(key: ApiKey) -> Option<(i16, &'static [Field])> {
    Some(match key {
        ApiKey::Produce => (9, &[
            TEXT, B2, B4, all!(Array(&[TEXT, all!(Array(&[B4, all!(Bytes)]))])),
        ]),
        ApiKey::Fetch => (12, &[
            B4, B4, B4, B4, B1, since!(7, Fixed(4)), since!(7, Fixed(4)),
            all!(Array(&[TEXT, all!(Array(&[
                B4, since!(9, Fixed(4)), B8, since!(12, Fixed(4)), since!(5, Fixed(8)), B4,
            ]))])),
            since!(7, Array(&[TEXT, NUMBERS])), since!(11, Text),
        ]),
        ApiKey::ListOffsets => (6, &[
            B4, since!(2, Fixed(1)),
            all!(Array(&[TEXT, all!(Array(&[B4, since!(4, Fixed(4)), B8]))])),
        ]),
        ApiKey::Metadata => (9, &[
            all!(Array(&[TEXT])), since!(4, Fixed(1)), since!(8, Fixed(1)), since!(8, Fixed(1)),
        ]),
        ApiKey::OffsetCommit => (8, &[
            TEXT, B4, TEXT, since!(7, Text), (Fixed(8), 2, 4),
            all!(Array(&[TEXT, all!(Array(&[B4, B8, since!(6, Fixed(4)), TEXT]))])),
        ]),
        ApiKey::OffsetFetch => (6, &[TEXT, all!(Array(&[TEXT, NUMBERS])), since!(7, Fixed(1))]),
        ApiKey::FindCoordinator => (3, &[TEXT, since!(1, Fixed(1))]),
        ApiKey::JoinGroup => (6, &[
            TEXT, B4, since!(1, Fixed(4)), TEXT, since!(5, Text), TEXT,
            all!(Array(&[TEXT, all!(Bytes)])),
        ]),
        ApiKey::Heartbeat => (4, &[TEXT, B4, TEXT, since!(3, Text)]),
        ApiKey::LeaveGroup => (4, &[TEXT, (Text, 0, 2), since!(3, Array(&[TEXT, TEXT]))]),
        ApiKey::SyncGroup => (4, &[
            TEXT, B4, TEXT, since!(3, Text), since!(5, Text), since!(5, Text),
            all!(Array(&[TEXT, all!(Bytes)])),
        ]),
        ApiKey::DescribeGroups => (5, &[TEXTS, since!(3, Fixed(1))]),
        ApiKey::ListGroups => (3, &[since!(4, List(&Text))]),
        ApiKey::ApiVersions => (3, &[since!(3, Text), since!(3, Text)]),
        ApiKey::CreateTopics => (5, &[
            all!(Array(&[
                TEXT, B4, B2, all!(Array(&[B4, NUMBERS])), all!(Array(&[TEXT, TEXT])),
            ])),
            B4, B1,
        ]),
        ApiKey::DeleteRecords => (2, &[all!(Array(&[TEXT, all!(Array(&[B4, B8]))])), B4]),
        ApiKey::InitProducerId => (2, &[TEXT, B4, since!(3, Fixed(8)), since!(3, Fixed(2))]),
        ApiKey::OffsetForLeaderEpoch => (4, &[
            since!(3, Fixed(4)), all!(Array(&[TEXT, all!(Array(&[B4, B4, B4]))])),
        ]),
        ApiKey::AddPartitionsToTxn => (3, &[TEXT, B8, B2, all!(Array(&[TEXT, NUMBERS]))]),
        ApiKey::AddOffsetsToTxn => (3, &[TEXT, B8, B2, TEXT]),
        ApiKey::EndTxn => (3, &[TEXT, B8, B2, B1]),
        ApiKey::TxnOffsetCommit => (3, &[
            TEXT, TEXT, B8, B2, since!(3, Fixed(4)), since!(3, Text), since!(3, Text),
            all!(Array(&[TEXT, all!(Array(&[B4, B8, since!(2, Fixed(4)), TEXT]))])),
        ]),
        ApiKey::DescribeConfigs => (4, &[
            all!(Array(&[B1, TEXT, TEXTS])), B1, since!(3, Fixed(1)),
        ]),
        ApiKey::DeleteGroups => (2, &[TEXTS]),
        ApiKey::DescribeCluster => (0, &[B1, since!(1, Fixed(1))]),
        _ => return None,
    })
}

/// Whether the header has the shape of its form.
#[must_use]
pub fn fits_header(bytes: &[u8], form: i16) -> bool {
    // Its text has a plain length in each form.
    let mut walk = Walk { rest: bytes, version: 0, compact: false, elements: 0 };
    let plain = walk.fields(&[B2, B2, B4, TEXT]);
    plain.and_then(|()| if form >= 2 { walk.tags() } else { Some(()) }).is_some()
}

/// Whether a request has the shape of its version.
#[must_use]
pub fn fits(key: ApiKey, version: i16, bytes: &[u8]) -> bool {
    walk(key, version, bytes).is_some()
}

/// What is left behind the request.
fn walk(key: ApiKey, version: i16, bytes: &[u8]) -> Option<&[u8]> {
    let (compact_from, fields) = shape(key)?;
    let compact = version >= compact_from;
    let mut walk = Walk { rest: bytes, version, compact, elements: 0 };
    walk.structure(fields)?;
    Some(walk.rest)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    compact: bool,
    elements: usize,
}

impl<'a> Walk<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes(1)?.first()?;
            let low = u32::from(byte & 0x7f);
            value |= low.checked_shl(shift).filter(|it| it >> shift == low)?;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    /// A length of so many bytes if it is not compact; `None` inside for nothing.
    fn length(&mut self, plain: usize) -> Option<Option<usize>> {
        if self.compact {
            return Some(self.varint()?.checked_sub(1));
        }
        let bytes = self.bytes(plain)?;
        let length = match *bytes {
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => return None,
        };
        match length {
            -1 => Some(None),
            length => Some(Some(usize::try_from(length).ok()?)),
        }
    }

    fn kind(&mut self, kind: &Kind) -> Option<()> {
        match kind {
            Fixed(count) => self.bytes(*count).map(drop),
            Text | Bytes => {
                let length = self.length(if matches!(kind, Text) { 2 } else { 4 })?;
                length.map_or(Some(()), |length| self.bytes(length).map(drop))
            }
            Array(fields) => {
                for _ in 0..self.count()? {
                    self.structure(fields)?;
                }
                Some(())
            }
            List(kind) => {
                for _ in 0..self.count()? {
                    self.kind(kind)?;
                }
                Some(())
            }
        }
    }

    /// How many elements follow; each has a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = self.length(4)?.unwrap_or(0);
        self.counted(count)
    }

    fn counted(&mut self, count: usize) -> Option<usize> {
        self.elements = self.elements.checked_add(count)?;
        (count <= self.rest.len() && self.elements <= MAX_ELEMENTS).then_some(count)
    }

    fn fields(&mut self, fields: &[Field]) -> Option<()> {
        for (kind, from, to) in fields {
            if (*from..=*to).contains(&self.version) {
                self.kind(kind)?;
            }
        }
        Some(())
    }

    fn structure(&mut self, fields: &[Field]) -> Option<()> {
        self.fields(fields)?;
        if self.compact { self.tags() } else { Some(()) }
    }

    fn tags(&mut self) -> Option<()> {
        let count = self.varint()?;
        for _ in 0..self.counted(count)? {
            self.varint()?;
            let length = self.varint()?;
            self.bytes(length)?;
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests;
