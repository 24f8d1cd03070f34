//! Which batch of an idempotent producer comes next.
//!
//! Kafka counts records, in 31 bits that wrap, and producers have epochs. Puro keeps one rising
//! number for an identity (C-4): the epoch in its upper 16 bits, and below it how many records were
//! appended in that epoch.

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotent {
    /// Which run of the producer.
    pub epoch: i16,
    /// The number of its first record.
    pub base: i32,
    /// How many records it has.
    pub count: u32,
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is the next one: appended under this sequence.
    Append(u64),
    /// It is the last one again: answered as then, under this sequence.
    Again(u64),
    /// It is one before the last.
    Old,
    /// Something is missing before it.
    Gap,
    /// A newer epoch has begun.
    Fenced,
    /// Nothing is known of the producer, and it does not begin.
    Unknown,
}

const EPOCH_SHIFT: u32 = 48;
const COUNT: u64 = (1 << EPOCH_SHIFT) - 1;
/// Where Kafka's numbers wrap.
const WRAP: u64 = 1 << 31;

/// The sequence of so many records in an epoch.
#[must_use]
pub fn sequence_of(epoch: i16, records: u64) -> u64 {
    u64::from(epoch.max(0).unsigned_abs()) << EPOCH_SHIFT | (records & COUNT)
}

/// The epoch that a sequence is in.
#[must_use]
pub fn epoch_of(sequence: u64) -> i16 {
    i16::try_from(sequence >> EPOCH_SHIFT).unwrap_or(i16::MAX)
}

/// Judges a batch by the last sequence of its identity.
#[must_use]
pub fn judge(last: Option<u64>, batch: Idempotent) -> Judged {
    let begins = |otherwise| match batch.base {
        0 => Judged::Append(sequence_of(batch.epoch, batch.count.into())),
        _ => otherwise,
    };
    let Some(last) = last else { return begins(Judged::Unknown) };
    let (epoch, appended) = (epoch_of(last), last & COUNT);
    if batch.epoch != epoch {
        return if batch.epoch < epoch { Judged::Fenced } else { begins(Judged::Gap) };
    }
    let base = u64::from(batch.base.max(0).unsigned_abs());
    let (next, count) = (appended % WRAP, u64::from(batch.count));
    if base == next {
        return Judged::Append(sequence_of(epoch, appended + count));
    }
    if (base + count) % WRAP == next {
        return Judged::Again(last);
    }
    // Of two distances around the circle, the shorter one tells.
    if (next + WRAP - base) % WRAP < WRAP / 2 { Judged::Old } else { Judged::Gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_judged_as_the_table_says() {
        let last = |epoch, records| Some(sequence_of(epoch, records));
        let batch = |epoch, base, count| Idempotent { epoch, base, count };
        let append = |epoch, records| Judged::Append(sequence_of(epoch, records));
        let table = [
            (None, batch(0, 0, 3), append(0, 3)),
            (None, batch(0, 3, 3), Judged::Unknown),
            (last(0, 3), batch(0, 3, 2), append(0, 5)),
            (last(0, 5), batch(0, 3, 2), Judged::Again(sequence_of(0, 5))),
            (last(0, 5), batch(0, 0, 3), Judged::Old),
            (last(0, 5), batch(0, 0, 1), Judged::Old),
            (last(0, 5), batch(0, 6, 1), Judged::Gap),
            (last(1, 5), batch(0, 5, 1), Judged::Fenced),
            (last(1, 5), batch(2, 0, 1), append(2, 1)),
            (last(1, 5), batch(2, 5, 1), Judged::Gap),
            // Around the end of Kafka's numbers.
            (last(0, WRAP - 1), batch(0, i32::MAX, 2), append(0, WRAP + 1)),
            (last(0, WRAP + 1), batch(0, i32::MAX, 2), Judged::Again(sequence_of(0, WRAP + 1))),
            (last(0, WRAP + 1), batch(0, 1, 4), append(0, WRAP + 5)),
            (last(0, WRAP + 1), batch(0, i32::MAX - 5, 2), Judged::Old),
            (last(0, WRAP + 1), batch(0, 7, 2), Judged::Gap),
        ];
        for (last, batch, judged) in table {
            assert_eq!(judge(last, batch), judged, "{last:?} {batch:?}");
        }
    }

    #[test]
    fn sequences_rise_with_epochs_and_records() {
        assert!(sequence_of(1, 0) > sequence_of(0, COUNT));
        assert_eq!(epoch_of(sequence_of(i16::MAX, 7)), i16::MAX);
    }
}
