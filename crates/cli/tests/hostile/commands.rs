//! The commands that each hostile stream meets, and what a row of the tables says of them.

use crate::place::Place;
use crate::run::{Limits, Ran, is_raw, run};

/// A command in its place in the rows.
pub struct Command {
    pub name: &'static str,
    args: &'static [&'static str],
    stdin: &'static str,
    /// Whether the stream must be as it was afterwards.
    pub only_reads: bool,
}

const fn reads(name: &'static str, args: &'static [&'static str]) -> Command {
    Command { name, args, stdin: "", only_reads: true }
}

const fn writes(name: &'static str, args: &'static [&'static str]) -> Command {
    let stdin = "{\"topic\":\"probe\",\"value\":\"it came through\"}\n";
    Command { name, args, stdin, only_reads: false }
}

/// In the order of the rows. `out` is beside the stream.
pub const COMMANDS: [Command; 22] = [
    // what tells of a stream
    reads("info", &["info", "s"]),
    reads("inspect", &["inspect", "--records", "s"]),
    reads("verify", &["verify", "s"]),
    reads("deep", &["verify", "--deep", "s"]),
    reads("who", &["who", "s"]),
    reads("config", &["config", "s", "list"]),
    reads("positions", &["positions", "s", "list"]),
    reads("map", &["map", "s", "-o", "-"]),
    // what reads records
    reads("consume", &["consume", "s", "-e"]),
    reads("topic", &["consume", "s", "-e", "-t", "t"]),
    reads("time", &["consume", "s", "-e", "--from", "2026-01-01"]),
    reads("last", &["consume", "s", "-e", "--from", "-1"]),
    reads("export", &["export", "s"]),
    // what writes
    writes("named", &["consume", "s", "-e", "--name", "n"]),
    writes("produce", &["produce", "s", "-t", "probe"]),
    writes("import", &["import", "s"]),
    writes("repair", &["repair", "s"]),
    writes("steward", &["steward", "s", "--once", "--roll"]),
    writes("reset", &["positions", "s", "reset", "n"]),
    // what makes another stream of it
    writes("backup", &["backup", "s", "out"]),
    writes("restore", &["restore", "s", "out"]),
    writes("salvage", &["salvage", "s", "out"]),
];

impl Command {
    pub fn run(&self, place: &Place, limits: Limits) -> Ran {
        let args: Vec<_> = self.args.iter().map(|arg| arg.as_bytes()).collect();
        let mut ran = run(place, &args, self.stdin.as_bytes(), limits);
        let prints_data = ["consume", "topic", "time", "last", "named"].contains(&self.name);
        if !prints_data && is_raw(&ran.stdout) {
            ran.misdeeds.push("control characters on stdout".to_owned());
        }
        ran
    }
}

/// What a row says of a command: `.` for exit code 0, `u` for 64, `s` for 74.
pub fn letter(code: i32) -> char {
    match code {
        0 => '.',
        1 => '1',
        2 => '2',
        64 => 'u',
        74 => 's',
        _ => '!',
    }
}

/// The letters of a row, without the spaces between its groups.
pub fn letters(row: &str) -> Vec<char> {
    let letters: Vec<_> = row.chars().filter(|letter| *letter != ' ').collect();
    assert_eq!(letters.len(), COMMANDS.len(), "{row}");
    letters
}
