//! A setting: its name, its value, and both as texts.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::format::layout::{DEFAULT_SEGMENT_BYTES, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};

/// How old records of a topic go.
///
/// ```
/// use puro::{Cleanup, Setting, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// assert_eq!(stream.settings()?.cleanup(b"users"), Cleanup::Delete);
/// stream.set(&Setting::CleanupOf("users".into(), Cleanup::Compact))?;
/// assert_eq!(stream.settings()?.cleanup(b"users"), Cleanup::Compact);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cleanup {
    /// With their segment, once retention says so.
    Delete,
    /// Once a later record has the same topic and key, and never otherwise.
    Compact,
    /// By whichever of the two comes first.
    CompactDelete,
}

impl Cleanup {
    /// Whether they go with their segment, once retention says so.
    #[must_use]
    pub fn deletes(self) -> bool {
        self != Self::Compact
    }

    /// Whether they go once a later record has the same topic and key.
    #[must_use]
    pub fn compacts(self) -> bool {
        self != Self::Delete
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactDelete => "compact,delete",
        })
    }
}

/// A setting of a stream, and its value.
///
/// As a text it is `NAME=VALUE`, as names and values are on the command line.
///
/// ```
/// use std::time::Duration;
/// use puro::{Setting, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let week = Setting::Retention(Some(Duration::from_secs(7 * 86_400)));
/// stream.set(&week)?;
/// assert_eq!(week.to_string(), "retention_ms=604800000");
/// assert_eq!("retention_ms=604800000".parse(), Ok(week));
/// stream.unset("retention_ms")?;
/// assert_eq!(stream.settings()?.retention, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// `segment_bytes`: bytes of blocks in a segment (V-1).
    SegmentBytes(u64),
    /// `retention_ms`: sealed segments older than this go; `None`: never.
    Retention(Option<Duration>),
    /// `retention_bytes`: the oldest sealed segments go while the stream is larger; `None`: never.
    RetentionBytes(Option<u64>),
    /// `roll_ms`: the active segment is sealed when it is older; `None`: never.
    Roll(Option<Duration>),
    /// `cleanup`: how old records go of topics that have no cleanup of their own.
    Cleanup(Cleanup),
    /// `cleanup:TOPIC`: how old records of one topic go.
    CleanupOf(String, Cleanup),
    /// `marker_grace_ms`: how long a delete marker outlives what it deletes.
    MarkerGrace(Duration),
    /// `pin_grace_ms`: how long a consumer may hold a segment that should go.
    PinGrace(Duration),
    /// `expiry_ms`: positions and producers not renewed for so long are forgotten; `None`: never.
    Expiry(Option<Duration>),
    /// `keep_unconsumed`: whether segments that a named consumer has not read are kept.
    KeepUnconsumed(bool),
    /// `keep_unconsumed_limit_bytes`: up to how many bytes of them; `None`: all.
    KeepUnconsumedLimitBytes(Option<u64>),
    /// `keep_unconsumed_limit_ms`: up to what age; `None`: any.
    KeepUnconsumedLimit(Option<Duration>),
    /// `durable`: whether appends are durable where the caller does not say.
    Durable(bool),
}

/// A setting that does not exist, or a value that it cannot have.
///
/// ```
/// use puro::{Setting, SettingError};
/// assert!(matches!(Setting::parse("colour", "red"), Err(SettingError::Unknown { .. })));
/// let refused = Setting::parse("durable", "yes").unwrap_err();
/// assert_eq!(refused.to_string(), "setting `durable` cannot be `yes`: it must be true or false");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// There is no such setting.
    #[error("there is no setting `{name}`; known are {known}", known = names())]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The value does not fit.
    #[error("setting `{name}` cannot be `{value}`: it must be {must_be}")]
    Value {
        /// The setting.
        name: String,
        /// The value asked for.
        value: String,
        /// What it must be.
        must_be: String,
    },
}

/// Before the name of a topic with a cleanup of its own.
pub(super) const CLEANUP_OF: &str = "cleanup:";

/// What a segment may hold.
const SEGMENT_BYTES: RangeInclusive<u64> = MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES;

fn names() -> String {
    let names: Vec<_> = Setting::defaults().iter().map(|it| it.name().into_owned()).collect();
    format!("{}, {CLEANUP_OF}TOPIC", names.join(", "))
}

impl Setting {
    /// Every setting but those of single topics, at its default.
    #[must_use]
    pub fn defaults() -> [Self; 12] {
        const DAY: Duration = Duration::from_secs(86_400);
        [
            Self::SegmentBytes(DEFAULT_SEGMENT_BYTES),
            Self::Retention(None),
            Self::RetentionBytes(None),
            Self::Roll(None),
            Self::Cleanup(Cleanup::Delete),
            Self::MarkerGrace(DAY),
            Self::PinGrace(Duration::from_secs(300)),
            Self::Expiry(Some(DAY.saturating_mul(7))),
            Self::KeepUnconsumed(false),
            Self::KeepUnconsumedLimitBytes(None),
            Self::KeepUnconsumedLimit(None),
            Self::Durable(false),
        ]
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::SegmentBytes(_) => "segment_bytes",
            Self::Retention(_) => "retention_ms",
            Self::RetentionBytes(_) => "retention_bytes",
            Self::Roll(_) => "roll_ms",
            Self::Cleanup(_) => "cleanup",
            Self::CleanupOf(topic, _) => return Cow::Owned(format!("{CLEANUP_OF}{topic}")),
            Self::MarkerGrace(_) => "marker_grace_ms",
            Self::PinGrace(_) => "pin_grace_ms",
            Self::Expiry(_) => "expiry_ms",
            Self::KeepUnconsumed(_) => "keep_unconsumed",
            Self::KeepUnconsumedLimitBytes(_) => "keep_unconsumed_limit_bytes",
            Self::KeepUnconsumedLimit(_) => "keep_unconsumed_limit_ms",
            Self::Durable(_) => "durable",
        })
    }

    /// Its value as a text. A part of a millisecond counts as a whole one.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::SegmentBytes(bytes) => bytes.to_string(),
            Self::RetentionBytes(limit) | Self::KeepUnconsumedLimitBytes(limit) => {
                limit.unwrap_or(0).to_string()
            }
            Self::Retention(limit)
            | Self::Roll(limit)
            | Self::Expiry(limit)
            | Self::KeepUnconsumedLimit(limit) => whole_ms(limit.unwrap_or_default()).to_string(),
            Self::MarkerGrace(time) | Self::PinGrace(time) => whole_ms(*time).to_string(),
            Self::Cleanup(cleanup) | Self::CleanupOf(_, cleanup) => cleanup.to_string(),
            Self::KeepUnconsumed(truth) | Self::Durable(truth) => truth.to_string(),
        }
    }

    /// A setting by its name, with a value that is a text.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(name: &str, value: &str) -> Result<Self, SettingError> {
        let parsed = match name {
            "segment_bytes" => number(value, SEGMENT_BYTES).map(Self::SegmentBytes),
            "retention_ms" => time_limit(value).map(Self::Retention),
            "retention_bytes" => limit(value).map(Self::RetentionBytes),
            "roll_ms" => time_limit(value).map(Self::Roll),
            "cleanup" => cleanup(value).map(Self::Cleanup),
            "marker_grace_ms" => time(value).map(Self::MarkerGrace),
            "pin_grace_ms" => time(value).map(Self::PinGrace),
            "expiry_ms" => time_limit(value).map(Self::Expiry),
            "keep_unconsumed" => truth(value).map(Self::KeepUnconsumed),
            "keep_unconsumed_limit_bytes" => limit(value).map(Self::KeepUnconsumedLimitBytes),
            "keep_unconsumed_limit_ms" => time_limit(value).map(Self::KeepUnconsumedLimit),
            "durable" => truth(value).map(Self::Durable),
            _ => match name.strip_prefix(CLEANUP_OF).filter(|topic| !topic.is_empty()) {
                Some(topic) => cleanup(value).map(|how| Self::CleanupOf(topic.to_owned(), how)),
                None => return Err(SettingError::Unknown { name: name.to_owned() }),
            },
        };
        let refused = |must_be| Self::refused(name, value, must_be);
        parsed.map_err(refused)
    }

    fn refused(name: &str, value: &str, must_be: String) -> SettingError {
        SettingError::Value { name: name.to_owned(), value: value.to_owned(), must_be }
    }

    /// Whether a stream can have this setting.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn check(&self) -> Result<(), SettingError> {
        let (name, value) = (self.name(), self.value());
        let parsed = Self::parse(&name, &value)?;
        // A limit of nothing would read as no limit at all.
        let limits = |of: &Self| match of {
            Self::Retention(limit)
            | Self::Roll(limit)
            | Self::Expiry(limit)
            | Self::KeepUnconsumedLimit(limit) => limit.is_some(),
            Self::RetentionBytes(limit) | Self::KeepUnconsumedLimitBytes(limit) => limit.is_some(),
            _ => false,
        };
        if limits(self) == limits(&parsed) {
            return Ok(());
        }
        Err(Self::refused(&name, &value, "at least 1, or `None` for no limit".to_owned()))
    }

    /// Whether there is a setting of this name.
    ///
    /// # Errors
    /// `Unknown`.
    pub(crate) fn check_name(name: &str) -> Result<(), SettingError> {
        match Self::parse(name, "") {
            Err(error @ SettingError::Unknown { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name(), self.value())
    }
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A topic may have a `=` in its name, and no value has one.
        let (name, value) = text.rsplit_once('=').unwrap_or((text, ""));
        Self::parse(name, value)
    }
}

fn whole_ms(time: Duration) -> u64 {
    let part = u128::from(!time.subsec_nanos().is_multiple_of(1_000_000));
    u64::try_from(time.as_millis() + part).unwrap_or(u64::MAX)
}

/// Decimal, without sign or leading zeros (F-34).
fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    let parsed = text.parse().ok().filter(|_| plain && canonical);
    parsed.filter(|number| range.contains(number)).ok_or_else(|| match range.into_inner() {
        (0, u64::MAX) => "a whole number".to_owned(),
        (low, high) => format!("a whole number from {low} to {high}"),
    })
}

/// A number, of which 0 is none.
fn limit(text: &str) -> Result<Option<u64>, String> {
    Ok(Some(number(text, 0..=u64::MAX)?).filter(|number| *number > 0))
}

fn time(text: &str) -> Result<Duration, String> {
    number(text, 0..=u64::MAX).map(Duration::from_millis)
}

fn time_limit(text: &str) -> Result<Option<Duration>, String> {
    Ok(limit(text)?.map(Duration::from_millis))
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false".to_owned())
}

fn cleanup(text: &str) -> Result<Cleanup, String> {
    let all = [Cleanup::Delete, Cleanup::Compact, Cleanup::CompactDelete];
    let found = all.into_iter().find(|cleanup| cleanup.to_string() == text);
    found.ok_or_else(|| "delete, compact, or compact,delete".to_owned())
}
