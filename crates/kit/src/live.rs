//! Living cases: what bytes cannot show is tried with locks, names and processes that die.

mod deaths;
mod locks;
mod many;
mod order;
mod scenarios;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check::Order;
use crate::check::judge::{Judged, Outcome, scratch};
use crate::check::port::Port;
use crate::vectors::forge::Segment;

/// All living cases that are asked for.
///
/// # Errors
/// Where the port cannot be started again.
pub fn run(
    order: &Order,
    port: &mut Port,
    mut tell: impl FnMut(&str),
) -> Result<Vec<Judged>, String> {
    let mut judged = Vec::new();
    for case in locks::CASES.iter().chain(many::CASES) {
        if order.wants(case.id) {
            tell(case.id);
            judged.push(case.judge(port));
        }
    }
    port.stop();
    for scenario in scenarios::all() {
        let kinds = ["order", "death", "power", "fault"];
        let ids = kinds.map(|kind| format!("{kind}/{}", scenario.name));
        if ids.iter().any(|id| order.wants(id)) {
            tell(&ids[1]);
            judged.extend(deaths::judge(order, port, &scenario));
        }
    }
    Ok(judged)
}

/// The clauses that living cases are about.
#[must_use]
pub fn clauses() -> BTreeSet<&'static str> {
    let cases = locks::CASES.iter().chain(many::CASES);
    let mut all: BTreeSet<_> = cases.flat_map(|case| case.clauses.iter().copied()).collect();
    for scenario in scenarios::all() {
        all.extend(scenario.clauses);
        all.extend(order::clauses(scenario.rules));
        all.extend(deaths::FAULT_CLAUSES);
    }
    all
}

/// What a living case found: `None` where the port cannot be asked.
type Found = Result<Option<()>, String>;

/// A living case.
struct Live {
    id: &'static str,
    clauses: &'static [&'static str],
    needs: &'static [&'static str],
    run: fn(&mut Port, &Path) -> Found,
}

impl Live {
    fn judge(&self, port: &mut Port) -> Judged {
        let begun = Instant::now();
        let lacks = self.needs.iter().find(|word| !port.requests.contains(**word));
        let outcome = match lacks {
            Some(word) => Outcome::NotRun(format!("no request `{word}`")),
            None => match scratch().and_then(|scratch| (self.run)(port, scratch.path())) {
                Ok(Some(())) => Outcome::Passed,
                Ok(None) => Outcome::NotHere("the lock cannot be taken".to_owned()),
                Err(trouble) => Outcome::Failed(trouble),
            },
        };
        // Whatever a case left open must not meet the next one.
        port.stop();
        judged(self.id, self.clauses, outcome, begun.elapsed())
    }
}

fn judged(id: &str, clauses: &[&str], outcome: Outcome, took: Duration) -> Judged {
    let clauses = clauses.iter().map(|clause| (*clause).to_owned()).collect();
    Judged { id: id.to_owned(), clauses, outcome, took }
}

fn write(dir: &Path, segments: &[Segment]) -> Result<(), String> {
    let put = |segment: &Segment| std::fs::write(dir.join(segment.name()), &segment.bytes);
    segments.iter().try_for_each(put).map_err(|error| error.to_string())
}

fn append(dir: &Path, value: &str) -> Value {
    let value = crate::driver::hex(value.as_bytes());
    json!({"do": "append", "dir": dir, "records": [{"topic": "74", "value": value}], "lock_ms": 300,
        "boot": "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"})
}

/// Asks, and wants success or this error.
fn want(port: &mut Port, request: &Value, error: Option<&str>) -> Result<Value, String> {
    let answer = port.ask(request)?;
    let found = answer.get("error").and_then(Value::as_str);
    if found == error {
        return Ok(answer);
    }
    Err(format!("{request}: {} expected, not {answer}", error.unwrap_or("success")))
}
