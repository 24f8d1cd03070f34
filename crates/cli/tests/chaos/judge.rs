//! What must be true in the end, whatever was done.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use puro::Consumer;

use crate::ledger::{Entry, read};
use crate::villain::Deeds;

/// What a record is, as far as the judge looks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    topic: String,
    value: String,
    key: Option<Vec<u8>>,
}

/// The stream as it stands.
fn stream(dir: &Path) -> BTreeMap<u64, Found> {
    let mut consumer = Consumer::open(dir).unwrap();
    let mut records = BTreeMap::new();
    while let Some(record) = consumer.try_next().unwrap() {
        let Entry::Saw { offset, topic, value } = crate::cast::saw(&record) else { unreachable!() };
        records.insert(offset, Found { topic, value, key: record.key.map(<[u8]>::to_vec) });
    }
    records
}

/// While no limit was set by which records are deleted, all that were acknowledged are there, but
/// for what compaction superseded.
pub fn all_acknowledged_are_there(root: &Path, dir: &Path) {
    assert!(dir.join("0000000000.puro").exists(), "a segment was deleted without a limit");
    // The ledgers first: what is acknowledged later may not be in what is read.
    let producers = ledgers(root, "producer");
    let records = stream(dir);
    let mut court = Court::new(&records);
    for (name, entries) in &producers {
        for entry in entries {
            if let Entry::Acknowledged { offset, value } = entry {
                court.acknowledge(name, *offset, value);
            }
        }
    }
    println!("chaos: {} acknowledged, all looked for", court.acknowledged);
    assert!(court.acknowledged > 0, "nothing was appended");
    assert!(court.faults.is_empty(), "{}", court.faults.join("\n"));
}

/// The ledgers of all who have a role, and what they say.
fn ledgers(root: &Path, role: &str) -> Vec<(String, Vec<Entry>)> {
    let names = std::fs::read_dir(root.join("ledgers")).unwrap();
    let mut found: Vec<_> = names
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name.starts_with(role))
        .map(|(name, path)| (name, read(&path)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

pub fn judge(root: &Path, deeds: &Deeds) {
    let mut faults = deeds.faults.clone();
    let records = stream(&root.join("s"));
    let mut court = Court::new(&records);
    faults.extend(is_sound(&root.join("s")));
    let producers = ledgers(root, "producer");
    for (name, entries) in &producers {
        court.hear_producer(name, entries);
    }
    let consumers = [ledgers(root, "consumer"), ledgers(root, "named")].concat();
    for (name, entries) in &consumers {
        court.hear_consumer(name, entries);
    }
    for (name, entries) in producers.iter().chain(&consumers).chain(&ledgers(root, "steward")) {
        court.hear_errors(name, entries);
    }
    faults.extend(court.faults);
    let Court { acknowledged, seen, errors, .. } = court;
    println!(
        "chaos: {} records, {acknowledged} acknowledged, {seen} times seen; {:?}",
        records.len(),
        deeds.count
    );
    for (text, (count, who)) in &errors {
        println!("  told {count} times, as to {who}: {text}");
    }
    let count = faults.len();
    faults.truncate(40);
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

/// `verify --deep` says so.
fn is_sound(dir: &Path) -> Option<String> {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_puro"));
    let output = verify.args(["verify", "--deep"]).arg(dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (!output.status.success()).then(|| format!("verify: {}\n{text}", output.status))
}

struct Court<'r> {
    records: &'r BTreeMap<u64, Found>,
    /// Where each value stands.
    places: HashMap<&'r str, u64>,
    /// The newest offset of each key of each topic.
    newest: HashMap<(&'r str, &'r [u8]), u64>,
    /// What was ever said to stand at an offset.
    history: HashMap<u64, String>,
    refused: HashSet<String>,
    acknowledged: u64,
    seen: u64,
    errors: BTreeMap<String, (u64, String)>,
    faults: Vec<String>,
}

impl<'r> Court<'r> {
    fn new(records: &'r BTreeMap<u64, Found>) -> Self {
        let mut court = Self {
            records,
            places: HashMap::new(),
            newest: HashMap::new(),
            history: HashMap::new(),
            refused: HashSet::new(),
            acknowledged: 0,
            seen: 0,
            errors: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (offset, found) in records {
            if let Some(other) = court.places.insert(&found.value, *offset) {
                court.faults.push(format!("{} stands at {other} and at {offset}", found.value));
            }
            if let Some(key) = &found.key {
                court.newest.insert((&found.topic, key), *offset);
            }
            court.history.insert(*offset, found.value.clone());
        }
        court
    }

    /// All that say something of an offset must say the same.
    fn stands(&mut self, who: &str, offset: u64, value: &str) {
        let known = self.history.entry(offset).or_insert_with(|| value.to_owned());
        if known != value {
            self.faults.push(format!("{who}: at {offset} is {value}, to others it is {known}"));
        }
    }

    fn hear_producer(&mut self, name: &str, entries: &[Entry]) {
        let before = self.acknowledged;
        for entry in entries {
            match entry {
                Entry::Acknowledged { offset, value } => self.acknowledge(name, *offset, value),
                Entry::Refused { value } => {
                    self.refused.insert(value.clone());
                    if let Some(offset) = self.places.get(value.as_str()) {
                        self.faults
                            .push(format!("{name}: {value} was refused, and is at {offset}"));
                    }
                }
                _ => {}
            }
        }
        if self.acknowledged == before {
            self.faults.push(format!("{name} appended nothing"));
        }
    }

    fn acknowledge(&mut self, name: &str, offset: u64, value: &str) {
        self.acknowledged += 1;
        let place = self.places.get(value).copied();
        // A buffered producer is not told where.
        let offset = if offset == u64::MAX { place } else { Some(offset) };
        let lowest = self.records.keys().next().copied().unwrap_or(0);
        let Some(offset) = offset else {
            if lowest == 0 {
                self.faults.push(format!("{name}: {value} was acknowledged, and is not there"));
            }
            return;
        };
        self.stands(name, offset, value);
        // What is gone was deleted from the lowest up, or superseded.
        if place != Some(offset) && offset >= lowest && !self.may_be_superseded(value, offset) {
            self.faults
                .push(format!("{name}: {value} was acknowledged at {offset}, is at {place:?}"));
        }
    }

    fn may_be_superseded(&self, value: &str, offset: u64) -> bool {
        let key = crate::cast::key(value);
        self.newest.get(&("k", key.as_bytes())).is_some_and(|newest| *newest > offset)
            && !self.records.contains_key(&offset)
    }

    fn hear_consumer(&mut self, name: &str, entries: &[Entry]) {
        let topic = match name {
            "consumer-1" | "named-1" => Some("a"),
            "consumer-3" => Some("k"),
            _ => None,
        };
        let mut saw = HashSet::new();
        for entry in entries {
            let Entry::Saw { offset, topic: found, value } = entry else { continue };
            self.seen += 1;
            saw.insert(*offset);
            self.stands(name, *offset, value);
            if topic.is_some_and(|topic| topic != found) {
                self.faults.push(format!("{name} saw a record of {found}"));
            }
            if self.refused.contains(value) {
                self.faults.push(format!("{name} saw {value}, which was refused"));
            }
        }
        let wanted =
            self.records.iter().filter(|(_, found)| topic.is_none_or(|topic| topic == found.topic));
        let missed: Vec<_> =
            wanted.filter(|(offset, _)| !saw.contains(offset)).map(|(offset, _)| offset).collect();
        if let Some(first) = missed.first() {
            self.faults.push(format!("{name} missed {} records, {first} the first", missed.len()));
        }
    }

    /// What is never so in this run, whatever is done.
    fn hear_errors(&mut self, name: &str, entries: &[Entry]) {
        const NEVER: [&str; 6] =
            ["damaged", "history", "not a Puro segment", "newer Puro", "perhaps appended", "fork"];
        for entry in entries {
            let Entry::Error { text } = entry else { continue };
            let plain: String =
                text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            let (count, _) = self.errors.entry(plain.clone()).or_insert((0, name.to_owned()));
            *count += 1;
            if NEVER.iter().any(|part| text.contains(part)) && *count == 1 {
                self.faults.push(format!("{name} was told: {text}"));
            }
        }
    }
}
