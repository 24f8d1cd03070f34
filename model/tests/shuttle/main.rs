//! Interleavings of a large cast, chosen at random, and what they found.

mod buffered;
mod cast;
mod regressions;
mod sabotage;
mod steward;
