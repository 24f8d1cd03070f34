//! Making a failing state small: delta debugging on what is missing, and then on when.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::plan::{AtomId, Plan};
use crate::model::stage::Stage;
use crate::model::state::State;

/// Earlier places that are tried for a state that is small already.
const EARLIER: usize = 32;

/// The smallest state that was found to fail like `state`.
pub fn shrink(
    plan: &Plan<'_>,
    state: &State,
    mut fails: impl FnMut(&State) -> Result<bool>,
) -> Result<State> {
    let whole = State::complete(state.calls);
    if whole != *state && fails(&whole)? {
        return Ok(whole);
    }
    if state.cut.is_some() {
        return Ok(state.clone());
    }
    let mut stage = Stage::new(plan);
    stage.advance_to(state.calls);
    let mut try_missing = |missing: &[AtomId]| {
        let missing = stage.close(missing.iter().copied());
        fails(&State { missing, ..whole.clone() })
    };
    // Whole calls first: that is what people think in.
    let mut calls: Vec<Vec<AtomId>> = Vec::new();
    for atom in &state.missing {
        let is_same = |last: &&mut Vec<AtomId>| plan.atoms[last[0]].call == plan.atoms[*atom].call;
        match calls.last_mut().filter(is_same) {
            Some(last) => last.push(*atom),
            None => calls.push(vec![*atom]),
        }
    }
    let calls = reduce(calls, |calls| try_missing(&calls.concat()))?;
    let missing = stage.close(calls.concat());
    let small = earlier(plan, State { missing, ..whole }, &mut fails)?;
    let told = in_whole_calls(plan, &small);
    Ok(if told != small && fails(&told)? { told } else { small })
}

/// The same, with all that can be missing of the calls of which something is: that is plainer.
fn in_whole_calls(plan: &Plan<'_>, state: &State) -> State {
    let calls: BTreeSet<usize> = state.missing.iter().map(|atom| plan.atoms[*atom].call).collect();
    let mut stage = Stage::new(plan);
    stage.advance_to(state.calls);
    let whole =
        stage.at_stake().iter().copied().filter(|atom| calls.contains(&plan.atoms[*atom].call));
    State { missing: stage.close(whole), ..state.clone() }
}

/// Delta debugging: removes chunks as long as it still fails, ever smaller ones.
fn reduce<T: Clone>(
    mut parts: Vec<T>,
    mut fails: impl FnMut(&[T]) -> Result<bool>,
) -> Result<Vec<T>> {
    let mut chunk = parts.len() / 2;
    while chunk > 0 {
        let mut from = 0;
        let mut has_shrunk = false;
        while from < parts.len() && parts.len() > 1 {
            let to = (from + chunk).min(parts.len());
            let rest = [&parts[..from], &parts[to..]].concat();
            if !rest.is_empty() && fails(&rest)? {
                parts = rest;
                has_shrunk = true;
            } else {
                from = to;
            }
        }
        chunk = if has_shrunk { chunk.min(parts.len() / 2) } else { chunk / 2 };
    }
    Ok(parts)
}

/// The first crash at which it fails with the same things missing: the call before that decides.
fn earlier(
    plan: &Plan<'_>,
    state: State,
    mut fails: impl FnMut(&State) -> Result<bool>,
) -> Result<State> {
    let last = state.missing.iter().map(|atom| plan.atoms[*atom].call + 1).max();
    let Some(last) = last else { return Ok(state) };
    for calls in (last..state.calls).take(EARLIER) {
        let mut stage = Stage::new(plan);
        stage.advance_to(calls);
        let missing: BTreeSet<AtomId> = stage.close(state.missing.iter().copied());
        let candidate = State { calls, missing, cut: None };
        if fails(&candidate)? {
            return Ok(candidate);
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::reduce;

    #[test]
    fn what_matters_is_left() {
        let all: Vec<u32> = (0..100).collect();
        let both = |parts: &[u32]| Ok(parts.contains(&17) && parts.contains(&83));
        assert_eq!(reduce(all, both).unwrap(), [17, 83]);
    }

    #[test]
    fn something_is_always_left() {
        assert_eq!(reduce(vec![1, 2, 3], |_| Ok(true)).unwrap().len(), 1);
    }
}
