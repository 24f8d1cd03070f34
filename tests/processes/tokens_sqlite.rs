//! The example `tokens_sqlite`: killed at random, and shown a history that is not its own.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)] // Its `main` is for the command line.
#[path = "../../examples/tokens_sqlite.rs"]
mod example;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::real::{Random, Reaped, again, blocks, fast_consumer, flip, number, scratch, segment};
use puro::internals::os::OsVfs;
use puro::internals::{backup, restore};
use puro::{BackupOptions, Batch, NewRecord, Producer};

fn append(producer: &mut Producer, transfers: &[(u64, i64)]) {
    let mut batch = Batch::new();
    for (account, amount) in transfers {
        let (account, amount) = (format!("account-{account}"), amount.to_string());
        batch.push(&NewRecord::new("transfers", &amount).key(&account)).unwrap();
        batch.push(&NewRecord::new("other", "not a number")).unwrap();
    }
    producer.append_batch(&mut batch).unwrap();
}

/// What the stream adds up to, and what the database says.
fn sums(dir: &Path) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for record in fast_consumer().topic("transfers").open(dir).unwrap().try_iter() {
        let record = record.unwrap();
        let account = String::from_utf8(record.key.unwrap()).unwrap();
        let amount = String::from_utf8(record.value.unwrap()).unwrap();
        *sums.entry(account).or_default() += amount.parse::<i64>().unwrap();
    }
    sums
}

fn balances(database: &Path) -> BTreeMap<String, i64> {
    let database = rusqlite::Connection::open(database).unwrap();
    let mut query = database.prepare("SELECT account, amount FROM balance").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The example in a process of its own, to be killed.
#[test]
#[ignore = "a process that other tests start"]
fn child() {
    let (Ok(stream), Ok(database)) = (std::env::var("STREAM"), std::env::var("DATABASE")) else {
        return;
    };
    println!("MARK begun");
    example::run(Path::new(&stream), Path::new(&database), false).unwrap();
}

fn wait_until_begun(child: &mut Reaped) {
    let output = BufReader::new(child.0.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("MARK begun")));
}

/// State and token in one transaction: whenever it is killed, no transfer is lost or counted
/// twice. `PURO_KILLS` kills (50 if not given).
#[test]
fn killed_at_random_it_counts_every_transfer_once() {
    let scratch = scratch();
    let (dir, database) = (scratch.path().join("stream"), scratch.path().join("sums.db"));
    let mut random = Random::seeded("killed_at_random_it_counts_every_transfer_once");
    let mut producer = Producer::open(&dir).unwrap();
    for _ in 0..number("PURO_KILLS", 50) {
        for _ in 0..10 {
            let transfer = |_| (random.below(50), random.below(2000) as i64 - 1000);
            append(&mut producer, &(0..1000).map(transfer).collect::<Vec<_>>());
        }
        let variables =
            [("STREAM", dir.display().to_string()), ("DATABASE", database.display().to_string())];
        let mut child = Reaped(again("tokens_sqlite::child", &variables).spawn().unwrap());
        wait_until_begun(&mut child);
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        child.0.kill().unwrap();
        child.0.wait().unwrap();
    }
    let token = example::run(&dir, &database, false).unwrap();
    assert_eq!(token.offset, producer.token().offset);
    assert_eq!(balances(&database), sums(&dir));
    // Once more changes nothing.
    example::run(&dir, &database, false).unwrap();
    assert_eq!(balances(&database), sums(&dir));
}

/// E-7: the last block, seen by the database, was damaged where it was said to be on the disk.
/// The next writer saves it, cuts it off, and goes on in another epoch.
#[test]
fn a_history_that_was_lost_is_told_and_made_anew() {
    let scratch = scratch();
    let (dir, database) = (scratch.path().join("stream"), scratch.path().join("sums.db"));
    let mut producer = Producer::open(&dir).unwrap();
    append(&mut producer, &[(1, 10), (2, 20)]);
    append(&mut producer, &[(1, 100)]);
    drop(producer);
    example::run(&dir, &database, false).unwrap();
    let before = balances(&database);
    let last = segment(&dir, 0);
    flip(&last, blocks(&last).pop().unwrap().0 + 60, 1);
    append(&mut Producer::open(&dir).unwrap(), &[(1, 7), (3, 3), (4, 4)]);

    let error = example::run(&dir, &database, false).unwrap_err();
    let said = example::what_to_do(error.as_ref());
    assert!(said.contains("from offset 4 on") && said.contains("--rebuild"), "{said}");
    assert_eq!(balances(&database), before, "nothing is added to sums of another history");

    example::run(&dir, &database, true).unwrap();
    assert_eq!(balances(&database), sums(&dir));
    assert_eq!(balances(&database).get("account-1"), Some(&17));
}

/// E-8: the stream was restored from a backup; offsets are the same, the history is not.
#[test]
fn a_restored_stream_is_told_and_made_anew() {
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    let (dir, saved, restored, database) =
        (path("stream"), path("saved"), path("restored"), path("sums.db"));
    let mut producer = Producer::open(&dir).unwrap();
    append(&mut producer, &[(1, 10)]);
    let options = BackupOptions::new();
    backup(OsVfs::new(), &dir, &saved, &options, &mut |_, _| {}).unwrap();
    append(&mut producer, &[(1, 100)]);
    example::run(&dir, &database, false).unwrap();
    restore(OsVfs::new(), &saved, &restored, &options, &mut |_, _| {}).unwrap();
    append(&mut Producer::open(&restored).unwrap(), &[(1, 5), (1, 6)]);

    let error = example::run(&restored, &database, false).unwrap_err();
    let said = example::what_to_do(error.as_ref());
    assert!(said.contains("another stream") && said.contains("--rebuild"), "{said}");
    example::run(&restored, &database, true).unwrap();
    assert_eq!(balances(&database).get("account-1"), Some(&21));
}
