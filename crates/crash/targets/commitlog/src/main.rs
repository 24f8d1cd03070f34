//! Messages appended to a commitlog and flushed, each then acknowledged.

use std::error::Error;
use std::io::Write;

use commitlog::{CommitLog, LogOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut log = CommitLog::new(LogOptions::new("log"))?;
    for number in 0..6 {
        log.append_msg(format!("message {number}"))?;
        log.flush()?;
        println!("message {number}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
