//! What is told of a run: a table by clause, JUnit, JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

use super::judge::{Judged, Outcome};

/// How many cases went how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub cases: usize,
    /// As they must.
    pub passed: usize,
    /// Not so.
    pub failed: usize,
    /// Not put to the port.
    pub not_run: usize,
    /// Those of them that cannot be tried on this machine.
    pub not_here: usize,
}

impl Counts {
    /// Counts.
    pub fn of<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Self {
        let mut counts = Self::default();
        for one in judged {
            counts.cases += 1;
            match one.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::NotRun(_) => counts.not_run += 1,
                Outcome::NotHere(_) => {
                    counts.not_run += 1;
                    counts.not_here += 1;
                }
            }
        }
        counts
    }
}

/// Chapter and number of a clause, for their order.
fn place(clause: &str) -> (String, u32) {
    let (chapter, number) = clause.split_once('-').unwrap_or((clause, ""));
    (chapter.to_owned(), number.parse().unwrap_or_default())
}

/// A line for each clause, in their order.
#[must_use]
pub fn table(judged: &[Judged]) -> String {
    let mut clauses: BTreeMap<(String, u32), (&str, Vec<&Judged>)> = BTreeMap::new();
    for one in judged {
        for clause in &one.clauses {
            clauses.entry(place(clause)).or_insert((clause, Vec::new())).1.push(one);
        }
    }
    let mut text =
        "| clause | cases | passed | failed | not run |\n|---|---|---|---|---|\n".to_owned();
    for (clause, cases) in clauses.into_values() {
        let Counts { cases, passed, failed, not_run, .. } = Counts::of(cases);
        let _ = writeln!(text, "| {clause} | {cases} | {passed} | {failed} | {not_run} |");
    }
    text
}

/// The failed cases, at most so many of them.
#[must_use]
pub fn failures(judged: &[Judged], most: usize) -> String {
    let failed = judged.iter().filter_map(|one| match &one.outcome {
        Outcome::Failed(why) => Some(format!("{} ({}): {why}\n", one.id, one.clauses.join(", "))),
        Outcome::NotHere(why) => Some(format!("{}: cannot be tried here: {why}\n", one.id)),
        _ => None,
    });
    let all: Vec<_> = failed.collect();
    let more = all.len().saturating_sub(most);
    let mut text: String = all.into_iter().take(most).collect();
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

/// All cases as JSON.
#[must_use]
pub fn as_json(judged: &[Judged]) -> String {
    let cases = judged.iter().map(|one| {
        let (outcome, text) = match &one.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Failed(why) => ("failed", Some(why)),
            Outcome::NotRun(why) | Outcome::NotHere(why) => ("not run", Some(why)),
        };
        let ms = one.took.as_secs_f64() * 1000.0;
        json!({"id": one.id, "clauses": one.clauses, "outcome": outcome, "text": text, "ms": ms})
    });
    let counts = Counts::of(judged);
    let all = json!({
        "cases": cases.collect::<Vec<_>>(), "passed": counts.passed, "failed": counts.failed,
        "not_run": counts.not_run,
    });
    format!("{all}\n")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other if other < ' ' && other != '\n' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// All cases as JUnit has it.
#[must_use]
pub fn junit(judged: &[Judged], port: &str) -> String {
    let Counts { cases, failed, not_run, .. } = Counts::of(judged);
    let port = escaped(port);
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(
        text,
        "<testsuites>\n<testsuite name=\"{port}\" tests=\"{cases}\" failures=\"{failed}\" skipped=\"{not_run}\">"
    );
    for one in judged {
        let (kind, _) = one.id.split_once('/').unwrap_or((&one.id, ""));
        let (id, kind, seconds) = (escaped(&one.id), escaped(kind), one.took.as_secs_f64());
        let _ = write!(text, "<testcase classname=\"{kind}\" name=\"{id}\" time=\"{seconds:.4}\"");
        let _ = match &one.outcome {
            Outcome::Passed => writeln!(text, "/>"),
            Outcome::Failed(why) => {
                writeln!(text, "><failure message=\"{}\"/></testcase>", escaped(why))
            }
            Outcome::NotRun(why) | Outcome::NotHere(why) => {
                writeln!(text, "><skipped message=\"{}\"/></testcase>", escaped(why))
            }
        };
    }
    text + "</testsuite>\n</testsuites>\n"
}
