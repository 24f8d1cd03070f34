//! Settings: what a stream's entries of kind `setting` may say, and what they mean
//! (format.md, F-34).
//!
//! A new setting begins with its row in F-34, and in F-53 if it has a form of its own. Then it is added
//! here, where a test fails until name, default, form and field are all there. Whoever is to obey
//! it reads it from `State::settings` each time, so that a change counts at once (C-6).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::format::layout::{DEFAULT_SEGMENT_BYTES, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};

/// How old records of a topic go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// With their segment, once retention says so.
    pub delete: bool,
    /// Once a later record has the same topic and key.
    pub compact: bool,
}

/// All settings of a stream, each at its default where nothing is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of blocks in a segment (V-1).
    pub segment_bytes: u64,
    /// Sealed segments older than this go; `None`: never.
    pub retention: Option<Duration>,
    /// The oldest sealed segments go while the stream is larger; `None`: never.
    pub retention_bytes: Option<u64>,
    /// The active segment is sealed when it is older; `None`: never.
    pub roll: Option<Duration>,
    /// How long a delete marker outlives what it deletes.
    pub marker_grace: Duration,
    /// How long a consumer may hold a segment that should go.
    pub pin_grace: Duration,
    /// Positions and producers not renewed for so long are forgotten; `None`: never.
    pub expiry: Option<Duration>,
    /// Whether segments that a named consumer has not read are kept.
    pub keep_unconsumed: bool,
    /// Up to how many bytes of them; `None`: all.
    pub keep_unconsumed_limit_bytes: Option<u64>,
    /// Up to what age; `None`: any.
    pub keep_unconsumed_limit: Option<Duration>,
    /// Whether appends are durable where the caller does not say.
    pub durable: bool,
    cleanup: Cleanup,
    cleanup_of: BTreeMap<Vec<u8>, Cleanup>,
}

/// What the values of a setting look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A number in a range.
    Number(u64, u64),
    /// `true` or `false`.
    Truth,
    /// `delete`, `compact` or `compact,delete`.
    Cleanup,
}

const ANY: Form = Form::Number(0, u64::MAX);

/// Every setting but those of single topics: name, default, form.
const KNOWN: [(&str, &str, Form); 12] = [
    ("segment_bytes", "67108864", Form::Number(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)),
    ("retention_ms", "0", ANY),
    ("retention_bytes", "0", ANY),
    ("roll_ms", "0", ANY),
    ("cleanup", "delete", Form::Cleanup),
    ("marker_grace_ms", "86400000", ANY),
    ("pin_grace_ms", "300000", ANY),
    ("expiry_ms", "604800000", ANY),
    ("keep_unconsumed", "false", Form::Truth),
    ("keep_unconsumed_limit_bytes", "0", ANY),
    ("keep_unconsumed_limit_ms", "0", ANY),
    ("durable", "false", Form::Truth),
];

/// Before the name of a topic with a cleanup of its own.
const CLEANUP_OF: &str = "cleanup:";

/// A setting that does not exist, or a value that it cannot have.
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

fn names() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|(name, ..)| *name).collect();
    format!("{}, {CLEANUP_OF}TOPIC", names.join(", "))
}

/// Names and defaults of all settings but those of single topics.
pub fn defaults() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.iter().map(|(name, default, _)| (*name, *default))
}

/// Whether a setting can have this value.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn check(name: &str, value: &str) -> Result<(), SettingError> {
    let known = KNOWN.iter().find(|(known, ..)| *known == name).map(|(.., form)| *form);
    let of_topic = name.strip_prefix(CLEANUP_OF).is_some_and(|topic| !topic.is_empty());
    let Some(form) = known.or(of_topic.then_some(Form::Cleanup)) else {
        return Err(SettingError::Unknown { name: name.to_owned() });
    };
    if form.accepts(value) {
        return Ok(());
    }
    let (name, value) = (name.to_owned(), value.to_owned());
    Err(SettingError::Value { name, value, must_be: form.to_string() })
}

impl Form {
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Number(low, high) => {
                parse_number(value).is_some_and(|number| (low..=high).contains(&number))
            }
            Self::Truth => parse_truth(value).is_some(),
            Self::Cleanup => parse_cleanup(value).is_some(),
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(0, u64::MAX) => f.write_str("a whole number"),
            Self::Number(low, high) => write!(f, "a whole number from {low} to {high}"),
            Self::Truth => f.write_str("true or false"),
            Self::Cleanup => f.write_str("delete, compact, or compact,delete"),
        }
    }
}

/// Decimal, without sign or leading zeros (F-34).
fn parse_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical { text.parse().ok() } else { None }
}

fn parse_truth(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn parse_cleanup(text: &str) -> Option<Cleanup> {
    let (delete, compact) = match text {
        "delete" => (true, false),
        "compact" => (false, true),
        "compact,delete" => (true, true),
        _ => return None,
    };
    Some(Cleanup { delete, compact })
}

impl Default for Settings {
    /// What holds where nothing is set.
    fn default() -> Self {
        let cleanup = Cleanup { delete: true, compact: false };
        let mut settings = Self {
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            retention: None,
            retention_bytes: None,
            roll: None,
            marker_grace: Duration::ZERO,
            pin_grace: Duration::ZERO,
            expiry: None,
            keep_unconsumed: false,
            keep_unconsumed_limit_bytes: None,
            keep_unconsumed_limit: None,
            durable: false,
            cleanup,
            cleanup_of: BTreeMap::new(),
        };
        defaults().for_each(|(name, default)| settings.take(name, default));
        settings
    }
}

impl Settings {
    /// Reads the entries of kind `setting`.
    pub fn from_entries<'a>(entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut settings = Self::default();
        entries.for_each(|(name, value)| settings.set(name, Some(value)));
        settings
    }

    /// Takes over an entry of kind `setting`, or its removal. A value that cannot be counts
    /// as not set (F-34).
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>) {
        let Ok(name) = str::from_utf8(name) else { return };
        let value = value.and_then(|value| str::from_utf8(value).ok());
        let value = value.filter(|value| check(name, value).is_ok());
        if let Some(topic) = name.strip_prefix(CLEANUP_OF) {
            match value.and_then(parse_cleanup) {
                Some(cleanup) => _ = self.cleanup_of.insert(topic.as_bytes().to_vec(), cleanup),
                None => _ = self.cleanup_of.remove(topic.as_bytes()),
            }
        } else if let Some((name, default)) = defaults().find(|(known, _)| *known == name) {
            self.take(name, value.unwrap_or(default));
        }
    }

    /// Takes over a value that was checked.
    fn take(&mut self, name: &str, value: &str) {
        let number = parse_number(value).unwrap_or_default();
        let limit = Some(number).filter(|number| *number > 0);
        let truth = parse_truth(value).unwrap_or_default();
        match name {
            "segment_bytes" => self.segment_bytes = number.max(MIN_SEGMENT_BYTES),
            "retention_ms" => self.retention = limit.map(Duration::from_millis),
            "retention_bytes" => self.retention_bytes = limit,
            "roll_ms" => self.roll = limit.map(Duration::from_millis),
            "cleanup" => self.cleanup = parse_cleanup(value).unwrap_or(self.cleanup),
            "marker_grace_ms" => self.marker_grace = Duration::from_millis(number),
            "pin_grace_ms" => self.pin_grace = Duration::from_millis(number),
            "expiry_ms" => self.expiry = limit.map(Duration::from_millis),
            "keep_unconsumed" => self.keep_unconsumed = truth,
            "keep_unconsumed_limit_bytes" => self.keep_unconsumed_limit_bytes = limit,
            "keep_unconsumed_limit_ms" => {
                self.keep_unconsumed_limit = limit.map(Duration::from_millis);
            }
            "durable" => self.durable = truth,
            _ => {}
        }
    }

    /// How old records of a topic go.
    #[must_use]
    pub fn cleanup(&self, topic: &[u8]) -> Cleanup {
        self.cleanup_of.get(topic).copied().unwrap_or(self.cleanup)
    }

    /// Whether any topic is to be compacted.
    #[must_use]
    pub fn compacts(&self) -> bool {
        self.cleanup.compact || self.cleanup_of.values().any(|cleanup| cleanup.compact)
    }
}

const _: () = assert!(DEFAULT_SEGMENT_BYTES == 67_108_864);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_can_be() {
        for (name, default) in defaults() {
            assert_eq!(check(name, default), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_counts_as_not_set() {
        for (name, value) in [
            ("segment_bytes", "4095"),
            ("segment_bytes", "+5000"),
            ("retention_ms", "007"),
            ("retention_ms", ""),
            ("durable", "yes"),
            ("cleanup", "delete,compact"),
            ("cleanup:", "delete"),
            ("colour", "red"),
        ] {
            assert!(check(name, value).is_err(), "{name}={value}");
            let entries = [(name.as_bytes(), value.as_bytes())];
            assert_eq!(Settings::from_entries(entries.into_iter()), Settings::default());
        }
    }

    /// Each name in `KNOWN` leads to a field of its own: a value changes something, and
    /// taking it back changes it back.
    #[test]
    fn every_setting_is_taken_over_and_back() {
        for (name, default) in defaults() {
            let other = ["5000", "true", "compact"];
            let other = other.into_iter().find(|other| check(name, other).is_ok()).unwrap();
            assert_ne!(other, default);
            let mut settings = Settings::default();
            settings.set(name.as_bytes(), Some(other.as_bytes()));
            assert_ne!(settings, Settings::default(), "{name}");
            settings.set(name.as_bytes(), Some(b"no such value"));
            assert_eq!(settings, Settings::default(), "{name}");
            settings.set(name.as_bytes(), Some(other.as_bytes()));
            settings.set(name.as_bytes(), None);
            assert_eq!(settings, Settings::default(), "{name}");
        }
    }

    #[test]
    fn a_topic_may_have_a_cleanup_of_its_own() {
        let entries: [(&[u8], &[u8]); 2] =
            [(b"cleanup", b"compact,delete"), (b"cleanup:log", b"delete")];
        let settings = Settings::from_entries(entries.into_iter());
        assert_eq!(settings.cleanup(b"log"), Cleanup { delete: true, compact: false });
        assert_eq!(settings.cleanup(b"users"), Cleanup { delete: true, compact: true });
        assert!(settings.compacts() && !Settings::default().compacts());
    }
}
