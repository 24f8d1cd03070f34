//! A reader's place in the stream, and how it is found (R-9, R-10).

mod place;
mod time;

pub use self::place::ReadPlace;

use crate::engine::cursor::Step;
use crate::engine::dir::{Directory, LOOKS, OpenSegment, SEEK, Segments};
use crate::engine::error::{Failure, ReadError};
use crate::engine::segment::Window;
use crate::engine::tail::{Tail, open_tail};
use crate::engine::trace::Operator;
use crate::engine::vfs::{LockWait, OpenMode, Vfs};
use crate::format::block::{Block, BlockKind, Cause};
use crate::format::token::Diverged;
use crate::format::token::{Token, check_history};

/// Where a consumer begins to read.
///
/// ```
/// use puro::{ConsumerOptions, NewRecord, Producer, Start};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let mut tokens = Vec::new();
/// for value in ["a", "b", "c"] {
///     tokens.push(producer.append(&NewRecord::new("letters", value))?.token);
/// }
/// let first = |start| -> Result<Option<u64>, puro::ReadError> {
///     let mut consumer = ConsumerOptions::new().start(start).open(dir.path())?;
///     Ok(consumer.try_next()?.map(|record| record.offset))
/// };
/// assert_eq!(first(Start::Beginning)?, Some(0));
/// assert_eq!(first(Start::Offset(1))?, Some(1));
/// assert_eq!(first(Start::Last(1))?, Some(2));
/// assert_eq!(first(Start::Token(tokens[0]))?, Some(1));
/// assert_eq!(first(Start::Time(0))?, Some(0));
/// assert_eq!(first(Start::End)?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record there is.
    Beginning,
    /// Behind the newest record.
    End,
    /// At an offset, which must be in the stream or the next one to be given.
    Offset(u64),
    /// At the last so many records, of the topics asked for.
    Last(u64),
    /// At the first block written at this time or later, in ms since 1970 (F-22). A block by a
    /// clock that was ahead counts as written when the one behind it was (R-17).
    Time(u64),
    /// At a position that was kept from before (E-7).
    Token(Token),
}

/// Which records are wanted: those of all topics, where neither names nor patterns are given.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    /// Names, sorted.
    wanted: Vec<Vec<u8>>,
    patterns: Vec<Vec<u8>>,
}

impl Topics {
    pub fn add(&mut self, topic: &[u8]) {
        if let Err(place) = self.wanted.binary_search_by(|known| known.as_slice().cmp(topic)) {
            self.wanted.insert(place, topic.to_vec());
        }
    }

    pub fn add_pattern(&mut self, pattern: &[u8]) {
        self.patterns.push(pattern.to_vec());
    }

    pub fn want_all(&self) -> bool {
        self.wanted.is_empty() && self.patterns.is_empty()
    }

    pub fn wants(&self, topic: &[u8]) -> bool {
        self.want_all()
            || self.wanted.binary_search_by(|known| known.as_slice().cmp(topic)).is_ok()
            || self.patterns.iter().any(|pattern| matches_pattern(pattern, topic))
    }
}

/// Whether a name is of a pattern: `*` stands for any bytes or none, `?` for one byte, and `\` takes
/// from the byte behind it what it would mean.
///
/// ```
/// assert!(puro::matches_pattern(b"orders.*", b"orders.eu"));
/// assert!(!puro::matches_pattern(b"orders.?", b"orders.eu"));
/// assert!(puro::matches_pattern(br"what\?", b"what?"));
/// ```
#[must_use]
pub fn matches_pattern(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // Behind the last star, and how much of the name that star has taken as yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let (fits, rest) = match (pattern, name) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, ..]) => (true, rest),
            ([b'\\', byte, rest @ ..], [first, ..]) | ([byte, rest @ ..], [first, ..]) => {
                (byte == first, rest)
            }
            _ => (false, pattern),
        };
        if fits {
            (pattern, name) = (rest, name.get(1..).unwrap_or_default());
            continue;
        }
        let Some((behind, [_, left @ ..])) = retry else { return false };
        retry = Some((behind, left));
        (pattern, name) = (behind, left);
    }
}

/// Where to begin, and the first offset that is wanted there.
pub struct Found<F> {
    pub place: ReadPlace<F>,
    pub first_offset: u64,
}

/// Finds where to begin; `None` where there is no stream yet.
pub fn find<V: Vfs>(
    dir: &Directory<V>,
    start: &Start,
    topics: &Topics,
    wait: LockWait,
) -> Result<Option<Found<V::File>>, ReadError> {
    let seeker = Seeker { dir, wait };
    for _ in 0..LOOKS {
        let Some(segments) = dir.segments()? else { return Ok(None) };
        let found = match start {
            Start::Beginning => seeker.beginning(&segments)?,
            Start::End => seeker.end(&segments)?,
            Start::Offset(offset) => seeker.offset(&segments, *offset)?,
            Start::Last(count) => seeker.last(&segments, *count, topics)?,
            Start::Time(time_ms) => seeker.time(&segments, *time_ms)?,
            Start::Token(token) => {
                seeker.check_token(token)?;
                seeker.offset(&segments, token.offset)?
            }
        };
        // Segments may be deleted while they are looked for; then look again.
        if let Some(found) = found {
            dir.vfs.trace(&found.place.action(Operator::Placed).value(found.first_offset));
            return Ok(Some(found));
        }
    }
    Err(Failure::from(dir.restless()).into())
}

/// The offsets that the stream holds: the lowest, and the next to be given.
pub fn range<V: Vfs>(dir: &Directory<V>) -> Result<Option<(u64, u64)>, Failure> {
    let Some((tail, _)) = open_tail(dir, OpenMode::Read)? else { return Ok(None) };
    let Some(segments) = dir.segments()? else { return Ok(None) };
    let low = lowest_offset(dir, &segments)?.unwrap_or(tail.segment.header.base_offset);
    Ok(Some((low, tail.next_offset())))
}

/// The lowest offset of the stream; `None` if the segments that were listed are gone.
pub fn lowest_offset<V: Vfs>(
    dir: &Directory<V>,
    segments: &Segments,
) -> Result<Option<u64>, Failure> {
    for &sequence in &segments.sequences {
        if let Some(lowest) = dir.open_segment(sequence, OpenMode::Read)?
            && lowest.belongs_to(&segments.stream_id, sequence)
        {
            return Ok(Some(lowest.header.base_offset));
        }
    }
    Ok(None)
}

struct Seeker<'d, V: Vfs> {
    dir: &'d Directory<V>,
    wait: LockWait,
}

/// `None`: a segment went away meanwhile.
type Sought<F> = Result<Option<F>, ReadError>;

impl<V: Vfs> Seeker<'_, V> {
    /// Pins a segment; `None` if it is gone or stray.
    fn pin(&self, segments: &Segments, sequence: u32) -> Sought<OpenSegment<V::File>> {
        let segment = self.dir.pin_segment(sequence, self.wait, SEEK)?;
        Ok(segment.filter(|segment| segment.belongs_to(&segments.stream_id, sequence)))
    }

    fn beginning(&self, segments: &Segments) -> Sought<Found<V::File>> {
        for &sequence in &segments.sequences {
            if let Some(segment) = self.pin(segments, sequence)? {
                let first_offset = segment.header.base_offset;
                return Ok(Some(Found { place: ReadPlace::at_start_of(segment), first_offset }));
            }
        }
        Ok(None)
    }

    fn end(&self, segments: &Segments) -> Sought<Found<V::File>> {
        for &sequence in segments.sequences.iter().rev() {
            if let Some(segment) = self.pin(segments, sequence)? {
                let mut place = ReadPlace::at_start_of(segment);
                let _at_end = place.skip(|_| Ok(true))?;
                let first_offset = place.link.next_offset;
                return Ok(Some(Found { place, first_offset }));
            }
        }
        Ok(None)
    }

    fn offset(&self, segments: &Segments, offset: u64) -> Sought<Found<V::File>> {
        let fits =
            |header: &crate::engine::segment::SegmentHeader| Ok(header.base_offset <= offset);
        let Some(sequence) = self.last_that(segments, |segment| fits(&segment.header))? else {
            return self.out_of_range(offset);
        };
        let Some(segment) = self.pin(segments, sequence)? else { return Ok(None) };
        if segment.header.base_offset > offset {
            return self.out_of_range(offset);
        }
        let mut place = ReadPlace::at_start_of(segment);
        let stop = place.skip(|block| {
            let next = block.start.first_offset + u64::from(block.start.record_count);
            Ok(next <= offset)
        })?;
        if let Some(cause) = stop
            && place.link.next_offset < offset
        {
            return self.ends_before(&place, offset, cause);
        }
        Ok(Some(Found { place, first_offset: offset }))
    }

    /// A segment ends below an offset that it should hold: damage, if it is sealed.
    fn ends_before<T>(&self, place: &ReadPlace<V::File>, offset: u64, cause: Cause) -> Sought<T> {
        let segment = &place.segment;
        if !self.dir.has_later(segment)? {
            return self.out_of_range(offset);
        }
        // Sealed between the two looks? Then its end is there by now (R-5).
        let mut window = Window::default();
        if let Step::Block(..) = place.look(&mut window).map_err(Failure::from)? {
            return Ok(None);
        }
        Err(segment.damage_at(&place.chain(), cause).into())
    }

    fn out_of_range<T>(&self, offset: u64) -> Sought<T> {
        let Some((low, high)) = range(self.dir)? else { return Ok(None) };
        // What was deleted or appended since the look decides whether to look again.
        if (low..=high).contains(&offset) {
            return Ok(None);
        }
        Err(ReadError::OffsetOutOfRange { offset, low, high })
    }

    fn last(&self, segments: &Segments, count: u64, topics: &Topics) -> Sought<Found<V::File>> {
        if count == 0 {
            return self.end(segments);
        }
        let mut found = 0;
        for &sequence in segments.sequences.iter().rev() {
            let Some(segment) = self.pin(segments, sequence)? else { continue };
            let mut place = ReadPlace::at_start_of(segment);
            let mut here = 0;
            let _at_end = place.skip(|block| {
                each_wanted(block, topics, |_| here += 1)?;
                Ok(true)
            })?;
            found += here;
            if found >= count {
                return self
                    .nth(ReadPlace::at_start_of(place.segment), found - count, topics)
                    .map(Some);
            }
        }
        self.beginning(segments)
    }

    /// The place of the record that has `skip` wanted ones before it in its segment.
    fn nth(
        &self,
        mut place: ReadPlace<V::File>,
        mut skip: u64,
        topics: &Topics,
    ) -> Result<Found<V::File>, ReadError> {
        let mut offset = None;
        let _stop = place.skip(|block| {
            each_wanted(block, topics, |record_offset| {
                if skip == 0 && offset.is_none() {
                    offset = Some(record_offset);
                }
                skip = skip.saturating_sub(1);
            })?;
            Ok(offset.is_none())
        })?;
        let first_offset = offset.unwrap_or(place.link.next_offset);
        Ok(Found { place, first_offset })
    }

    /// The lowest segment of the stream: strays may stand below it (F-9).
    fn lowest(&self, segments: &Segments) -> Sought<u32> {
        for &sequence in &segments.sequences {
            if self.dir.has_segment(&segments.stream_id, sequence)? {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    /// The last segment for which `holds`, where it holds for all before too.
    fn last_that(
        &self,
        segments: &Segments,
        holds: impl Fn(&OpenSegment<V::File>) -> Result<bool, Failure>,
    ) -> Result<Option<u32>, ReadError> {
        let (mut low, mut high) = (0, segments.sequences.len());
        let mut last = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(&sequence) = segments.sequences.get(middle) else { break };
            let segment = self.dir.open_segment(sequence, OpenMode::Read)?;
            match segment {
                // Strays are rare: then all segments are looked at, one by one.
                Some(segment) if !segment.belongs_to(&segments.stream_id, sequence) => {
                    return self.last_that_one_by_one(segments, holds);
                }
                Some(segment) if !holds(&segment)? => high = middle,
                found => {
                    last = found.map(|_| sequence).or(last);
                    low = middle + 1;
                }
            }
        }
        Ok(last)
    }

    fn last_that_one_by_one(
        &self,
        segments: &Segments,
        holds: impl Fn(&OpenSegment<V::File>) -> Result<bool, Failure>,
    ) -> Result<Option<u32>, ReadError> {
        let mut last = None;
        for &sequence in &segments.sequences {
            let segment = self.dir.open_segment(sequence, OpenMode::Read)?;
            let segment = segment.filter(|s| s.belongs_to(&segments.stream_id, sequence));
            if let Some(segment) = segment
                && holds(&segment)?
            {
                last = Some(sequence);
            }
        }
        Ok(last)
    }

    /// Whether a token's history is still that of the stream (E-7, E-8).
    fn check_token(&self, token: &Token) -> Result<(), ReadError> {
        let Some((tail, _)) = open_tail(self.dir, OpenMode::Read)? else { return Ok(()) };
        let checked = check_token_against(token, &tail);
        if checked.is_err() {
            self.dir.vfs.trace(&tail.action(Operator::Resume).value(token.offset));
        }
        Ok(checked?)
    }
}

fn check_token_against<F>(token: &Token, tail: &Tail<F>) -> Result<(), Diverged> {
    let stream_id = tail.segment.header.stream_id;
    check_history(token, &stream_id, tail.state.epochs(), tail.next_offset())
}

/// Tells the offset of each wanted record of a block.
fn each_wanted(block: &Block<'_>, topics: &Topics, mut take: impl FnMut(u64)) -> Result<(), Cause> {
    if block.start.kind != BlockKind::Records {
        return Ok(());
    }
    block.check_records()?;
    let mut cursor = block.records();
    while let Some(record) = cursor.next(block.body) {
        if topics.wants(record.topic) {
            take(record.offset);
        }
    }
    Ok(())
}
