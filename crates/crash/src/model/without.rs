//! A disk that has everything, and then some of it is missing.
//!
//! Most of what is at stake is there in most states. So a state begins with all of it, and only
//! what the missing atoms touch is made once more from what is settled: names one by one, files by
//! their pages.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::content::{Content, PAGE};
use super::disk::{Change, Disk};
use super::plan::{AtomId, Plan};
use super::stage::node_of;
use crate::trace::{Node, Trace};

/// What happened to a file.
#[derive(Default)]
struct History<'a> {
    /// What is missing.
    gone: Vec<&'a Change>,
    /// What else is not settled.
    there: Vec<&'a Change>,
}

/// Takes what is missing out of `disk`, which has all of `open`; `settled` has none of it.
pub fn without(
    disk: &mut Disk,
    settled: &Disk,
    plan: &Plan<'_>,
    open: &[AtomId],
    missing: &BTreeSet<AtomId>,
) {
    let mut places = HashSet::new();
    let mut files: HashMap<Node, History<'_>> = HashMap::new();
    for id in missing {
        match &plan.atoms[*id].change {
            Change::Names(names) => places.extend(names.iter().map(|(place, _)| place)),
            change => {
                let history = node_of(change).map(|node| files.entry(node).or_default());
                history.into_iter().for_each(|history| history.gone.push(change));
            }
        }
    }
    for place in &places {
        disk.set_name(place, settled.at(place));
    }
    // Both are in order.
    let mut missing = missing.iter().peekable();
    for id in open {
        while missing.next_if(|other| *other < id).is_some() {}
        if missing.peek() == Some(&id) {
            continue;
        }
        match &plan.atoms[*id].change {
            Change::Names(names) => {
                let touched = names.iter().filter(|(place, _)| places.contains(place));
                touched.for_each(|(place, node)| disk.set_name(place, *node));
            }
            change => {
                let history = node_of(change).and_then(|node| files.get_mut(&node));
                history.into_iter().for_each(|history| history.there.push(change));
            }
        }
    }
    for (node, history) in files {
        remake(disk, settled, node, &history, plan.trace);
    }
}

fn remake(disk: &mut Disk, settled: &Disk, node: Node, history: &History<'_>, trace: &Trace) {
    let before = settled.content(node);
    let all = || history.gone.iter().chain(&history.there);
    if all().all(|change| matches!(change, Change::Bytes { .. } | Change::Growth { .. })) {
        return remake_pages(disk.content_mut(node), before, history, trace);
    }
    // Where it was cut, everything matters to everything.
    *disk.content_mut(node) = before.clone();
    history.there.iter().for_each(|change| disk.apply(change, trace));
}

/// A page that nothing is missing of is as it was; a file is as long as the last byte that is there.
fn remake_pages(content: &mut Content, before: &Content, history: &History<'_>, trace: &Trace) {
    let touched = Pages::of(&history.gone);
    touched.0.iter().for_each(|(begin, end)| content.take_pages(before, *begin..*end));
    let mut len = before.len();
    for change in &history.there {
        match change {
            Change::Bytes { at, data, .. } => {
                let bytes = trace.bytes(*data);
                for range in touched.within(*at..*at + data.len) {
                    let piece = (range.start - at) as usize..(range.end - at) as usize;
                    content.write(range.start, &bytes[piece]);
                }
                len = len.max(at + data.len);
            }
            Change::Growth { len: grown, .. } => len = len.max(*grown),
            _ => {}
        }
    }
    content.set_len(len);
}

/// Ranges of pages that do not touch each other: where they begin, and their ends.
struct Pages(BTreeMap<u64, u64>);

impl Pages {
    fn of(changes: &[&Change]) -> Self {
        let mut ranges: Vec<(u64, u64)> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Bytes { at, data, .. } if data.len > 0 => {
                    Some((at / PAGE, (at + data.len).div_ceil(PAGE)))
                }
                _ => None,
            })
            .collect();
        ranges.sort_unstable();
        let mut pages: BTreeMap<u64, u64> = BTreeMap::new();
        for (begin, end) in ranges {
            match pages.last_entry() {
                Some(mut last) if *last.get() >= begin => *last.get_mut() = end.max(*last.get()),
                _ => _ = pages.insert(begin, end),
            }
        }
        Self(pages)
    }

    /// The parts of a range of bytes that lie in these pages.
    fn within(&self, bytes: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = bytes.start / PAGE;
        let before = self.0.range(..=first).next_back();
        let later = self.0.range(first + 1..bytes.end.div_ceil(PAGE).max(first + 1));
        before.into_iter().chain(later).filter_map(move |(begin, end)| {
            let part = bytes.start.max(begin * PAGE)..bytes.end.min(end * PAGE);
            (part.start < part.end).then_some(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::Profile;
    use crate::model::random::Random;
    use crate::trace::{Blob, Call, Effect, Header, Kind, Place, ROOT};

    /// A story by chance: two files that are written, cut, filled with zeros, renamed and synced.
    fn story(random: &mut Random) -> Trace {
        let blobs: Vec<u8> = (0..60_000).map(|byte: u32| (byte % 251) as u8 + 1).collect();
        let place = |name: u64| Place { dir: ROOT, name: format!("{name}") };
        let mut effects = Vec::new();
        for node in [1, 2] {
            let place = Some(place(u64::from(node)));
            effects.push(Effect::Make { node, kind: Kind::File, mode: 0o644, place });
        }
        let mut names = [1, 2];
        for _ in 0..4 + random.below(14) {
            let node = 1 + random.below(2) as Node;
            let at = random.below(30_000);
            effects.push(match random.below(12) {
                0 => Effect::Length { node, len: at },
                1 => Effect::Zero { node, at, len: random.below(9_000) },
                2 => Effect::Sync { node, data_only: random.chance(1, 2) },
                3 => Effect::Sync { node: ROOT, data_only: false },
                4 => {
                    let from = place(names[node as usize - 1]);
                    names[node as usize - 1] += 2;
                    let to = place(names[node as usize - 1]);
                    Effect::Rename { node, from, to, replaces: None }
                }
                _ => {
                    let data = Blob { at: random.below(30_000), len: random.below(20_000) };
                    Effect::Write { node, at, data, durable: false }
                }
            });
        }
        let call = |effect| Call { pid: 1, shown: String::new(), effects: vec![effect] };
        Trace::new(Header::default(), effects.into_iter().map(call).collect(), blobs)
    }

    /// Two hundred states are made twice: from all that is there, and from nothing, atom by atom.
    #[test]
    fn what_is_taken_out_is_as_if_it_had_never_been_put_in() {
        let mut random = Random::new(7);
        for number in 0..200 {
            let trace = story(&mut random);
            let name = ["posix", "ext4-ordered", "btrfs"][number % 3];
            let profile = Profile::find(name).unwrap();
            let plan = Plan::new(&trace, &profile);
            let settled = Disk::before(&trace);
            let open: Vec<AtomId> = (0..plan.atoms.len()).collect();
            let density = 1 + random.below(9);
            let missing: BTreeSet<AtomId> =
                open.iter().copied().filter(|_| random.chance(density, 10)).collect();
            let mut whole = settled.clone();
            let mut expected = settled.clone();
            for id in &open {
                whole.apply(&plan.atoms[*id].change, &trace);
                if !missing.contains(id) {
                    expected.apply(&plan.atoms[*id].change, &trace);
                }
            }
            without(&mut whole, &settled, &plan, &open, &missing);
            assert_eq!(whole.paths(), expected.paths());
            for node in [1, 2] {
                let (found, wanted) = (whole.content(node), expected.content(node));
                assert!(found.read(0, u64::MAX) == wanted.read(0, u64::MAX), "{missing:?}");
                assert_eq!(found.hash(), wanted.hash());
            }
        }
    }
}
