//! Does a port of Puro do what the specification says? See `spec/kit.md`.

pub mod check;
pub mod driver;
pub mod live;
pub mod mix;
pub mod vectors;
