//! `puro-crash record`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use puro_crash::error::{At, CrashError, Result};
use puro_crash::record::{Order, Recording, record};

use super::Recorded;

/// Record a program
#[derive(Args)]
#[command(after_help = "Example:\n  puro-crash record --dir work --trace trace -- ./save")]
pub struct RecordArgs {
    #[command(flatten)]
    recorded: Recorded,
    /// Where the trace goes
    #[arg(long, value_name = "TRACE", default_value = "puro-crash-out/trace")]
    trace: PathBuf,
}

pub fn run(args: &RecordArgs) -> Result<u8> {
    let recording = args.recorded.record(&args.trace, false)?;
    for what in &recording.unmeasured {
        println!("not measured: {what}");
    }
    println!("{} calls in {}", recording.calls, args.trace.display());
    Ok(if recording.unmeasured.is_empty() { 0 } else { 77 })
}

impl Recorded {
    /// Records into `trace`, and lists each call as it was asked for.
    pub fn record(&self, trace: &Path, lists_calls: bool) -> Result<Recording> {
        self.prepare()?;
        if trace.starts_with(&self.dir) {
            return Err(CrashError::Usage(format!(
                "the trace {} would be in the watched directory {}; give another",
                trace.display(),
                self.dir.display()
            )));
        }
        let recording = record(&Order {
            command: &self.command,
            dir: &self.dir,
            trace,
            ignored: &self.ignore,
            echo: !self.quiet,
            injection: None,
            lists_calls,
            timeout: Duration::from_secs(self.timeout),
            recorder: self.recorder,
        })?;
        if recording.status != 0 {
            eprintln!("puro-crash: note: the program ended with status {}", recording.status);
        }
        Ok(recording)
    }

    /// Makes DIR, which has to be empty.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.dir).at("make", &self.dir)?;
        let is_empty = fs::read_dir(&self.dir).at("list", &self.dir)?.next().is_none();
        if is_empty || self.base {
            return Ok(());
        }
        Err(CrashError::Usage(format!(
            "{} is not empty. Remove it, or say --base: then what is in it counts as durable",
            self.dir.display()
        )))
    }
}
