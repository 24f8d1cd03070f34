//! Does a program survive a crash?
//!
//! A program is recorded while it works in a directory ([`record`]); a profile says what a crash
//! could leave of that ([`model`]); each such directory is given to a checker ([`check`]); and of
//! the many that fail, the few reasons are told ([`finding`], [`report`]).
//!
//! The program `puro-crash` is the way to use it; see the README.

mod alarm;
pub mod check;
pub mod error;
pub mod faults;
pub mod finding;
pub mod model;
pub mod progress;
pub mod record;
pub mod report;
pub mod trace;
