//! An event-sourced account: its balance is what its events add up to, and it is never overdrawn.
//!
//! ```text
//! cargo run --example account -- STREAM deposit 100
//! cargo run --example account -- STREAM withdraw 30
//! cargo run --example account -- STREAM balance
//! ```
//!
//! Whoever withdraws reads all events, decides, and appends only if the stream still ends where
//! the decision was made (`Transaction::if_end`). If somebody was faster, that is a conflict: the events
//! that came since are read, and it is decided anew. So any number of processes may withdraw at
//! once, and nobody holds a lock while deciding.
//!
//! The condition is on the whole stream, so each account is a stream of its own.

use std::error::Error;
use std::process::ExitCode;

use puro::{AppendError, Batch, Consumer, NewRecord, Producer, ProducerOptions, Token};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (stream, change) = match arguments.as_slice() {
        [stream, "balance"] => (stream, Ok(0)),
        [stream, "deposit", amount] => (stream, amount.parse::<u32>().map(i64::from)),
        [stream, "withdraw", amount] => (stream, amount.parse::<u32>().map(|sum| -i64::from(sum))),
        _ => {
            eprintln!("usage: account STREAM balance|deposit AMOUNT|withdraw AMOUNT");
            return ExitCode::from(64);
        }
    };
    match change.map_err(Into::into).and_then(|change| run(stream, change)) {
        Ok(balance) => {
            println!("balance {balance}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("account: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Changes the account, if that may be; tells the balance.
fn run(stream: &str, change: i64) -> Result<i64, Box<dyn Error>> {
    let mut account = Account::open(stream)?;
    loop {
        let at = account.catch_up()?;
        let after = account.balance.saturating_add(change);
        if after < 0 {
            return Err(format!("not enough: the balance is {}", account.balance).into());
        }
        if change == 0 {
            return Ok(after);
        }
        match account.append(change, &at) {
            Ok(()) => return Ok(after),
            // Somebody was faster: read on, and decide again.
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

struct Account {
    events: Consumer,
    producer: Producer,
    /// What all events read so far add up to.
    balance: i64,
}

impl Account {
    fn open(stream: &str) -> Result<Self, Box<dyn Error>> {
        // The producer comes first: it makes the stream if it is missing.
        let producer = ProducerOptions::new().durable(true).open(stream)?;
        Ok(Self { producer, events: Consumer::open(stream)?, balance: 0 })
    }

    /// Takes in what came since; tells up to where.
    fn catch_up(&mut self) -> Result<Token, Box<dyn Error>> {
        while let Some(event) = self.events.try_next()? {
            let amount: i64 = str::from_utf8(event.value.unwrap_or(b"0"))?.parse()?;
            self.balance += if event.topic == b"deposited" { amount } else { -amount };
        }
        let at = self.events.token();
        Ok(at.ok_or("the stream is not there any more")?)
    }

    /// Appends an event, durably, if nobody appended since `at`.
    fn append(&mut self, change: i64, at: &Token) -> Result<(), AppendError> {
        let topic = if change < 0 { "withdrawn" } else { "deposited" };
        let mut batch = Batch::new();
        batch.push(&NewRecord::new(topic, &change.unsigned_abs().to_string()))?;
        self.producer.transaction(&mut batch).if_end(at).commit().map(drop)
    }
}
