//! What runs over the crash simulator: its histories and stories, cut everywhere and at random,
//! and what they found; the oracle and the locks by themselves; the inputs of the fuzzers; and
//! whether all these checks bite.

mod corpora;
mod exhaustive;
mod field_worlds;
mod lock_worlds;
mod oracle;
mod planted_bugs;
mod random;
mod regressions;
mod steward;
mod trim_worlds;
