//! What the tests of all clusters share: mirrors as processes, streams with everything in them, and comparing.

pub mod campaign;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use puro::{Batch, Consumer, NewRecord, OwnedRecord, Producer};

/// Two directories for streams.
pub struct Place {
    _scratch: tempfile::TempDir,
    pub a: PathBuf,
    pub b: PathBuf,
}

pub fn place() -> Place {
    let scratch = tempfile::tempdir().unwrap();
    let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
    Place { _scratch: scratch, a, b }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a script has installed, and named in the environment.
pub fn installed(name: &str, script: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use {script}"))
}

/// Asks a client of another make, in Python.
pub fn ask_python(python: &str, program: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(python);
    command.arg(program).args(arguments).stderr(Stdio::inherit());
    let answer = command.output().unwrap();
    assert!(answer.status.success(), "{program} {arguments:?}");
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub fn mirror() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro-mirror"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

pub fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub fn assert_fine(command: &mut Command) -> String {
    let (code, told) = said(&command.output().unwrap());
    assert_eq!(code, Some(0), "{told}");
    told
}

pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until something holds: whoever is to bring it about is another process.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(90), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Transactions of several records, with everything that a record can have, in topics of a prefix.
pub fn append_all_kinds(dir: &Path, prefix: &str, count: u32) {
    let mut producer = Producer::open(dir).unwrap();
    let topic = |name: &str| format!("{prefix}-{name}");
    for number in 0..count {
        let (key, value) = (format!("k{}", number % 7), format!("value {number}"));
        let mut batch = Batch::new();
        let (orders, empty, users) = (topic("orders"), topic("empty"), topic("users"));
        let headers = NewRecord::new(&orders, &value).key(&key).header("h", "1").header("h", "2");
        batch.push(&headers).unwrap();
        batch.push(&NewRecord::new(&empty, "").key("")).unwrap();
        batch.push(&NewRecord::new(&empty, "no key").header("nothing", "")).unwrap();
        batch.push(&NewRecord::delete_marker(&users, &key)).unwrap();
        producer.append_batch(&mut batch).unwrap();
    }
}

/// A record as each `foreign.py` prints one.
pub fn shown(record: &OwnedRecord) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let or_none = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or("-".to_owned(), hex);
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|(name, value)| format!("{}={}", hex(name), hex(value)))
        .collect();
    let (topic, time) = (String::from_utf8_lossy(&record.topic), record.timestamp_ms);
    let (key, value) = (or_none(&record.key), or_none(&record.value));
    format!("{topic} {time} {key} {value} {}", headers.join(","))
}

/// All records of a stream as they are shown, topic by topic.
pub fn by_topic(dir: &Path) -> Vec<String> {
    let mut consumer = Consumer::open(dir).unwrap();
    let mut records = Vec::new();
    while let Some(record) = consumer.try_next().unwrap() {
        records.push(record.to_owned());
    }
    records.sort_by(|a, b| a.topic.cmp(&b.topic)); // It keeps the order within a topic.
    records.iter().map(shown).collect()
}

/// Where they differ is told, rather than all of them.
pub fn assert_same(found: &[String], expected: &[String], what: &str) {
    let differ = found.iter().zip(expected).position(|(a, b)| a != b);
    if let Some(at) = differ {
        panic!("{what}: at {at}: {} instead of {}", found[at], expected[at]);
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
