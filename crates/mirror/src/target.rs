//! What a mirror asks of what it copies into.

use puro::{OwnedRecord, StreamId};

use crate::trouble::Trouble;

/// A block of the source: the records of it that are wanted.
#[derive(Debug, Default)]
pub struct Block {
    /// When it was written.
    pub timestamp_ms: u64,
    /// In their order.
    pub records: Vec<OwnedRecord>,
}

/// What is copied into.
pub trait Target {
    /// What tells it from other targets, as part of a consumer's name (T-2).
    fn name(&self) -> String;

    /// Takes its place, so that predecessors are refused, and only then reads the note (T-2, T-3).
    fn begin(&mut self, source: StreamId) -> Result<Option<String>, Trouble>;

    /// Takes a block into the transaction that is under way, or begins one (T-4). The block may be
    /// empty.
    fn put(&mut self, block: &Block) -> Result<(), Trouble>;

    /// Whether the next block may go into the same transaction.
    fn takes_more(&self) -> bool;

    /// Whether this block still fits into the transaction under way.
    fn has_room_for(&self, _block: &Block) -> bool {
        true
    }

    /// Commits what was put, and the note behind it: all or nothing.
    fn commit(&mut self, note: &str) -> Result<(), Trouble>;

    /// All that was copied is on disk when this returns (T-7).
    fn sync(&mut self) -> Result<(), Trouble>;
}
