//! What is done to streams beside appending and reading: retention, compaction, verification,
//! salvage, backups; and streams with very many names, or very many who append.

#[path = "../common/fixed.rs"]
mod fixed;
#[path = "../common/forge.rs"]
mod forge;
#[path = "../common/real.rs"]
mod real;
#[path = "../common/steward.rs"]
mod steward;

mod backup;
mod buffered;
mod large_state;
mod salvage;
mod steward_clock;
mod steward_compact;
mod steward_delete;
mod steward_trim;
mod verify;
