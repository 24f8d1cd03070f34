//! The command line: `puro COMMAND`. One file for each command; what they share is in
//! [`common`].

mod backup;
mod bench;
mod beside;
mod common;
mod config;
mod consume;
mod create;
mod demo;
mod diff;
mod examples;
mod export;
mod filter;
mod format;
mod import;
mod info;
mod inspect;
mod latest;
mod limits;
mod lines;
mod map;
mod pages;
mod parse;
mod positions;
mod printable;
mod produce;
mod repair;
mod restore;
mod salvage;
mod stat;
mod steward;
mod streams;
mod time;
mod topics;
mod trim;
mod until;
mod verify;
mod who;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

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
    Latest(latest::Args),
    Config(config::Args),
    Positions(positions::Args),
    Topics(topics::Args),
    Info(info::Args),
    Stat(stat::Args),
    Inspect(inspect::Args),
    Map(map::Args),
    Verify(verify::Args),
    Repair(repair::Args),
    Salvage(salvage::Args),
    Diff(diff::Args),
    Steward(steward::Args),
    Trim(trim::Args),
    Who(who::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Export(export::Args),
    Import(import::Args),
    /// Serve streams to every client that speaks Kafka
    ///
    /// This runs the program puro-serve, which is installed by itself: it is looked for beside this one,
    /// then in PATH. `puro serve --help` is its help.
    #[command(disable_help_flag = true)]
    Serve(beside::Args),
    /// Copy a stream into another one, and go on copying, exactly once
    ///
    /// This runs the program puro-mirror, which is installed by itself: it is looked for beside this one,
    /// then in PATH. `puro mirror --help` is its help.
    #[command(disable_help_flag = true)]
    Mirror(beside::Args),
    Bench(bench::Args),
    Demo(demo::Args),
    Cheat(examples::Args),
    Completions(pages::CompletionArgs),
    Man(pages::ManArgs),
    #[command(hide = true)]
    DemoWorker(demo::worker::Args),
}

fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    common::watch_for_interrupts();
    limits::survive_large_files();
    run(&cli.command).unwrap_or_else(|error| error.report())
}

/// The command line, each command with its examples.
fn command() -> clap::Command {
    pages::with_examples::<Cli>()
}

fn run(command: &Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Create(args) => create::run(args),
        Command::Produce(args) => produce::run(args),
        Command::Consume(args) => consume::run(args),
        Command::Latest(args) => latest::run(args),
        Command::Config(args) => config::run(args),
        Command::Positions(args) => positions::run(args),
        Command::Topics(args) => topics::run(args),
        Command::Info(args) => info::run(args),
        Command::Stat(args) => stat::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Map(args) => map::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Salvage(args) => salvage::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Steward(args) => steward::run(args),
        Command::Trim(args) => trim::run(args),
        Command::Who(args) => who::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Serve(args) => beside::SERVE.run(args),
        Command::Mirror(args) => beside::MIRROR.run(args),
        Command::Bench(args) => bench::run(args),
        Command::Cheat(args) => examples::run(args),
        Command::Completions(args) => pages::complete(args),
        Command::Man(args) => pages::man(args),
        Command::Demo(args) => demo::run(args),
        Command::DemoWorker(args) => demo::worker::run(args),
    }
}

/// Prints what clap has to say: help and version are no errors, all else is wrong usage.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody to tell where the stream is closed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn each_command_has_an_example_and_each_example_a_command() {
        let commands = Cli::command();
        let names = commands.get_subcommands().filter(|command| !command.is_hide_set());
        let names: Vec<_> = names.map(clap::Command::get_name).collect();
        let has = |name: &&str| examples::EXAMPLES.iter().any(|example| example.command == *name);
        assert!(names.iter().all(has), "{names:?}");
        for example in examples::EXAMPLES {
            assert!(names.contains(&example.command), "{}", example.command);
            assert!(
                example.line.contains(&format!("puro {}", example.command)),
                "{}",
                example.line
            );
        }
        command().debug_assert();
    }
}
