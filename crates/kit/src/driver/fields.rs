//! The fields of a request, and the words for errors.

use puro::error::{AppendError, Diverged, Failure, OpenError, ReadError};
use puro::{NamedError, OwnedRecord};
use serde_json::{Map, Value, json};

/// An answer that is no success: a word of `spec/kit.md`, and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The word.
    pub word: &'static str,
    /// The text.
    pub text: String,
}

impl Refusal {
    /// A word and its text.
    pub fn new(word: &'static str, text: impl ToString) -> Self {
        Self { word, text: text.to_string() }
    }
}

/// Bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of hexadecimal digits.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| Some((nibble(*pair.first()?)? * 16 + nibble(*pair.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(byte).collect()
}

/// The fields of a request.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a Value);

fn missing(name: &str) -> Refusal {
    Refusal::new("unsupported", format!("field `{name}` is missing, or of another kind"))
}

impl<'a> Fields<'a> {
    /// A field, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name).and_then(Value::as_str).ok_or_else(|| missing(name))
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// Where it is not, or too large.
    pub fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<N, Refusal> {
        let found = self.get(name).and_then(Value::as_u64);
        found.and_then(|number| N::try_from(number).ok()).ok_or_else(|| missing(name))
    }

    /// Bytes that must be there.
    ///
    /// # Errors
    /// Where they are not.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        unhex(self.text(name)?).ok_or_else(|| missing(name))
    }

    /// Sixteen bytes, if they are there.
    ///
    /// # Errors
    /// Where there are more or fewer.
    pub fn sixteen(&self, name: &str) -> Result<Option<[u8; 16]>, Refusal> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let bytes = <[u8; 16]>::try_from(self.bytes(name)?);
        bytes.map(Some).map_err(|_| missing(name))
    }

    /// Whether something is asked for.
    #[must_use]
    pub fn truth(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The records of a request.
    ///
    /// # Errors
    /// Where they are none.
    pub fn records(&self) -> Result<Vec<OwnedRecord>, Refusal> {
        let list = self.get("records").and_then(Value::as_array);
        list.map_or(Ok(Vec::new()), |list| list.iter().map(|one| Fields(one).record()).collect())
    }

    /// These fields as a record.
    ///
    /// # Errors
    /// Where they are none.
    pub fn record(&self) -> Result<OwnedRecord, Refusal> {
        let optional = |name| self.get(name).map(|_| self.bytes(name)).transpose();
        let mut headers = Vec::new();
        for pair in self.get("headers").and_then(Value::as_array).into_iter().flatten() {
            let part = |at: usize| pair.get(at).and_then(Value::as_str).and_then(unhex);
            headers.push(part(0).zip(part(1)).ok_or_else(|| missing("headers"))?);
        }
        let (topic, key, value) = (self.bytes("topic")?, optional("key")?, optional("value")?);
        Ok(OwnedRecord { offset: 0, timestamp_ms: 0, topic, key, value, headers })
    }
}

/// A record as answers have it.
#[must_use]
pub fn shown<'a>(
    record: &NewRecordFields<'a>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("topic".into(), hex(record.topic).into());
    for (name, bytes) in [("key", record.key), ("value", record.value)] {
        bytes.map(|bytes| map.insert(name.into(), hex(bytes).into()));
    }
    let headers: Vec<_> = headers.map(|(name, value)| json!([hex(name), hex(value)])).collect();
    if !headers.is_empty() {
        map.insert("headers".into(), headers.into());
    }
    map
}

/// What a record holds, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub struct NewRecordFields<'a> {
    /// Its topic.
    pub topic: &'a [u8],
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let word = match failure {
            Failure::Damage(_) | Failure::NotASegment { .. } => "damaged",
            Failure::NotAStream { .. } | Failure::TwoStreams { .. } => "not_a_stream",
            Failure::Newer { .. } => "newer",
            Failure::LockTimeout { .. } => "busy",
            Failure::Removed { .. } => "removed",
            Failure::Io(ref error) if refuses(&error.source) => "refused",
            Failure::Io(_) | Failure::NoSpace { .. } => "system",
            _ => "refused",
        };
        Self::new(word, failure)
    }
}

/// Whether it was not the system that refused, but the code a kind of file (F-8).
fn refuses(error: &std::io::Error) -> bool {
    error.raw_os_error().is_none()
}

impl From<Diverged> for Refusal {
    fn from(diverged: Diverged) -> Self {
        // E-8: it is refused, for it says nothing of this stream.
        let foreign = matches!(diverged, Diverged::OtherStream { .. });
        Self::new(if foreign { "refused" } else { "diverged" }, diverged)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Failure(failure) => failure.into(),
            ReadError::Diverged(diverged) => diverged.into(),
            ReadError::OffsetOutOfRange { .. } => Self::new("out_of_range", error),
            _ => Self::new("system", error),
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Failure(failure) => failure.into(),
            _ => Self::new("refused", error),
        }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let word = match error {
            AppendError::NotAppended(failure) => return failure.into(),
            AppendError::Diverged(diverged) => return diverged.into(),
            AppendError::Conflict { .. } | AppendError::PositionChanged { .. } => "conflict",
            AppendError::OldSequence { .. } | AppendError::OtherContent { .. } => "old_sequence",
            AppendError::NotDurable { .. } | AppendError::Unknown(_) => "system",
            _ => "refused",
        };
        Self::new(word, error)
    }
}

impl From<NamedError> for Refusal {
    fn from(error: NamedError) -> Self {
        match error {
            NamedError::Read(error) => error.into(),
            NamedError::Open(error) => error.into(),
            NamedError::Commit(error) => error.into(),
            NamedError::Lost { .. } => Self::new("out_of_range", error),
            NamedError::Busy { .. } => Self::new("busy", error),
            _ => Self::new("refused", error),
        }
    }
}
