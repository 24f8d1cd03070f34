//! A trace under a profile: what can be lost by itself, what needs what, and until when.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::disk::Change;
use super::profile::{Profile, SyncFile};
use crate::trace::{Blob, Effect, Node, Place, Trace};

/// The index of an atom.
pub type AtomId = usize;

/// The smallest thing that is there after a crash, or is not.
#[derive(Clone, Debug)]
pub struct Atom {
    /// The call that did it.
    pub call: usize,
    /// What it changes.
    pub change: Change,
    /// It is not there without these.
    pub needs: Vec<AtomId>,
    /// Nor without this one, unless a sync made it durable by itself.
    pub after: Option<AtomId>,
    /// The call that made it durable; it can be lost until that is completed.
    pub durable_at: Option<usize>,
    /// The directories whose names it changes.
    dirs: Vec<Node>,
    /// The files that it is about.
    nodes: Vec<Node>,
}

impl Atom {
    /// The directories whose names it changes.
    #[must_use]
    pub fn dirs(&self) -> &[Node] {
        &self.dirs
    }

    /// Whether no crash behind the first `calls` calls can lose it.
    #[must_use]
    pub fn is_durable(&self, calls: usize) -> bool {
        self.durable_at.is_some_and(|durable_at| durable_at < calls)
    }
}

/// A trace, taken apart.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What was recorded.
    pub trace: &'a Trace,
    /// Which rules hold.
    pub profile: &'a Profile,
    /// All atoms, in the order of their calls.
    pub atoms: Vec<Atom>,
    barriers: HashSet<usize>,
}

/// Beyond so many atoms, writes are taken apart into fewer pieces.
const MANY_ATOMS: usize = 4096;
/// A write is taken apart into so many pieces at most; beyond, pieces are larger than a unit.
const MOST_PIECES: u64 = 64;

impl<'a> Plan<'a> {
    /// Takes a trace apart.
    #[must_use]
    pub fn new(trace: &'a Trace, profile: &'a Profile) -> Self {
        let mut planner = Planner::new(profile);
        for base in &trace.header.base {
            planner.lengths.insert(base.node, base.data.len);
        }
        for (index, call) in trace.calls.iter().enumerate() {
            planner.call = index;
            for effect in &call.effects {
                planner.effect(effect);
            }
        }
        let barriers = planner.atoms.iter().filter_map(|atom| atom.durable_at).collect();
        Self { trace, profile, atoms: planner.atoms, barriers }
    }

    /// Whether a call makes anything durable.
    #[must_use]
    pub fn is_barrier(&self, call: usize) -> bool {
        self.barriers.contains(&call)
    }

    /// The atoms of a call.
    #[must_use]
    pub fn atoms_of(&self, call: usize) -> std::ops::Range<AtomId> {
        let before = |limit| self.atoms.partition_point(|atom| atom.call < limit);
        before(call)..before(call + 1)
    }
}

struct Planner<'p> {
    profile: &'p Profile,
    atoms: Vec<Atom>,
    call: usize,
    lengths: HashMap<Node, u64>,
    /// What a sync of the file makes durable, and was not yet.
    unsynced_bytes: HashMap<Node, Vec<AtomId>>,
    /// Changes of names, and of lengths where those are in one order with them.
    unsynced_names: Vec<AtomId>,
    last_in_order: Option<AtomId>,
    /// The last atom on each unit of each file.
    on_unit: HashMap<Node, BTreeMap<u64, AtomId>>,
    last_change: HashMap<Node, usize>,
    grown: HashSet<Node>,
}

impl<'p> Planner<'p> {
    fn new(profile: &'p Profile) -> Self {
        Self {
            profile,
            atoms: Vec::new(),
            call: 0,
            lengths: HashMap::new(),
            unsynced_bytes: HashMap::new(),
            unsynced_names: Vec::new(),
            last_in_order: None,
            on_unit: HashMap::new(),
            last_change: HashMap::new(),
            grown: HashSet::new(),
        }
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Make { node, place, .. } => {
                self.grown.insert(*node);
                self.lengths.insert(*node, 0);
                if let Some(place) = place {
                    self.names(vec![(place.clone(), Some(*node))], vec![*node], Vec::new());
                }
            }
            Effect::Link { node, place } => {
                self.names(vec![(place.clone(), Some(*node))], vec![*node], Vec::new());
            }
            Effect::Unlink { node, place } => {
                self.names(vec![(place.clone(), None)], vec![*node], Vec::new());
            }
            Effect::Rename { node, from, to, replaces } => {
                self.rename(*node, from, to, *replaces);
            }
            Effect::Exchange { one, other } => {
                let changes = vec![(other.1.clone(), Some(one.0)), (one.1.clone(), Some(other.0))];
                self.names(changes, vec![one.0, other.0], Vec::new());
            }
            Effect::Write { node, at, data, durable } => self.write(*node, *at, *data, *durable),
            Effect::Length { node, len } => self.length(*node, *len),
            Effect::Zero { node, at, len } => {
                let change = Change::Zero { node: *node, at: *at, len: *len };
                self.push(change, Vec::new(), vec![*node], Vec::new());
            }
            Effect::Sync { node, data_only } => self.sync(*node, *data_only),
            Effect::SyncFailed { node } if self.profile.failed_sync_forgets => {
                self.unsynced_bytes.remove(node);
            }
            Effect::SyncAll => {
                let bytes = std::mem::take(&mut self.unsynced_bytes).into_values().flatten();
                let names = std::mem::take(&mut self.unsynced_names);
                bytes.chain(names).for_each(|atom| self.make_durable(atom));
            }
            Effect::SyncFailed { .. } | Effect::Mode { .. } | Effect::Said { .. } => {}
        }
    }

    fn rename(&mut self, node: Node, from: &Place, to: &Place, replaces: Option<Node>) {
        let needs = match replaces {
            Some(_) if self.profile.replace_waits_for_bytes => {
                self.unsynced_bytes.get(&node).cloned().unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let (add, remove) = ((to.clone(), Some(node)), (from.clone(), None));
        if from.dir == to.dir || self.profile.names_in_order {
            self.names(vec![remove, add], vec![node], needs);
        } else {
            // Two directories, two changes: but no file is lost between them.
            let added = self.names(vec![add], vec![node], needs);
            self.names(vec![remove], vec![node], vec![added]);
        }
    }

    fn names(
        &mut self,
        changes: Vec<(Place, Option<Node>)>,
        nodes: Vec<Node>,
        needs: Vec<AtomId>,
    ) -> AtomId {
        let dirs = changes.iter().map(|(place, _)| place.dir).collect();
        self.push(Change::Names(changes), dirs, nodes, needs)
    }

    fn write(&mut self, node: Node, at: u64, data: Blob, durable: bool) {
        let end = at + data.len;
        let length = self.lengths.entry(node).or_default();
        if end > *length {
            *length = end;
            self.grown.insert(node);
            if self.profile.length_alone {
                let growth = Change::Growth { node, len: end };
                self.push(growth, Vec::new(), vec![node], Vec::new());
            }
        }
        let first = self.atoms.len();
        let unit = self.profile.unit;
        let most = if first < MANY_ATOMS { MOST_PIECES } else { 1 };
        let piece = data.len.div_ceil(most).next_multiple_of(unit).max(unit);
        let mut from = at;
        while from < end {
            let to = (from - from % piece + piece).min(end);
            let bytes = Blob { at: data.at + (from - at), len: to - from };
            let needs = self.needs_of_bytes(node, from, to);
            let atom = self.push(
                Change::Bytes { node, at: from, data: bytes },
                Vec::new(),
                vec![node],
                needs,
            );
            // Where nothing is lost, no unit waits for another.
            if self.profile.units_in_order && !self.profile.completed_survives {
                let units = (from / unit..to.div_ceil(unit)).map(|unit| (unit, atom));
                self.on_unit.entry(node).or_default().extend(units);
            }
            from = to;
        }
        if durable {
            (first..self.atoms.len()).for_each(|atom| self.make_durable(atom));
            self.sync_names(node, true);
        }
    }

    /// What bytes of a file are not there without.
    fn needs_of_bytes(&self, node: Node, from: u64, to: u64) -> Vec<AtomId> {
        let mut needs = Vec::new();
        let unit = self.profile.unit;
        if let Some(on_unit) = self.on_unit.get(&node) {
            needs.extend(on_unit.range(from / unit..to.div_ceil(unit)).map(|(_, atom)| *atom));
        }
        if self.profile.bytes_follow_length {
            let unsynced = self.unsynced_bytes.get(&node).into_iter().flatten();
            needs.extend(unsynced.filter(|atom| {
                matches!(&self.atoms[**atom].change, Change::Length { len, .. } if to > *len)
            }));
        }
        needs.retain(|atom| self.atoms[*atom].durable_at.is_none());
        needs.dedup();
        needs
    }

    fn length(&mut self, node: Node, len: u64) {
        let before = self.lengths.insert(node, len);
        if before != Some(len) {
            self.grown.insert(node);
            self.push(Change::Length { node, len }, Vec::new(), vec![node], Vec::new());
        }
    }

    fn push(
        &mut self,
        change: Change,
        dirs: Vec<Node>,
        nodes: Vec<Node>,
        needs: Vec<AtomId>,
    ) -> AtomId {
        let id = self.atoms.len();
        let is_names = matches!(change, Change::Names(_));
        let is_bytes = matches!(change, Change::Bytes { .. } | Change::Growth { .. });
        let in_order = self.profile.names_in_order && !is_bytes;
        let after = if in_order { self.last_in_order.replace(id) } else { None };
        for node in nodes.iter().chain(&dirs) {
            self.last_change.insert(*node, self.call);
        }
        if !is_names {
            nodes.iter().for_each(|node| self.unsynced_bytes.entry(*node).or_default().push(id));
        }
        if is_names || in_order {
            self.unsynced_names.push(id);
        }
        let durable_at = self.profile.completed_survives.then_some(self.call);
        self.atoms.push(Atom { call: self.call, change, needs, after, durable_at, dirs, nodes });
        id
    }

    fn sync(&mut self, node: Node, data_only: bool) {
        for atom in self.unsynced_bytes.remove(&node).unwrap_or_default() {
            self.make_durable(atom);
        }
        self.make_names_durable(|atom| atom.dirs.contains(&node));
        self.sync_names(node, data_only);
    }

    /// What a sync of a file does to names, its own and others.
    fn sync_names(&mut self, node: Node, data_only: bool) {
        let has_grown = self.grown.remove(&node);
        if data_only && !(has_grown && self.profile.datasync_after_growth) {
            return;
        }
        match self.profile.sync_file {
            SyncFile::Nothing => {}
            SyncFile::OwnNames => self.make_own_names_durable(node),
            SyncFile::Journal => {
                let until = self.last_change.get(&node).copied();
                self.make_names_durable(|atom| Some(atom.call) <= until);
            }
        }
    }

    /// The names of a node, and those of the new directories on the way to it.
    fn make_own_names_durable(&mut self, node: Node) {
        let own =
            |atom: &Atom| matches!(atom.change, Change::Names(_)) && atom.nodes.contains(&node);
        let made = self.make_names_durable(own);
        let dirs: HashSet<Node> =
            made.into_iter().flat_map(|atom| self.atoms[atom].dirs.clone()).collect();
        for dir in dirs {
            self.make_own_names_durable(dir);
        }
    }

    fn make_names_durable(&mut self, which: impl Fn(&Atom) -> bool) -> Vec<AtomId> {
        let names = std::mem::take(&mut self.unsynced_names);
        let (made, left): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|atom| which(&self.atoms[*atom]));
        self.unsynced_names = left;
        made.iter().for_each(|atom| self.make_durable(*atom));
        made
    }

    /// With an atom all becomes durable without which it is not there.
    fn make_durable(&mut self, atom: AtomId) {
        let mut waiting = vec![atom];
        while let Some(id) = waiting.pop() {
            let atom = &mut self.atoms[id];
            if atom.durable_at.is_none() {
                atom.durable_at = Some(self.call);
                waiting.extend(&atom.needs);
                if self.profile.sync_file == SyncFile::Journal {
                    waiting.extend(atom.after);
                }
            }
        }
    }
}
