//! An example for each command, in one place: `puro cheat` prints all of them, `--help` those of the
//! command. A test runs them one after the other, as they stand here.

use std::io::Write;
use std::process::ExitCode;

use crate::common::CliError;
use crate::streams;

/// A line of shell, and what it is for.
pub struct Example {
    /// The command under whose help it stands.
    pub command: &'static str,
    /// The line.
    pub line: &'static str,
    what: &'static str,
}

const fn example(command: &'static str, line: &'static str, what: &'static str) -> Example {
    Example { command, line, what }
}

/// In an order in which each finds what it needs.
#[rustfmt::skip]
pub const EXAMPLES: &[Example] = &[
    example("create", "puro create events --segment-bytes 16M", "produce makes a stream, too"),
    example("produce", r"printf 'apple\npear\n' | puro produce events -t fruit", "each line a record"),
    example("produce", r#"echo '{"id":7}' | puro produce events -t orders -k ann -H by=shop --durable"#, "with key and header, safe from a loss of power"),
    example("produce", r"printf 'orders 1 fig\nfruit fig\n' | puro produce events -T ' ' --atomic", "one transaction over two topics"),
    example("produce", "echo opened | puro produce events -t accounts -k ann --atomic --if-key-unchanged 0", "only if there is no ann yet"),
    example("produce", "find . -name '*.txt' -print0 | xargs -0 -r puro produce events -t files --whole-files", "each file a record"),
    example("consume", "puro consume events -e", "all there is"),
    example("consume", "puro consume events -t 'fr*'", "a pattern of topics, and what is yet to come, until Ctrl-C"),
    example("consume", r"puro consume events -e --from 15m -f '%o %I %t %k: %s\n'", "of the last quarter of an hour"),
    example("consume", "puro consume events -e --from 14:00 --to 15:00", "an hour of today"),
    example("consume", "puro consume events -e -k ann --grep '(?i)OPENED' --json", "by key and value, as JSON"),
    example("consume", "puro consume events -e -t orders --name billing", "next time from where this ended"),
    example("latest", "puro latest events -t accounts", "the newest value of each key"),
    example("latest", "puro latest events -t accounts --watch", "and each change, until Ctrl-C"),
    example("topics", "puro topics events '*r*'", "records, bytes, first and last offset"),
    example("info", "puro info events --json", "segments, settings, topics"),
    example("stat", "puro stat events --interval 100ms --count 2", "rates, lag, who is at work"),
    example("who", "puro who events", "which process holds what"),
    example("positions", "puro positions events list", "where named consumers are, and how far behind"),
    example("positions", "puro positions events set billing -1", "so that it reads the last record again"),
    example("config", "puro config events set retention_ms 604800000", "a week; obeyed by all from now on"),
    example("steward", "puro steward events --once", "delete, compact and seal as the settings say"),
    example("trim", "puro trim events --before 7d --dry-run", "what would go"),
    example("trim", "puro trim events --consumed", "what all named consumers have read"),
    example("trim", "puro trim events --min-free-bytes 1M", "the oldest segments, until so much of the disk is free"),
    example("verify", "puro verify events --deep", "exit code 0: sound"),
    example("repair", "puro repair events", "what the next writer would do, too"),
    example("inspect", "puro inspect events --records", "every block as it stands"),
    example("map", "puro map events -o events.html", "a page to look at: segments, topics, consumers, damage"),
    example("backup", "puro backup events copy", "verified, while others write"),
    example("backup", "puro backup events copy --update", "copies what is new since then"),
    example("backup", "puro backup events copy-2 --base copy", "another one, which shares with copy what is the same"),
    example("diff", "puro diff events copy", "exit code 0: the same"),
    example("restore", "puro restore copy events-2", "goes on under an id of its own"),
    example("salvage", "puro salvage events saved", "what is good of a damaged stream"),
    example("export", "puro export events > events.jsonl", "lines of JSON"),
    example("import", "puro import again events.jsonl", "and back"),
    example("import", r#"echo '{"topic":"orders","value":"1 fig"}' | puro import again --atomic"#, "all lines or none"),
    example("mirror", "puro mirror events standby --once", "a copy; without --once it goes on copying"),
    example("serve", "puro serve events", "to clients of Kafka, until Ctrl-C"),
    example("bench", "puro bench . --seconds 0.1", "how fast this disk is"),
    example("completions", "puro completions bash > puro.bash", "to be sourced by the shell"),
    example("man", "mkdir man1 && puro man man1", "a page for each command"),
    example("demo", "puro demo", "producers, consumers, and a kill, until Ctrl-C or its end"),
    example("cheat", "puro cheat", "all of these"),
];

/// Print an example for each command
#[derive(clap::Args)]
pub struct Args {}

/// Prints them.
pub fn run(_args: &Args) -> Result<ExitCode, CliError> {
    streams::report(|out| {
        EXAMPLES.iter().try_for_each(|example| {
            let Example { line, what, .. } = example;
            writeln!(out, "# {what}\n{line}\n")
        })
    })
    .map_err(|error: std::io::Error| CliError::from(error))?;
    Ok(ExitCode::SUCCESS)
}

/// What stands at the end of a command's help.
pub fn help_of(command: &str) -> String {
    let own: Vec<_> = EXAMPLES.iter().filter(|example| example.command == command).collect();
    let mut help = if own.len() == 1 { "Example:" } else { "Examples:" }.to_owned();
    for Example { line, what, .. } in own {
        help += &format!("\n  {line}\n      {what}");
    }
    help + "\n\n`puro --help` tells the exit codes."
}
