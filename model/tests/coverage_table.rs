//! Puts what the runs of loom, shuttle and the fuzzers left behind into the tables of
//! `model/README.md`:
//!
//!     cargo test -p puro-model && model/fuzzers.sh
//!     PURO_README=write cargo test -p puro-model --test coverage_table

use std::path::Path;

use puro_model::report::publish;

/// One run of a scenario.
struct Run {
    scenario: String,
    bound: String,
    executions: u64,
    seconds: f64,
}

fn runs(kind: &str) -> Vec<Run> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("coverage");
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut runs: Vec<Run> = entries
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .filter(|line| field(line, "kind") == kind)
        .map(|line| Run {
            scenario: field(&line, "scenario"),
            bound: field(&line, "bound"),
            executions: field(&line, "executions").parse().unwrap(),
            seconds: field(&line, "seconds").parse().unwrap(),
        })
        .collect();
    runs.sort_by(|left, right| left.scenario.cmp(&right.scenario));
    runs
}

/// A field of a line of JSON as the worlds write it: flat, without escapes.
fn field(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).expect("a field of that name");
    let end = rest.find([',', '}']).expect("an end");
    rest[..end].trim_matches('"').to_owned()
}

fn table(runs: &[Run], [scenario, executions, bound]: [&str; 3]) -> String {
    let mut text =
        format!("| {scenario} | {executions} | {bound} | seconds |\n|---|---|---|---|\n");
    for Run { scenario, bound, executions, seconds } in runs {
        text += &format!("| {scenario} | {executions} | {bound} | {seconds:.1} |\n");
    }
    let all: u64 = runs.iter().map(|run| run.executions).sum();
    let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
    text + &format!("| *all* | {all} | | {seconds:.1} |\n")
}

#[test]
fn fields_are_found() {
    let line = r#"{"kind":"loom","scenario":"two","executions":7,"bound":3,"seconds":0.50}"#;
    let fields = ["kind", "scenario", "executions", "bound", "seconds"].map(|n| field(line, n));
    assert_eq!(fields, ["loom", "two", "7", "3", "0.50"]);
}

#[test]
fn the_tables_are_published() {
    for (kind, head) in [
        ("loom", ["scenario", "executions", "bound"]),
        ("shuttle", ["scenario", "schedules", "bound"]),
        ("fuzz", ["target", "inputs", "kept"]),
    ] {
        let runs = runs(kind);
        if runs.is_empty() {
            println!("nothing was run by {kind} yet");
            continue;
        }
        let all: u64 = runs.iter().map(|run| run.executions).sum();
        let long = kind == "shuttle" && all > 500_000;
        publish(if long { "shuttle, long" } else { kind }, &table(&runs, head));
    }
}
