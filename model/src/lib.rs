//! Worlds in which the code of puro is checked.

pub mod fuzz;
