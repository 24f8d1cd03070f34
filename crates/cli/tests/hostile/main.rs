//! A corpus of hostile streams and inputs, made by code: each is tried against every command that
//! could meet it (threat model: SECURITY.md).
//!
//! Whatever it is given, a command
//! - ends with a documented exit code, never by a signal, and does not panic;
//! - takes a second of the processor and 64 MiB at most, unless the case says otherwise;
//! - changes nothing outside the stream; and nothing in it, if it only reads;
//! - says nothing with control characters in it, but for the data that `consume` prints;
//! - tells the truth: a record that was appended can be read, a copy that was made is sound.
//!
//! Each row of the tables says which commands tolerate a case and which refuse it, by which exit
//! code. `PURO_HOSTILE=part of a name` tries only the cases with that in their names.

#![cfg(target_os = "linux")]

mod blocks;
mod bodies;
mod calls;
mod case;
mod commands;
mod control;
mod forge;
mod headers;
mod indexes;
mod lines;
mod names;
mod place;
mod records;
mod rows;
mod run;
mod tails;
