//! Getting records out of a body that is damaged: each has a checksum of its own.
//!
//! A value may hold what looks like records, and whoever made it may have wished to see them
//! taken for records of the stream. So what is taken is told apart: *good* is what follows from the
//! body's beginning, or from lengths that lead to its end; *searched* is what was found behind a
//! length that is damaged, and might be a part of that record's value.

use std::collections::HashMap;

use crate::format::block::spanned_offsets;
use crate::format::codec::{crc_continue, get_u32, put_varint, split_varint};
use crate::format::record::Fields;
use crate::format::sure::part;

/// What could be had from a body.
#[derive(Debug, Default)]
pub struct Rescue<'a> {
    /// All good records, control records too, in their order.
    pub good: Vec<Fields<'a>>,
    /// How many of them, the last ones, were found by a search.
    pub searched: usize,
    /// Offsets that the good records before the first damaged one span.
    pub before: u64,
    /// Offsets that the good records behind the last damaged one span.
    pub after: u64,
    /// Offsets that all good records span.
    pub spanned: u64,
    /// Whether nothing was damaged.
    pub whole: bool,
}

/// Bytes that may be summed up to mend lengths and to search in one body. The search tries every
/// byte, and must not take forever on bytes made to mislead it.
const SEARCH_BUDGET_BYTES: usize = 1 << 29;
/// What a place takes of it besides, so that not too many are remembered.
const PLACE_COST_BYTES: usize = 512;

/// Takes the good records out of a body of which the block's start says that it spans
/// `record_count` offsets, and whether it holds control records.
///
/// A record of which one bit of the length is damaged is put right, for its checksum proves it. Any
/// other damaged record is passed over by its length. Where that leads nowhere, the length itself
/// is damaged, and the next good record is searched byte by byte. What lies behind counts only
/// if it ends where the body ends and spans no more offsets than are left.
pub fn rescue(body: &[u8], record_count: u64, has_control: bool) -> Rescue<'_> {
    let mut budget = SEARCH_BUDGET_BYTES;
    let mut head = Run::default();
    let mut rest = head.take_good(body);
    let mut whole = true;
    while !rest.is_empty() {
        whole = false;
        let Some((fields, after)) = mend_length(rest, &mut budget) else { break };
        if !head.take(fields) {
            break;
        }
        rest = head.take_good(after);
    }
    if rest.is_empty() {
        let spanned = head.spanned;
        return Rescue { good: head.good, before: spanned, spanned, whole, ..Rescue::default() };
    }
    let left = record_count.saturating_sub(head.spanned);
    let fits = |tail: &Sums, exactly: bool| {
        let damaged = tail.spanned.saturating_add(1 + tail.skipped);
        match (has_control, exactly) {
            // A damaged record may be a control record, which takes no offset.
            (true, true) => tail.spanned <= left && damaged >= left,
            (true, false) => tail.spanned <= left,
            (false, true) => damaged == left,
            (false, false) => damaged <= left,
        }
    };
    let by_length = behind_by_length(rest).and_then(Run::to_the_end);
    let by_length = by_length.filter(|tail| fits(&tail.sums(), true));
    let searched = by_length.is_none();
    let tail = by_length.or_else(|| search(rest, &mut budget, fits)).unwrap_or_default();
    let (before, after, spanned) =
        (head.spanned, tail.last_run, head.spanned.saturating_add(tail.spanned));
    let searched = if searched { tail.good.len() } else { 0 };
    head.good.extend(tail.good);
    Rescue { good: head.good, searched, before, after, spanned, whole: false }
}

/// The record at the front, if it is good but for one bit of its length.
fn mend_length<'a>(bytes: &'a [u8], budget: &mut usize) -> Option<(Fields<'a>, &'a [u8])> {
    let stored = get_u32(bytes, 0)?;
    let covered = bytes.get(4..)?;
    // A flipped bit may end the varint too early or too late: all of its longest form is tried.
    (0..8 * 4).find_map(|bit| {
        let mut varint = *covered.first_chunk::<4>()?;
        *varint.get_mut(bit / 8)? ^= 1 << (bit % 8);
        let (length, _) = split_varint(&varint)?;
        let mut prefix = Vec::new();
        put_varint(&mut prefix, length);
        if bit / 8 >= prefix.len() {
            return None;
        }
        let (fields, rest) = covered.get(prefix.len()..)?.split_at_checked(length as usize)?;
        *budget = budget.checked_sub(fields.len())?;
        let right = crc_continue(crc_continue(0, &prefix), fields) == stored;
        right.then(|| Some((Fields::decode(fields).ok()?, rest)))?
    })
}

/// Searches the first place behind a damaged record from which everything fits.
fn search<'a>(
    bytes: &'a [u8],
    budget: &mut usize,
    fits: impl Fn(&Sums, bool) -> bool,
) -> Option<Run<'a>> {
    let reaching = reaching_the_end(bytes);
    let mut known = HashMap::new();
    for skip in 1..bytes.len() {
        let reaches = reaching.get(skip / 8).is_some_and(|bits| bits >> (skip % 8) & 1 == 1);
        if !reaches {
            continue;
        }
        let sums = sums_from(bytes, skip, &mut known, budget)?;
        if sums.begins_good && fits(&sums, false) {
            return Run::to_the_end(bytes.get(skip..)?);
        }
    }
    None
}

/// One bit for each place: whether the lengths from there on lead exactly to the end. From the
/// end to the beginning each place is looked at once.
fn reaching_the_end(bytes: &[u8]) -> Vec<u8> {
    let mut reaching = vec![0u8; bytes.len() / 8 + 1];
    let set = |reaching: &mut Vec<u8>, at: usize| {
        if let Some(bits) = reaching.get_mut(at / 8) {
            *bits |= 1 << (at % 8);
        }
    };
    set(&mut reaching, bytes.len());
    for at in (0..bytes.len()).rev() {
        let Some(behind) = behind_by_length(part(bytes, at..)) else { continue };
        let next = bytes.len() - behind.len();
        if reaching.get(next / 8).is_some_and(|bits| bits >> (next % 8) & 1 == 1) {
            set(&mut reaching, at);
        }
    }
    reaching
}

/// What the records from a place on to the end come to. Each place is summed up once; `None` where
/// the budget is used up.
fn sums_from(
    bytes: &[u8],
    from: usize,
    known: &mut HashMap<usize, Sums>,
    budget: &mut usize,
) -> Option<Sums> {
    let (mut way, mut at, mut sums) = (Vec::new(), from, Sums::default());
    while at < bytes.len() {
        if let Some(found) = known.get(&at) {
            sums = *found;
            break;
        }
        let here = bytes.get(at..)?;
        let next = bytes.len() - behind_by_length(here)?.len();
        *budget = budget.checked_sub(next - at + PLACE_COST_BYTES)?;
        let spanned =
            Fields::split(here).ok().and_then(|(fields, _)| spanned_offsets(&fields).ok());
        way.push((at, spanned));
        at = next;
    }
    while let Some((at, spanned)) = way.pop() {
        sums = sums.before(spanned);
        known.insert(at, sums);
    }
    Some(sums)
}

/// What follows the record at the front, if its length can be believed.
fn behind_by_length(bytes: &[u8]) -> Option<&[u8]> {
    /// Attributes and a topic of one byte.
    const LEAST_LENGTH: u64 = 3;
    let (length, fields) = split_varint(bytes.get(4..)?)?;
    fields.get(usize::try_from(length).ok().filter(|_| length >= LEAST_LENGTH)?..)
}

/// What records one behind the other come to.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Offsets that the good ones span.
    spanned: u64,
    /// How many damaged ones were passed over by their length.
    skipped: u64,
    /// Whether the first one is good.
    begins_good: bool,
}

impl Sums {
    /// The same with one more record in front; damaged where it does not tell its offsets.
    fn before(self, spanned: Option<u64>) -> Self {
        Self {
            spanned: self.spanned.saturating_add(spanned.unwrap_or(0)),
            skipped: self.skipped + u64::from(spanned.is_none()),
            begins_good: spanned.is_some(),
        }
    }
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
    fn sums(&self) -> Sums {
        Sums { spanned: self.spanned, skipped: self.skipped, begins_good: true }
    }

    /// Takes good records up to the first that is not; gives back what is left.
    fn take_good(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let Ok((fields, after)) = Fields::split(rest) {
            if !self.take(fields) {
                break;
            }
            rest = after;
        }
        rest
    }

    /// Takes a record; `false` if it does not tell its offsets.
    fn take(&mut self, fields: Fields<'a>) -> bool {
        let Ok(spanned) = spanned_offsets(&fields) else { return false };
        self.good.push(fields);
        self.spanned = self.spanned.saturating_add(spanned);
        self.last_run = self.last_run.saturating_add(spanned);
        true
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
    use crate::format::codec::varint_len;
    use crate::format::record::NewRecord;

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

    /// Every single byte damaged, in every way that a bit can flip: one record is lost at most, and
    /// none where it is the length.
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
                let length = varint_len(all[hit].len() as u64 + 11);
                if (begins[hit] + 4..begins[hit] + 4 + length).contains(&at) {
                    assert_eq!(values(&rescue), expected, "byte {at} bit {bit}");
                    assert!(!rescue.whole && rescue.searched == 0);
                    continue;
                }
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
        body[begins[1] + 4] ^= 3; // one bit would be put right
        assert_eq!(values(&rescue(&body, 3, false)), [&b"first"[..], b"last"]);
        let (mut body, begins) = encode(&[b"first", &inner]);
        body[begins[1] + 4] ^= 3; // one bit would be put right
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
