//! `tail -f` with a filter: the records of some topics that contain a word, as they come.
//!
//! ```text
//! cargo run --example tail_filter -- STREAM WORD [TOPIC...]
//! ```
//!
//! It looks through the last thousand records first, then follows. A stream that is not there yet
//! is waited for. It needs permission to read, and none to write: it may look into the stream of
//! a running service without being in its way.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use puro::{ConsumerOptions, Record, Start};

/// How far back it looks before it follows.
const LOOK_BACK: u64 = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, word, topics @ ..] = arguments.as_slice() else {
        eprintln!("usage: tail_filter STREAM WORD [TOPIC...]");
        return ExitCode::from(64);
    };
    match follow(stream, word, topics) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail_filter: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what contains the word, until nobody reads its output.
fn follow(stream: &str, word: &str, topics: &[String]) -> Result<(), Box<dyn Error>> {
    let mut options = ConsumerOptions::new().start(Start::Last(LOOK_BACK)).wait_for_stream(true);
    for topic in topics {
        // Blocks that hold none of the topics are passed over without being read.
        options = options.topic(topic);
    }
    let mut consumer = options.open(stream)?;
    let mut out = io::stdout().lock();
    loop {
        // Asleep until something is appended; no time is too long.
        let Some(record) = consumer.poll(Duration::MAX)? else { continue };
        if !contains(&record, word.as_bytes()) {
            continue;
        }
        match print(&mut out, &record) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            printed => printed?,
        }
    }
}

/// Whether the key or the value has the word in it; any bytes will do.
fn contains(record: &Record<'_>, word: &[u8]) -> bool {
    let has = |field: Option<&[u8]>| {
        let field = field.unwrap_or_default();
        word.is_empty() || field.windows(word.len()).any(|part| part == word)
    };
    has(record.key) || has(record.value)
}

fn print(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let text = |bytes| String::from_utf8_lossy(bytes).escape_debug().to_string();
    let value = record.value.map_or("(deleted)".to_owned(), text);
    let key = record.key.map_or(String::new(), |key| format!(" {}", text(key)));
    writeln!(out, "{} {}{key}: {value}", record.offset, text(record.topic))?;
    out.flush()
}
