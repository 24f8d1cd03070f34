//! `puro completions` and `puro man`: what a shell and `man` want to know, made of the help itself.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use puro::Blame;

use crate::common::CliError;
use crate::streams::Waiting;

/// Print completions for a shell
#[derive(clap::Args)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Print the manual page of puro, or write those of all commands
#[derive(clap::Args)]
pub struct ManArgs {
    /// A directory, in which puro.1, puro-produce.1 and so on are written
    dir: Option<PathBuf>,
}

/// Prints completions.
pub fn complete(args: &CompletionArgs) -> Result<ExitCode, CliError> {
    // What is hidden from users is not to be offered to them.
    let all = crate::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut command =
        clap::Command::new("puro").version(env!("CARGO_PKG_VERSION")).subcommands(shown);
    let mut completions = Vec::new();
    clap_complete::generate(args.shell, &mut command, "puro", &mut completions);
    Waiting::stdout()?.write_all(&completions)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one page, or writes all.
pub fn man(args: &ManArgs) -> Result<ExitCode, CliError> {
    let command = crate::command().disable_help_subcommand(true);
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        Waiting::stdout()?.write_all(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    clap_mangen::generate_to(command, dir).map_err(|error: io::Error| {
        CliError::new(Blame::Environment, format_args!("cannot write {}: {error}", dir.display()))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What stands in `main.rs`, with its examples.
pub fn with_examples<C: CommandFactory>() -> clap::Command {
    C::command().mut_subcommands(|command| {
        let help = crate::examples::help_of(command.get_name());
        if command.is_hide_set() { command } else { command.after_help(help) }
    })
}
