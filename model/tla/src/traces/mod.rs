//! Runs of the real thing become TLA+ modules, and the checker must find each to be a
//! behaviour of the specification, to its last event.
//!
//! - [`event`]: an event as the modules have it, and how it is written in TLA+;
//! - [`segment`], ...: what one module of the specification sees of a run;
//! - [`family`]: many runs and mutations of them in one module, and what TLC says of each;
//! - [`mutate`]: mutations of one event.

pub mod event;
pub mod family;
pub mod mutate;
pub mod segment;
