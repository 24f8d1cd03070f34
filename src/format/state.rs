//! The state of a stream: the fold of its control records (format.md, chapter 7).

use std::collections::BTreeMap;

use crate::format::block::{Block, Cause};
use crate::format::codec::{get_u32, get_u64};
use crate::format::layout::MAX_NAME_BYTES;
use crate::format::record::{Fields, NewRecord};
use crate::format::settings::Settings;
use crate::format::token::Epoch;

/// Kind of the entries that hold settings.
pub const SETTING: &[u8] = b"setting";
/// Kind of the entries that hold epochs.
pub const EPOCH: &[u8] = b"epoch";
/// Kind of the entries that hold positions of named consumers.
pub const POSITION: &[u8] = b"position";
/// Kind of the entries that hold what producers with an identity did last.
pub const PRODUCER: &[u8] = b"producer";

/// Kind of the entries that say how far something was copied into the stream (F-59).
pub const SOURCE: &[u8] = b"source";

/// An entry's kind and key.
type EntryName = (Vec<u8>, Vec<u8>);

/// All entries, known kinds and unknown ones (F-32), in the order of checkpoints (F-37).
#[derive(Clone, Debug, Default)]
pub struct State {
    entries: BTreeMap<EntryName, Vec<u8>>,
    /// The epochs among the entries, by their number.
    epochs: BTreeMap<u32, Epoch>,
    /// What the settings among the entries say.
    settings: Settings,
}

impl State {
    /// Folds the control records of a block into the state.
    ///
    /// # Errors
    /// A control record that is malformed, or an entry `epoch` that is (F-32, F-35).
    pub fn apply(&mut self, block: &Block<'_>) -> Result<(), Cause> {
        for fields in block.control_records() {
            self.apply_record(&fields?, block.start.first_offset)?;
        }
        Ok(())
    }

    /// Folds a control record of a block that begins at `first_offset`.
    fn apply_record(&mut self, fields: &Fields<'_>, first_offset: u64) -> Result<(), Cause> {
        let Some(key) = fields.key else { return Ok(()) };
        let name = (fields.topic.to_vec(), key.to_vec());
        match fields.value {
            Some(value) => self.entries.insert(name, value.to_vec()),
            None => self.entries.remove(&name),
        };
        match fields.topic {
            EPOCH => self.fold_epoch(key, fields.value, first_offset)?,
            SETTING => self.settings.set(key, fields.value),
            _ => {}
        }
        Ok(())
    }

    /// No epoch begins behind the block that tells of it, before an older one, or behind a newer
    /// (F-35). Looks at the neighbours only: a stream may hold any number of epochs.
    fn fold_epoch(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        first_offset: u64,
    ) -> Result<(), Cause> {
        let malformed = Cause::Control("epoch");
        let Some(value) = value else {
            self.epochs.remove(&get_u32(key, 0).filter(|_| key.len() == 4).ok_or(malformed)?);
            return Ok(());
        };
        let epoch = decode_epoch(key, value).ok_or(malformed)?;
        let below = self.epochs.range(..epoch.number).next_back();
        let above = self.epochs.range(epoch.number..).find(|(number, _)| **number > epoch.number);
        let behind_below = below.is_none_or(|(_, below)| below.first_offset <= epoch.first_offset);
        let before_above = above.is_none_or(|(_, above)| epoch.first_offset <= above.first_offset);
        if !(behind_below && before_above && epoch.first_offset <= first_offset) {
            return Err(malformed);
        }
        self.epochs.insert(epoch.number, epoch);
        Ok(())
    }

    /// Sets an entry, of a stream that may begin anywhere.
    ///
    /// # Errors
    /// An entry `epoch` that is malformed.
    pub fn set(&mut self, kind: &[u8], key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let fields = Fields {
            control: true,
            topic: kind,
            key: Some(key),
            value: Some(value),
            headers: crate::format::record::Headers::default(),
        };
        self.apply_record(&fields, u64::MAX)
    }

    /// An entry's value.
    #[must_use]
    pub fn get(&self, kind: &[u8], key: &[u8]) -> Option<&[u8]> {
        self.entries.get(&(kind.to_vec(), key.to_vec())).map(Vec::as_slice)
    }

    /// Keys and values of all entries of one kind, ascending by key.
    pub fn of_kind<'a>(&'a self, kind: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let from = (kind.to_vec(), Vec::new());
        let entries = self.entries.range(from..).take_while(move |((found, _), _)| found == kind);
        entries.map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    /// The control records of a checkpoint, in their order (F-37).
    pub fn entries(&self) -> impl Iterator<Item = NewRecord<'_>> {
        self.entries
            .iter()
            .map(|((kind, key), value)| NewRecord::control(kind, Some(key), Some(value)))
    }

    /// The epochs, by their number (E-1).
    #[must_use]
    pub fn epochs(&self) -> &BTreeMap<u32, Epoch> {
        &self.epochs
    }

    /// The newest epoch.
    #[must_use]
    pub fn newest_epoch(&self) -> Option<&Epoch> {
        self.epochs.last_key_value().map(|(_, epoch)| epoch)
    }

    /// Whether the newest epoch was begun in this boot; an unknown boot is never this one (M-7).
    #[must_use]
    pub fn is_of_boot(&self, boot_id: Option<[u8; 16]>) -> bool {
        boot_id.is_some() && self.newest_epoch().is_some_and(|epoch| epoch.boot_id == boot_id)
    }

    /// What the settings say.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The position of a named consumer (F-36), if it has one that can be read.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<Position> {
        Position::decode(self.get(POSITION, name.as_bytes())?)
    }

    /// The positions of all named consumers.
    pub fn positions(&self) -> impl Iterator<Item = (String, Position)> + '_ {
        self.of_kind(POSITION).filter_map(|(name, value)| {
            Some((String::from_utf8(name.to_vec()).ok()?, Position::decode(value)?))
        })
    }

    /// What the last append of a producer with an identity was (F-36).
    #[must_use]
    pub fn producer(&self, identity: &str) -> Option<ProducerEntry> {
        ProducerEntry::decode(self.get(PRODUCER, identity.as_bytes())?)
    }

    /// How far something was copied into the stream (F-59), if that can be read.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.get(SOURCE, name.as_bytes())?).ok()
    }

    /// The names of positions and producers that were not renewed since `limit_ms` (C-5),
    /// as kind and key.
    pub fn expired(&self, limit_ms: u64) -> impl Iterator<Item = (&[u8], &[u8])> {
        let old = move |time_ms: Option<u64>| time_ms.is_some_and(|time_ms| time_ms < limit_ms);
        self.entries.iter().filter_map(move |((kind, key), value)| {
            let time_ms = match kind.as_slice() {
                POSITION => Position::decode(value).map(|position| position.time_ms),
                PRODUCER => ProducerEntry::decode(value).map(|entry| entry.time_ms),
                _ => None,
            };
            old(time_ms).then_some((kind.as_slice(), key.as_slice()))
        })
    }
}

/// The position of a named consumer (F-36).
///
/// ```
/// use puro::{NewRecord, Start, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// let position = stream.set_position("billing", Start::End)?;
/// assert_eq!(position.map(|position| position.offset), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the block before it; 0 where nothing was read.
    pub epoch: u32,
    /// The next offset to read.
    pub offset: u64,
    /// When it was committed, in ms since 1970.
    pub time_ms: u64,
}

impl Position {
    /// The value of the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = self.epoch.to_le_bytes().to_vec();
        value.extend_from_slice(&self.offset.to_le_bytes());
        value.extend_from_slice(&self.time_ms.to_le_bytes());
        assert!(Self::decode(&value).as_ref() == Some(self), "F-36");
        value
    }

    /// The same back; `None` if it is not one.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let fits = value.len() == 20;
        let position = Self {
            epoch: get_u32(value, 0)?,
            offset: get_u64(value, 4)?,
            time_ms: get_u64(value, 12)?,
        };
        fits.then_some(position)
    }
}

/// What a producer with an identity appended last (F-36, C-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The sequence of that append.
    pub sequence: u64,
    /// Offset of its first record.
    pub first_offset: u64,
    /// How many records it had.
    pub record_count: u32,
    /// The epoch they stand in.
    pub epoch: u32,
    /// When, in ms since 1970.
    pub time_ms: u64,
}

impl ProducerEntry {
    /// The value of the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = self.sequence.to_le_bytes().to_vec();
        value.extend_from_slice(&self.first_offset.to_le_bytes());
        value.extend_from_slice(&self.record_count.to_le_bytes());
        value.extend_from_slice(&self.epoch.to_le_bytes());
        value.extend_from_slice(&self.time_ms.to_le_bytes());
        assert!(Self::decode(&value).as_ref() == Some(self), "F-36");
        value
    }

    /// The same back; `None` if it is not one.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let fits = value.len() == 32;
        let entry = Self {
            sequence: get_u64(value, 0)?,
            first_offset: get_u64(value, 8)?,
            record_count: get_u32(value, 16)?,
            epoch: get_u32(value, 20)?,
            time_ms: get_u64(value, 24)?,
        };
        fits.then_some(entry)
    }
}

/// Whether a name may be that of a consumer or a producer (F-11).
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(allowed)
}

/// What stands in place of a boot id that is not known (F-35).
const UNKNOWN_BOOT: [u8; 16] = [0; 16];

/// Key and value of an entry `epoch` (chapter 7).
#[must_use]
pub fn encode_epoch(epoch: &Epoch) -> ([u8; 4], Vec<u8>) {
    let mut value = epoch.first_offset.to_le_bytes().to_vec();
    value.extend_from_slice(&epoch.boot_id.unwrap_or(UNKNOWN_BOOT));
    value.extend_from_slice(&epoch.time_ms.to_le_bytes());
    (epoch.number.to_le_bytes(), value)
}

fn decode_epoch(key: &[u8], value: &[u8]) -> Option<Epoch> {
    if key.len() != 4 || value.len() != 32 {
        return None;
    }
    let boot_id: [u8; 16] = *value.get(8..)?.first_chunk()?;
    Some(Epoch {
        number: get_u32(key, 0)?,
        first_offset: get_u64(value, 0)?,
        boot_id: (boot_id != UNKNOWN_BOOT).then_some(boot_id),
        time_ms: get_u64(value, 24)?,
    })
}
