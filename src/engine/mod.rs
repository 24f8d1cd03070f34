//! Files and locks, behind the seam (spec/protocol.md): a stream as processes share it.

pub mod at_end;
pub mod counters;
pub mod cursor;
pub mod dir;
pub mod error;
pub mod hint;
// For tests and the command line, who come through the door.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub mod interpose;
pub mod lock_file;
pub mod maker;
pub mod os;
pub mod reader;
pub mod seek;
pub mod segment;
pub mod skip;
pub mod tail;
pub mod trace;
pub mod vfs;
pub mod walk;
pub mod writer;
