//! `puro bench`: how fast appending and reading are where a stream is to be.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use puro::internals::layout::MAX_VALUE_BYTES;
use puro::{
    Batch, BufferOptions, BufferedProducer, Consumer, ConsumerOptions, NewRecord, Producer,
    ProducerOptions, Start,
};
use serde_json::{Value, json};

use crate::common::{CliError, check_interrupt};
use crate::streams;

/// Measure how fast a disk is for a stream
///
/// Makes a stream of its own in DIR, appends and reads for a while in several ways, and removes it.
/// Beside Puro's figures stand those of a plain file, which is the limit for anything that does
/// nothing else.
#[derive(clap::Args)]
pub struct Args {
    /// A directory on the disk in question
    dir: PathBuf,
    /// How long each of the measurements takes
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    seconds: Duration,
    /// Bytes of a record's value
    #[arg(long, value_name = "N", default_value = "100", value_parser = crate::parse::parse_size)]
    record_bytes: u64,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|s| !s.is_zero()).ok_or_else(|| "it must be a number above 0".to_owned())
}

/// A directory that is gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn make(dir: &Path) -> Result<Self, CliError> {
        let path = dir.join(format!("puro-bench-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| {
            CliError::new(
                puro::Blame::Environment,
                format_args!("cannot make {}: {error}", path.display()),
            )
        })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is told by its name.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records in a batch.
const BATCH: usize = 1000;
const THREADS: usize = 8;
/// How many records make the median of waiting.
const WAITS: usize = 200;

/// What was measured, with its unit.
struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
}

struct Bench {
    scratch: PathBuf,
    value: Vec<u8>,
    seconds: Duration,
    allow_network: bool,
}

type Measure = fn(&Bench) -> Result<Figure, CliError>;

/// Measures, and tells.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let bytes = usize::try_from(args.record_bytes).map_err(CliError::usage)?;
    if bytes > MAX_VALUE_BYTES {
        return Err(CliError::usage(format_args!(
            "a value of {bytes} bytes is too long for a record"
        )));
    }
    let scratch = Scratch::make(&args.dir)?;
    let bench = Bench {
        scratch: scratch.0.clone(),
        value: vec![b'x'; bytes],
        seconds: args.seconds,
        allow_network: args.allow_network,
    };
    let measurements: [Measure; 8] = [
        Bench::one_by_one,
        Bench::in_batches,
        Bench::durably,
        Bench::durably_by_threads,
        Bench::reading,
        Bench::waiting,
        Bench::plain_writes,
        Bench::plain_syncs,
    ];
    let mut figures = Vec::new();
    for measure in measurements {
        check_interrupt()?;
        let figure = measure(&bench)?;
        if !args.json {
            let Figure { what, value, unit } = &figure;
            streams::report(|out| writeln!(out, "{what:60} {value:>12.0} {unit}"))?;
        }
        figures.push(figure);
    }
    if args.json {
        let figures: Vec<Value> = figures
            .iter()
            .map(|f| json!({ "what": f.what, "value": f.value, "unit": f.unit }))
            .collect();
        let told = json!({ "record_bytes": args.record_bytes, "figures": figures });
        streams::report(|out| writeln!(out, "{told}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Bench {
    fn record(&self) -> NewRecord<'_> {
        NewRecord::new("bench", &self.value)
    }

    fn producer(&self, durable: bool) -> Result<Producer, CliError> {
        let options = ProducerOptions::new().durable(durable);
        Ok(options.allow_network(self.allow_network).open(self.scratch.join("stream"))?)
    }

    /// How often a second something is done, which tells how much it did.
    fn rate(
        &self,
        what: &'static str,
        mut work: impl FnMut() -> Result<usize, CliError>,
    ) -> Result<Figure, CliError> {
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < self.seconds {
            done += work()?;
        }
        let value = done as f64 / begun.elapsed().as_secs_f64();
        Ok(Figure { what, value, unit: "records/s" })
    }

    fn one_by_one(&self) -> Result<Figure, CliError> {
        let mut producer = self.producer(false)?;
        self.rate("append, one record a call", || {
            producer.append(&self.record())?;
            Ok(1)
        })
    }

    fn in_batches(&self) -> Result<Figure, CliError> {
        let mut producer = self.producer(false)?;
        let mut batch = Batch::new();
        // As many as fit, where they are large.
        while batch.len() < BATCH && batch.push(&self.record()).is_ok() {}
        self.rate("append, 1000 records a call", || {
            Ok(producer.append_batch(&mut batch)?.record_count as usize)
        })
    }

    fn durably(&self) -> Result<Figure, CliError> {
        let mut producer = self.producer(true)?;
        self.rate("append durably, one record a call", || {
            producer.append(&self.record())?;
            Ok(1)
        })
    }

    fn durably_by_threads(&self) -> Result<Figure, CliError> {
        let buffered = BufferedProducer::new(self.producer(true)?, BufferOptions::new());
        let begun = Instant::now();
        let count = || -> Result<usize, puro::BufferError> {
            let mut done = 0;
            while begun.elapsed() < self.seconds {
                buffered.append(&self.record())?;
                done += 1;
            }
            Ok(done)
        };
        let counts: Result<Vec<_>, _> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).collect()
        });
        let done: usize = counts.map_err(|e| CliError::new(e.blame(), e))?.iter().sum();
        let value = done as f64 / begun.elapsed().as_secs_f64();
        Ok(Figure { what: "the same by 8 threads, buffered", value, unit: "records/s" })
    }

    fn reading(&self) -> Result<Figure, CliError> {
        let mut consumer = Consumer::open(self.scratch.join("stream"))?;
        self.rate("read", || {
            for done in 0..BATCH {
                if consumer.try_next()?.is_none() {
                    // From the beginning once more, until the time is over.
                    consumer = Consumer::open(self.scratch.join("stream"))?;
                    return Ok(done);
                }
            }
            Ok(BATCH)
        })
    }

    /// From an append to a consumer that slept until then, in another thread.
    fn waiting(&self) -> Result<Figure, CliError> {
        let mut producer = self.producer(false)?;
        let options = ConsumerOptions::new().start(Start::End);
        let mut consumer = options.open(self.scratch.join("stream"))?;
        let (seen, sees) = std::sync::mpsc::sync_channel(0);
        let mut waits = std::thread::scope(|scope| -> Result<Vec<Duration>, CliError> {
            let reader = scope.spawn(move || -> Result<(), CliError> {
                for _ in 0..WAITS {
                    while !consumer.wait(Duration::from_secs(1))? {}
                    let at = Instant::now();
                    consumer.try_next()?;
                    if seen.send(at).is_err() {
                        break;
                    }
                }
                Ok(())
            });
            let mut waits = Vec::new();
            for _ in 0..WAITS {
                // So that it sleeps; if it does not yet, that is its good luck.
                std::thread::sleep(Duration::from_micros(500));
                let begun = Instant::now();
                producer.append(&self.record())?;
                let Ok(at) = sees.recv() else { break };
                waits.push(at.saturating_duration_since(begun));
            }
            drop(sees);
            reader.join().unwrap_or(Ok(()))?;
            Ok(waits)
        })?;
        waits.sort_unstable();
        let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
        let what = "from an append to a consumer that waits, median";
        Ok(Figure { what, value: median.as_secs_f64() * 1e6, unit: "us" })
    }

    fn plain_writes(&self) -> Result<Figure, CliError> {
        let mut file = std::fs::File::create(self.scratch.join("plain"))?;
        self.rate("a plain file: write", || {
            file.write_all(&self.value)?;
            Ok(1)
        })
    }

    fn plain_syncs(&self) -> Result<Figure, CliError> {
        let mut file = std::fs::File::create(self.scratch.join("synced"))?;
        self.rate("a plain file: write and fdatasync", || {
            file.write_all(&self.value)?;
            file.sync_data()?;
            Ok(1)
        })
    }
}
