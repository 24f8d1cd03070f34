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
/// How often it begins anew, one time after the other, without getting on; each time it waits longer.
const TRIES: u32 = 10;

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

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { blocks, records } = self;
        write!(f, "{records} records in {blocks} blocks copied")
    }
}

impl Copied {
    fn add(&mut self, more: Self) {
        self.blocks += more.blocks;
        self.records += more.records;
    }
}

/// Copies until the end, an interruption, or a trouble. Tells what it did, and up to where.
pub fn mirror(order: &Order<'_>, target: &mut dyn Target) -> Result<(Copied, String), Trouble> {
    let (mut copied, mut first_note) = (Copied::default(), None);
    let end =
        persist(&mut copied, |copied| begin_and_copy(order, target, &mut first_note, copied))?;
    Ok((copied, end))
}

/// Begins anew for as long as that may help (T-6), and more slowly each time that it does not get on.
pub fn persist<T>(
    copied: &mut Copied,
    mut begin: impl FnMut(&mut Copied) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut in_vain = 0;
    loop {
        let before = copied.blocks;
        let trouble = match begin(copied) {
            Ok(done) => return Ok(done),
            Err(trouble) => trouble,
        };
        in_vain = if copied.blocks > before { 0 } else { in_vain + 1 };
        if !trouble.is_unknown() || in_vain == TRIES || interrupt::asked() {
            return Err(trouble);
        }
        eprintln!("puro mirror: {trouble}; begins anew");
        interrupt::wait(Duration::from_secs(in_vain.into()));
    }
}

fn begin_and_copy(
    order: &Order<'_>,
    target: &mut dyn Target,
    first_note: &mut Option<Option<Token>>,
    copied: &mut Copied,
) -> Result<String, Trouble> {
    let (reader, noted) = take_place(order, target, first_note)?;
    let (at, pending, synced) = (reader.token(), Copied::default(), Instant::now());
    let mut work =
        Work { order, target, reader, noted, at, pending, copied, synced, is_synced: true };
    work.copy_all()?;
    work.follow()?;
    Ok(work.noted.map_or_else(|| "nothing".to_owned(), |token| token.to_string()))
}

/// Takes the name at the source, and then what the target has of a place, and begins behind the note.
fn take_place(
    order: &Order<'_>,
    target: &mut dyn Target,
    first_note: &mut Option<Option<Token>>,
) -> Result<(NamedConsumer, Option<Token>), Trouble> {
    let source = Stream::open(order.source)?.id()?;
    let reader = open_reader(order, target, order.from.0)?;
    let note = parse(target.begin(source)?)?;
    // What is copied from `--from` on is not copied from there again, if it begins anew.
    let resets = order.reset && *first_note.get_or_insert(note) == note;
    match note {
        Some(token) if !resets => {
            // Whoever takes the name in between takes the place at the target, too (T-4).
            drop(reader);
            Ok((open_reader(order, target, Start::Token(token))?, note))
        }
        _ => Ok((reader, note)),
    }
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
    start: Start,
) -> Result<NamedConsumer, Trouble> {
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
    /// Behind what was put.
    at: Option<Token>,
    /// What the transaction under way has taken.
    pending: Copied,
    copied: &'a mut Copied,
    synced: Instant,
    /// Whether nothing was copied since.
    is_synced: bool,
}

impl Work<'_> {
    fn copy_all(&mut self) -> Result<(), Trouble> {
        let patience = if self.order.once { Duration::ZERO } else { WAIT };
        while !interrupt::asked() {
            let is_under_way = self.pending.blocks > 0;
            let wait = if is_under_way { Duration::ZERO } else { patience };
            match self.next(wait)? {
                Some(block) => self.put(&block)?,
                None => {
                    self.at = self.reader.token();
                    self.settle()?;
                    if !is_under_way {
                        self.follow()?;
                        if self.order.once {
                            break;
                        }
                    }
                }
            }
            if self.synced.elapsed() >= SYNC_INTERVAL {
                self.settle()?;
                self.follow()?;
            }
        }
        self.settle()
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
        if block.records.is_empty() {
            self.at = self.reader.token();
            return Ok(()); // The note moves with the next one, or alone.
        }
        if self.pending.blocks > 0 && !self.target.has_room_for(block) {
            self.commit()?;
        }
        self.target.put(block)?;
        self.at = self.reader.token();
        self.pending.add(Copied { blocks: 1, records: block.records.len() as u64 });
        if self.target.takes_more() { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        let Some(token) = self.at else { return Ok(()) };
        self.target.commit(&token.to_string())?;
        self.noted = Some(token);
        self.is_synced = false;
        self.copied.add(std::mem::take(&mut self.pending));
        Ok(())
    }

    /// Commits what is under way. Or moves the note alone over what was not wanted: what takes no offset
    /// is no progress (C-8).
    fn settle(&mut self) -> Result<(), Trouble> {
        if self.pending.blocks > 0 {
            return self.commit();
        }
        let at = self.at;
        let moved = at.map(|token| token.offset) != self.noted.map(|token| token.offset);
        if at == self.noted || !(moved || self.order.reset) {
            return Ok(());
        }
        self.target.put(&Block::default())?;
        self.commit()
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
