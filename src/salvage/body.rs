//! Getting records out of a body that is damaged: each has a checksum of its own.

use crate::block::spanned_offsets;
use crate::codec::split_varint;
use crate::record::Fields;

/// What could be had from a body.
#[derive(Debug, Default)]
pub struct Rescue<'a> {
    /// All good records, control records too, in their order.
    pub good: Vec<Fields<'a>>,
    /// Offsets that the good records before the first damaged one span.
    pub before: u64,
    /// Offsets that the good records behind the last damaged one span.
    pub after: u64,
    /// Offsets that all good records span.
    pub spanned: u64,
    /// Whether nothing was damaged.
    pub whole: bool,
}

/// Bytes that may be summed up in the search for the next good record of one body: the search
/// tries every byte, and must not take forever on bytes made to mislead it.
const SEARCH_BUDGET_BYTES: usize = 1 << 30;

/// Takes the good records out of a body of which the block's start says that it spans
/// `record_count` offsets, and whether it holds control records.
///
/// A damaged record is passed over by its length. Where that leads nowhere, the length itself
/// is damaged, and the next good record is searched byte by byte. What lies behind counts only
/// if it ends where the body ends and spans no more offsets than are left: the value of a
/// damaged record may contain what looks like records.
pub fn rescue(body: &[u8], record_count: u64, has_control: bool) -> Rescue<'_> {
    let mut head = Run::default();
    let rest = head.take_good(body);
    if rest.is_empty() {
        let spanned = head.spanned;
        return Rescue { good: head.good, before: spanned, after: 0, spanned, whole: true };
    }
    let left = record_count.saturating_sub(head.spanned);
    let fits = |tail: &Run<'_>, exactly: bool| {
        let damaged = tail.spanned + 1 + tail.skipped;
        match (has_control, exactly) {
            // A damaged record may be a control record, which takes no offset.
            (true, true) => tail.spanned <= left && damaged >= left,
            (true, false) => tail.spanned <= left,
            (false, true) => damaged == left,
            (false, false) => damaged <= left,
        }
    };
    let by_length = behind_by_length(rest).and_then(Run::to_the_end);
    let tail = by_length.filter(|tail| fits(tail, true)).or_else(|| search(rest, fits));
    let tail = tail.unwrap_or_default();
    let (before, after, spanned) = (head.spanned, tail.last_run, head.spanned + tail.spanned);
    head.good.extend(tail.good);
    Rescue { good: head.good, before, after, spanned, whole: false }
}

/// Searches the first place behind a damaged record from which everything fits.
fn search<'a>(bytes: &'a [u8], fits: impl Fn(&Run<'_>, bool) -> bool) -> Option<Run<'a>> {
    let mut budget = SEARCH_BUDGET_BYTES;
    for skip in 1..bytes.len() {
        let candidate = bytes.get(skip..)?;
        let Some(behind) = behind_by_length(candidate) else { continue };
        budget = budget.checked_sub(candidate.len() - behind.len())?;
        if Fields::split(candidate).is_ok() {
            let found = Run::to_the_end(candidate).filter(|tail| fits(tail, false));
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// What follows the record at the front, if its length can be believed.
fn behind_by_length(bytes: &[u8]) -> Option<&[u8]> {
    /// Attributes and a topic of one byte.
    const LEAST_LENGTH: u64 = 3;
    let (length, fields) = split_varint(bytes.get(4..)?)?;
    fields.get(usize::try_from(length).ok().filter(|_| length >= LEAST_LENGTH)?..)
}

/// Records one behind the other.
#[derive(Default)]
struct Run<'a> {
    good: Vec<Fields<'a>>,
    spanned: u64,
    /// Damaged records that were passed over by their length.
    skipped: u64,
    /// Offsets that the good records since the last damaged one span.
    last_run: u64,
}

impl<'a> Run<'a> {
    /// Takes good records up to the first that is not; gives back what is left.
    fn take_good(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let Ok((fields, after)) = Fields::split(rest) {
            let Ok(spanned) = spanned_offsets(&fields) else { break };
            self.good.push(fields);
            self.spanned = self.spanned.saturating_add(spanned);
            self.last_run = self.last_run.saturating_add(spanned);
            rest = after;
        }
        rest
    }

    /// Goes on by lengths, if they lead exactly to the end.
    fn to_the_end(bytes: &'a [u8]) -> Option<Self> {
        let mut run = Self::default();
        let mut rest = run.take_good(bytes);
        while !rest.is_empty() {
            rest = behind_by_length(rest)?;
            run.skipped += 1;
            run.last_run = 0;
            rest = run.take_good(rest);
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::NewRecord;

    fn encode(values: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
        let (mut body, mut begins) = (Vec::new(), Vec::new());
        for value in values {
            begins.push(body.len());
            NewRecord::new("topic", value).key("key").encode(&mut body);
        }
        (body, begins)
    }

    fn values<'a>(rescue: &Rescue<'a>) -> Vec<&'a [u8]> {
        rescue.good.iter().map(|fields| fields.value.unwrap()).collect()
    }

    /// Every single byte damaged, in every way that a bit can flip: one record is lost at most.
    #[test]
    fn one_damaged_byte_costs_one_record() {
        let all: [&[u8]; 5] = [b"one", b"", &[7; 300], b"four", b"5"];
        let (body, begins) = encode(&all);
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut damaged = body.clone();
                damaged[at] ^= 1 << bit;
                let hit = begins.iter().rposition(|begin| *begin <= at).unwrap();
                let rescue = rescue(&damaged, 5, false);
                let mut expected = all.to_vec();
                expected.remove(hit);
                assert_eq!(values(&rescue), expected, "byte {at} bit {bit}");
                assert_eq!((rescue.before, rescue.after), (hit as u64, 4 - hit as u64));
            }
        }
    }

    /// A value may hold encoded records. Those are not records of the stream, even where
    /// the length of the record around them is damaged.
    #[test]
    fn records_in_the_value_of_a_damaged_record_are_not_taken() {
        let (inner, _) = encode(&[b"not a record", b"nor this"]);
        let (mut body, begins) = encode(&[b"first", &inner, b"last"]);
        body[begins[1] + 4] ^= 1;
        assert_eq!(values(&rescue(&body, 3, false)), [&b"first"[..], b"last"]);
        let (mut body, begins) = encode(&[b"first", &inner]);
        body[begins[1] + 4] ^= 1;
        assert_eq!(values(&rescue(&body, 2, false)), [&b"first"[..]]);
    }

    #[test]
    fn several_damaged_values_cost_themselves_alone() {
        let (mut body, begins) = encode(&[b"a", b"b", b"c", b"d", b"e"]);
        for hit in [1, 3] {
            body[begins[hit] + 7] ^= 0xFF;
        }
        let rescue = rescue(&body, 5, false);
        assert_eq!(values(&rescue), [&b"a"[..], b"c", b"e"]);
        assert_eq!((rescue.before, rescue.after, rescue.spanned), (1, 1, 3));
    }

    #[test]
    fn of_a_body_that_is_cut_the_whole_records_remain() {
        let (body, begins) = encode(&[b"a", b"b", b"c"]);
        let rescue = rescue(&body[..begins[2] + 6], 3, false);
        assert_eq!(values(&rescue), [&b"a"[..], b"b"]);
        assert_eq!((rescue.before, rescue.after, rescue.whole), (2, 0, false));
    }
}
