//! The oracle of streams that are maintained: what was appended and committed, and what a
//! stream with keys, positions and outputs must hold after deaths, losses of power, and
//! stewards.
//!
//! Beside it stands the [oracle](crate::oracle) of plain appends. This one knows of records
//! what a steward goes by: topic, key, time. It knows nothing of segments: whatever is
//! missing must be something that was allowed to go.

use std::collections::BTreeMap;

use crate::oracle::{Crash, Promise, Violation};

/// The topics of all histories, with what becomes of old records in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Compacted, never deleted.
    Kept,
    /// Deleted by retention, if there is one.
    Log,
    /// What is transformed.
    In,
    /// What it becomes.
    Out,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kept, Self::Log, Self::In, Self::Out];

    /// Its name in the stream.
    pub fn name(self) -> &'static str {
        ["kept", "log", "in", "out"][self as usize]
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its topic.
    pub topic: Topic,
    /// Its key, if it has one.
    pub key: Option<u8>,
    /// What tells it from others, or for an output the offset of its input; `None` for a
    /// delete marker.
    pub value: Option<u32>,
    /// Its time.
    pub time_ms: u64,
}

/// The named consumers of all histories; the last one transforms.
pub const NAMES: [&str; 3] = ["anna", "bert", "job"];
/// Who transforms.
pub const JOB: usize = 2;

/// What is appended as one: records, a position, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Block {
    /// The records.
    pub entries: Vec<Entry>,
    /// Which named consumer is where from then on.
    pub position: Option<(usize, u64)>,
}

/// What a reader from the beginning found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Records by their offsets, in the order in which they came.
    pub records: Vec<(u64, Entry)>,
    /// Where the lowest segment begins.
    pub low: u64,
    /// The next offset.
    pub next: u64,
    /// Positions of the named consumers.
    pub positions: Positions,
}

/// Where each named consumer is.
pub type Positions = [Option<u64>; NAMES.len()];
type Table = BTreeMap<u8, u32>;

/// What is known of a stream.
#[derive(Clone, Debug, Default, Hash)]
pub struct Ledger {
    blocks: Vec<Block>,
    /// The block whose outcome nobody knows yet.
    open: Option<Block>,
    /// How many blocks must survive a loss of power.
    durable: usize,
    /// How long delete markers stay.
    marker_grace_ms: u64,
    /// The highest time at which a steward began a pass.
    pub maintained_ms: u64,
    /// Whether retention may delete anything.
    pub deletes: bool,
    /// Which named consumers were not renewed for so long that they may be forgotten (C-5).
    pub may_be_forgotten: [bool; NAMES.len()],
}

impl Ledger {
    /// Of an empty stream, in which delete markers stay for so long, and retention may
    /// delete or not.
    pub fn new(marker_grace_ms: u64, deletes: bool) -> Self {
        Self { marker_grace_ms, deletes, ..Self::default() }
    }

    /// Of a stream whose blocks are known, and where named consumers were found to be.
    pub fn known(
        marker_grace_ms: u64,
        deletes: bool,
        maintained_ms: u64,
        positions: &Positions,
        blocks: &[Block],
    ) -> Self {
        let at = |(name, offset): (usize, &Option<u64>)| {
            offset.map(|offset| Block { entries: Vec::new(), position: Some((name, offset)) })
        };
        let mut all: Vec<Block> = positions.iter().enumerate().filter_map(at).collect();
        let durable = all.len();
        all.extend(blocks.iter().cloned());
        let ledger = Self::new(marker_grace_ms, deletes);
        Self { blocks: all, durable, maintained_ms, ..ledger }
    }

    /// A block is about to be appended.
    pub fn attempt(&mut self, block: Block) {
        self.open = Some(block);
    }

    /// It was answered: appended there.
    pub fn appended(&mut self, first_offset: u64, durable: bool) -> Result<(), Violation> {
        if first_offset != self.next() {
            let what = format!("appended at {first_offset}, not at {}", self.next());
            return Err(Violation::new(Promise::Prefix, what));
        }
        self.blocks.extend(self.open.take());
        if durable {
            self.durable = self.blocks.len();
        }
        Ok(())
    }

    /// It was answered: not appended.
    pub fn refused(&mut self) {
        self.open = None;
    }

    /// The next offset.
    pub fn next(&self) -> u64 {
        next(&self.blocks)
    }

    /// All records, in the order of their offsets.
    pub fn entries(&self) -> Vec<Entry> {
        entries(&self.blocks)
    }

    /// Where a named consumer is.
    pub fn position(&self, name: usize) -> Option<u64> {
        positions(&self.blocks)[name]
    }

    /// Judges what was found, after a crash too.
    pub fn judge(&self, found: &Found, crash: Crash) -> Result<(), Violation> {
        let blocks = self.resolve(found, crash)?;
        let all = entries(&blocks);
        let mut from = found.low;
        if from > 0 && !self.deletes {
            let what = format!("the stream begins at {from}, but nothing is to be deleted");
            return Err(Violation::new(Promise::GapFreeUnderSteward, what));
        }
        for (offset, entry) in &found.records {
            from = self.check_step(&all, from, *offset, entry)?;
        }
        self.check_missing(&all, from, found.next)?;
        let (read, expected) = (table(found.records.iter().map(|(_, entry)| entry)), table(&all));
        if read != expected {
            let what = format!("read from the beginning: {read:?}, appended: {expected:?}");
            return Err(Violation::new(Promise::CompactionKeepsLatest, what));
        }
        if self.deletes { Ok(()) } else { exactly_once(&all, positions(&blocks)[JOB]) }
    }

    /// Judges, and takes what is there for what is known from now on.
    pub fn settle(&mut self, found: &Found, crash: Crash) -> Result<(), Violation> {
        self.judge(found, crash)?;
        self.blocks = self.resolve(found, crash)?;
        self.open = None;
        if crash == Crash::Power {
            // What is read after a start of the machine was read from the disk.
            self.durable = self.blocks.len();
        }
        Ok(())
    }

    /// Which of all blocks are there: those known, but for what the power took, in order.
    fn resolve(&self, found: &Found, crash: Crash) -> Result<Vec<Block>, Violation> {
        let all: Vec<Block> = self.blocks.iter().chain(&self.open).cloned().collect();
        let must = if crash == Crash::Power { self.durable } else { self.blocks.len() };
        let lengths = (must..=all.len()).rev();
        let mut fitting = lengths.filter(|length| next(&all[..*length]) == found.next).peekable();
        if fitting.peek().is_none() {
            let promise =
                if found.next < next(&all[..must]) { Promise::Durable } else { Promise::Prefix };
            let what = format!("the next offset is {}, {} were appended", found.next, next(&all));
            return Err(Violation::new(promise, what));
        }
        let kept = fitting.find(|length| self.are_kept(positions(&all[..*length]), found));
        kept.map(|length| all[..length].to_vec()).ok_or_else(|| {
            let (found, known) = (found.positions, positions(&all));
            let what = format!("positions are {found:?}, committed were {known:?}");
            Violation::new(Promise::PositionsKept, what)
        })
    }

    fn are_kept(&self, known: Positions, found: &Found) -> bool {
        let mut all = known.iter().zip(&found.positions).zip(&self.may_be_forgotten);
        all.all(|((known, found), forgotten)| found == known || *forgotten && found.is_none())
    }

    /// A reader at `from` got this record: nothing in between may be missing without leave.
    /// Tells where it is then.
    pub fn check_step(
        &self,
        all: &[Entry],
        from: u64,
        offset: u64,
        entry: &Entry,
    ) -> Result<u64, Violation> {
        let expected = all.get(offset as usize);
        if offset < from || expected != Some(entry) {
            let what = format!("{entry:?} at {offset}, read from {from} on, is {expected:?}");
            return Err(Violation::new(Promise::Prefix, what));
        }
        self.check_missing(all, from, offset)?;
        Ok(offset + 1)
    }

    /// Whether all offsets of a range were allowed to go.
    pub fn check_missing(&self, all: &[Entry], from: u64, to: u64) -> Result<(), Violation> {
        match (from..to).find(|offset| !self.may_be_missing(all, *offset as usize)) {
            None => Ok(()),
            Some(offset) => {
                let what = format!("{:?} at {offset} is missing", all.get(offset as usize));
                Err(Violation::new(Promise::GapFreeUnderSteward, what))
            }
        }
    }

    /// S-5, S-7: superseded, or a delete marker whose grace is over.
    fn may_be_missing(&self, all: &[Entry], offset: usize) -> bool {
        let Some((entry, later)) = all.get(offset..).and_then(<[Entry]>::split_first) else {
            return false;
        };
        let same = |other: &Entry| other.topic == entry.topic && other.key == entry.key;
        let superseded = later.iter().any(same);
        let outlived = entry.time_ms + self.marker_grace_ms < self.maintained_ms;
        entry.topic == Topic::Kept
            && entry.key.is_some()
            && (superseded || entry.value.is_none() && outlived)
    }
}

fn next(blocks: &[Block]) -> u64 {
    blocks.iter().map(|block| block.entries.len() as u64).sum()
}

fn entries(blocks: &[Block]) -> Vec<Entry> {
    blocks.iter().flat_map(|block| block.entries.iter().copied()).collect()
}

fn positions(blocks: &[Block]) -> Positions {
    let mut positions = Positions::default();
    for (name, offset) in blocks.iter().filter_map(|block| block.position) {
        positions[name] = Some(offset);
    }
    positions
}

/// What somebody who keeps the latest value of each key has.
pub fn table<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Table {
    let mut table = Table::new();
    for entry in entries {
        note(&mut table, entry);
    }
    table
}

/// Takes a record into such a table.
pub fn note(table: &mut Table, entry: &Entry) {
    if let (Topic::Kept, Some(key)) = (entry.topic, entry.key) {
        match entry.value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
}

/// Each input below the position has one output, the others none.
fn exactly_once(all: &[Entry], position: Option<u64>) -> Result<(), Violation> {
    let done = position.unwrap_or(0);
    let inputs = (0u64..).zip(all).filter(|(_, entry)| entry.topic == Topic::In);
    for (offset, _) in inputs {
        let output = |entry: &&Entry| {
            entry.topic == Topic::Out && entry.value.map(u64::from) == Some(offset)
        };
        let outputs = all.iter().filter(output).count();
        if outputs != usize::from(offset < done) {
            let what = format!("input {offset} has {outputs} outputs, the position is {done}");
            return Err(Violation::new(Promise::ExactlyOnce, what));
        }
    }
    Ok(())
}
