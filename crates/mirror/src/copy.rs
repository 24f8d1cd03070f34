//! The steps of a mirror: take the place, read the note, copy block after block (T-2 to T-7).

use std::path::Path;
use std::time::{Duration, Instant};

use puro::error::Blame;
use puro::{
    AutoCommit, ConsumerOptions, LockWait, NamedConsumer, NamedOptions, Start, Stream, Token,
    matches_pattern,
};

use crate::interrupt;
use crate::place::Place;
use crate::target::{Block, Target};
use crate::trouble::Trouble;

/// How often the target is synced, and the position in the source follows.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How long a wait for more lasts before somebody may ask for the end.
const WAIT: Duration = Duration::from_millis(200);
/// How often the place is taken anew where the note moved in between.
const TRIES: u32 = 5;

/// What is to be done.
pub struct Order<'a> {
    pub source: &'a Path,
    /// Empty: all.
    pub topics: &'a [String],
    pub from: Place,
    pub reset: bool,
    pub once: bool,
    pub durable: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copied {
    pub blocks: u64,
    pub records: u64,
}

/// Copies until the end, an interruption, or a trouble. Tells what it did, and up to where.
pub fn mirror(order: &Order<'_>, target: &mut dyn Target) -> Result<(Copied, String), Trouble> {
    let (reader, noted) = take_place(order, target)?;
    let mut work = Work { order, target, reader, noted, synced: Instant::now(), is_synced: true };
    let copied = work.copy_all()?;
    work.follow()?;
    Ok((copied, work.noted.map_or_else(|| "nothing".to_owned(), |token| token.to_string())))
}

/// Takes the name at the source, and then what the target has of a place, and begins behind the note.
fn take_place(
    order: &Order<'_>,
    target: &mut dyn Target,
) -> Result<(NamedConsumer, Option<Token>), Trouble> {
    let source = Stream::open(order.source)?.id()?;
    let mut note = None;
    for _ in 0..TRIES {
        let reader = open_reader(order, target, note)?;
        let found = parse(target.begin(source)?)?;
        if found == note {
            return Ok((reader, found));
        }
        note = found;
    }
    Err(Trouble::other("the note keeps moving"))
}

fn parse(note: Option<String>) -> Result<Option<Token>, Trouble> {
    let parsed = note.as_deref().map(str::parse::<Token>).transpose();
    parsed.map_err(|_| {
        let unknown = format!("the target's note `{}` is no token", note.unwrap_or_default());
        Trouble::new(Blame::Data, unknown)
    })
}

fn open_reader(
    order: &Order<'_>,
    target: &dyn Target,
    note: Option<Token>,
) -> Result<NamedConsumer, Trouble> {
    let start = match note {
        Some(token) if !order.reset => Start::Token(token),
        _ => order.from.0,
    };
    let options = NamedOptions::new()
        .auto_commit(AutoCommit::Never)
        .consumer(ConsumerOptions::new().durable(order.durable))
        .owner_wait(LockWait::Try)
        .ignore_stored(true)
        .start(start);
    Ok(options.open(order.source, &format!("mirror-{}", target.name()))?)
}

struct Work<'a> {
    order: &'a Order<'a>,
    target: &'a mut dyn Target,
    reader: NamedConsumer,
    /// What the note says.
    noted: Option<Token>,
    synced: Instant,
    /// Whether nothing was copied since.
    is_synced: bool,
}

impl Work<'_> {
    fn copy_all(&mut self) -> Result<Copied, Trouble> {
        let mut copied = Copied::default();
        let wait = if self.order.once { Duration::ZERO } else { WAIT };
        while !interrupt::asked() {
            let Some(block) = self.next(wait)? else {
                self.note_what_was_passed()?;
                self.follow()?;
                if self.order.once {
                    break;
                }
                continue;
            };
            if !block.records.is_empty() {
                self.put(&block)?;
                copied.blocks += 1;
                copied.records += block.records.len() as u64;
            }
            if self.synced.elapsed() >= SYNC_INTERVAL {
                self.note_what_was_passed()?;
                self.follow()?;
            }
        }
        Ok(copied)
    }

    /// The next block, without what is not wanted.
    fn next(&mut self, wait: Duration) -> Result<Option<Block>, Trouble> {
        let topics = self.order.topics;
        let fits = |topic: &[u8]| topics.iter().any(|it| matches_pattern(it.as_bytes(), topic));
        let wanted = |topic: &[u8]| topics.is_empty() || fits(topic);
        let Some(records) = self.reader.consumer_mut().next_block(wait)? else { return Ok(None) };
        let mut block = Block::default();
        for record in records {
            let record = record?;
            block.timestamp_ms = record.timestamp_ms;
            if wanted(record.topic) {
                block.records.push(record.to_owned());
            }
        }
        Ok(Some(block))
    }

    fn put(&mut self, block: &Block) -> Result<(), Trouble> {
        let Some(token) = self.reader.token() else { return Ok(()) };
        self.target.copy(block, &token.to_string())?;
        self.noted = Some(token);
        self.is_synced = false;
        Ok(())
    }

    /// Moves the note alone over what was not wanted. What takes no offset is no progress (C-8).
    fn note_what_was_passed(&mut self) -> Result<(), Trouble> {
        let at = self.reader.token().map(|token| token.offset);
        if at == self.noted.map(|token| token.offset) && !self.order.reset {
            return Ok(());
        }
        if self.noted == self.reader.token() {
            return Ok(());
        }
        self.put(&Block::default())
    }

    /// Syncs the target, and only then lets the position in the source follow (T-7).
    fn follow(&mut self) -> Result<(), Trouble> {
        self.synced = Instant::now();
        if !self.is_synced {
            self.target.sync()?;
            self.is_synced = true;
        }
        self.reader.commit()?;
        Ok(())
    }
}
