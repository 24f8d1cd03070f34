//! A stream of Puro for clients that speak Kafka's protocol: what `puro serve` runs.
//!
//! The gateway is one more process that uses the library: it appends as a producer, reads as a
//! consumer, and keeps the positions of groups in the stream. Nothing is kept elsewhere.
//!
//! Read it in this order: [`code`] (Kafka's error codes), [`batch`] (record batches as bytes),
//! [`store`] (the stream, its watermarks, the one thread that appends), [`group`] (groups as plain
//! code), [`transaction`], [`api`] (a file for each family of requests), [`net`] (connections).

#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod api;
pub mod batch;
pub mod code;
pub mod fuzz;
pub mod group;
pub mod limits;
pub mod metrics;
pub mod net;
pub mod store;
pub mod transaction;
