//! The core: format, appending, reading, repair, rollover, names. In one program, which is built
//! and linked once; `cargo mutants` judges by it too (model/mutants.md), so what is here is fast
//! and needs no command line.

#[path = "../common/disk.rs"]
mod disk;
#[path = "../common/fixed.rs"]
mod fixed;
#[path = "../common/real.rs"]
mod real;
#[path = "../common/skipped.rs"]
mod skipped;
#[path = "../common/steward.rs"]
mod steward;

mod appending;
mod asking;
mod at_the_end;
mod behind;
mod behind_the_end;
mod by_blocks;
mod catching_up;
mod clauses;
mod codec_props;
mod disk_full;
mod expiry;
mod face;
mod faults;
mod field_reports;
mod forged_blocks;
mod format_tables;
mod held;
mod lasting_errors;
mod lock_names;
mod locks;
mod lost_places;
mod malformed_records;
mod manners;
mod modes;
mod moved_away;
mod named;
mod names;
mod once;
mod order;
mod passing_by;
mod reading;
mod recovery_table;
mod refusals;
mod rolling_state;
mod rollover_cuts;
mod seeking_times;
mod stale_memory;
mod stats;
mod strays;
mod stream;
mod told;
mod topic_index;
mod transactions;
mod truncation;
mod unchanged;
mod vectors;
mod whole_streams;
mod writing;
mod zeros_ahead;
mod zeros_at_work;
