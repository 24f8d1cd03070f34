//! Exactly-once processing within a stream: one topic is made into another.
//!
//! ```text
//! cargo run --example transform -- STREAM
//! ```
//!
//! Each record of topic `orders` becomes one of topic `invoices`. The invoice and the position
//! of the consumer that read the order are appended in one block: both are there or neither.
//! So whenever this is killed, the next run goes on with the first order that has no invoice.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use puro::{
    AutoCommit, Batch, ConsumerOptions, LockWait, NamedConsumer, NamedOptions, NewRecord, Producer,
    Record,
};

fn main() -> ExitCode {
    let Some(stream) = std::env::args().nth(1) else {
        eprintln!("usage: transform STREAM");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&stream), Duration::MAX) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transform: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes invoices until no order came for so long.
pub fn run(stream: &Path, patience: Duration) -> Result<(), Box<dyn Error>> {
    let mut orders = NamedOptions::new()
        .consumer(ConsumerOptions::new().topic("orders"))
        // The position goes with the invoices; committed by itself, it could run ahead of them.
        .auto_commit(AutoCommit::Never)
        // Whoever ran before may just have been killed.
        .owner_wait(LockWait::AtMost(Duration::from_secs(10)))
        .open(stream, "invoicing")?;
    let mut producer = Producer::open(stream)?;
    let mut invoices = Batch::new();
    while read_orders(&mut orders, &mut invoices, patience)? {
        producer.transaction(&mut invoices).with_position(&mut orders).commit()?;
    }
    Ok(())
}

/// Waits for an order, then takes all that are there, up to a block's worth.
fn read_orders(
    orders: &mut NamedConsumer,
    invoices: &mut Batch,
    patience: Duration,
) -> Result<bool, Box<dyn Error>> {
    invoices.clear();
    let mut wait = patience;
    while invoices.len() < 100 {
        let Some(order) = orders.poll(wait)? else { break };
        push_invoice(invoices, &order)?;
        wait = Duration::ZERO;
    }
    Ok(!invoices.is_empty())
}

fn push_invoice(invoices: &mut Batch, order: &Record<'_>) -> Result<(), Box<dyn Error>> {
    let item = String::from_utf8_lossy(order.value.unwrap_or_default());
    let text = format!("invoice for order {}: {item}", order.offset);
    let key = order.key.unwrap_or_default();
    Ok(invoices.push(&NewRecord::new("invoices", &text).key(key))?)
}
