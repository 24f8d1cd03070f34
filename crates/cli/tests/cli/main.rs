//! The command line as a user runs it: the built program, in processes of its own.

#[path = "../common/cli.rs"]
mod cli;
#[path = "../../../../tests/common/disk.rs"]
mod disk;
#[path = "../../../../tests/common/forge.rs"]
mod forge;
#[path = "../../../../tests/common/real.rs"]
mod real;
#[path = "../../../../tests/common/skipped.rs"]
mod skipped;

mod backup;
mod conditions;
mod demo;
mod directory;
mod filters;
mod foreign;
mod full_disk;
mod helps;
mod hostile;
mod live;
mod looking;
mod map;
mod named;
mod one_bit;
mod produce_consume;
mod range;
mod readme;
mod serve;
mod shapes;
mod standard_streams;
mod topics;
mod trim;
mod updates;
mod vectors;
mod verify;
