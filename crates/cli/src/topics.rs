//! `puro topics`, and what `-t` means everywhere.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::{ConsumerOptions, Stream, StreamOptions, TopicInfo, matches_pattern};
use serde_json::{Map, Value};

use crate::common::{CliError, Progress, check_interrupt, insert_json_bytes, message};
use crate::printable::shown;
use crate::streams;

/// List the topics of a stream
///
/// With the number of their records, the bytes of keys, values and headers, and the offsets of the
/// first and the last record. Reads the whole stream to count.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Only these topics. `*` stands for any text, `?` for one byte, \* and \? for themselves
    #[arg(value_name = "TOPIC")]
    topics: Vec<OsString>,
    /// A line of JSON for each topic
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Counts, and lists.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let stream = StreamOptions::new().allow_network(args.allow_network).open(&args.dir)?;
    let mut topics = count(&stream)?;
    topics.retain(|found| is_wanted(&args.topics, &found.topic));
    streams::report(
        |out| if args.json { write_json(out, &topics) } else { write_text(out, &topics) },
    )?;
    for missing in args.topics.iter().filter(|wanted| {
        !topics.iter().any(|found| matches_pattern(wanted.as_bytes(), &found.topic))
    }) {
        tell_missing(&args.dir, missing.as_bytes(), "");
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the records of each topic, with a bar if that takes long.
pub fn count(stream: &Stream) -> Result<Vec<TopicInfo>, CliError> {
    let info = stream.info()?;
    let mut bar = Progress::of_bytes("count", info.bytes());
    let (low, high) = (info.lowest_offset(), info.end.offset);
    let bytes_per_record = info.bytes() as f64 / high.saturating_sub(low).max(1) as f64;
    stream.topics_telling(&mut |offset| {
        let done = offset.saturating_sub(low);
        if done % 4096 == 0 {
            bar.set((done as f64 * bytes_per_record) as u64);
            check_interrupt()?;
        }
        Ok::<(), CliError>(())
    })
}

fn write_text(out: &mut impl Write, topics: &[TopicInfo]) -> io::Result<()> {
    writeln!(out, "{:>12} {:>15} {:>12} {:>12}  topic", "records", "bytes", "first", "last")?;
    topics.iter().try_for_each(
        |TopicInfo { topic, records, first_offset, last_offset, bytes, .. }| {
            let name = shown(topic);
            writeln!(out, "{records:>12} {bytes:>15} {first_offset:>12} {last_offset:>12}  {name}")
        },
    )
}

fn write_json(out: &mut impl Write, topics: &[TopicInfo]) -> io::Result<()> {
    topics.iter().try_for_each(|topic| writeln!(out, "{}", to_json(topic, "topic")))
}

/// A topic as an object, its name under this name.
pub fn to_json(found: &TopicInfo, name: &str) -> Value {
    let mut object = Map::new();
    insert_json_bytes(&mut object, name, Some(&found.topic));
    for (member, value) in [
        ("records", found.records),
        ("bytes", found.bytes),
        ("first_offset", found.first_offset),
        ("last_offset", found.last_offset),
    ] {
        object.insert(member.to_owned(), value.into());
    }
    object.into()
}

fn is_wanted(wanted: &[OsString], topic: &[u8]) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| matches_pattern(wanted.as_bytes(), topic))
}

/// Whether a topic on the command line is a pattern.
fn is_pattern(topic: &[u8]) -> bool {
    topic.iter().any(|byte| b"*?".contains(byte))
}

/// Whether the topics of the command line are a single one.
pub fn are_one(topics: &[OsString]) -> bool {
    matches!(topics, [topic] if !is_pattern(topic.as_bytes()))
}

/// Asks for the topics of the command line: names, and patterns.
pub fn choose(options: ConsumerOptions, topics: &[OsString]) -> ConsumerOptions {
    topics.iter().map(|topic| topic.as_bytes()).fold(options, |options, topic| {
        if is_pattern(topic) { options.topics_like(topic) } else { options.topic(topic) }
    })
}

/// The topics of the command line of which no record came as yet: perhaps there are none, and a
/// letter of the name is wrong.
pub struct Unmet<'a> {
    dir: &'a Path,
    topics: Vec<&'a [u8]>,
}

impl<'a> Unmet<'a> {
    /// All of them.
    pub fn new(dir: &'a Path, topics: &'a [OsString]) -> Self {
        Self { dir, topics: topics.iter().map(|topic| topic.as_bytes()).collect() }
    }

    /// A record of this topic came.
    #[inline]
    pub fn meet(&mut self, topic: &[u8]) {
        if !self.topics.is_empty() {
            self.topics.retain(|unmet| !matches_pattern(unmet, topic));
        }
    }

    /// Says once of which there is no record anywhere in the stream. More may come of a pattern, so
    /// whoever goes on waiting for that is not told.
    pub fn tell(&mut self, waiting: bool) {
        for topic in std::mem::take(&mut self.topics) {
            let options = choose(ConsumerOptions::new(), &[OsString::from_vec(topic.to_vec())]);
            // What else is wrong there is told where it matters.
            let none = options.open(self.dir).and_then(|mut found| Ok(found.try_next()?.is_none()));
            if none.is_ok_and(|none| none) && !(waiting && is_pattern(topic)) {
                tell_missing(self.dir, topic, if waiting { "yet " } else { "" });
            }
        }
    }
}

fn tell_missing(dir: &Path, topic: &[u8], yet: &str) {
    message(format_args!(
        "there is no record of topic `{}` {yet}in {}; `puro topics` lists those that are there",
        String::from_utf8_lossy(topic),
        dir.display()
    ));
}
