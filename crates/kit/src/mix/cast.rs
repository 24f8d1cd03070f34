//! Who takes part: each a process that is killed at any moment, and started anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{Asked, EVENTS, OUTPUTS, STATES, Stage};
use crate::check::port::Port;
use crate::driver::hex;
use crate::vectors::make::Dice;

/// A process, and when it dies.
struct Actor<'s> {
    stage: &'s Stage<'s>,
    port: Port,
    dice: Dice,
}

impl<'s> Actor<'s> {
    fn new(stage: &'s Stage<'s>, number: u64, driver: usize) -> Option<Self> {
        match Port::start(&stage.mix.drivers[driver], stage.mix.timeout) {
            Ok(port) => Some(Self { stage, port, dice: stage.dice(number) }),
            Err(trouble) => {
                stage.trouble(trouble);
                None
            }
        }
    }

    /// Asks; now and then the process is killed meanwhile. `None`: nobody knows what came of it.
    fn ask(&mut self, request: &Value) -> Option<Value> {
        let doomed = self.port.pid().filter(|_| self.dice.below(12) == 0);
        let dies = doomed.is_some();
        let killed = Arc::new(AtomicBool::new(false));
        if let Some(pid) = doomed {
            let wait = Duration::from_micros(self.dice.below(8000));
            let killed = Arc::clone(&killed);
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                // The process is not waited for before its answer is, so the number is still its own.
                killed.store(
                    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).is_ok(),
                    Ordering::SeqCst,
                );
            });
        }
        let answer = self.port.ask(request);
        if dies {
            // It may have answered before: it dies all the same, and has said what it said.
            while !killed.load(Ordering::SeqCst) && self.port.pid().is_some() {
                std::thread::sleep(Duration::from_micros(100));
            }
            self.port.stop();
            self.stage.killed();
        }
        match answer {
            Ok(answer) => Some(answer),
            Err(_) if dies => None,
            Err(trouble) => {
                self.stage.trouble(format!("{request}: {trouble}"));
                None
            }
        }
    }
}

/// Appends values, none twice.
pub fn produce(stage: &Stage<'_>, number: usize) {
    let Some(mut actor) = Actor::new(stage, number as u64, number % 2) else { return };
    for count in 0.. {
        if stage.is_over() {
            return;
        }
        let topic = if actor.dice.below(4) == 0 { STATES } else { EVENTS };
        let key = (topic == STATES).then(|| format!("key-{}", actor.dice.below(5)));
        let value = format!("{number}-{count}{}", ".".repeat(actor.dice.below(900) as usize));
        let record = json!({
            "topic": hex(topic.as_bytes()), "key": key.as_ref().map(|key| hex(key.as_bytes())),
            "value": hex(value.as_bytes()),
        });
        let durable = actor.dice.below(8) == 0;
        let mut request = json!({
            "do": "append", "dir": stage.dir, "records": [record], "durable": durable,
            "lock_ms": 20_000,
        });
        if actor.dice.below(4) > 0 {
            request["handle"] = "producer".into();
        }
        let answer = actor.ask(&request);
        let offset = answer.as_ref().and_then(|answer| answer["first_offset"].as_u64());
        if let Some(answer) = answer.filter(|_| offset.is_none()) {
            stage.trouble(format!("{request}: {answer}"));
        }
        stage.note(|ledger| ledger.asked.push(Asked { topic, key, value, offset }));
    }
}

/// Reads on under a name of its own, and commits.
pub fn consume(stage: &Stage<'_>, number: usize) {
    let name = format!("reader-{number}");
    let mut driver = number;
    let mut turn = 100 + number as u64;
    while !stage.is_over() {
        // A name goes from one program to the other whenever its owner died.
        let Some(mut actor) = Actor::new(stage, turn, driver % 2) else { return };
        (driver, turn) = (driver + 1, turn + 10);
        loop {
            // What is committed was told before: a death in between gives it once more.
            let ask = |take: u64, commit: bool| {
                json!({
                    "do": "consume", "dir": stage.dir, "name": name, "take": take,
                    "commit": commit, "handle": "reader", "lock_ms": 20_000,
                })
            };
            let request = ask(1 + actor.dice.below(20), false);
            let Some(answer) = actor.ask(&request) else { break };
            if answer.get("error").is_some() {
                stage.trouble(format!("{request}: {answer}"));
                return;
            }
            took(stage, &name, &answer);
            if stage.is_over() || actor.port.pid().is_none() {
                break;
            }
            let Some(committed) = actor.ask(&ask(0, true)) else { break };
            if committed.get("error").is_some() {
                stage.trouble(format!("{name}: {committed}"));
                return;
            }
            if stage.is_over() || actor.port.pid().is_none() {
                break;
            }
            rest(&answer);
        }
    }
}

fn rest(answer: &Value) {
    if answer["records"].as_array().is_none_or(Vec::is_empty) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn took(stage: &Stage<'_>, name: &str, answer: &Value) {
    let records = answer["records"].as_array().into_iter().flatten();
    stage.note(|ledger| {
        for record in records {
            let offset = record["offset"].as_u64().unwrap_or(u64::MAX);
            ledger.read.push((name.to_owned(), offset, record["value"].clone()));
        }
    });
}

/// Makes an output of each event, in one block with its position: both or neither.
pub fn transform(stage: &Stage<'_>, number: usize) {
    let name = format!("transform-{number}");
    let (mut driver, mut turn) = (number, 10_000 + number as u64);
    while !stage.is_over() {
        let Some(mut actor) = Actor::new(stage, turn, driver % 2) else { return };
        (driver, turn) = (driver + 1, turn + 10);
        loop {
            let ask = |take: u64, commit: bool, records: Value| {
                json!({
                    "do": "consume", "dir": stage.dir, "name": name, "take": take, "commit": commit,
                    "records": records, "handle": "transform", "lock_ms": 20_000,
                })
            };
            let take = 1 + actor.dice.below(5);
            let Some(answer) = actor.ask(&ask(take, false, Value::Null)) else { break };
            if answer.get("error").is_some() {
                stage.trouble(format!("{name}: {answer}"));
                return;
            }
            if stage.is_over() || actor.port.pid().is_none() {
                break;
            }
            let events = answer["records"].as_array().cloned().unwrap_or_default();
            let of_events = events.iter().filter(|event| event["topic"] == hex(EVENTS.as_bytes()));
            let outputs: Vec<_> = of_events
                .map(|event| {
                    let value = format!("{name}:{}", event["offset"]);
                    json!({"topic": hex(OUTPUTS.as_bytes()), "value": hex(value.as_bytes())})
                })
                .collect();
            if !outputs.is_empty() {
                let Some(answer) = actor.ask(&ask(0, true, outputs.into())) else { break };
                if answer.get("error").is_some() {
                    stage.trouble(format!("{name}: {answer}"));
                    return;
                }
            }
            if stage.is_over() || actor.port.pid().is_none() {
                break;
            }
            rest(&answer);
        }
    }
}

/// Compacts, in a process that is killed too.
pub fn maintain(stage: &Stage<'_>) {
    let rust =
        stage.mix.drivers.iter().position(|driver| driver.last().is_some_and(|w| w == "driver"));
    let Some(mut actor) = Actor::new(stage, 77, rust.unwrap_or_default()) else { return };
    while !stage.is_over() {
        let request = json!({"do": "steward", "dir": stage.dir, "lock_ms": 20_000});
        if let Some(answer) = actor.ask(&request).filter(|answer| answer.get("error").is_some()) {
            stage.trouble(format!("the steward: {answer}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
