//! A port dies at each of its calls, or power is lost there: what is left must be the stream as it
//! was or as it is to be, and the next writer must go on (M-3, M-4).

use std::collections::HashSet;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use puro_crash::model::explore::explore;
use puro_crash::model::plan::Plan;
use puro_crash::model::profile::Profile;
use puro_crash::model::state::State;
use puro_crash::record::fault::{Fault, Injection};
use puro_crash::record::{Intent, Recorder, record};
use puro_crash::trace::Trace;
use serde_json::{Value, json};

use super::scenarios::Scenario;
use super::{judged, order, write};
use crate::check::Order;
use crate::check::judge::{Judged, Outcome, scratch};
use crate::check::port::Port;
use crate::driver::{Driver, hex};
use crate::vectors::Snapshot;
use crate::vectors::forge::{BOOT, NEXT_BOOT};

/// States of a loss of power that are looked at, of each scenario.
const POWER_STATES: u64 = 250;
/// States of a death.
const DEATH_STATES: u64 = 600;
/// States of a loss of power behind each of them.
const STATES_BEHIND_A_FAULT: u64 = 40;

/// Order of calls, deaths and losses of power of one scenario.
pub fn judge(order: &Order, port: &Port, scenario: &Scenario) -> Vec<Judged> {
    let begun = Instant::now();
    let id = |kind: &str| format!("{kind}/{}", scenario.name);
    let word = scenario.request["do"].as_str().unwrap_or_default();
    let none = |outcome: &Outcome| {
        ["order", "death", "power", "fault"]
            .map(|kind| judged(&id(kind), scenario.clauses, outcome.clone(), begun.elapsed()))
            .to_vec()
    };
    if !port.requests.contains(word) {
        return none(&Outcome::NotRun(format!("no request `{word}`")));
    }
    let recorded = match Recorded::of(order, scenario) {
        Ok(recorded) => recorded,
        Err(Trouble::NotHere(why)) => return none(&Outcome::NotHere(why)),
        Err(Trouble::Failed(why)) => return none(&Outcome::Failed(why)),
    };
    let outcome =
        |found: Result<(), String>| found.map_or_else(Outcome::Failed, |()| Outcome::Passed);
    let mut all = Vec::new();
    let mut add = |kind: &str, clauses: &[&str], found: Result<(), String>| {
        if order.wants(&id(kind)) {
            all.push(judged(&id(kind), clauses, outcome(found), begun.elapsed()));
        }
    };
    let clauses = order::clauses(scenario.rules);
    add("order", &clauses, order::judge(&recorded.trace, scenario.rules));
    add("death", scenario.clauses, recorded.deaths(scenario, "process", DEATH_STATES));
    add("power", scenario.clauses, recorded.deaths(scenario, "posix", POWER_STATES));
    if order.wants(&id("fault")) {
        add("fault", &FAULT_CLAUSES, recorded.faults(order, scenario));
    }
    all
}

/// What a port does where a call fails.
pub const FAULT_CLAUSES: [&str; 3] = ["A-12", "A-13", "A-14"];

/// Why nothing was recorded.
enum Trouble {
    /// Nothing can be recorded here.
    NotHere(String),
    /// The port did not do it.
    Failed(String),
}

/// A run of a port, call by call.
struct Recorded {
    trace: Trace,
    /// The calls that may be answered with a fault.
    followed: Vec<Intent>,
    /// Whether it answered with success.
    succeeded: bool,
    /// The values before, and behind it.
    before: Vec<Value>,
    after: Vec<Value>,
}

impl Recorded {
    fn of(order: &Order, scenario: &Scenario) -> Result<Self, Trouble> {
        let recorded = Self::with(order, scenario, None)?;
        if recorded.succeeded {
            return Ok(recorded);
        }
        let answer = recorded.trace.acknowledged(recorded.trace.calls.len());
        Err(Trouble::Failed(format!("it answered {:?}", String::from_utf8_lossy(answer))))
    }

    fn with(
        order: &Order,
        scenario: &Scenario,
        injection: Option<Injection>,
    ) -> Result<Self, Trouble> {
        let failed = |error: &dyn ToString| Trouble::Failed(error.to_string());
        let scratch = scratch().map_err(|error| failed(&error))?;
        let watched = scratch.path().join("watched");
        let dir = watched.join("stream");
        let made = if scenario.segments.is_some() { &dir } else { &watched };
        std::fs::create_dir_all(made).map_err(|error| failed(&error))?;
        let mut before = Vec::new();
        if let Some(segments) = &scenario.segments {
            write(&dir, segments).map_err(Trouble::Failed)?;
            before = values(&dir, scenario.boot).map_err(Trouble::Failed)?;
        }
        let mut request = scenario.request.clone();
        request["dir"] = dir.to_string_lossy().into_owned().into();
        request["boot"] = hex(&scenario.boot).into();
        let input = scratch.path().join("request.jsonl");
        std::fs::write(&input, format!("{request}\n")).map_err(|error| failed(&error))?;
        let trace = scratch.path().join("trace");
        let recording = record(&puro_crash::record::Order {
            command: &command(&order.command, &input),
            dir: &watched,
            trace: &trace,
            ignored: &[],
            echo: false,
            injection,
            lists_calls: injection.is_none(),
            timeout: Duration::from_secs(60),
            recorder: Recorder::Best,
        });
        let recording = recording.map_err(|error| Trouble::NotHere(error.to_string()))?;
        if !recording.unmeasured.is_empty() {
            return Err(Trouble::Failed(recording.unmeasured.join("; ")));
        }
        let trace = Trace::read(&trace).map_err(|error| failed(&error))?;
        let answer = String::from_utf8_lossy(trace.acknowledged(trace.calls.len())).into_owned();
        if !answer.starts_with('{') {
            return Err(Trouble::Failed(format!("it answered {answer:?}")));
        }
        let succeeded = !answer.contains("\"error\"");
        let followed = recording.followed;
        let after = if succeeded { values(&dir, scenario.boot) } else { Ok(Vec::new()) };
        Ok(Self { trace, followed, succeeded, before, after: after.map_err(Trouble::Failed)? })
    }

    /// Calls that fail, one at a time; what is left, at once and behind a loss of power, must be
    /// the stream before or after, and after where success was answered.
    fn faults(&self, order: &Order, scenario: &Scenario) -> Result<(), String> {
        let kinds = [Fault::Io, Fault::NoSpace, Fault::Short, Fault::Interrupted];
        let (injections, _) = puro_crash::faults::plan(&self.followed, &kinds, order.faults);
        for injection in injections {
            let told = |why: String| {
                let call = self.followed.get(injection.call);
                format!("{} at call {} ({call:?}): {why}", injection.fault, injection.call)
            };
            let mut recorded = match Self::with(order, scenario, Some(injection)) {
                Ok(recorded) => recorded,
                Err(Trouble::NotHere(_)) => continue,
                Err(Trouble::Failed(why)) => return Err(told(why)),
            };
            recorded.after.clone_from(&self.after);
            recorded.at_end(scenario).map_err(&told)?;
            recorded.deaths(scenario, "posix", STATES_BEHIND_A_FAULT).map_err(&told)?;
        }
        Ok(())
    }

    /// What is there when it has ended.
    fn at_end(&self, scenario: &Scenario) -> Result<(), String> {
        let profile = Profile::find("process").map_err(|error| error.to_string())?;
        let plan = Plan::new(&self.trace, &profile);
        let scratch = scratch()?;
        let disk = State::complete(self.trace.calls.len()).disk(&plan);
        disk.write_to(scratch.path()).map_err(|error| error.to_string())?;
        self.check(scenario, &profile.name, self.succeeded, &scratch.path().join("stream"))
    }

    /// All states that a death, or a loss of power, may leave.
    fn deaths(&self, scenario: &Scenario, profile: &str, most: u64) -> Result<(), String> {
        let profile = Profile::find(profile).map_err(|error| error.to_string())?;
        let plan = Plan::new(&self.trace, &profile);
        let (mut seen, mut trouble) = (HashSet::new(), None);
        explore(&plan, 1, most, |stage, state| {
            let answered = !self.trace.acknowledged(state.calls).is_empty();
            let acknowledged = answered && self.succeeded;
            let disk = stage.disk(&state);
            if !seen.insert((disk.hash(), acknowledged)) {
                return ControlFlow::Continue(());
            }
            let checked = scratch().and_then(|scratch| {
                disk.write_to(scratch.path()).map_err(|error| error.to_string())?;
                self.check(scenario, &profile.name, acknowledged, &scratch.path().join("stream"))
            });
            let Err(why) = checked else { return ControlFlow::Continue(()) };
            let last = state.calls.checked_sub(1).and_then(|last| self.trace.calls.get(last));
            let behind = last.map_or("the beginning", |call| &call.shown);
            trouble = Some(format!("{}, behind {behind}: {why}", state.name(&plan)));
            ControlFlow::Break(())
        });
        trouble.map_or(Ok(()), Err)
    }

    fn check(
        &self,
        scenario: &Scenario,
        profile: &str,
        acknowledged: bool,
        dir: &Path,
    ) -> Result<(), String> {
        let power = profile != "process";
        let boot = match power {
            false => scenario.boot,
            true if scenario.boot == BOOT => NEXT_BOOT,
            true => [0xb3; 16],
        };
        let is_there = dir.join("0000000000.puro").exists();
        if !is_there && scenario.segments.is_none() {
            let promised = acknowledged && !power;
            return if promised { Err("the stream is not there".to_owned()) } else { Ok(()) };
        }
        let mut driver = Driver::default();
        let verify = json!({"do": "verify", "dir": dir, "boot": hex(&boot)});
        let verdict = driver.answer(&verify);
        if verdict["verdict"] != "sound" && verdict["verdict"] != "repairable" {
            return Err(format!("verification says {verdict}"));
        }
        self.kept(scenario, dir)?;
        let must = acknowledged && (!power || scenario.durable);
        self.one_of(&values(dir, boot)?, must)?;
        let value = json!([{"topic": "74", "value": "6e657874"}]);
        let append = json!({"do": "append", "dir": dir, "boot": hex(&boot), "records": value});
        let appended = driver.answer(&append);
        if appended.get("error").is_some() {
            return Err(format!("the next writer says {appended}"));
        }
        let mut found = values(dir, boot)?;
        if found.pop() != Some("6e657874".into()) {
            return Err("what the next writer appended is not the last".to_owned());
        }
        self.kept(scenario, dir)?;
        self.one_of(&found, must)
    }

    fn one_of(&self, found: &[Value], must: bool) -> Result<(), String> {
        if found == self.after || (!must && found == self.before) {
            return Ok(());
        }
        let what = if must { "what was answered is not there" } else { "neither before nor after" };
        Err(format!("{what}: {} records", found.len()))
    }

    /// A tail that may have been seen stands somewhere: in the segment, or in `lost/`.
    fn kept(&self, scenario: &Scenario, dir: &Path) -> Result<(), String> {
        let Some(kept) = &scenario.kept else { return Ok(()) };
        let files = Snapshot::of(dir).map_err(|error| error.to_string())?;
        let holds = |bytes: &Vec<u8>| bytes.windows(kept.len()).any(|part| part == kept);
        let there = files.0.values().any(holds);
        if there { Ok(()) } else { Err("the tail that was cut off is nowhere (X-4)".to_owned()) }
    }
}

/// The driver, where it was started, with its one request on stdin.
fn command(driver: &[String], input: &Path) -> Vec<OsString> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let script = "cd \"$1\" && input=\"$2\" && shift 2 && exec \"$@\" < \"$input\"";
    let mut words: Vec<OsString> = vec!["sh".into(), "-c".into(), script.into(), "sh".into()];
    words.extend([here.into_os_string(), input.as_os_str().to_owned()]);
    words.extend(driver.iter().map(OsString::from));
    words
}

/// The values of all records.
fn values(dir: &Path, boot: [u8; 16]) -> Result<Vec<Value>, String> {
    let answer = Driver::default().answer(&json!({"do": "read", "dir": dir, "boot": hex(&boot)}));
    if answer["then"] != "end" {
        return Err(format!("a reader says {answer}"));
    }
    let records = answer["records"].as_array().into_iter().flatten();
    Ok(records.map(|record| record["value"].clone()).collect())
}
