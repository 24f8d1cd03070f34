//! The id of a stream.

use std::fmt;
use std::str::FromStr;

/// What tells one stream from every other: 16 random bytes, from when it was made or restored.
///
/// Its text form is 32 hexadecimal digits.
///
/// ```
/// use puro::{Stream, StreamId};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let id = Stream::open_or_create(&dir)?.id()?;
/// let kept: StreamId = id.to_string().parse()?;
/// assert_eq!(kept, id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId([u8; 16]);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

/// A text that is not the id of a stream.
///
/// ```
/// use puro::StreamId;
/// assert!("mine".parse::<StreamId>().unwrap_err().to_string().contains("32 hexadecimal digits"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a stream: it must be 32 hexadecimal digits")]
pub struct StreamIdParseError(String);

impl FromStr for StreamId {
    type Err = StreamIdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        let id = number.map(|number| Self(number.to_be_bytes()));
        id.ok_or_else(|| StreamIdParseError(text.to_owned()))
    }
}

impl From<[u8; 16]> for StreamId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<StreamId> for [u8; 16] {
    fn from(id: StreamId) -> Self {
        id.0
    }
}

impl AsRef<[u8]> for StreamId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<[u8; 16]> for StreamId {
    fn eq(&self, bytes: &[u8; 16]) -> bool {
        self.0 == *bytes
    }
}
