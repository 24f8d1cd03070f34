//! Follows a stream in `async` code, and answers each record with another one.
//!
//! ```text
//! cargo run --features async --example async_tail -- STREAM TOPIC COUNT
//! ```
//!
//! Records come as a `futures_core::Stream`, and appends are futures. So this runs under any
//! executor; the smallest is enough here. Nothing blocks it: reading and syncing have threads of
//! their own. It ends after so many records.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::process::ExitCode;

use futures_core::Stream;
use puro::asynchronous::{AsyncProducer, Records};
use puro::{ConsumerOptions, NewRecord, OwnedRecord, ProducerOptions, ReadError};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, topic, count] = arguments.as_slice() else {
        eprintln!("usage: async_tail STREAM TOPIC COUNT");
        return ExitCode::from(64);
    };
    match pollster::block_on(answer(stream, topic, count)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("async_tail: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn answer(stream: &str, topic: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let producer = ProducerOptions::new().durable(true).open(stream)?;
    let producer = AsyncProducer::new(producer)?;
    let mut records = ConsumerOptions::new().topic(topic).open(stream)?.into_records()?;
    for _ in 0..count.parse::<u64>()? {
        let Some(record) = next(&mut records).await else { break };
        let record = record?;
        let text = format!("saw {}", record.value_str().unwrap_or("some bytes"));
        let appended = producer.append(&NewRecord::new("answers", &text))?.await?;
        println!("{} answered at {}", record.offset, appended.first_offset);
    }
    Ok(())
}

/// Executors and their crates have this as `StreamExt::next`.
async fn next(records: &mut Records) -> Option<Result<OwnedRecord, ReadError>> {
    poll_fn(|context| Pin::new(&mut *records).poll_next(context)).await
}
