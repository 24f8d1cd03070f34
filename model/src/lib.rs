//! Worlds in which the code of puro is checked.

pub mod buffered_roles;
pub mod crash;
pub mod faults;
pub mod fuzz;
pub mod generate;
pub mod history;
pub mod judge;
pub mod ledger;
pub mod locks;
pub mod loom_world;
pub mod oracle;
pub mod planted;
pub mod report;
pub mod roles;
pub mod shared_file;
pub mod shared_vfs;
pub mod shared_world;
pub mod shuttle_world;
pub mod sim;
pub mod trace;
pub mod upkeep;
pub mod upkeep_cuts;
pub mod upkeep_roles;
pub mod upkeep_shared;
pub mod upkeep_stream;
pub mod walk;
