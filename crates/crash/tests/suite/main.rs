//! The program as its users have it, and the model under hand-made traces.

mod attacks;
mod ci;
mod common;
mod faults;
mod images;
mod model;
mod recorder;
mod replace;
mod reports;
mod twice;
