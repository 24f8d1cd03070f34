//! The graph of a configuration of `spec/Segment.tla`, as TLC dumps it with
//! `-dump dot,actionlabels`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::BufRead;

use super::picture::Picture;
use super::value::{Parser, Value};

/// Who takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A writer, counted from 0.
    Writer(usize),
    /// A reader, counted from 0.
    Reader(usize),
    /// The machine: it loses its power.
    Machine,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The state before.
    pub from: usize,
    /// The state after.
    pub to: usize,
    /// The action.
    pub label: String,
    /// Who takes it.
    pub actor: Actor,
}

/// All states that can be reached, and the steps between them.
pub struct Graph {
    /// The states; the first is where all begins.
    pub states: Vec<Picture>,
    /// The steps, by their state before.
    pub edges: Vec<Edge>,
    /// For each state the steps from it: the first, and the one behind the last.
    from: Vec<(usize, usize)>,
    who_put_zeros: BTreeSet<Actor>,
}

impl Graph {
    /// Reads a dumped graph.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn read(dump: impl BufRead) -> Result<Self, String> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut states, mut steps, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for line in dump.lines() {
            let line = line.map_err(|error| error.to_string())?;
            let Some((id, rest)) = line.split_once(' ') else { continue };
            if id.parse::<i64>().is_err() {
                continue;
            }
            let told = || format!("cannot read: {}", line.chars().take(200).collect::<String>());
            if let Some(rest) = rest.strip_prefix("-> ") {
                let (to, rest) = rest.split_once(" [label=\"").ok_or_else(told)?;
                let (label, _) = rest.split_once('"').ok_or_else(told)?;
                if seen.insert((id.to_owned(), to.to_owned(), label.to_owned())) {
                    steps.push((id.to_owned(), to.to_owned(), label.to_owned()));
                }
            } else {
                let label = rest.strip_prefix("[label=\"").ok_or_else(told)?;
                let (label, _) = label.rsplit_once("\"").ok_or_else(told)?;
                let label = label.strip_suffix("\",style = filled").unwrap_or(label);
                numbers.insert(id.to_owned(), states.len());
                states.push(picture(&unescape(label))?);
            }
        }
        Self::new(states, &numbers, steps)
    }

    fn new(
        states: Vec<Picture>,
        numbers: &HashMap<String, usize>,
        steps: Vec<(String, String, String)>,
    ) -> Result<Self, String> {
        let mut edges = Vec::new();
        for (from, to, label) in steps {
            let number = |id: &str| numbers.get(id).copied().ok_or(format!("no state {id}"));
            let (from, to) = (number(&from)?, number(&to)?);
            let actor = actor(&states[from], &states[to])
                .ok_or_else(|| format!("{label} from state {from} to {to}: whose step is it?"))?;
            edges.push(Edge { from, to, label, actor });
        }
        edges.sort_by_key(|edge| edge.from);
        let mut from = vec![(0, 0); states.len()];
        for (i, edge) in edges.iter().enumerate() {
            let range = &mut from[edge.from];
            if range.0 == range.1 {
                range.0 = i;
            }
            range.1 = i + 1;
        }
        let zeros = edges.iter().filter(|edge| edge.label == "PutZeros");
        let who_put_zeros = zeros.map(|edge| edge.actor).collect();
        Ok(Self { states, edges, from, who_put_zeros })
    }

    /// Whether a writer ever puts zeros behind the end.
    pub fn puts_zeros(&self, writer: usize) -> bool {
        self.who_put_zeros.contains(&Actor::Writer(writer))
    }

    /// The numbers of the steps from a state.
    pub fn steps_from(&self, state: usize) -> std::ops::Range<usize> {
        let (first, end) = self.from[state];
        first..end
    }
}

/// In a quoted label, a backslash stands before a backslash, a quote, and the n of a new line.
fn unescape(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    let mut chars = label.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// A state from its text, `/\ name = value` for each variable.
fn picture(text: &str) -> Result<Picture, String> {
    let mut parser = Parser::new(text);
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    while parser.passes("/\\") {
        let name = parser.name().ok_or("a variable without a name")?;
        let value = if parser.passes("=") { parser.value() } else { None };
        values.insert(name, value.ok_or_else(|| format!("cannot read {name} in {text}"))?);
    }
    Picture::new(&values)
}

/// Whose step leads from one state to another: each step changes something of one actor
/// alone, but for a loss of power, and for zeros, which whoever holds the lock puts.
fn actor(before: &Picture, after: &Picture) -> Option<Actor> {
    if before.boot != after.boot {
        return Some(Actor::Machine);
    }
    let writers = (0..before.pc.len()).filter(|writer| before.writer_moves(after, *writer));
    let readers = (0..before.rd.len()).filter(|reader| before.rd[*reader] != after.rd[*reader]);
    let mut movers = writers.map(Actor::Writer).chain(readers.map(Actor::Reader));
    let holder = || before.lock.checked_sub(1).map(|writer| Actor::Writer(writer.into()));
    let mover = movers.next().or_else(holder)?;
    movers.next().is_none().then_some(mover)
}
