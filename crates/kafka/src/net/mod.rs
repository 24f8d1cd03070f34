//! Connections: who may come, what they may cost, and how they end.

mod connection;
mod frame;
mod listen;
mod scrape;
mod shape;

pub use self::listen::{listen, serve};
pub use self::scrape::scrape;
pub use self::shape::fits;
#[cfg(test)]
pub(crate) use self::shape::tests::sample;
