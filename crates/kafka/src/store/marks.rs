//! The watermarks of each topic. Offsets run over all topics, so a topic's end is not the stream's:
//! with that, a client that reads to the end of its topic would wait for ever.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::names::is_legal_topic;

/// Where a topic begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The offset of the first record that was seen.
    pub first: u64,
    /// Behind its last record.
    pub next: u64,
    /// The time of its last record.
    pub last_ms: u64,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None`: made by a client, and without a record yet.
    topics: BTreeMap<String, Option<Mark>>,
    /// The lowest offset that there is.
    low: u64,
    /// The lowest one when the stream was looked at first: from there on, all records were seen.
    seen_from: Option<u64>,
    /// Behind the stream's last record.
    end: u64,
    /// The newest epoch.
    epoch: u32,
}

/// What is known of the topics of a stream.
#[derive(Debug)]
pub struct Marks {
    inner: RwLock<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { inner: RwLock::default(), changed: watch::Sender::new(0) }
    }
}

impl Marks {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever waits for records is woken by this.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes note of records: each one's topic, offset and time, and of the epoch that they are in.
    pub fn saw<'a>(&self, records: impl Iterator<Item = (&'a str, u64, u64)>, epoch: u32) {
        let mut inner = self.write();
        let mut end = inner.end;
        for (topic, offset, time_ms) in records {
            end = end.max(offset + 1);
            let mark = match inner.topics.get_mut(topic) {
                Some(known) => known,
                None => inner.topics.entry(topic.to_owned()).or_default(),
            };
            let mark = mark.get_or_insert(Mark { first: offset, next: 0, last_ms: 0 });
            mark.first = mark.first.min(offset);
            if mark.next <= offset {
                (mark.next, mark.last_ms) = (offset + 1, time_ms);
            }
        }
        inner.end = end;
        inner.epoch = inner.epoch.max(epoch);
        drop(inner);
        self.changed.send_replace(end);
    }

    /// Takes note of the lowest offset.
    pub fn begins(&self, low: u64) {
        let mut inner = self.write();
        inner.low = low;
        inner.seen_from.get_or_insert(low);
    }

    /// Records may have gone unseen: what was seen begins anew with the next [`Marks::begins`].
    pub fn lost_sight(&self) {
        self.write().seen_from = None;
    }

    /// Takes note of a topic that a client named; tells whether it is new.
    pub fn name(&self, topic: &str) -> bool {
        let mut inner = self.write();
        let known = inner.topics.contains_key(topic);
        if !known {
            inner.topics.insert(topic.to_owned(), None);
        }
        !known
    }

    /// Whether a topic is known.
    #[must_use]
    pub fn knows(&self, topic: &str) -> bool {
        self.read().topics.contains_key(topic)
    }

    /// How many topics are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read().topics.len()
    }

    /// The names of all topics that a client can name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.read().topics.keys().filter(|topic| is_legal_topic(topic)).cloned().collect()
    }

    /// The first offset that can be read of a topic, and the one behind its last record.
    #[must_use]
    pub fn bounds(&self, topic: &str) -> (u64, u64) {
        let inner = self.read();
        let seen_from = inner.seen_from.unwrap_or(inner.low);
        match inner.topics.get(topic).copied().flatten() {
            Some(mark) => (mark.first.max(inner.low).min(mark.next), mark.next),
            None => (seen_from, seen_from),
        }
    }

    /// The lowest offset from which on no record of a topic is missed. Who waited for the first one may
    /// stand far below it, for offsets run over all topics.
    #[must_use]
    pub fn whole_from(&self, topic: &str) -> u64 {
        let inner = self.read();
        match inner.topics.get(topic).copied().flatten() {
            Some(mark) if mark.first < inner.low => inner.low.min(mark.next),
            _ => inner.seen_from.unwrap_or(inner.low),
        }
    }

    /// The mark of a topic that has records.
    #[must_use]
    pub fn mark(&self, topic: &str) -> Option<Mark> {
        self.read().topics.get(topic).copied().flatten()
    }

    /// Behind the stream's last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.read().end
    }

    /// The lowest offset of the stream.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.read().low
    }

    /// The newest epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.read().epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_ends_behind_its_own_last_record() {
        let marks = Marks::default();
        marks.saw([("a", 0, 1), ("b", 1, 1), ("b", 2, 1)].into_iter(), 1);
        assert_eq!((marks.bounds("a"), marks.bounds("b"), marks.end()), ((0, 1), (1, 3), 3));
        assert_eq!(marks.bounds("c"), (0, 0));
        // Told twice, by who appended and by who follows, in either order: the same.
        marks.saw([("a", 9, 2)].into_iter(), 1);
        marks.saw([("a", 5, 1)].into_iter(), 1);
        assert_eq!((marks.bounds("a"), marks.mark("a").unwrap().last_ms), ((0, 10), 2));
    }

    /// A client stands at the beginning of a topic without records; its first one has offset 7, and then
    /// retention takes what other topics had below that. It missed nothing, until a record of its own goes.
    #[test]
    fn who_waits_for_the_first_record_of_a_topic_misses_nothing() {
        let marks = Marks::default();
        marks.begins(2);
        assert_eq!((marks.bounds("a"), marks.whole_from("a")), ((2, 2), 2));
        marks.saw([("b", 6, 1), ("a", 7, 1), ("a", 9, 1)].into_iter(), 1);
        assert_eq!((marks.bounds("a"), marks.whole_from("a")), ((7, 10), 2));
        marks.begins(7);
        assert_eq!((marks.whole_from("a"), marks.whole_from("b")), (2, 7));
        marks.begins(8);
        assert_eq!(marks.whole_from("a"), 8);
        marks.begins(40);
        assert_eq!(marks.whole_from("a"), 10);
    }

    #[test]
    fn what_was_deleted_is_not_offered() {
        let marks = Marks::default();
        marks.saw([("a", 0, 1), ("a", 8, 1), ("b", 1, 1)].into_iter(), 1);
        marks.begins(5);
        assert_eq!((marks.bounds("a"), marks.bounds("b")), ((5, 9), (2, 2)));
    }
}
