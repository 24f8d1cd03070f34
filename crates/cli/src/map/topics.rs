//! What the map tells of topics: how much there is of each, and when it came. It takes a bounded amount
//! of memory, however many topics there are, and whatever their times.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Topics that are counted one by one: the first that are met.
const MOST_COUNTED: usize = 1000;
/// Columns of a picture of times.
pub const MOST_COLUMNS: u64 = 96;

/// The lowest and the highest of some numbers; neither where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub ends: Option<(u64, u64)>,
}

impl Span {
    /// One more number.
    pub fn note(&mut self, number: u64) {
        let (low, high) = self.ends.unwrap_or((number, number));
        self.ends = Some((low.min(number), high.max(number)));
    }

    /// All numbers of another.
    pub fn join(&mut self, other: Self) {
        if let Some((low, high)) = other.ends {
            self.note(low);
            self.note(high);
        }
    }
}

/// What there is of a topic.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    pub records: u64,
    /// Of keys, values and headers.
    pub bytes: u64,
    pub offsets: Span,
    pub times: Span,
    /// Records in each column of time.
    pub columns: BTreeMap<u64, u64>,
}

impl Topic {
    fn note(&mut self, offset: u64, time_ms: u64, bytes: u64, column: u64) {
        self.records += 1;
        self.bytes += bytes;
        self.offsets.note(offset);
        self.times.note(time_ms);
        *self.columns.entry(column).or_default() += 1;
    }

    fn join(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.offsets.join(other.offsets);
        self.times.join(other.times);
        for (column, records) in &other.columns {
            *self.columns.entry(*column).or_default() += records;
        }
    }

    /// Makes one column of two, so many times.
    fn coarsen(&mut self, times: u32) {
        for (column, records) in std::mem::take(&mut self.columns) {
            *self.columns.entry(column >> times).or_default() += records;
        }
    }
}

/// All topics of a stream. A column is as wide as it must be for all times to be in
/// [`MOST_COLUMNS`] of them: 2^`shift` ms.
#[derive(Debug, Default)]
pub struct Topics {
    known: BTreeMap<Vec<u8>, Topic>,
    /// Those that are not counted one by one.
    others: Topic,
    pub shift: u32,
    pub columns: Span,
}

impl Topics {
    /// One more record.
    pub fn note(&mut self, topic: &[u8], offset: u64, time_ms: u64, bytes: u64) {
        let column = self.column(time_ms);
        if let Some(known) = self.known.get_mut(topic) {
            known.note(offset, time_ms, bytes, column);
        } else if self.known.len() < MOST_COUNTED {
            let known = self.known.entry(topic.to_vec()).or_default();
            known.note(offset, time_ms, bytes, column);
        } else {
            self.others.note(offset, time_ms, bytes, column);
        }
    }

    fn column(&mut self, time_ms: u64) -> u64 {
        let mut columns = self.columns;
        columns.note(time_ms >> self.shift);
        let mut times = 0;
        while let Some((low, high)) = columns.ends
            && (high >> times) - (low >> times) >= MOST_COLUMNS
        {
            times += 1;
        }
        if times > 0 {
            self.shift += times;
            columns.ends = columns.ends.map(|(low, high)| (low >> times, high >> times));
            self.known.values_mut().for_each(|topic| topic.coarsen(times));
            self.others.coarsen(times);
        }
        self.columns = columns;
        time_ms >> self.shift
    }

    /// The largest of them, and the sum of all others.
    pub fn largest(&self, most: usize) -> (Vec<(&[u8], &Topic)>, Topic) {
        let mut known: Vec<_> =
            self.known.iter().map(|(name, topic)| (name.as_slice(), topic)).collect();
        known.sort_by_key(|(_, topic)| Reverse((topic.bytes, topic.records)));
        let mut others = self.others.clone();
        for (_, topic) in known.iter().skip(most) {
            others.join(topic);
        }
        known.truncate(most);
        (known, others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_times_fit_into_the_columns() {
        let mut topics = Topics::default();
        let times = [5_000, 5_001, 5_200, 0, u64::MAX, 1 << 40, 5_000];
        for (offset, time_ms) in times.into_iter().enumerate() {
            topics.note(b"t", offset as u64, time_ms, 1);
            let (low, high) = topics.columns.ends.unwrap_or_default();
            assert!(high - low < MOST_COLUMNS, "{time_ms}");
        }
        let (known, others) = topics.largest(1);
        let (_, topic) = known[0];
        assert_eq!((topic.records, topic.columns.values().sum::<u64>(), others.records), (7, 7, 0));
        assert_eq!(topic.times.ends, Some((0, u64::MAX)));
        assert_eq!(topic.columns.keys().copied().max(), topics.columns.ends.map(|ends| ends.1));
    }

    #[test]
    fn topics_beyond_those_that_are_counted_are_summed() {
        let mut topics = Topics::default();
        for number in 0..2 * MOST_COUNTED {
            topics.note(format!("{number}").as_bytes(), number as u64, 1, 10 + number as u64 % 2);
        }
        let (known, others) = topics.largest(10);
        assert_eq!((known.len(), known[0].1.bytes), (10, 11));
        assert_eq!(others.records, 2 * MOST_COUNTED as u64 - 10);
    }
}
