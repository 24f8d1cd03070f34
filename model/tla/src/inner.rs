//! The checker that needs no Java: crate `tla-checker`, in this process.

use crate::config::Config;
use crate::{Outcome, Verdict};
use std::path::Path;
use std::time::Instant;
use tla_checker::checker::{CheckResult, CheckStats, check, format_eval_error};
use tla_checker::load::prepare_from_path;

/// Far above what any configuration marked `both` needs. Hitting one is an error.
const MAX_STATES: usize = 20_000_000;
const MAX_DEPTH: usize = 1_000_000;

/// Checks one configuration, on a thread with a stack that deep recursion fits in.
pub fn run(dir: &Path, config: &Config) -> Outcome {
    let (spec, cfg) =
        (dir.join(format!("{}.tla", config.name)), dir.join(format!("{}.cfg", config.name)));
    let config = config.clone();
    let worker = std::thread::Builder::new().stack_size(1 << 28).spawn(move || {
        let start = Instant::now();
        let (verdict, states, depth) = match prepare_from_path(&spec, Some(&cfg), &[]) {
            Err(error) => (Verdict::Broken(error.to_string()), 0, 0),
            Ok(mut prepared) => {
                prepared.checker_config.max_states = MAX_STATES;
                prepared.checker_config.max_depth = MAX_DEPTH;
                prepared.checker_config.allow_deadlock = !config.deadlock;
                prepared.checker_config.quiet = true;
                judge(&config, check(&prepared.spec, &prepared.domains, &prepared.checker_config))
            }
        };
        Outcome { verdict, states, depth, seconds: start.elapsed().as_secs_f64() }
    });
    match worker.map(|w| w.join()) {
        Ok(Ok(outcome)) => outcome,
        _ => Outcome {
            verdict: Verdict::Broken("the checker panicked".into()),
            states: 0,
            depth: 0,
            seconds: 0.0,
        },
    }
}

fn judge(config: &Config, result: CheckResult) -> (Verdict, u64, u64) {
    let seen = |s: &CheckStats| (s.states_explored as u64, s.max_depth_reached as u64);
    let (verdict, (states, depth)) = match result {
        CheckResult::Ok(s) => (Verdict::Passed, seen(&s)),
        CheckResult::InvariantViolation(c, s) => {
            let name = config.invariants.get(c.violated_invariant).cloned();
            (Verdict::Refuted(name.unwrap_or_else(|| "invariant".into())), seen(&s))
        }
        CheckResult::PropertyViolation(p, s) => {
            (Verdict::Refuted(p.property.to_string()), seen(&s))
        }
        CheckResult::LivenessViolation(_, s) => (Verdict::Refuted("temporal".into()), seen(&s)),
        CheckResult::Deadlock(_, _, s) => (Verdict::Refuted("deadlock".into()), seen(&s)),
        CheckResult::MaxStatesExceeded(s) | CheckResult::MaxDepthExceeded(s) => {
            (Verdict::Broken("a bound of the checker was hit".into()), seen(&s))
        }
        CheckResult::InitError(e)
        | CheckResult::NextError(e, ..)
        | CheckResult::InvariantError(e, ..) => (Verdict::Broken(format_eval_error(&e)), (0, 0)),
        other => {
            let text: String = format!("{other:?}").chars().take(400).collect();
            (Verdict::Broken(text), (0, 0))
        }
    };
    (verdict, states, depth)
}
