//! Processes that die, and those that go on beside them. The children are this very program,
//! told to run one test (`real::again`). While one is started it has a copy of every descriptor,
//! and so of every lock, until its exec: what asks whether a lock is free at this very moment
//! has a program of its own (`steward_processes`).

#[path = "../common/real.rs"]
mod real;
#[path = "../common/steward.rs"]
mod steward;

mod kill_points;
mod memory;
mod producers;
mod steward_cast;
mod tokens_sqlite;
mod transform;
