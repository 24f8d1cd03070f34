//! What a program was given is recorded, and replayed as a test of its next version.
//!
//! ```text
//! printf 'coin 100\ncoin 50\ncola\n' | cargo run --example replay -- STREAM record
//! cargo run --example replay -- STREAM check               # all that was ever recorded
//! cargo run --example replay -- STREAM check 1000          # the last thousand inputs
//! PRICE=200 cargo run --example replay -- STREAM check     # a version that behaves otherwise
//! ```
//!
//! The program is a vending machine. Each input is recorded with the state before it and the
//! answer to it. So a replay may begin at any record: with the last thousand, at an offset, or at
//! a time (`Start`). The check gives the inputs to the machine as it is now, and ends at the first
//! answer that is not the recorded one.

use std::error::Error;
use std::io::{self, BufRead};
use std::process::ExitCode;

use puro::{ConsumerOptions, NewRecord, Producer, Record, Start};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [stream, "record"] => record(stream),
        [stream, "check"] => check(stream, Start::Beginning),
        [stream, "check", last] => {
            last.parse().map_err(Into::into).and_then(|last| check(stream, Start::Last(last)))
        }
        _ => {
            eprintln!("usage: replay STREAM record|check [LAST]");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The program under test: what it does follows from its state and its input alone.
struct Machine {
    credit: u32,
    price: u32,
}

impl Machine {
    fn new(credit: u32) -> Self {
        let price = std::env::var("PRICE").ok().and_then(|price| price.parse().ok());
        Self { credit, price: price.unwrap_or(150) }
    }

    fn answer(&mut self, input: &str) -> String {
        match input.split_once(' ') {
            Some(("coin", value)) => {
                self.credit = self.credit.saturating_add(value.parse().unwrap_or(0));
                format!("credit {}", self.credit)
            }
            None if input == "cola" && self.credit >= self.price => {
                let change = std::mem::take(&mut self.credit) - self.price;
                format!("a cola, and {change} back")
            }
            None if input == "cola" => format!("{} more, please", self.price - self.credit),
            _ => "what?".to_owned(),
        }
    }
}

/// Runs the machine on lines of stdin, and records what it is given.
fn record(stream: &str) -> Result<String, Box<dyn Error>> {
    let mut producer = Producer::open(stream)?;
    let (mut machine, mut count) = (Machine::new(0), 0);
    for input in io::stdin().lock().lines() {
        let input = input?;
        let before = machine.credit.to_string();
        let answer = machine.answer(&input);
        let record = NewRecord::new("inputs", &input);
        producer.append(&record.header("before", &before).header("answer", &answer))?;
        println!("{answer}");
        count += 1;
    }
    Ok(format!("{count} inputs recorded"))
}

/// Replays what was recorded from some place on, each input in the state that it met.
fn check(stream: &str, start: Start) -> Result<String, Box<dyn Error>> {
    let mut inputs = ConsumerOptions::new().topic("inputs").start(start).open(stream)?;
    let mut count = 0;
    while let Some(record) = inputs.try_next()? {
        let before = text(&record, "before")?.parse()?;
        let input = str::from_utf8(record.value.unwrap_or_default())?;
        let (then, now) = (text(&record, "answer")?, Machine::new(before).answer(input));
        if then != now {
            let at = record.offset;
            return Err(format!("input {at} `{input}`: was `{then}`, is `{now}`").into());
        }
        count += 1;
    }
    Ok(format!("{count} inputs replayed, all answers are as they were"))
}

fn text<'r>(record: &Record<'r>, header: &str) -> Result<&'r str, Box<dyn Error>> {
    let found = record.headers.get(header.as_bytes());
    Ok(str::from_utf8(found.ok_or_else(|| format!("a record without `{header}`"))?)?)
}
