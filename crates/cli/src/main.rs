//! The command line: `puro COMMAND`. One file for each command; what they share is in
//! [`common`].

mod backup;
mod beside;
mod common;
mod config;
mod consume;
mod create;
mod demo;
mod export;
mod format;
mod import;
mod info;
mod inspect;
mod limits;
mod lines;
mod parse;
mod positions;
mod printable;
mod produce;
mod repair;
mod restore;
mod salvage;
mod steward;
mod streams;
mod trim;
mod verify;
mod who;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use common::{CliError, EXIT_CODES, exit};

/// Event streams in a directory: the log of a broker, without the broker.
#[derive(Parser)]
#[command(name = "puro", version, after_help = EXIT_CODES, arg_required_else_help = true)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(create::Args),
    Produce(produce::Args),
    Consume(consume::Args),
    Config(config::Args),
    Positions(positions::Args),
    Info(info::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Repair(repair::Args),
    Salvage(salvage::Args),
    Steward(steward::Args),
    Trim(trim::Args),
    Who(who::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Export(export::Args),
    Import(import::Args),
    Demo(demo::Args),
    /// Copies a stream into another one, and goes on copying, exactly once.
    #[command(disable_help_flag = true)]
    Mirror(beside::Args),
    #[command(hide = true)]
    DemoWorker(demo::worker::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    common::watch_for_interrupts();
    limits::survive_large_files();
    run(&cli.command).unwrap_or_else(|error| error.report())
}

fn run(command: &Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Create(args) => create::run(args),
        Command::Produce(args) => produce::run(args),
        Command::Consume(args) => consume::run(args),
        Command::Config(args) => config::run(args),
        Command::Positions(args) => positions::run(args),
        Command::Info(args) => info::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Salvage(args) => salvage::run(args),
        Command::Steward(args) => steward::run(args),
        Command::Trim(args) => trim::run(args),
        Command::Who(args) => who::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Mirror(args) => beside::run("puro-mirror", args),
        Command::DemoWorker(args) => demo::worker::run(args),
    }
}

/// Prints what clap has to say: help and version are no errors, all else is wrong usage.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody to tell where the stream is closed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK })
}
