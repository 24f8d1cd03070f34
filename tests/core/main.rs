//! The core: format, appending, reading, repair, rollover, names. In one program, which is built
//! and linked once; `cargo mutants` judges by it too (model/mutants.md), so what is here is fast
//! and needs no command line.

#[path = "../common/disk.rs"]
mod disk;
#[path = "../common/fixed.rs"]
mod fixed;
#[path = "../common/real.rs"]
mod real;
#[path = "../common/steward.rs"]
mod steward;

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
