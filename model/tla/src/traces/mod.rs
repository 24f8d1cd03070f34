//! Runs of the real thing become TLA+ modules, and the checker must find each to be a
//! behaviour of the specification, to its last event.
//!
//! - [`event`]: an event as the modules have it, and how it is written in TLA+;
//! - [`segment`], [`stream`], [`steward`], [`state`], [`locks`]: what one module of the specification
//!   sees of a run;
//! - [`family`]: many runs and mutations of them in one module, and what TLC says of each;
//! - [`mutate`]: mutations of one event;
//! - [`runs`]: the runs of CI;
//! - [`campaign`]: what must come of them.
//!
//! A run passes when TLC prints that it came to its end: a run that gets stuck, for whatever
//! reason, does not pass. `tests/traces.rs` asks the checker that needs no Java about short runs.
//! Mutations share the states before their edit with the run they are of.

pub mod campaign;
pub mod event;
pub mod family;
pub mod locks;
pub mod mutate;
pub mod runs;
pub mod segment;
pub mod state;
pub mod steward;
pub mod stream;
