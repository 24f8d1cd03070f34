//! Bytes only: what stands in a file, and what it means (spec/format.md). No files, no locks.

pub mod block;
pub mod chain;
pub mod codec;
pub mod header;
pub mod layout;
pub mod record;
pub mod settings;
pub mod state;
pub mod sure;
pub mod token;
pub mod topics;
