//! What README shows is true: its lines of shell run and print what it says, its lines of Rust are
//! those of a doctest, its figures are those of `benches/results.json`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The first block of code behind a text of a page.
fn block<'p>(page: &'p str, behind: &str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(behind).unwrap();
    let (_, rest) = rest.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// A line of README, run by a shell in which `puro` is the built program.
fn shell(line: &str, directory: &Path) -> Child {
    let program = Path::new(env!("CARGO_BIN_EXE_puro"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut command = Command::new("sh");
    // So that to kill the child is to kill the program.
    command.args(["-c", &format!("exec {line}")]);
    command.current_dir(directory).env("PATH", path).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Somebody types the lines of README, one after the other, in an empty directory.
#[test]
fn the_lines_of_shell_print_what_readme_says() {
    let (readme, scratch) = (page("README.md"), tempfile::tempdir().unwrap());
    let lines: Vec<_> = block(&readme, "## In a shell", "sh").lines().collect();
    assert_eq!(lines.len(), 10);
    for line in lines {
        let (line, says) = line.split_once("  #").unwrap_or((line, ""));
        let says = says.trim();
        let mut child = shell(line.trim(), scratch.path());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        if says.contains("Ctrl-C") {
            let mut first = String::new();
            stdout.read_line(&mut first).unwrap();
            assert_eq!(first, "apple\n");
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).unwrap();
        assert!(child.wait().unwrap().success(), "{line}");
        let printed: Vec<_> = printed.lines().collect();
        if line.contains(" consume ") {
            let expected = if says.starts_with("nothing") { "" } else { says };
            assert_eq!(printed.join(", "), expected, "{line}");
        }
    }
}

/// `src/lib.md` begins with the same example, and its blocks of code are doctests.
#[test]
fn the_lines_of_rust_are_those_of_a_doctest() {
    let (readme, lib) = (page("README.md"), page("src/lib.md"));
    let code = |line: &str| {
        let code = line.split(" // ").next().unwrap().trim();
        code.replace("\"events\"", "&dir")
    };
    let mut run = block(&lib, "# A first stream", "").lines().map(code);
    for line in block(&readme, "## In Rust", "rust").lines().map(code) {
        let found = line.is_empty() || run.any(|other| other == line);
        assert!(found, "no line of the first example of src/lib.md, in this order: {line}");
    }
}

/// The median of a contestant, if it takes part.
fn median(results: &Value, table: &str, contestant: &str) -> Option<f64> {
    let named = |key: &'static str, name: &str| {
        let name = name.to_owned();
        move |value: &&Value| value[key] == *name
    };
    let table = results["tables"].as_array()?.iter().find(named("id", table))?;
    let row = table["rows"].as_array()?.iter().find(named("contestant", contestant))?;
    let mut values: Vec<_> = row["values"].as_array()?.iter().filter_map(Value::as_f64).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let low = if values.len() % 2 == 0 { middle - 1 } else { middle };
    Some((values[low] + values[middle]) / 2.0)
}

fn figure(value: f64, unit: &str) -> String {
    let (value, unit) = match value {
        _ if unit == "us" => (value, " us"),
        big if big >= 1e6 => (value / 1e6, " M"),
        big if big >= 1e3 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let places = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.places$}{unit}")
}

fn figures(results: &Value) -> String {
    #[rustfmt::skip]
    let rows = [
        ("records a second, one append a call, each visible to all when it returns", "W1", "records/s",
            ["Puro", "SQLite OFF", "LMDB NOSYNC", "plain file"]),
        ("the same, each on the disk when it returns", "W4, 1 thread", "records/s",
            ["Puro durable", "SQLite FULL", "LMDB", "pwrite + fdatasync"]),
        ("the same by eight threads", "W4, 8 threads", "records/s",
            ["Puro grouped", "SQLite FULL", "LMDB", "leader and followers"]),
        ("records a second, read back", "W5 of W2", "records/s",
            ["Puro", "SQLite OFF", "LMDB NOSYNC", "plain file"]),
        ("from an append to another process that sleeps until then (SQLite: that looks each ms)", "W6, p50", "us",
            ["Puro, waiting", "SQLite OFF, looking each ms", "LMDB, waiting", ""]),
    ];
    let mut text = "| | Puro | SQLite | LMDB | the limit |\n|---|---:|---:|---:|---:|\n".to_owned();
    for (what, table, unit, contestants) in rows {
        let values = contestants.map(|name| median(results, table, name));
        let of_three = values[..3].iter().flatten().copied();
        let best = if unit == "us" {
            of_three.fold(f64::INFINITY, f64::min)
        } else {
            of_three.fold(0.0, f64::max)
        };
        let cells = values.map(|value| match value {
            Some(value) if value == best => format!("**{}**", figure(value, unit)),
            Some(value) => figure(value, unit),
            None => "-".to_owned(),
        });
        text.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    }
    text
}

/// With `PURO_README=write` they are written.
#[test]
fn the_figures_are_those_that_were_measured() {
    let results = serde_json::from_str(&page("benches/results.json")).unwrap();
    let (figures, readme) = (figures(&results), page("README.md"));
    let (before, rest) = readme.split_once("<!-- figures -->\n").unwrap();
    let (shown, after) = rest.split_once("<!-- /figures -->").unwrap();
    if std::env::var("PURO_README").as_deref() == Ok("write") {
        let page = format!("{before}<!-- figures -->\n{figures}<!-- /figures -->{after}");
        std::fs::write(root().join("README.md"), page).unwrap();
    } else {
        assert_eq!(shown, figures, "PURO_README=write writes them");
    }
}
