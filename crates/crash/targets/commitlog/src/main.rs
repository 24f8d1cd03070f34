//! Messages appended to a commitlog and flushed, each then acknowledged; or what of them is left.

use std::error::Error;
use std::io::Write;

use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [dir, acknowledged] => check(dir, acknowledged),
        _ => append(),
    }
}

fn append() -> Result<(), Box<dyn Error>> {
    let mut log = CommitLog::new(LogOptions::new("log"))?;
    for number in 0..6 {
        log.append_msg(format!("message {number}"))?;
        log.flush()?;
        println!("message {number}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn check(dir: &str, acknowledged: &str) -> Result<(), Box<dyn Error>> {
    let wanted = std::fs::read_to_string(acknowledged)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let log = CommitLog::new(LogOptions::new(format!("{dir}/log")))?;
    let messages: MessageBuf = log.read(0, ReadLimit::default())?;
    let found: Vec<_> =
        messages.iter().map(|message| String::from_utf8_lossy(message.payload()).into_owned()).collect();
    let wanted: Vec<_> = wanted.lines().collect();
    if found.len() < wanted.len() || found[..wanted.len()] != wanted {
        return Err(format!("acknowledged {wanted:?}, found {found:?}").into());
    }
    Ok(())
}
