//! The core tests in one program, for `cargo mutants` (model/mutants.md): one link for each
//! mutant instead of a dozen. `cargo test` runs these files one by one, and not this.

#![expect(clippy::duplicate_mod, reason = "each of these files brings its helpers along")]

mod appending;
mod asking;
mod at_the_end;
mod behind;
mod catching_up;
mod codec_props;
mod disk_full;
mod expiry;
mod faults;
mod format_tables;
mod held;
mod locks;
mod named;
mod reading;
mod recovery_table;
mod refusals;
mod rolling_state;
mod rollover_cuts;
mod strays;
mod told;
mod topic_index;
mod truncation;
mod vectors;
mod writing;
