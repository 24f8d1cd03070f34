//! NATS JetStream: out of a stream ([`target`]).

mod batch;
mod message;
mod server;
pub mod target;
