//! The state of a stream: the fold of its control records (format.md, chapter 7).

use std::collections::BTreeMap;

use crate::block::{Block, Cause};
use crate::codec::{get_u32, get_u64};
use crate::layout::{DEFAULT_SEGMENT_BYTES, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};
use crate::record::{Fields, NewRecord};
use crate::token::Epoch;

/// Kind of the entries that hold settings.
pub const SETTING: &[u8] = b"setting";
/// Kind of the entries that hold epochs.
pub const EPOCH: &[u8] = b"epoch";
/// The setting for the size of segments (V-1).
pub const SEGMENT_BYTES: &[u8] = b"segment_bytes";

/// An entry's kind and key.
type EntryName = (Vec<u8>, Vec<u8>);

/// All entries, known kinds and unknown ones (F-32), in the order of checkpoints (F-37).
#[derive(Clone, Debug)]
pub struct State {
    entries: BTreeMap<EntryName, Vec<u8>>,
    /// The epochs among the entries, in ascending order.
    epochs: Vec<Epoch>,
    /// What the entry of that setting says.
    segment_bytes: u64,
}

impl Default for State {
    fn default() -> Self {
        let segment_bytes = DEFAULT_SEGMENT_BYTES;
        Self { entries: BTreeMap::new(), epochs: Vec::new(), segment_bytes }
    }
}

impl State {
    /// Folds the control records of a block into the state.
    ///
    /// # Errors
    /// A control record that is malformed, or an entry `epoch` that is (F-32).
    pub fn apply(&mut self, block: &Block<'_>) -> Result<(), Cause> {
        for fields in block.control_records() {
            self.apply_record(&fields?)?;
        }
        Ok(())
    }

    fn apply_record(&mut self, fields: &Fields<'_>) -> Result<(), Cause> {
        let Some(key) = fields.key else { return Ok(()) };
        let name = (fields.topic.to_vec(), key.to_vec());
        match fields.value {
            Some(value) => self.entries.insert(name, value.to_vec()),
            None => self.entries.remove(&name),
        };
        match fields.topic {
            EPOCH => self.fold_epochs()?,
            SETTING => self.fold_settings(),
            _ => {}
        }
        Ok(())
    }

    fn fold_settings(&mut self) {
        let text = self.get(SETTING, SEGMENT_BYTES).and_then(|value| str::from_utf8(value).ok());
        let number = text.and_then(|text| text.parse::<u64>().ok());
        let number = number.unwrap_or(DEFAULT_SEGMENT_BYTES);
        self.segment_bytes = number.clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
    }

    fn fold_epochs(&mut self) -> Result<(), Cause> {
        let malformed = Cause::Control("epoch");
        let epochs = self.of_kind(EPOCH).map(|(key, value)| decode_epoch(key, value));
        let mut epochs = epochs.collect::<Option<Vec<_>>>().ok_or(malformed)?;
        epochs.sort_by_key(|epoch| epoch.number);
        if !epochs.is_sorted_by_key(|epoch| epoch.first_offset) {
            return Err(malformed);
        }
        self.epochs = epochs;
        Ok(())
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// An entry `epoch` that is malformed.
    pub fn set(&mut self, kind: &[u8], key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let fields = Fields {
            control: true,
            topic: kind,
            key: Some(key),
            value: Some(value),
            headers: crate::record::Headers::default(),
        };
        self.apply_record(&fields)
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

    /// The epochs, in ascending order (E-1).
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The newest epoch.
    #[must_use]
    pub fn newest_epoch(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// Whether the newest epoch was begun in this boot; an unknown boot is never this one (M-7).
    #[must_use]
    pub fn is_of_boot(&self, boot_id: Option<[u8; 16]>) -> bool {
        boot_id.is_some() && self.newest_epoch().is_some_and(|epoch| epoch.boot_id == boot_id)
    }

    /// Setting `segment_bytes` (V-1); what cannot be is read as the nearest that can.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }
}

/// Key and value of an entry `epoch` (chapter 7).
#[must_use]
pub fn encode_epoch(epoch: &Epoch) -> ([u8; 4], Vec<u8>) {
    let mut value = epoch.first_offset.to_le_bytes().to_vec();
    value.extend_from_slice(&epoch.boot_id.unwrap_or_default());
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
        boot_id: (boot_id != [0; 16]).then_some(boot_id),
        time_ms: get_u64(value, 24)?,
    })
}
