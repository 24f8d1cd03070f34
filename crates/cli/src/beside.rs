//! Commands that are programs of their own, as git does it: `puro NAME ...` executes `puro-NAME`, which
//! stands beside this program or in the search path. So what they need is no part of this one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use puro::Blame;

use crate::common::CliError;
use crate::printable::shown_path;

/// What is passed on, as it was typed.
#[derive(clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Becomes the other program. Returns only where that could not be.
pub fn run(name: &str, args: &Args) -> Result<ExitCode, CliError> {
    let program = find(name);
    let error = Command::new(&program).args(&args.words).exec();
    let program = shown_path(&program);
    let missing =
        format!("cannot start {program}, which does this: {error}; install it beside puro");
    Err(CliError::new(Blame::Environment, missing))
}

/// Beside this program, else wherever the search path leads.
fn find(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
