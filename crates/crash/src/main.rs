//! `puro-crash`: does a program survive a crash?

mod cli;

use std::ffi::OsString;
use std::process::ExitCode;

use puro_crash::record::{CHILD, become_recorded};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    // The recorder starts this program once more, as what it records.
    if words.next().is_some_and(|word| word == CHILD) {
        return become_recorded(&words.collect::<Vec<OsString>>());
    }
    cli::main()
}
