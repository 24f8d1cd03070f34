//! What the processes of the demo tell the one that started them: a line for each report,
//! on their stdout.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::str::FromStr;

use puro::Record;

/// Something that a worker did or saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A producer's append returned: its records are in the stream.
    Acknowledged { first_offset: u64, record_count: u32 },
    /// A producer stands in the middle of writing a block, and will go no further.
    Torn { written: usize, block_bytes: usize },
    /// A producer repaired the stream before it appended.
    Repaired { what: String },
    /// A producer has appended all it was to append.
    Done,
    /// A consumer has read up to the last record.
    Saw(Digest),
}

impl Report {
    /// Tells it.
    pub fn send(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{self}")?;
        out.flush()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged { first_offset, record_count } => {
                write!(f, "acknowledged {first_offset} {record_count}")
            }
            Self::Torn { written, block_bytes } => write!(f, "torn {written} {block_bytes}"),
            Self::Repaired { what } => write!(f, "repaired {what}"),
            Self::Done => write!(f, "done"),
            Self::Saw(digest) => {
                let Digest { records, in_order, hash } = digest;
                write!(f, "saw {records} {in_order} {hash}")
            }
        }
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        parse(line).ok_or_else(|| format!("a worker said `{line}`, which means nothing"))
    }
}

fn parse(line: &str) -> Option<Report> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut fields = rest.split(' ');
    Some(match word {
        "acknowledged" => Report::Acknowledged {
            first_offset: fields.next()?.parse().ok()?,
            record_count: fields.next()?.parse().ok()?,
        },
        "torn" => Report::Torn {
            written: fields.next()?.parse().ok()?,
            block_bytes: fields.next()?.parse().ok()?,
        },
        "repaired" => Report::Repaired { what: rest.to_owned() },
        "done" => Report::Done,
        "saw" => Report::Saw(Digest {
            records: fields.next()?.parse().ok()?,
            in_order: fields.next()?.parse().ok()?,
            hash: fields.next()?.parse().ok()?,
        }),
        _ => return None,
    })
}

/// A sequence of records in a few bytes: equal digests are equal sequences, but for a chance
/// of one in 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How many records.
    pub records: u64,
    /// Whether their offsets are 0, 1, 2 and so on, without gap or repeat.
    pub in_order: bool,
    /// Hash over everything that every record holds.
    pub hash: u64,
}

/// Makes a [`Digest`], record by record.
#[derive(Default)]
pub struct Digester {
    records: u64,
    out_of_order: bool,
    hasher: DefaultHasher,
}

impl Digester {
    pub fn add(&mut self, record: &Record<'_>) {
        self.out_of_order |= record.offset != self.records;
        self.records += 1;
        let Record { offset, timestamp_ms, topic, key, value, headers } = *record;
        (offset, timestamp_ms, topic, key, value).hash(&mut self.hasher);
        for header in headers.iter() {
            header.hash(&mut self.hasher);
        }
    }

    pub fn digest(&self) -> Digest {
        let Self { records, out_of_order, hasher } = self;
        Digest { records: *records, in_order: !out_of_order, hash: hasher.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_back() {
        let digest = Digest { records: 3, in_order: true, hash: u64::MAX };
        let reports = [
            Report::Acknowledged { first_offset: 7, record_count: 100 },
            Report::Torn { written: 5, block_bytes: 10 },
            Report::Repaired { what: "cut 5 bytes".to_owned() },
            Report::Done,
            Report::Saw(digest),
        ];
        for report in reports {
            assert_eq!(report.to_string().parse(), Ok(report));
        }
        assert!("acknowledged 7".parse::<Report>().is_err());
        assert!("hello".parse::<Report>().is_err());
    }
}
