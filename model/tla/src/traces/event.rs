//! Events as the trace modules have them.

use std::fmt::Write as _;

/// What a unit of 64 bytes is: block, part and signal, as in module File.
pub type Unit = (u32, u8, u8);

/// More than any run reaches, for what the specification bounds.
pub const ENOUGH: &str = "99";

/// The set of the numbers from 1 to this one, in TLA+.
pub fn numbers(last: u32) -> String {
    let numbers: Vec<_> = (1..=last).map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(", "))
}

/// One event: the action, who did it, and what was logged of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub op: String,
    pub actor: u32,
    /// A position, in units.
    pub position: i64,
    /// A number: an offset, a size.
    pub number: i64,
    pub word: String,
    /// What is left after a loss of power.
    pub units: Vec<Unit>,
    /// Segments, with the records in them.
    pub offsets: Vec<(u32, Vec<u64>)>,
}

impl Step {
    /// An action of somebody.
    pub fn new(op: &str, actor: u32) -> Self {
        Self { op: op.to_owned(), actor, ..Self::default() }
    }

    #[must_use]
    pub fn at(self, position: i64) -> Self {
        Self { position, ..self }
    }

    #[must_use]
    pub fn number(self, number: i64) -> Self {
        Self { number, ..self }
    }

    #[must_use]
    pub fn word(self, word: &str) -> Self {
        Self { word: word.to_owned(), ..self }
    }

    #[must_use]
    pub fn offsets(self, offsets: Vec<(u32, Vec<u64>)>) -> Self {
        Self { offsets, ..self }
    }

    /// As a record of TLA+; `mutations` are the variants that differ here.
    pub fn tla(&self, mutations: &[usize]) -> String {
        let mut units = String::new();
        for (index, (b, k, s)) in self.units.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let _ = write!(units, "{comma}[b |-> {b}, k |-> {k}, s |-> {s}]");
        }
        let list = |numbers: &[u64]| {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let held = self.offsets.iter();
        let held = held.map(|(n, offsets)| format!("[n |-> {n}, r |-> <<{}>>]", list(offsets)));
        let held = held.collect::<Vec<_>>().join(", ");
        let mutations: Vec<_> = mutations.iter().map(ToString::to_string).collect();
        let mutations = mutations.join(", ");
        let Self { op, actor, position, number, word, .. } = self;
        format!(
            "[op |-> \"{op}\", a |-> {actor}, p |-> {position}, n |-> {number}, \
             l |-> \"{word}\", u |-> <<{units}>>, r |-> <<{held}>>, m |-> {{{mutations}}}]"
        )
    }
}
