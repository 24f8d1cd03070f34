//! Streams for programs that are `async`, whatever their executor (feature `async`).
//!
//! Files cannot be waited for as sockets can: to read or to sync one takes a thread for as long as
//! the disk takes. So a [`Records`] and an [`AsyncProducer`] have a thread each, which wakes the
//! task that waits. No executor is ever blocked, and none is needed: there are no timers, and no
//! runtime behind.
//!
//! Who has an event loop of his own, and wants no threads, takes a
//! [`Watcher`](crate::Watcher) instead.

mod producer;
mod records;

pub use self::producer::{Append, AsyncProducer};
pub use self::records::Records;
