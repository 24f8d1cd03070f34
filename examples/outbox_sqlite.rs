//! An outbox: what a program commits in SQLite goes into the stream, exactly once.
//!
//! ```text
//! cargo run --example outbox_sqlite -- DATABASE STREAM
//! ```
//!
//! A database and a stream have no transaction in common. So a program that changes its tables
//! and wants to tell of it puts a row into table `outbox`, in the same transaction of SQLite:
//!
//! ```sql
//! BEGIN;
//! INSERT INTO orders ...;
//! INSERT INTO outbox (topic, key, value) VALUES ('orders', 'customer-7', '3 apples');
//! COMMIT;
//! ```
//!
//! This relay appends the rows in their order, and deletes them once they are on disk. It may be
//! killed between the two, and then appends them again. The id of a row is the sequence of
//! `Transaction::once`: what the stream has already it does not take twice. `AUTOINCREMENT` is needed,
//! for otherwise SQLite gives the ids of deleted rows again. Two relays at once do no harm.

use std::error::Error;
use std::process::ExitCode;

use puro::{AppendError, Batch, NewRecord, Producer};
use rusqlite::{Connection, params};

/// Rows that share one sync.
const ROWS_AT_ONCE: i64 = 500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, stream] = arguments.as_slice() else {
        eprintln!("usage: outbox_sqlite DATABASE STREAM");
        return ExitCode::from(64);
    };
    match relay(database, stream) {
        Ok(sent) => {
            println!("{} appended, {} were there already", sent.appended, sent.known);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("outbox_sqlite: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Sent {
    appended: usize,
    known: usize,
}

struct Row {
    id: i64,
    topic: String,
    key: String,
    value: String,
}

/// Empties the outbox into the stream.
fn relay(database: &str, stream: &str) -> Result<Sent, Box<dyn Error>> {
    let database = Connection::open(database)?;
    // The relay's identity is in the database: another database counts its rows anew.
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT,
             topic TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS outbox_relay AS
             SELECT 'outbox-' || lower(hex(randomblob(8))) AS identity;",
    )?;
    let query = "SELECT identity FROM outbox_relay";
    let identity: String = database.query_row(query, [], |row| row.get(0))?;
    let mut producer = Producer::open(stream)?;
    let mut sent = Sent::default();
    loop {
        let rows = next_rows(&database)?;
        let Some(last) = rows.last() else { return Ok(sent) };
        for row in &rows {
            let known = append(&mut producer, &identity, row)?;
            *(if known { &mut sent.known } else { &mut sent.appended }) += 1;
        }
        // First on disk there, then gone from here.
        producer.sync()?;
        database.execute("DELETE FROM outbox WHERE id <= ?1", params![last.id])?;
    }
}

fn next_rows(database: &Connection) -> rusqlite::Result<Vec<Row>> {
    let query = "SELECT id, topic, key, value FROM outbox ORDER BY id LIMIT ?1";
    let mut query = database.prepare_cached(query)?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row { id: row.get(0)?, topic: row.get(1)?, key: row.get(2)?, value: row.get(3)? })
    };
    query.query_map(params![ROWS_AT_ONCE], row)?.collect()
}

/// Appends a row, unless the stream has it; tells whether it had.
///
/// One row is one batch: two relays may see different rows, but never a different row of one id.
fn append(producer: &mut Producer, identity: &str, row: &Row) -> Result<bool, Box<dyn Error>> {
    let mut batch = Batch::new();
    batch.push(&NewRecord::new(&row.topic, &row.value).key(&row.key))?;
    match producer.transaction(&mut batch).once(identity, u64::try_from(row.id)?).commit() {
        Ok(appended) => Ok(appended.duplicate),
        // A later row is there, and rows go in their order: so is this one.
        Err(AppendError::OldSequence { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
