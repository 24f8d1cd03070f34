//! Paths from the first state that together contain every step.
//!
//! Running code cannot be taken back to where it was, so every path begins anew. A path
//! goes the shortest way to a step that no path has yet, and from there on over such
//! steps for as long as there is one near.

use std::collections::{HashMap, VecDeque};

use super::graph::Graph;

/// Steps, each from where the one before leads to.
pub type Path = Vec<usize>;

/// How far a path looks for a further step that no path has.
const NEAR: usize = 5;
/// Longest path: readers may go round in circles.
const LONGEST: usize = 120;

/// The paths.
pub fn paths(graph: &Graph) -> Vec<Path> {
    let before = shortest(graph);
    let mut done = vec![false; graph.edges.len()];
    let mut paths = Vec::new();
    // Those nearest to the beginning first: a path that begins there can go on longest.
    let mut order: Vec<usize> = (0..graph.edges.len()).collect();
    order.sort_by_key(|edge| before[graph.edges[*edge].from].1);
    for first in order {
        if done[first] {
            continue;
        }
        let mut path = way_to(graph, &before, graph.edges[first].from);
        path.push(first);
        for step in &path {
            done[*step] = true;
        }
        while path.len() < LONGEST
            && let Some(more) = nearest(graph, &done, graph.edges[path[path.len() - 1]].to)
        {
            for step in &more {
                done[*step] = true;
            }
            path.extend(more);
        }
        paths.push(path);
    }
    paths
}

/// For each state the last step of a shortest way to it, and how long that is.
fn shortest(graph: &Graph) -> Vec<(Option<usize>, usize)> {
    let mut found = vec![(None, usize::MAX); graph.states.len()];
    found[0].1 = 0;
    let mut queue = VecDeque::from([0]);
    while let Some(state) = queue.pop_front() {
        for step in graph.steps_from(state) {
            let to = graph.edges[step].to;
            if found[to].1 == usize::MAX {
                found[to] = (Some(step), found[state].1 + 1);
                queue.push_back(to);
            }
        }
    }
    found
}

fn way_to(graph: &Graph, before: &[(Option<usize>, usize)], mut state: usize) -> Path {
    let mut path = Vec::new();
    while let Some(step) = before[state].0 {
        path.push(step);
        state = graph.edges[step].from;
    }
    path.reverse();
    path
}

/// The shortest way from a state over a step that is not done yet, if there is one near.
fn nearest(graph: &Graph, done: &[bool], state: usize) -> Option<Path> {
    let mut before: HashMap<usize, Option<usize>> = HashMap::from([(state, None)]);
    let mut queue = VecDeque::from([(state, 0)]);
    while let Some((at, depth)) = queue.pop_front() {
        for step in graph.steps_from(at) {
            if !done[step] {
                let mut path = vec![step];
                let mut at = at;
                while let Some(step) = before[&at] {
                    path.push(step);
                    at = graph.edges[step].from;
                }
                path.reverse();
                return Some(path);
            }
            let to = graph.edges[step].to;
            if depth + 1 < NEAR && !before.contains_key(&to) {
                before.insert(to, Some(step));
                queue.push_back((to, depth + 1));
            }
        }
    }
    None
}
