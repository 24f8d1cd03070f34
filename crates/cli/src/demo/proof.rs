//! What the demo proves in the end, from the stream itself and from what was reported.

use std::collections::BTreeMap;
use std::path::Path;

use puro::Consumer;

use super::report::{Digest, Digester};
use super::worker::{LAST_TOPIC, TOPIC};
use crate::common::CliError;

/// What a producer was told: first offset and count of each block, in its order.
pub type Acknowledged = Vec<(u64, u32)>;

/// The stream as this process reads it.
pub struct Reading {
    pub digest: Digest,
    /// For each producer, by name: offset and number of each of its records.
    producers: BTreeMap<String, Vec<(u64, u64)>>,
    /// How many records are neither of a producer nor the last one.
    foreign: u64,
}

impl Reading {
    /// Reads the whole stream.
    pub fn of(dir: &Path) -> Result<Self, CliError> {
        let mut consumer = Consumer::open(dir)?;
        let mut digester = Digester::default();
        let (mut producers, mut foreign) = (BTreeMap::<String, Vec<_>>::new(), 0);
        while let Some(record) = consumer.try_next()? {
            digester.add(&record);
            let key = record.key.and_then(|key| str::from_utf8(key).ok());
            let number = record.value.and_then(leading_number);
            match (key, number) {
                (Some(key), Some(number)) if record.topic == TOPIC.as_bytes() => {
                    producers.entry(key.to_owned()).or_default().push((record.offset, number));
                }
                _ if record.topic == LAST_TOPIC.as_bytes() => {}
                _ => foreign += 1,
            }
        }
        Ok(Self { digest: digester.digest(), producers, foreign })
    }

    /// Whether a producer's records are exactly the acknowledged ones: each once, in the
    /// order in which they were appended, at the offset that the producer was told.
    pub fn has_exactly(&self, producer: &str, acknowledged: &Acknowledged) -> bool {
        let offsets = acknowledged
            .iter()
            .flat_map(|(first, count)| (0..u64::from(*count)).map(move |index| first + index));
        let expected = offsets.zip(0..).collect::<Vec<(u64, u64)>>();
        self.producers.get(producer).map_or(&[][..], Vec::as_slice) == expected
    }

    /// Whether every record is one that the demo appended.
    pub fn nothing_foreign(&self) -> bool {
        self.foreign == 0
    }
}

fn leading_number(value: &[u8]) -> Option<u64> {
    let digits = value.split(|byte| *byte == b' ').next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}
