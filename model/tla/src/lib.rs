//! Runs the TLA+ modules of `spec/` through two independent checkers, compares
//! what they found, and breaks the modules on purpose to see them refuted.
//!
//! - [`config`]: the configurations, one per question, and what their comments say;
//! - [`inner`]: the checker that runs in this process (crate `tla-checker`);
//! - [`tlc`]: TLC, from the jar inside a pinned PyPI package;
//! - [`mutants`]: the list of mutants, and their matrix;
//! - [`walk`]: every step of a graph, taken by the shipped code;
//! - [`clauses`]: which clause of the protocol is which operator, on both sides;
//! - [`page`]: the tables that are written into pages between markers.

pub mod clauses;
pub mod config;
pub mod inner;
pub mod mutants;
pub mod page;
pub mod tlc;
pub mod traces;
pub mod walk;

/// What a checker says of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every property holds in every reachable state.
    Passed,
    /// The property of this name does not hold ("deadlock" and "temporal" where
    /// the checker gives no name).
    Refuted(String),
    /// The checker could not do its work.
    Broken(String),
}

/// The result of one run of one checker on one configuration.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub verdict: Verdict,
    pub states: u64,
    pub depth: u64,
    pub seconds: f64,
}
