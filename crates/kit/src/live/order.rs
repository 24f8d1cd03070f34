//! The order of calls: of writes, signals, syncs and names (A-8, A-9, A-11, V-3 to V-7, X-4, X-5).

use std::collections::HashMap;

use puro::internals::block::{Block, BlockKind, BlockStart, Place};
use puro::internals::codec::get_u32;
use puro_crash::trace::{Effect, Kind, Node, ROOT, Trace};

use super::scenarios::Rule;

/// Something that was done, as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// Bytes of a segment under its own name that are no signal.
    Wrote { node: Node, at: u64, high: bool },
    /// The signal of a block, and whether that is whole by then.
    Signal { node: Node, at: u64, whole: bool, kind: Option<BlockKind>, raise: bool },
    /// Bytes of any other file.
    Filled { node: Node },
    /// A file is cut.
    Cut { node: Node },
    /// A sync.
    Sync { node: Node },
    /// A segment gets its name.
    Named { node: Node, sequence: u32 },
    /// A file or a directory is made.
    Made { node: Node, name: String, dir: bool },
    /// An answer.
    Answered,
}

/// The clauses that rules are of.
pub fn clauses(rules: &[Rule]) -> Vec<&'static str> {
    let of = |rule: &Rule| -> &[&str] {
        match rule {
            Rule::SignalLast => &["A-8", "A-9"],
            Rule::SyncBeforeAnswer => &["A-11"],
            Rule::SealSynced => &["V-3"],
            Rule::MadeAside => &["V-4", "F-45"],
            Rule::NameSynced => &["V-5"],
            Rule::SavedFirst => &["X-4"],
            Rule::CutSynced => &["X-5"],
            Rule::RaiseSynced => &["E-3"],
            Rule::NamesFirst => &["V-7"],
            Rule::ParentSynced => &["O-1"],
        }
    };
    rules.iter().flat_map(|rule| of(rule).iter().copied()).collect()
}

/// Whether all rules are kept.
pub fn judge(trace: &Trace, rules: &[Rule]) -> Result<(), String> {
    let seen = Seen::of(trace);
    rules.iter().try_for_each(|rule| seen.keeps(*rule).map_err(|why| format!("{rule:?}: {why}")))
}

/// The sequence of a segment's name.
fn sequence(name: &str) -> Option<u32> {
    name.strip_suffix(".puro").filter(|digits| digits.len() == 10)?.parse().ok()
}

/// What was seen, and who is who.
struct Seen {
    events: Vec<Event>,
    /// Segments that were there before, by their numbers.
    base: HashMap<u32, Node>,
    stream: Option<Node>,
}

/// Names and bytes while a trace goes on.
struct World<'t> {
    trace: &'t Trace,
    names: HashMap<Node, String>,
    bytes: HashMap<Node, Vec<u8>>,
    events: Vec<Event>,
}

impl Seen {
    fn of(trace: &Trace) -> Self {
        let mut world =
            World { trace, names: HashMap::new(), bytes: HashMap::new(), events: Vec::new() };
        let (mut base, mut stream) = (HashMap::new(), None);
        for node in &trace.header.base {
            for place in &node.places {
                world.names.insert(node.node, place.name.clone());
                sequence(&place.name).map(|number| base.insert(number, node.node));
                if place.dir == ROOT && place.name == "stream" {
                    stream = Some(node.node);
                }
            }
            world.bytes.insert(node.node, trace.bytes(node.data).to_vec());
        }
        for effect in trace.calls.iter().flat_map(|call| &call.effects) {
            world.take(effect);
            if let Effect::Make { node, place: Some(place), .. } = effect
                && place.dir == ROOT
                && place.name == "stream"
            {
                stream = Some(*node);
            }
        }
        Self { events: world.events, base, stream }
    }

    fn keeps(&self, rule: Rule) -> Result<(), String> {
        match rule {
            Rule::SignalLast => self.signal_last(),
            Rule::SyncBeforeAnswer => self.sync_before_answer(),
            Rule::SealSynced => self.seal_synced(),
            Rule::MadeAside => self.made_aside(),
            Rule::NameSynced => self.name_synced(),
            Rule::SavedFirst => self.saved_first(),
            Rule::CutSynced => self.cut_synced(),
            Rule::RaiseSynced => self.raise_synced(),
            Rule::NamesFirst => self.names_first(),
            Rule::ParentSynced => self.parent_synced(),
        }
    }

    fn places(&self, is: impl Fn(&Event) -> bool) -> Vec<usize> {
        let found = self.events.iter().enumerate().filter(|(_, event)| is(event));
        found.map(|(at, _)| at).collect()
    }

    /// Whether something is between two places.
    fn between(&self, from: usize, to: usize, is: impl Fn(&Event) -> bool) -> bool {
        self.events.get(from..to).is_some_and(|part| part.iter().any(is))
    }

    fn answer(&self) -> usize {
        let answered = self.places(|event| *event == Event::Answered);
        answered.first().copied().unwrap_or(self.events.len())
    }

    fn signal_last(&self) -> Result<(), String> {
        let mut signals = 0;
        for event in &self.events {
            match event {
                Event::Wrote { at, high: true, .. } => {
                    return Err(format!("the block at {at} was written with its signal (A-8)"));
                }
                Event::Signal { at, whole: false, .. } => {
                    return Err(format!("the signal at {at} came before the block (A-9)"));
                }
                Event::Signal { .. } => signals += 1,
                _ => {}
            }
        }
        if signals > 0 { Ok(()) } else { Err("no signal was written by itself (A-9)".to_owned()) }
    }

    fn sync_before_answer(&self) -> Result<(), String> {
        let signals = self.places(|event| matches!(event, Event::Signal { .. }));
        let last = *signals.last().ok_or("no block was written")?;
        let Event::Signal { node: of, .. } = &self.events[last] else { return Ok(()) };
        let synced = self.between(last, self.answer(), |e| *e == Event::Sync { node: *of });
        if synced {
            Ok(())
        } else {
            Err("no sync between the signal and the answer (A-11)".to_owned())
        }
    }

    /// Where a segment gets its name, which one it is, and its number.
    fn named(&self) -> Result<(usize, Node, u32), String> {
        let found = self.events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Named { node, sequence } => Some((at, *node, *sequence)),
            _ => None,
        });
        found.ok_or_else(|| "no segment got its name by a rename (V-5)".to_owned())
    }

    fn seal_synced(&self) -> Result<(), String> {
        let (named, _, sequence) = self.named()?;
        let before = sequence.checked_sub(1).and_then(|before| self.base.get(&before));
        let before = *before.ok_or("it follows no segment")?;
        let written = self.places(|event| {
            matches!(event, Event::Signal { node, .. } | Event::Wrote { node, .. } if *node == before)
        });
        let last = written.into_iter().rfind(|at| *at < named).unwrap_or(0);
        let synced = self.between(last, named, |event| *event == Event::Sync { node: before });
        if synced { Ok(()) } else { Err("the segment end was not synced before (V-3)".to_owned()) }
    }

    fn made_aside(&self) -> Result<(), String> {
        let (named, node, _) = self.named()?;
        let made = self.places(|event| {
            matches!(event, Event::Made { node: made, name, .. } if *made == node && name.ends_with(".new"))
        });
        if made.is_empty() {
            return Err("it was not made anew under a temporary name (V-4, F-45)".to_owned());
        }
        let filled = self.places(|event| *event == Event::Filled { node });
        let last = filled.into_iter().rfind(|at| *at < named).ok_or("it was empty")?;
        let synced = self.between(last, named, |event| *event == Event::Sync { node });
        if synced {
            Ok(())
        } else {
            Err("it was not synced before it got its name (V-4)".to_owned())
        }
    }

    fn name_synced(&self) -> Result<(), String> {
        let (named, node, _) = self.named()?;
        let stream = self.stream.ok_or("no directory")?;
        let used = self.places(|event| {
            matches!(event, Event::Wrote { node: of, .. } | Event::Signal { node: of, .. } if *of == node)
                || *event == Event::Answered
        });
        let next = used.into_iter().find(|at| *at > named).unwrap_or(self.events.len());
        let synced = self.between(named, next, |event| *event == Event::Sync { node: stream });
        if synced { Ok(()) } else { Err("the directory was not synced behind it (V-5)".to_owned()) }
    }

    fn cut(&self) -> Result<(usize, Node), String> {
        let found = self.events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Cut { node } => Some((at, *node)),
            _ => None,
        });
        found.ok_or_else(|| "nothing was cut (X-5)".to_owned())
    }

    fn saved_first(&self) -> Result<(), String> {
        let (cut, _) = self.cut()?;
        let made = |dir_wanted: bool, fits: &dyn Fn(&str) -> bool| {
            self.events[..cut].iter().find_map(|event| match event {
                Event::Made { node, name, dir } if *dir == dir_wanted && fits(name) => Some(*node),
                _ => None,
            })
        };
        let tail = made(false, &|name| name.contains(".tail")).ok_or("no tail was saved before")?;
        let lost = made(true, &|name| name == "lost").ok_or("`lost` was not made")?;
        let filled = self.places(|event| *event == Event::Filled { node: tail });
        let last = filled.into_iter().rfind(|at| *at < cut).ok_or("nothing was saved before")?;
        for (node, what) in
            [(tail, "the tail"), (lost, "lost/"), (self.stream.unwrap_or(ROOT), "the directory")]
        {
            if !self.between(last, cut, |event| *event == Event::Sync { node }) {
                return Err(format!("{what} was not synced before the cut (X-4)"));
            }
        }
        Ok(())
    }

    fn cut_synced(&self) -> Result<(), String> {
        let (cut, node) = self.cut()?;
        let next = self.next_use(cut, node);
        let synced = self.between(cut, next, |event| *event == Event::Sync { node });
        if synced { Ok(()) } else { Err("the cut was not synced (X-5)".to_owned()) }
    }

    /// Where something is written to a segment next, or answered.
    fn next_use(&self, from: usize, node: Node) -> usize {
        let used = self.places(|event| {
            matches!(event, Event::Wrote { node: of, .. } | Event::Signal { node: of, .. } if *of == node)
                || *event == Event::Answered
        });
        used.into_iter().find(|at| *at > from).unwrap_or(self.events.len())
    }

    fn raise_synced(&self) -> Result<(), String> {
        let raised = self.events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Signal { node, raise: true, .. } => Some((at, *node)),
            _ => None,
        });
        let (raised, node) = raised.ok_or("no epoch was raised (E-2, X-6)")?;
        let next = self.next_use(raised, node);
        let synced = self.between(raised, next, |event| *event == Event::Sync { node });
        if synced { Ok(()) } else { Err("the raise was not synced (E-3)".to_owned()) }
    }

    fn names_first(&self) -> Result<(), String> {
        let written = self.places(|event| matches!(event, Event::Wrote { .. }));
        let first = *written.first().ok_or("no block was written")?;
        let stream = self.stream.ok_or("no directory")?;
        let synced = self.between(0, first, |event| *event == Event::Sync { node: stream });
        if synced { Ok(()) } else { Err("the directory was not synced first (V-7)".to_owned()) }
    }

    fn parent_synced(&self) -> Result<(), String> {
        let (named, ..) = self.named()?;
        let made = self.places(
            |event| matches!(event, Event::Made { name, dir: true, .. } if name == "stream"),
        );
        let made = *made.first().ok_or("the directory was not made")?;
        let synced = self.between(made, named, |event| *event == Event::Sync { node: ROOT });
        if synced { Ok(()) } else { Err("the parent was not synced before (O-1)".to_owned()) }
    }
}

impl World<'_> {
    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Make { node, kind, place, .. } => {
                let name = place.as_ref().map(|place| place.name.clone()).unwrap_or_default();
                self.names.insert(*node, name.clone());
                self.events.push(Event::Made { node: *node, name, dir: *kind == Kind::Dir });
            }
            Effect::Rename { node, to, .. } => {
                self.names.insert(*node, to.name.clone());
                if let Some(sequence) = sequence(&to.name) {
                    self.events.push(Event::Named { node: *node, sequence });
                }
            }
            Effect::Write { node, at, data, .. } => self.write(*node, *at, self.trace.bytes(*data)),
            Effect::Length { node, len } => {
                let bytes = self.bytes.entry(*node).or_default();
                let cut = (*len as usize) < bytes.len();
                bytes.resize(*len as usize, 0);
                if cut {
                    self.events.push(Event::Cut { node: *node });
                }
            }
            Effect::Sync { node, .. } => self.events.push(Event::Sync { node: *node }),
            Effect::Said { .. } => self.events.push(Event::Answered),
            _ => {}
        }
    }

    fn write(&mut self, node: Node, at: u64, data: &[u8]) {
        let bytes = self.bytes.entry(node).or_default();
        let end = at as usize + data.len();
        bytes.resize(bytes.len().max(end), 0);
        bytes[at as usize..end].copy_from_slice(data);
        let is_segment = self.names.get(&node).is_some_and(|name| sequence(name).is_some());
        if !is_segment {
            self.events.push(Event::Filled { node });
            return;
        }
        let starts = at.is_multiple_of(64);
        if starts && data == [0xa5] {
            let header_crc = get_u32(bytes, 60).unwrap_or_default();
            let place = Place { header_crc, position: at };
            let rest = bytes.get(at as usize..).unwrap_or_default();
            let start = BlockStart::decode(rest, place).ok();
            let whole = start.is_some_and(|start| Block::verify(rest, start).is_ok());
            let raise = start.is_some_and(|start| {
                start.kind == BlockKind::Records && start.record_count == 0 && start.has_control
            });
            let kind = start.map(|start| start.kind);
            self.events.push(Event::Signal { node, at, whole, kind, raise });
        } else {
            let high = starts && data.first() == Some(&0xa5) && data.len() > 1;
            self.events.push(Event::Wrote { node, at, high });
        }
    }
}
