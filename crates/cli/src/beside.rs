//! Commands that are programs of their own, as git does it: `puro NAME ...` executes `puro-NAME`, so that
//! who needs no network, or no cluster, builds none.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use puro::error::Blame;

use crate::common::CliError;
use crate::printable::shown_path;

/// What it is given.
#[derive(clap::Args)]
pub struct Args {
    /// What the program is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "DIR|OPTION")]
    given: Vec<OsString>,
}

/// A program that does what a command promises.
pub struct Program {
    name: &'static str,
    /// Where a clone has it.
    path: &'static str,
}

/// Serves streams.
pub const SERVE: Program = Program { name: "puro-serve", path: "crates/kafka" };
/// Copies streams, on and on.
pub const MIRROR: Program = Program { name: "puro-mirror", path: "crates/mirror" };

impl Program {
    /// Becomes the program; returns only where that failed.
    pub fn run(&self, args: &Args) -> Result<ExitCode, CliError> {
        let program = self.find();
        let error = Command::new(&program).args(&args.given).exec();
        let Self { name, path } = self;
        Err(match error.kind() {
            io::ErrorKind::NotFound => CliError::new(
                Blame::Caller,
                format!(
                    "{name} is not installed: it is neither beside puro nor in PATH; from a clone, \
                     `cargo install --locked --path {path}` installs it"
                ),
            ),
            _ => CliError::new(
                Blame::Environment,
                format!("cannot run {}: {error}", shown_path(&program)),
            ),
        })
    }

    /// Beside this program, else wherever the search path leads.
    fn find(&self) -> PathBuf {
        let beside = std::env::current_exe().ok().map(|this| this.with_file_name(self.name));
        beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(self.name))
    }
}
