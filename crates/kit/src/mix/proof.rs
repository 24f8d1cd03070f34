//! What must hold when all have stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Asked, EVENTS, Ledger, Mix, OUTPUTS};
use crate::check::judge::{Judged, Outcome};
use crate::check::port::Port;
use crate::driver::{Driver, hex, unhex};

/// A record of the stream as it is in the end.
type Found = (u64, String, Option<String>, String);

/// All that must hold.
pub fn judge(mix: &Mix, dir: &Path, ledger: &Ledger) -> Result<Vec<Judged>, String> {
    let begun = Instant::now();
    // Whoever died last may have left half a block: somebody repairs it first.
    let repair = json!({"do": "repair", "dir": dir});
    let mut port = Port::start(&mix.drivers[0], mix.timeout)?;
    let repaired = port.ask(&repair)?;
    let mut ours = Driver::default();
    let found = ours.answer(&json!({"do": "read", "dir": dir}));
    let records = records(&found);
    let told = |trouble: Vec<String>| match trouble.split_first() {
        None => Outcome::Passed,
        Some((first, [])) => Outcome::Failed(first.clone()),
        Some((first, rest)) => Outcome::Failed(format!("{first}; and {} more", rest.len())),
    };
    let mut sequences = Vec::new();
    for driver in &mix.drivers {
        let mut port = Port::start(driver, Duration::from_secs(120))?;
        let answer = port.ask(&json!({"do": "read", "dir": dir}))?;
        if answer["then"] != "end" || self::records(&answer) != records {
            sequences.push(format!("{} reads another sequence, or {}", port.name, answer["then"]));
        }
    }
    let verdict = ours.answer(&json!({"do": "verify", "dir": dir, "deep": true}));
    let sound = verdict["verdict"] == "sound" && repaired.get("error").is_none();
    let verified = if sound { Vec::new() } else { vec![format!("{verdict}, {repaired}")] };
    let judged = |id: &str, clauses: &[&str], trouble| {
        let clauses = clauses.iter().map(|clause| (*clause).to_owned()).collect();
        Judged { id: format!("mix/{id}"), clauses, outcome: told(trouble), took: begun.elapsed() }
    };
    Ok(vec![
        judged("nobody-complains", &["A-12", "L-1", "R-3"], ledger.troubles.clone()),
        judged("acknowledged", &["A-9", "A-12", "X-3"], acknowledged(ledger, &records)),
        judged("once", &["A-12", "S-5", "F-38"], once(ledger, &records)),
        judged("one-sequence", &["R-3", "V-8", "F-39"], sequences),
        judged("consumers", &["C-2", "R-2", "L-10"], consumers(ledger, &records)),
        judged("outputs", &["C-3", "C-2"], outputs(&records)),
        judged("sound", &["K-8", "V-6", "X-5"], verified),
    ])
}

fn text(value: &Value) -> Option<String> {
    let bytes = unhex(value.as_str()?)?;
    String::from_utf8(bytes).ok()
}

fn records(answer: &Value) -> Vec<Found> {
    let list = answer["records"].as_array().into_iter().flatten();
    let one = |record: &Value| {
        let offset = record["offset"].as_u64().unwrap_or(u64::MAX);
        let topic = text(&record["topic"]).unwrap_or_default();
        (offset, topic, text(&record["key"]), text(&record["value"]).unwrap_or_default())
    };
    list.map(one).collect()
}

/// What was acknowledged is where that was said, or superseded.
fn acknowledged(ledger: &Ledger, records: &[Found]) -> Vec<String> {
    let at: BTreeMap<u64, &Found> = records.iter().map(|record| (record.0, record)).collect();
    let is_superseded = |asked: &Asked, offset: u64| {
        let later = |record: &&Found| record.0 > offset && record.1 == asked.topic;
        asked.key.is_some() && records.iter().filter(later).any(|record| record.2 == asked.key)
    };
    let lost = ledger.asked.iter().filter_map(|asked| {
        let offset = asked.offset?;
        let there = at.get(&offset).is_some_and(|record| record.3 == asked.value);
        let superseded = !at.contains_key(&offset) && is_superseded(asked, offset);
        let gone = !there && !superseded;
        gone.then(|| format!("offset {offset} was acknowledged, and is not there, or another"))
    });
    lost.collect()
}

/// Nothing is there twice, and nothing that nobody asked for.
fn once(ledger: &Ledger, records: &[Found]) -> Vec<String> {
    let asked: BTreeSet<_> = ledger.asked.iter().map(|asked| asked.value.as_str()).collect();
    let (mut seen, mut troubles, mut last) = (BTreeSet::new(), Vec::new(), None);
    for (offset, topic, _, value) in records {
        if !seen.insert(value.as_str()) {
            troubles.push(format!("offset {offset}: a value that is there already"));
        }
        if topic != OUTPUTS && !asked.contains(value.as_str()) {
            troubles.push(format!("offset {offset}: a value that nobody asked for"));
        }
        if last.is_some_and(|last| last >= *offset) {
            troubles.push(format!("offset {offset} is out of order"));
        }
        last = Some(*offset);
    }
    troubles
}

/// What consumers were given is the sequence, and up to where each came it missed nothing.
fn consumers(ledger: &Ledger, records: &[Found]) -> Vec<String> {
    let at: BTreeMap<u64, String> =
        records.iter().map(|record| (record.0, hex(record.3.as_bytes()))).collect();
    let mut given: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let mut troubles = Vec::new();
    for (name, offset, value) in &ledger.read {
        given.entry(name).or_default().insert(*offset);
        if at.get(offset).is_some_and(|there| Some(there.as_str()) != value.as_str()) {
            troubles.push(format!("{name} was given something else at offset {offset}"));
        }
    }
    for (name, offsets) in given {
        let end = offsets.last().copied().unwrap_or_default();
        let missed = at.range(..end).find(|(offset, _)| !offsets.contains(offset));
        troubles
            .extend(missed.map(|(offset, _)| format!("{name} was never given offset {offset}")));
    }
    troubles
}

/// Each event has one output of each transformer, up to where that came, and none has two.
fn outputs(records: &[Found]) -> Vec<String> {
    let events: BTreeSet<u64> =
        records.iter().filter(|record| record.1 == EVENTS).map(|record| record.0).collect();
    let mut made: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, _, _, value) in records.iter().filter(|record| record.1 == OUTPUTS) {
        if let Some((name, offset)) = value.split_once(':') {
            made.entry(name.to_owned()).or_default().push(offset.parse().unwrap_or(u64::MAX));
        }
    }
    let mut troubles = Vec::new();
    for (name, offsets) in made {
        let end = offsets.iter().max().copied().unwrap_or_default();
        let wanted: Vec<_> = events.range(..=end).copied().collect();
        if offsets != wanted {
            troubles.push(format!(
                "{name} made {} outputs of {} events",
                offsets.len(),
                wanted.len()
            ));
        }
    }
    troubles
}
