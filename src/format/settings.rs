//! Settings: what a stream's entries of kind `setting` may say, and what they mean
//! (format.md, F-34).
//!
//! A new setting begins with its row in F-34, and in F-53 if it has a form of its own. Then it is added
//! here, where a test fails until name, default, form and field are all there. Whoever is to obey
//! it reads it from `State::settings` each time, so that a change counts at once (C-6).

mod setting;

use std::collections::BTreeMap;
use std::time::Duration;

use self::setting::CLEANUP_OF;
pub use self::setting::{Cleanup, Setting, SettingError};

/// All settings of a stream, each at its default where nothing is set.
///
/// ```
/// use puro::{Setting, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.set(&Setting::Durable(true))?;
/// let settings = stream.settings()?;
/// assert!(settings.durable && settings.retention.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Default for Settings {
    /// What holds where nothing is set.
    fn default() -> Self {
        let mut settings = Self {
            segment_bytes: 0,
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
            cleanup: Cleanup::Delete,
            cleanup_of: BTreeMap::new(),
        };
        Setting::defaults().into_iter().for_each(|default| settings.take(default));
        settings
    }
}

impl Settings {
    /// Takes over an entry of kind `setting`, or its removal. A value that cannot be counts
    /// as not set (F-34).
    pub(crate) fn set(&mut self, name: &[u8], value: Option<&[u8]>) {
        let Ok(name) = str::from_utf8(name) else { return };
        let value = value.and_then(|value| str::from_utf8(value).ok());
        let default = || Setting::defaults().into_iter().find(|default| default.name() == name);
        match value.and_then(|value| Setting::parse(name, value).ok()).or_else(default) {
            Some(setting) => self.take(setting),
            None => {
                if let Some(topic) = name.strip_prefix(CLEANUP_OF) {
                    self.cleanup_of.remove(topic.as_bytes());
                }
            }
        }
    }

    fn take(&mut self, setting: Setting) {
        match setting {
            Setting::SegmentBytes(bytes) => self.segment_bytes = bytes,
            Setting::Retention(limit) => self.retention = limit,
            Setting::RetentionBytes(limit) => self.retention_bytes = limit,
            Setting::Roll(limit) => self.roll = limit,
            Setting::Cleanup(cleanup) => self.cleanup = cleanup,
            Setting::CleanupOf(topic, how) => _ = self.cleanup_of.insert(topic.into_bytes(), how),
            Setting::MarkerGrace(time) => self.marker_grace = time,
            Setting::PinGrace(time) => self.pin_grace = time,
            Setting::Expiry(limit) => self.expiry = limit,
            Setting::KeepUnconsumed(truth) => self.keep_unconsumed = truth,
            Setting::KeepUnconsumedLimitBytes(limit) => self.keep_unconsumed_limit_bytes = limit,
            Setting::KeepUnconsumedLimit(limit) => self.keep_unconsumed_limit = limit,
            Setting::Durable(truth) => self.durable = truth,
        }
    }

    /// Whether a setting has this value now, be it set or a default.
    #[must_use]
    pub fn has(&self, setting: &Setting) -> bool {
        if let Setting::CleanupOf(topic, how) = setting {
            return self.cleanup(topic.as_bytes()) == *how;
        }
        let mut with = self.clone();
        with.take(setting.clone());
        with == *self
    }

    /// How old records of a topic go.
    #[must_use]
    pub fn cleanup(&self, topic: &[u8]) -> Cleanup {
        self.cleanup_of.get(topic).copied().unwrap_or(self.cleanup)
    }

    /// Whether any topic is to be compacted.
    #[must_use]
    pub fn compacts(&self) -> bool {
        self.cleanup.compacts() || self.cleanup_of.values().any(|cleanup| cleanup.compacts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(entries: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in entries {
            settings.set(name.as_bytes(), Some(value.as_bytes()));
        }
        settings
    }

    #[test]
    fn every_default_is_a_value_that_can_be() {
        for default in Setting::defaults() {
            assert_eq!(default.check(), Ok(()));
            assert_eq!(default.to_string().parse(), Ok(default));
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
            assert!(Setting::parse(name, value).is_err(), "{name}={value}");
            assert_eq!(settings_of(&[(name, value)]), Settings::default());
        }
    }

    /// A typed value that would read as another one: a limit of nothing is written as no limit.
    #[test]
    fn a_limit_of_nothing_is_not_no_limit() {
        for nothing in [
            Setting::RetentionBytes(Some(0)),
            Setting::Retention(Some(Duration::ZERO)),
            Setting::SegmentBytes(1),
            Setting::CleanupOf(String::new(), Cleanup::Compact),
        ] {
            assert!(nothing.check().is_err(), "{nothing}");
        }
        let little = Setting::Retention(Some(Duration::from_nanos(1)));
        assert_eq!((little.check(), little.value().as_str()), (Ok(()), "1"));
        let long = Setting::PinGrace(Duration::MAX);
        assert_eq!(long.value(), u64::MAX.to_string());
    }

    /// Each name leads to a field of its own: a value changes something, and taking it back
    /// changes it back.
    #[test]
    fn every_setting_is_taken_over_and_back() {
        for default in Setting::defaults() {
            let name = default.name();
            let other = ["5000", "true", "compact"];
            let other = other.into_iter().find(|it| Setting::parse(&name, it).is_ok()).unwrap();
            assert_ne!(other, default.value());
            let mut settings = settings_of(&[(&name, other)]);
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
        let mut settings = settings_of(&[("cleanup", "compact,delete"), ("cleanup:log", "delete")]);
        assert_eq!(settings.cleanup(b"log"), Cleanup::Delete);
        assert_eq!(settings.cleanup(b"users"), Cleanup::CompactDelete);
        assert!(settings.compacts() && !Settings::default().compacts());
        settings.set(b"cleanup:log", None);
        assert_eq!(settings.cleanup(b"log"), Cleanup::CompactDelete);
        let odd: Setting = "cleanup:a=b=compact".parse().unwrap();
        assert_eq!(odd, Setting::CleanupOf("a=b".to_owned(), Cleanup::Compact));
    }
}
