//! `puro serve`: runs `puro-serve`, which is a program of its own, so that who needs no network
//! builds none.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use puro::error::Blame;

use crate::common::CliError;

/// Serve streams to clients of Kafka
///
/// This runs the program puro-serve, which is installed by itself: it is looked for beside this one,
/// then in PATH. `puro serve --help` is its help.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// What puro-serve is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "DIR|OPTION")]
    given: Vec<OsString>,
}

const PROGRAM: &str = "puro-serve";

/// Becomes the other program; returns only where that failed.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM));
    let error = Command::new(&program).args(&args.given).exec();
    Err(match error.kind() {
        io::ErrorKind::NotFound => CliError::new(
            Blame::Caller,
            format!(
                "{PROGRAM} is not installed: it is neither beside puro nor in PATH; from a clone, \
                 `cargo install --locked --path crates/kafka` installs it"
            ),
        ),
        _ => {
            CliError::new(Blame::Environment, format!("cannot run {}: {error}", program.display()))
        }
    })
}
