//! A recorder of metrics: many threads measure, none of them waits for the disk.
//!
//! ```text
//! cargo run --example metrics -- STREAM [THREADS] [REQUESTS]
//! ```
//!
//! Each thread serves requests and pushes how long each one took. A `BufferedProducer` collects
//! what all of them push, and appends it in one block, every 50 ms or when 64 KiB are there. What
//! it holds in memory dies with the process, which metrics may; `flush` or `append` is for what
//! may not. At the end the summary is read back from the stream: so may any other process, at any
//! time.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use puro::{
    BufferError, BufferOptions, BufferedProducer, ConsumerOptions, NewRecord, Producer, Start,
    Token,
};

const ENDPOINTS: [&str; 3] = ["/", "/orders", "/search"];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(stream) = arguments.next() else {
        eprintln!("usage: metrics STREAM [THREADS] [REQUESTS]");
        return ExitCode::from(64);
    };
    let mut number = |usual: u32| arguments.next().map_or(Ok(usual), |text| text.parse());
    let result = number(4).and_then(|threads| Ok((threads, number(10_000)?)));
    let result = result.map_err(Into::into);
    match result.and_then(|(threads, requests)| run(&stream, threads, requests)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("metrics: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(stream: &str, threads: u32, requests: u32) -> Result<(), Box<dyn Error>> {
    let producer = Producer::open(stream)?;
    let begun = producer.token();
    let options =
        BufferOptions::new().batch_bytes(64 << 10).linger(Some(Duration::from_millis(50)));
    let recorder = BufferedProducer::new(producer, options);
    std::thread::scope(|scope| {
        let serve = || serve(&recorder, requests);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(serve)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    // Whatever is still in memory goes out now, and if it could not, this says so.
    recorder.close()?;
    summarize(stream, begun)
}

/// A thread of the service.
fn serve(recorder: &BufferedProducer, requests: u32) -> Result<(), BufferError> {
    for request in 0..requests {
        let endpoint = ENDPOINTS[request as usize % ENDPOINTS.len()];
        let begun = Instant::now();
        std::hint::black_box((0..request % 100).sum::<u32>()); // the work
        let micros = begun.elapsed().as_micros().to_string();
        recorder.push(&NewRecord::new("latency", &micros).key(endpoint))?;
    }
    Ok(())
}

#[derive(Default)]
struct Summary {
    count: u64,
    total: u64,
    most: u64,
}

/// Prints what was measured since `begun`.
fn summarize(stream: &str, begun: Token) -> Result<(), Box<dyn Error>> {
    let mut consumer =
        ConsumerOptions::new().topic("latency").start(Start::Token(begun)).open(stream)?;
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    while let Some(record) = consumer.try_next()? {
        let endpoint = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        let micros = str::from_utf8(record.value.unwrap_or_default())?.parse()?;
        let summary = summaries.entry(endpoint).or_default();
        summary.count += 1;
        summary.total += micros;
        summary.most = summary.most.max(micros);
    }
    for (endpoint, Summary { count, total, most }) in summaries {
        println!("{endpoint}: {count} requests, {} us on average, {most} at most", total / count);
    }
    Ok(())
}
