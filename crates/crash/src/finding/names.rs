//! What files were called when something happened to them.

use std::collections::HashMap;

use crate::trace::{BaseNode, Call, Effect, Node, Place, ROOT, Trace};

/// The last name of each file at some place of a trace.
pub struct Names(HashMap<Node, Place>);

impl Names {
    /// Before the first call.
    #[must_use]
    pub fn before(trace: &Trace) -> Self {
        let first = |base: &BaseNode| Some((base.node, base.places.first()?.clone()));
        Self(trace.header.base.iter().filter_map(first).collect())
    }

    /// After one more call.
    pub fn step(&mut self, call: &Call) {
        for effect in &call.effects {
            match effect {
                Effect::Make { node, place: Some(place), .. }
                | Effect::Link { node, place }
                | Effect::Rename { node, to: place, .. } => {
                    self.0.insert(*node, place.clone());
                }
                Effect::Exchange { one, other } => {
                    self.0.insert(one.0, other.1.clone());
                    self.0.insert(other.0, one.1.clone());
                }
                _ => {}
            }
        }
    }

    /// The path of a file, whether it still has it or not.
    #[must_use]
    pub fn path(&self, node: Node) -> String {
        match self.0.get(&node) {
            _ if node == ROOT => ".".to_owned(),
            None => format!("<nameless {node}>"),
            Some(place) if place.dir == ROOT => place.name.clone(),
            Some(place) => format!("{}/{}", self.path(place.dir), place.name),
        }
    }
}
