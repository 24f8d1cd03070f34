//! The crash simulator: processes over a page cache over a disk, all in memory and all
//! determined by its inputs.
//!
//! A step is one call of the seam; a write is as many steps as it has bytes. At any step a
//! process can die, the machine can lose its power, or the call can fail. Sleeping and
//! waiting take no time; the clock on the wall stands still unless it is set, so that two
//! runs that should end in the same bytes can be compared.

pub mod disk;
pub mod power;
pub mod vfs;
pub mod world;

pub use disk::Disk;
pub use power::PowerLoss;
pub use vfs::{SimFile, SimVfs};
pub use world::{Fault, Fuse, NOW_MS, Step, World};
