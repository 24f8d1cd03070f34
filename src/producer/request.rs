//! What an append asks for beside its records: conditions, and entries of state that go into
//! the same block.

use std::collections::BTreeMap;

use super::unchanged::Unchanged;
use crate::appended::Appended;
use crate::engine::trace::Operator;
use crate::engine::vfs::Vfs;
use crate::engine::writer::Writer;
use crate::error::{AppendError, RecordError};
use crate::format::block::BlockBuilder;
use crate::format::record::NewRecord;
use crate::format::state::Position;
use crate::format::state::{POSITION, PRODUCER, ProducerEntry, SOURCE};
use crate::format::token::{Epoch, Token, check_history};
use crate::producer::check_name;

/// An entry to be set, or removed where it has no value.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub kind: &'a [u8],
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// A change of a note of how far something was copied (T-4).
#[derive(Clone, Copy)]
pub(crate) struct SourceChange<'a> {
    pub name: &'a str,
    pub before: Option<&'a str>,
    pub after: &'a str,
}

/// What must hold for an append, and what goes with it in the same block.
#[derive(Clone, Copy, Default)]
pub(crate) struct Request<'a> {
    /// The stream must end here.
    pub expected: Option<&'a Token>,
    /// What must have rested.
    pub unchanged: &'a [Unchanged<'a>],
    /// A position to be changed (C-2).
    pub position: Option<&'a PositionChange>,
    /// Positions to be set by hand, by who holds their names (C-7).
    pub moves: &'a [(&'a str, u64)],
    /// Identity and sequence (C-4).
    pub once: Option<(&'a str, u64)>,
    /// How far something was copied (T-4): its name, what was noted, and what is to be.
    pub source: Option<SourceChange<'a>>,
    /// Any other entry to be set or removed.
    pub entry: Option<Entry<'a>>,
    /// The time to be carried, if not that of the append.
    pub timestamp_ms: Option<u64>,
    /// Whether there may be no records: something else is to be changed.
    pub may_be_empty: bool,
}

impl Request<'_> {
    /// Whether the append may go on; the earlier append if it is a duplicate.
    pub fn check<V: Vfs>(&self, writer: &Writer<V>) -> Result<Option<Appended>, AppendError> {
        let tail = &writer.tail;
        let stream_id = tail.segment.header.stream_id;
        let next_offset = tail.next_offset();
        let known = |token| check_history(token, &stream_id, tail.state.epochs(), next_offset);
        if let Some((identity, sequence)) = self.once
            && let Some(entry) = tail.state.producer(identity)
            && entry.sequence >= sequence
        {
            return duplicate(&entry, identity, sequence, stream_id).map(Some);
        }
        if let Some(expected) = self.expected {
            known(expected)?;
            if next_offset != expected.offset {
                return Err(AppendError::Conflict { expected: *expected, actual: next_offset });
            }
        }
        if let Some(change) = self.source {
            check_name(change.name)?;
            if tail.state.source(change.name) != change.before {
                return Err(AppendError::SourceChanged { name: change.name.to_owned() });
            }
        }
        self.unchanged.iter().try_for_each(|unchanged| unchanged.check(writer))?;
        if let Some(change) = self.position {
            if tail.state.position(&change.name) != change.before {
                writer.trace(tail.action(Operator::CommitRefused).label(&change.name));
                return Err(AppendError::PositionChanged { name: change.name.clone() });
            }
            change.after.as_ref().map_or(Ok(()), known)?;
        }
        for (_, offset) in self.moves {
            let token = token_at(*offset, stream_id, tail.state.epochs());
            check_history(&token, &stream_id, tail.state.epochs(), next_offset)?;
        }
        Ok(None)
    }

    /// Adds the control records to the block.
    pub fn push_entries<V: Vfs>(
        &self,
        builder: &mut BlockBuilder,
        writer: &Writer<V>,
        now_ms: u64,
    ) -> Result<(), RecordError> {
        if let Some(Entry { kind, key, value }) = &self.entry {
            builder.push(&NewRecord::control(kind, Some(key), *value))?;
        }
        if let Some(change) = self.position {
            let value = change.after_at(now_ms).map(|position| position.encode());
            let name = Some(change.name.as_bytes());
            builder.push(&NewRecord::control(POSITION, name, value.as_deref()))?;
        }
        if let Some(change) = self.source {
            let (name, place) = (change.name.as_bytes(), change.after.as_bytes());
            builder.push(&NewRecord::control(SOURCE, Some(name), Some(place)))?;
        }
        for (name, offset) in self.moves {
            let tail = &writer.tail;
            let token = token_at(*offset, tail.segment.header.stream_id, tail.state.epochs());
            let position = Position { epoch: token.epoch, offset: token.offset, time_ms: now_ms };
            let value = position.encode();
            builder.push(&NewRecord::control(POSITION, Some(name.as_bytes()), Some(&value)))?;
        }
        if let Some((identity, sequence)) = self.once {
            let entry = ProducerEntry {
                sequence,
                first_offset: writer.tail.next_offset(),
                record_count: builder.record_count(),
                epoch: writer.tail.epoch(),
                time_ms: now_ms,
            };
            let key = Some(identity.as_bytes());
            builder.push(&NewRecord::control(PRODUCER, key, Some(&entry.encode())))?;
        }
        Ok(())
    }
}

/// A place in the history that the stream has now.
fn token_at(offset: u64, stream_id: [u8; 16], epochs: &BTreeMap<u32, Epoch>) -> Token {
    let begun = epochs.values().rev().find(|epoch| epoch.first_offset <= offset);
    Token { stream_id: stream_id.into(), epoch: begun.map_or(0, |epoch| epoch.number), offset }
}

/// The answer to an append that was made before (C-4).
fn duplicate(
    entry: &ProducerEntry,
    identity: &str,
    sequence: u64,
    stream_id: [u8; 16],
) -> Result<Appended, AppendError> {
    if entry.sequence != sequence {
        let (identity, newest) = (identity.to_owned(), entry.sequence);
        return Err(AppendError::OldSequence { identity, sequence, newest });
    }
    let offset = entry.first_offset + u64::from(entry.record_count);
    Ok(Appended {
        first_offset: entry.first_offset,
        record_count: entry.record_count,
        timestamp_ms: entry.time_ms,
        token: Token { stream_id: stream_id.into(), epoch: entry.epoch, offset },
        duplicate: true,
    })
}

/// Whoever has a position to be committed with an append: a named consumer.
pub(crate) trait Positioned {
    /// What a commit would change; `None` without progress.
    fn change(&self) -> Option<PositionChange>;
    /// Takes note of the position that was committed.
    fn committed(&mut self, stored: Option<Position>);
}

/// A change of a position: what it was, and what it is to be (C-2, C-7).
#[derive(Clone, Debug)]
pub(crate) struct PositionChange {
    pub name: String,
    pub before: Option<Position>,
    /// `None` removes it.
    pub after: Option<Token>,
    /// Not progress: it is set to another place (C-7).
    pub by_hand: bool,
}

impl PositionChange {
    /// The position that is to be, committed at some time.
    pub fn after_at(&self, time_ms: u64) -> Option<Position> {
        let position =
            |token: Token| Position { epoch: token.epoch, offset: token.offset, time_ms };
        self.after.map(position)
    }
}
