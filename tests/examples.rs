//! The examples do what they say. Each is run as a user would: the program that cargo built, on a
//! stream of its own. (`transform` and `tokens_sqlite` are in `processes/`, where they are killed.)
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use puro::{
    Batch, Consumer, ConsumerOptions, NamedOptions, NewRecord, OwnedRecord, Producer,
    ProducerOptions, StewardOptions, Stream,
};
use rusqlite::Connection;
use tempfile::TempDir;

/// A program that `cargo test` and `cargo build --examples` put beside the tests.
fn example(name: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: cargo build --examples", program.display());
    Command::new(program)
}

/// A stream that is yet to be made, in a directory that goes with the value.
fn scratch() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let stream = dir.path().join("stream");
    (dir, stream)
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a program prints that fails as it should.
fn stderr(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a program on some input.
fn run_on(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// More than any step takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that follows a stream. It ends with the value.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(stream: &Path, records: &[NewRecord<'_>]) {
    let mut producer = Producer::open(stream).unwrap();
    for record in records {
        producer.append(record).unwrap();
    }
}

fn records(stream: &Path, topic: &str) -> Vec<OwnedRecord> {
    let mut consumer = ConsumerOptions::new().topic(topic).open(stream).unwrap();
    consumer.try_iter().map(Result::unwrap).collect()
}

fn values(stream: &Path, topic: &str) -> Vec<String> {
    let value = |record: OwnedRecord| String::from_utf8(record.value.unwrap()).unwrap();
    records(stream, topic).into_iter().map(value).collect()
}

#[test]
fn without_arguments_each_tells_how_it_is_used() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names = Vec::new();
    for source in fs::read_dir(sources).unwrap() {
        let path = source.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Of the feature `async`: built, and run, by the tests of that feature.
        if name == "async_tail" {
            continue;
        }
        let output = run(&mut example(&name));
        assert!(!output.status.success(), "{name}");
        let usage = format!("usage: {name} ");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with(&usage), "{name}");
        let story = fs::read_to_string(path).unwrap();
        assert!(story.contains(&format!("cargo run --example {name} -- ")), "{name}");
        names.push(name);
    }
    assert_eq!(names.len(), 12);
}

#[test]
fn tail_filter_looks_back_and_follows() {
    let (_dir, stream) = scratch();
    // It waits for the stream to be made.
    let mut tail = Follower::start(example("tail_filter").arg(&stream).args(["apple", "orders"]));
    append(
        &stream,
        &[
            NewRecord::new("orders", "1 pear"),
            NewRecord::new("orders", "3 apples").key("customer-7"),
            NewRecord::new("other", "an apple"),
            NewRecord::delete_marker("orders", "apple"),
        ],
    );
    assert_eq!(tail.next(), "1 orders customer-7: 3 apples");
    assert_eq!(tail.next(), "3 orders apple: (deleted)");
    append(&stream, &[NewRecord::new("orders", "an\napple")]);
    assert_eq!(tail.next(), "4 orders: an\\napple");
    let mut second = Follower::start(example("tail_filter").arg(&stream).arg("pear"));
    assert_eq!(second.next(), "0 orders: 1 pear");
}

#[test]
fn work_queue_answers_each_job_once_whoever_dies() {
    let (_dir, stream) = scratch();
    let sizes: Vec<String> = (1..=300).map(|n| format!("{n}x{n}")).collect();
    let mut producer = Producer::open(&stream).unwrap();
    let mut jobs = Batch::new();
    for size in &sizes {
        jobs.push(&NewRecord::new("jobs", size).key(size)).unwrap();
    }
    jobs.push(&NewRecord::new("jobs", "640xtall").key("poison")).unwrap();
    producer.append_batch(&mut jobs).unwrap();
    let worker = |share: &str| {
        let mut command = example("work_queue");
        command.arg(&stream).arg(share);
        command
    };
    // These are killed somewhere.
    let first: Vec<_> = ["0/3", "1/3", "2/3"]
        .map(|share| Follower::start(&mut worker(share)))
        .into_iter()
        .collect();
    let begun = |stream: &Path| !records(stream, "done").is_empty();
    while !begun(&stream) {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(first);
    for share in ["0/3", "1/3", "2/3"] {
        let told = stdout(&run(worker(share).arg("--drain")));
        assert!(told.starts_with("worker "), "{told}");
    }
    let mut answered: Vec<_> = records(&stream, "done").into_iter().map(|r| r.key).collect();
    answered.sort();
    let mut asked: Vec<_> = sizes.iter().map(|size| Some(size.clone().into_bytes())).collect();
    asked.sort();
    assert_eq!(answered, asked);
    let letters = records(&stream, "dead-letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_deref(), Some(&b"640xtall"[..]));
    assert_eq!(letters[0].headers[1].1, b"`tall`: invalid digit found in string");
    // Nothing is left.
    assert_eq!(stdout(&run(worker("0/3").arg("--drain"))), "worker 0 of 3: 0 jobs\n");
    assert_eq!(run(&mut worker("3/3")).status.code(), Some(64));
}

#[test]
fn account_is_never_overdrawn() {
    let (_dir, stream) = scratch();
    let account = |what: &[&str]| {
        let mut command = example("account");
        command.arg(&stream).args(what);
        command
    };
    assert_eq!(stdout(&run(&mut account(&["deposit", "100"]))), "balance 100\n");
    // Eight at once want what is there for three.
    let withdraw = || account(&["withdraw", "30"]).stderr(Stdio::piped()).spawn().unwrap();
    let all: Vec<Child> = (0..8).map(|_| withdraw()).collect();
    let outputs = all.into_iter().map(|child| child.wait_with_output().unwrap());
    let (paid, refused): (Vec<_>, Vec<_>) = outputs.partition(|output| output.status.success());
    assert_eq!((paid.len(), refused.len()), (3, 5));
    for output in refused {
        assert_eq!(stderr(&output), "account: not enough: the balance is 10\n");
    }
    assert_eq!(stdout(&run(&mut account(&["balance"]))), "balance 10\n");
    assert_eq!(values(&stream, "withdrawn"), ["30", "30", "30"]);
}

#[test]
fn outbox_sqlite_sends_each_row_once() {
    let (dir, stream) = scratch();
    let file = dir.path().join("shop.sqlite");
    let relay = || run(example("outbox_sqlite").args([&file, &stream]));
    assert_eq!(stdout(&relay()), "0 appended, 0 were there already\n");
    let database = Connection::open(&file).unwrap();
    let put = |value: &str| {
        let insert = "INSERT INTO outbox (topic, key, value) VALUES ('orders', 'k', ?1)";
        database.execute(insert, [value]).unwrap();
    };
    put("1 pear");
    put("3 apples");
    assert_eq!(stdout(&relay()), "2 appended, 0 were there already\n");
    // The table was emptied; what it gets next has ids of its own.
    put("2 plums");
    // As if it had been killed before it deleted: the rows it sent are there again.
    let again =
        "INSERT INTO outbox VALUES (1, 'orders', 'k', '1 pear'), (2, 'orders', 'k', '3 apples')";
    database.execute(again, []).unwrap();
    assert_eq!(stdout(&relay()), "1 appended, 2 were there already\n");
    assert_eq!(values(&stream, "orders"), ["1 pear", "3 apples", "2 plums"]);
    // Another database beside it.
    let other = dir.path().join("other.sqlite");
    let relay = || run(example("outbox_sqlite").args([&other, &stream]));
    relay();
    let database = Connection::open(&other).unwrap();
    database.execute("INSERT INTO outbox VALUES (1, 'orders', 'k', 'a melon')", []).unwrap();
    assert_eq!(stdout(&relay()), "1 appended, 0 were there already\n");
}

#[test]
fn metrics_of_all_threads_are_recorded() {
    let (_dir, stream) = scratch();
    let told = stdout(&run(example("metrics").arg(&stream).args(["4", "999"])));
    let counts: Vec<&str> =
        told.lines().map(|line| line.split(" requests").next().unwrap()).collect();
    assert_eq!(counts, ["/: 1332", "/orders: 1332", "/search: 1332"]);
    assert_eq!(records(&stream, "latency").len(), 4 * 999);
    // A second run tells of itself alone.
    let told = stdout(&run(example("metrics").arg(&stream).args(["1", "3"])));
    assert!(told.starts_with("/: 1 requests"), "{told}");
}

#[test]
fn replay_finds_the_answer_that_changed() {
    let (_dir, stream) = scratch();
    let replay = |what: &[&str]| {
        let mut command = example("replay");
        command.arg(&stream).args(what).env_remove("PRICE");
        command
    };
    let told = run_on(&mut replay(&["record"]), "coin 100\ncola\ncoin 100\ncola\nfanta\n");
    assert_eq!(
        stdout(&told),
        "credit 100\n50 more, please\ncredit 200\na cola, and 50 back\nwhat?\n5 inputs recorded\n"
    );
    let same = stdout(&run(&mut replay(&["check"])));
    assert_eq!(same, "5 inputs replayed, all answers are as they were\n");
    let changed = stderr(&run(replay(&["check"]).env("PRICE", "200")));
    assert_eq!(changed, "replay: input 1 `cola`: was `50 more, please`, is `100 more, please`\n");
    // The last two begin in the middle, with the state as it was there.
    let changed = stderr(&run(replay(&["check", "2"]).env("PRICE", "200")));
    assert_eq!(
        changed,
        "replay: input 3 `cola`: was `a cola, and 50 back`, is `a cola, and 0 back`\n"
    );
}

#[test]
fn change_feed_begins_with_the_table() {
    let (_dir, stream) = scratch();
    let user = |key: &'static str, value: &'static str| NewRecord::new("users", value).key(key);
    append(&stream, &[user("ann", "red"), user("bob", "blue"), user("ann", "green")]);
    append(&stream, &[NewRecord::delete_marker("users", "bob"), user("cid", "grey")]);
    let feed = || Follower::start(example("change_feed").arg(&stream).arg("users"));
    let expect_table = |feed: &mut Follower| {
        assert_eq!(feed.next(), "ann = green");
        assert_eq!(feed.next(), "cid = grey");
        assert_eq!(feed.next(), "-- 2 keys; changes from here on");
    };
    let mut first = feed();
    expect_table(&mut first);
    // It made the topic a compacted one, and what is compacted is the same table.
    let mut steward = StewardOptions::new().roll(true).open(&stream).unwrap();
    drop(first);
    let compacted = steward.run_once().unwrap().compacted;
    assert_eq!(compacted.iter().map(|segment| segment.records_removed).sum::<u64>(), 2);
    let mut second = feed();
    expect_table(&mut second);
    append(&stream, &[user("ann", "black"), NewRecord::delete_marker("users", "cid")]);
    assert_eq!(second.next(), "ann: green -> black");
    assert_eq!(second.next(), "cid: grey -> nothing");
}

#[test]
fn log_shipper_tells_what_is_safe() {
    let (_dir, stream) = scratch();
    let lines: Vec<String> = (0..2500).map(|number| format!("line {number}")).collect();
    let ship = |input: &str| run_on(example("log_shipper").arg(&stream).arg("app"), input);
    let told = stdout(&ship(&lines.join("\n")));
    assert_eq!(told.lines().last(), Some("2500 lines are safe"));
    assert_eq!(values(&stream, "app"), lines);
    // Many in a block: fewer acknowledgements than lines.
    assert!(told.lines().count() < 250, "{told}");
    assert_eq!(stdout(&ship("")), "");
    stdout(&ship("\n"));
    assert_eq!(values(&stream, "app").last().unwrap(), "");
}

#[test]
fn nightly_backup_keeps_the_newest() {
    let (dir, stream) = scratch();
    let backups = dir.path().join("backups");
    let night = || run(example("nightly_backup").args([&stream, &backups]).arg("2"));
    assert!(stderr(&night()).contains("is not a stream"));
    let mut producer = Producer::open(&stream).unwrap();
    let mut tell = |value: &str| {
        producer.append(&NewRecord::new("orders", value)).unwrap();
        stdout(&night())
    };
    assert!(tell("a").contains("offsets 0 to 1"));
    assert!(stdout(&night()).contains("nothing new"));
    tell("b");
    fs::write(backups.join("notes"), "mine").unwrap();
    assert!(tell("c").contains("upto-00000000000000000001: removed"));
    let mut names: Vec<_> = fs::read_dir(&backups)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["notes", "upto-00000000000000000002", "upto-00000000000000000003"]);
    assert_eq!(values(&backups.join(&names[2]), "orders"), ["a", "b", "c"]);
}

#[test]
fn housekeeping_sets_rules_and_makes_room() {
    let (_dir, stream) = scratch();
    let mut producer = ProducerOptions::new().segment_bytes(4096).open(&stream).unwrap();
    for number in 0..100 {
        let value = format!("{number} {}", "x".repeat(200));
        producer.append(&NewRecord::new("orders", &value)).unwrap();
    }
    drop(producer);
    let keep_house = || stdout(&run(example("housekeeping").arg(&stream)));
    assert!(keep_house().starts_with("retention_ms = 604800000\nretention_bytes = 1000000000\n"));
    assert!(keep_house().ends_with(" bytes now\n"), "what is set already is not set again");
    let set = Stream::open(&stream).unwrap().settings().unwrap();
    assert_eq!(set.cleanup(b"users"), puro::Cleanup::Compact);
    let trim = || run(example("housekeeping").arg(&stream).arg("--trim"));
    assert!(stderr(&trim()).contains("nothing is known to be consumed"));
    let mut billing = NamedOptions::new().open(&stream, "billing").unwrap();
    for _ in 0..50 {
        billing.try_next().unwrap().unwrap();
    }
    billing.close().unwrap();
    assert!(keep_house().contains("consumer billing: 50 behind, not running\n"));
    assert!(stdout(&trim()).contains("segment 0: deleted, "));
    let low = Stream::open(&stream).unwrap().bounds().unwrap().start;
    assert!(low > 20 && low <= 50, "{low}");
    assert!(Consumer::open(&stream).unwrap().try_next().unwrap().is_some());
}
