//! A stream as the target.

use std::path::Path;

use puro::error::Blame;
use puro::internals::setting_entries;
use puro::{Batch, Producer, Setting, Stream, StreamId};

use crate::target::{Block, Target};
use crate::trouble::Trouble;

/// The stream that is copied into.
pub struct StreamTarget {
    producer: Producer,
    /// The block under way, and its time.
    batch: Batch,
    timestamp_ms: Option<u64>,
    /// The name of the source's note (F-59), and what it says.
    key: String,
    note: Option<String>,
}

/// The key of the note of a stream (F-59).
fn key_of(source: StreamId) -> String {
    format!("puro-{source}")
}

impl StreamTarget {
    /// Opens it; makes it, and gives it the settings of the source, if nothing was copied yet.
    pub fn open(from: &Path, to: &Path, carry_settings: bool) -> Result<Self, Trouble> {
        let source = Stream::open(from)?;
        let source_id = source.id()?;
        let target = Stream::open_or_create(to)?;
        let target_id = target.id()?;
        if source_id == target_id {
            let both = "source and target are the same stream, or copies of one with the same id";
            return Err(Trouble::new(Blame::Caller, both));
        }
        if source.producer()?.source(&key_of(target_id))?.is_some() {
            let circle = "the source is itself a copy of the target: records would go in circles";
            return Err(Trouble::new(Blame::Caller, circle));
        }
        let (producer, key) = (target.producer()?, key_of(source_id));
        let (batch, timestamp_ms, note) = (Batch::new(), None, None);
        let mut this = Self { producer, batch, timestamp_ms, key, note };
        // Until the first note is there, whoever died in this does it again.
        if carry_settings || this.producer.source(&this.key)?.is_none() {
            this.carry_settings(from)?;
        }
        Ok(this)
    }

    fn carry_settings(&mut self, from: &Path) -> Result<(), Trouble> {
        for (name, value) in setting_entries(from)? {
            let (Ok(name), Ok(value)) = (str::from_utf8(&name), str::from_utf8(&value)) else {
                continue;
            };
            // What cannot be a setting counts as not set (F-34).
            let Ok(setting) = Setting::parse(name, value) else { continue };
            if !self.producer.settings().has(&setting) {
                self.producer.set(&setting)?;
            }
        }
        Ok(())
    }
}

impl Target for StreamTarget {
    fn name(&self) -> String {
        self.producer.stream_id().to_string()
    }

    fn begin(&mut self, _source: StreamId) -> Result<Option<String>, Trouble> {
        // A stream compares notes: that refuses predecessors (T-4).
        self.note = self.producer.source(&self.key)?;
        Ok(self.note.clone())
    }

    fn put(&mut self, block: &Block) -> Result<(), Trouble> {
        self.batch.clear();
        self.timestamp_ms = (!block.records.is_empty()).then_some(block.timestamp_ms);
        for record in &block.records {
            let pushed = self.batch.push(&record.to_new());
            pushed.map_err(|error| Trouble::new(Blame::Data, format_args!("target: {error}")))?;
        }
        Ok(())
    }

    fn takes_more(&self) -> bool {
        false // A block stays a block.
    }

    fn commit(&mut self, note: &str) -> Result<(), Trouble> {
        let mut transaction = self.producer.transaction(&mut self.batch);
        if let Some(timestamp_ms) = self.timestamp_ms {
            transaction = transaction.timestamp_ms(timestamp_ms);
        }
        transaction.copied(&self.key, self.note.as_deref(), note).commit()?;
        self.note = Some(note.to_owned());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        Ok(self.producer.sync()?)
    }
}
