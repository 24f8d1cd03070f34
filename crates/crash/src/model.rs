//! The persistence model: which directories a crash could have left of what was recorded.

pub mod content;
pub mod disk;
pub mod explore;
pub mod plan;
pub mod profile;
pub mod random;
pub mod stage;
pub mod state;
mod without;
