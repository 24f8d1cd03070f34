//! What the bindings of Puro have in common: one list of codes for all that can go wrong, and
//! consumers with or without a name behind one type.

mod code;
mod reader;
mod trouble;

pub use code::{Blame, Code};
pub use reader::{Reader, ReaderOptions};
pub use trouble::Trouble;
