//! State kept outside the stream, exactly once: balances of accounts in SQLite.
//!
//! ```text
//! cargo run --example tokens_sqlite -- STREAM DATABASE [--rebuild]
//! ```
//!
//! Records of topic `transfers` have an account as key and an amount as value. What they add
//! up to and the token of the position behind them are written in one transaction of SQLite:
//! whenever this is killed, the database holds the sums of exactly the records before its
//! token, and goes on from there. A token is more than an offset: if the records that the
//! database has seen are not in the stream any more, because they were lost or the stream was
//! restored from a backup, the token is refused. No record that came since under the same
//! offsets is added to sums that it does not belong to.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use puro::{Consumer, ConsumerOptions, Diverged, ReadError, Start, Token};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Records in one transaction: enough that its sync does not count.
const BATCH_RECORDS: usize = 500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (rebuild, paths): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| *argument == "--rebuild");
    let [stream, database] = paths.as_slice() else {
        eprintln!("usage: tokens_sqlite STREAM DATABASE [--rebuild]");
        return ExitCode::from(64);
    };
    match run(Path::new(stream), Path::new(database), !rebuild.is_empty()) {
        Ok(token) => {
            println!("{database} is what {stream} says up to {token}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", what_to_do(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Brings the database to the end of the stream, and tells where that is.
pub fn run(stream: &Path, database: &Path, rebuild: bool) -> Result<Token, Box<dyn Error>> {
    let mut database = open_database(database)?;
    if rebuild {
        forget(&mut database)?;
    }
    let start = stored_token(&database)?.map_or(Start::Beginning, Start::Token);
    // Durable: SQLite syncs what it commits, so it must not learn what the stream may lose.
    let options = ConsumerOptions::new().topic("transfers").durable(true).start(start);
    let mut consumer = options.open(stream)?;
    loop {
        let transaction = database.transaction()?;
        let count = apply(&transaction, &mut consumer)?;
        let token = consumer.token().ok_or("the stream is not there any more")?;
        store_token(&transaction, &token)?;
        // State and position: both or neither.
        transaction.commit()?;
        if count < BATCH_RECORDS {
            return Ok(token);
        }
    }
}

fn open_database(path: &Path) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, amount INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT);",
    )?;
    Ok(database)
}

/// Begins anew: sums and position together.
fn forget(database: &mut Connection) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    transaction.execute_batch("DELETE FROM balance; DELETE FROM position;")?;
    transaction.commit()
}

fn stored_token(database: &Connection) -> Result<Option<Token>, Box<dyn Error>> {
    let query = "SELECT token FROM position";
    let text: Option<String> = database.query_row(query, [], |row| row.get(0)).optional()?;
    Ok(text.map(|text| text.parse()).transpose()?)
}

fn store_token(transaction: &Transaction<'_>, token: &Token) -> rusqlite::Result<usize> {
    let insert = "INSERT OR REPLACE INTO position (one, token) VALUES (1, ?1)";
    transaction.execute(insert, params![token.to_string()])
}

/// Adds up the next records; tells how many there were.
fn apply(transaction: &Transaction<'_>, consumer: &mut Consumer) -> Result<usize, Box<dyn Error>> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO balance (account, amount) VALUES (?1, ?2)
         ON CONFLICT (account) DO UPDATE SET amount = amount + excluded.amount",
    )?;
    for count in 0..BATCH_RECORDS {
        let Some(record) = consumer.try_next()? else { return Ok(count) };
        let account = str::from_utf8(record.key.ok_or("a transfer needs an account as its key")?)?;
        let amount: i64 = str::from_utf8(record.value.unwrap_or(b"0"))?.parse()?;
        add.execute(params![account, amount])?;
    }
    Ok(BATCH_RECORDS)
}

/// An error in words that help. There is no way to take single records out of the sums again,
/// so what helps against a history that has diverged is to make them anew.
pub fn what_to_do(error: &(dyn Error + 'static)) -> String {
    let advice = match error.downcast_ref() {
        Some(ReadError::Diverged(Diverged::Lost { end, .. })) => format!(
            "The database holds sums of records from offset {end} on that the stream has lost. \
             Run again with --rebuild to make the sums anew from what there is."
        ),
        Some(ReadError::Diverged(Diverged::OtherStream { .. })) => "The database was made from \
             another stream, perhaps the one that this was restored from. Run again with \
             --rebuild to make the sums anew from this one."
            .to_owned(),
        Some(ReadError::OffsetOutOfRange { offset, low, .. }) if offset < low => format!(
            "Records that the database has not seen yet were deleted: the stream begins at offset \
             {low}. They are needed: bring them back from a backup."
        ),
        _ => return error.to_string(),
    };
    format!("{error}\n{advice}")
}
