//! Tokens: positions that can be kept outside a stream, and that tell when the
//! history they saw was lost (protocol.md, chapter 6).

mod id;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

pub use self::id::{StreamId, StreamIdParseError};

/// A position in the history of a stream (E-7).
///
/// Its text form is `STREAMID:EPOCH:OFFSET`, the id in hexadecimal.
///
/// ```
/// use puro::{ConsumerOptions, NewRecord, Producer, Start, Token};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let kept = producer.append(&NewRecord::new("orders", "3 apples"))?.token.to_string();
/// producer.append(&NewRecord::new("orders", "1 pear"))?;
/// // In another run, from a file or a database:
/// let token: Token = kept.parse()?;
/// let mut consumer = ConsumerOptions::new().start(Start::Token(token)).open(dir.path())?;
/// assert_eq!(consumer.try_next()?.map(|record| record.offset), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The stream.
    pub stream_id: StreamId,
    /// The epoch of the block before the position; 0 where nothing was read.
    pub epoch: u32,
    /// The next offset to read.
    pub offset: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.stream_id, self.epoch, self.offset)
    }
}

/// A text that is not a token.
///
/// ```
/// use puro::Token;
/// assert!("yesterday".parse::<Token>().unwrap_err().to_string().contains("STREAMID:EPOCH:OFFSET"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a token: it must look like STREAMID:EPOCH:OFFSET")]
pub struct TokenParseError(String);

impl FromStr for Token {
    type Err = TokenParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| TokenParseError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Token> {
    let mut fields = text.split(':');
    let (id, epoch, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fields.next().is_some() || ![epoch, offset].into_iter().all(plain) {
        return None;
    }
    let stream_id = id.parse().ok()?;
    Some(Token { stream_id, epoch: epoch.parse().ok()?, offset: offset.parse().ok()? })
}

/// Where an epoch begins, and in which boot it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u32,
    /// The offset of its first record.
    pub first_offset: u64,
    /// The boot that it was begun in; `None` if unknown.
    pub boot_id: Option<[u8; 16]>,
    /// When, in ms since 1970.
    pub time_ms: u64,
}

/// Whether a token's history is that of the stream (E-7, E-8), given the stream's
/// epochs by their number and its next offset.
///
/// # Errors
/// How it has diverged.
pub fn check_history(
    token: &Token,
    stream_id: &[u8; 16],
    epochs: &BTreeMap<u32, Epoch>,
    next_offset: u64,
) -> Result<(), Diverged> {
    if token.stream_id != *stream_id {
        return Err(Diverged::OtherStream { token: *token });
    }
    if token.epoch == 0 && token.offset <= next_offset {
        return Ok(());
    }
    let newest = epochs.last_key_value().map_or(0, |(number, _)| *number);
    let mut behind = epochs.range((Bound::Excluded(token.epoch), Bound::Unbounded));
    let lost = |end, followed_by| Err(Diverged::Lost { token: *token, end, followed_by });
    match behind.next() {
        Some((number, later)) if token.epoch > 0 && token.offset > later.first_offset => {
            lost(later.first_offset, Some(*number))
        }
        _ if token.offset > next_offset || token.epoch > newest => lost(next_offset, None),
        _ => Ok(()),
    }
}

/// A position whose history the stream does not have (E-7, E-8).
///
/// ```
/// use puro::{ConsumerOptions, Diverged, NewRecord, Producer, ReadError, Start};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut token = Producer::open(dir.path())?.append(&NewRecord::new("orders", "a"))?.token;
/// token.offset += 1; // as if one more record had been read that is not there any more
/// let refused = ConsumerOptions::new().start(Start::Token(token)).open(dir.path());
/// let Err(ReadError::Diverged(Diverged::Lost { end, .. })) = refused else {
///     return Err("it was never there".into());
/// };
/// assert_eq!(end, 1); // Undo what came after.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diverged {
    /// The history that the position saw is not in the stream.
    #[error("{}", not_in_the_stream(token, *end, *followed_by))]
    Lost {
        /// The position.
        token: Token,
        /// Where what is left of its history ends.
        end: u64,
        /// The epoch that begins there: its writer saw that the rest was lost with the power.
        /// `None`: the stream just ends there. Nobody went on since the power failed, or the
        /// position was never one of this stream's.
        followed_by: Option<u32>,
    },
    /// What was read up to the position was damaged and cut off by a repair, and others were
    /// appended there; the repair ended before it could begin a new epoch (R-11, X-6).
    #[error(
        "{token}: other records than those that were read stand below it now: they were damaged, \
         and a repair cut them off (what it saved is in lost/); start again from an offset that \
         you trust, and undo what came after"
    )]
    Replaced {
        /// The position.
        token: Token,
    },
    /// The position belongs to another stream.
    #[error("{token} is a position in another stream than this one")]
    OtherStream {
        /// The position.
        token: Token,
    },
}

/// What is known of a position beyond its history: a loss of power is told only where the stream
/// says so.
fn not_in_the_stream(token: &Token, end: u64, followed_by: Option<u32>) -> String {
    match followed_by {
        Some(epoch) => format!(
            "the history up to {token} was lost (power failed before it was synced): epoch {epoch} \
             began at offset {end}; start again from offset {end} and undo what came after"
        ),
        None => format!(
            "{token} is beyond the end of this stream, which is offset {end}: it is from a copy \
             that went on, or mistaken, or what it saw was lost with the power; in that case \
             start again from offset {end} and undo what came after"
        ),
    }
}

/// Whether a later epoch begins below the token: what it saw was cut off by a repair (E-7).
pub fn is_taken_back(token: &Token, epochs: &BTreeMap<u32, Epoch>) -> bool {
    let mut later = epochs.range((Bound::Excluded(token.epoch), Bound::Unbounded));
    token.epoch > 0 && later.any(|(_, epoch)| epoch.first_offset < token.offset)
}
