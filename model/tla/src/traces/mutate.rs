//! Mutations of one event of a run: none of them should still be a behaviour.

use puro_model::generate::Rng;

use super::event::Step;

/// What becomes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing.
    None,
    /// An event is missing.
    Drop(usize),
    /// An event and the next one come in the other order.
    Swap(usize),
    /// An event says something else.
    Change(usize, Step),
}

impl Edit {
    /// The first event that it changes.
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Drop(at) | Self::Swap(at) | Self::Change(at, _) => Some(*at),
        }
    }

    /// As a record of TLA+, of the run with this number.
    pub fn tla(&self, run: usize) -> String {
        let none = Step::default();
        let (kind, at, to) = match self {
            Self::None => ("none", 0, &none),
            Self::Drop(at) => ("drop", *at, &none),
            Self::Swap(at) => ("swap", *at, &none),
            Self::Change(at, to) => ("change", *at, to),
        };
        format!("[run |-> {run}, kind |-> \"{kind}\", at |-> {}, to |-> {}]", at + 1, to.tla(&[]))
    }
}

/// Which fields of an event the module compares with the model.
pub trait Meaning {
    /// Whether the event changes the state of the model in a way that later events depend on.
    fn matters(&self, steps: &[Step], at: usize) -> bool;
    /// Whether two neighbours depend on each other.
    fn depend(&self, first: &Step, second: &Step) -> bool;
    /// The same event with another value that was logged; `None` if nothing was.
    fn changed(&self, step: &Step, rng: &mut Rng) -> Option<Step>;
}

/// So many mutations of a run, all different, determined by the seed.
pub fn mutations(steps: &[Step], meaning: &dyn Meaning, count: usize, seed: u64) -> Vec<Edit> {
    let mut rng = Rng::new(seed);
    let mut found = Vec::new();
    for _ in 0..count * 200 {
        if found.len() >= count {
            break;
        }
        let at = rng.below(steps.len() as u64) as usize;
        let edit = match rng.below(3) {
            0 => meaning.matters(steps, at).then_some(Edit::Drop(at)),
            1 => {
                let next = steps.get(at + 1);
                let depend = next.is_some_and(|next| meaning.depend(&steps[at], next));
                depend.then_some(Edit::Swap(at))
            }
            _ => meaning.changed(&steps[at], &mut rng).map(|to| Edit::Change(at, to)),
        };
        found.extend(edit.filter(|edit| !found.contains(edit)));
    }
    found
}
