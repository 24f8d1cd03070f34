//! `puro info`: what a stream is and what it holds.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::error::IoError;
use puro::internals::dir::Directory;
use puro::internals::os::OsVfs;
use puro::internals::segment::SegmentHeader;
use puro::internals::state::SETTING;
use puro::internals::tail::open_tail;
use puro::internals::vfs::{OpenMode, VfsFile};
use puro::{ConsumerOptions, Failure, Token};
use serde_json::{Map, Value, json};

use crate::common::{CliError, Progress, check_interrupt, format_time, hex, insert_json_bytes};
use crate::printable::{shown, shown_path};
use crate::streams::report;

/// Tell what a stream holds
///
/// Reads the whole stream to count the records of each topic.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

struct Info {
    /// Id, newest epoch, and next offset.
    end: Token,
    segments: Vec<Segment>,
    settings: Vec<(Vec<u8>, Vec<u8>)>,
    topics: BTreeMap<Vec<u8>, u64>,
}

struct Segment {
    header: SegmentHeader,
    bytes: u64,
    active: bool,
}

impl Info {
    fn lowest_offset(&self) -> u64 {
        self.segments.first().map_or(self.end.offset, |segment| segment.header.base_offset)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

/// Looks at the stream, and tells.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let info = gather(args)?;
    report(|out| {
        if args.json {
            writeln!(out, "{}", info_json(&info))
        } else {
            write_text(out, &args.dir, &info)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn gather(args: &Args) -> Result<Info, CliError> {
    let dir = Directory::new(OsVfs::new(), &args.dir);
    let not_a_stream = || Failure::NotAStream { dir: args.dir.clone() };
    let (tail, _) = open_tail(&dir, OpenMode::Read)?.ok_or_else(not_a_stream)?;
    let listed = dir.segments()?.ok_or_else(not_a_stream)?;
    let mut segments = Vec::new();
    for sequence in listed.sequences {
        let Some(segment) = dir.open_segment(sequence, OpenMode::Read)? else { continue };
        // Strays are not of this stream; what was rolled since has its turn next time.
        let own = segment.belongs_to(&listed.stream_id, sequence);
        if own && sequence <= tail.segment.header.sequence {
            let status = segment.file.status();
            let bytes = status.map_err(|source| look_error(&segment.path, source))?.len;
            let active = sequence == tail.segment.header.sequence;
            segments.push(Segment { header: segment.header, bytes, active });
        }
    }
    let settings = tail.state.of_kind(SETTING);
    let settings = settings.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let mut info = Info { end: tail.token(), segments, settings, topics: BTreeMap::new() };
    count_topics(args, &mut info)?;
    Ok(info)
}

fn look_error(path: &Path, source: io::Error) -> IoError {
    IoError { operation: "look at", path: path.to_owned(), position: None, source }
}

/// Counts the records below the end that was looked at.
fn count_topics(args: &Args, info: &mut Info) -> Result<(), CliError> {
    let mut consumer = ConsumerOptions::new().allow_network(args.allow_network).open(&args.dir)?;
    let mut bar = Progress::of_bytes("count", info.bytes());
    let (low, high) = (info.lowest_offset(), info.end.offset);
    let bytes_per_record = info.bytes() as f64 / high.saturating_sub(low).max(1) as f64;
    while let Some(record) = consumer.try_next()? {
        if record.offset >= high {
            break;
        }
        match info.topics.get_mut(record.topic) {
            Some(count) => *count += 1,
            None => _ = info.topics.insert(record.topic.to_vec(), 1),
        }
        let done = record.offset.saturating_sub(low);
        if done % 4096 == 0 {
            bar.set((done as f64 * bytes_per_record) as u64);
            check_interrupt()?;
        }
    }
    Ok(())
}

fn write_text(out: &mut impl Write, dir: &Path, info: &Info) -> io::Result<()> {
    writeln!(out, "stream    {}", shown_path(dir))?;
    writeln!(out, "id        {}", hex(&info.end.stream_id))?;
    writeln!(out, "offsets   {} to {} (the next)", info.lowest_offset(), info.end.offset)?;
    writeln!(out, "epoch     {}", info.end.epoch)?;
    writeln!(out, "bytes     {}", info.bytes())?;
    for (name, value) in &info.settings {
        let note = if counts(name, value) { "" } else { " (cannot be: counts as not set)" };
        writeln!(out, "setting   {} = {}{note}", shown(name), shown(value))?;
    }
    for Segment { header, bytes, active } in &info.segments {
        let SegmentHeader { sequence, base_offset, generation, created_ms, .. } = header;
        let state = if *active { "active" } else { "sealed" };
        let created = format_time(*created_ms);
        writeln!(
            out,
            "segment   {sequence:010} {state} from offset {base_offset}, {bytes} bytes, \
             generation {generation}, created {created}"
        )?;
    }
    for (topic, count) in &info.topics {
        writeln!(out, "topic     {count:>12} {}", shown(topic))?;
    }
    Ok(())
}

/// Whether a setting is obeyed (F-34).
fn counts(name: &[u8], value: &[u8]) -> bool {
    let texts = str::from_utf8(name).ok().zip(str::from_utf8(value).ok());
    texts.is_some_and(|(name, value)| crate::config::counts(name, value))
}

fn named(name: &[u8], field: &str, value: Value) -> Value {
    let mut object = Map::new();
    insert_json_bytes(&mut object, "name", Some(name));
    object.insert(field.to_owned(), value);
    object.into()
}

fn info_json(info: &Info) -> Value {
    let segment = |segment: &Segment| {
        json!({
            "sequence": segment.header.sequence,
            "state": if segment.active { "active" } else { "sealed" },
            "base_offset": segment.header.base_offset,
            "bytes": segment.bytes,
            "generation": segment.header.generation,
            "created_ms": segment.header.created_ms,
        })
    };
    let setting = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let mut setting = named(name, "value", String::from_utf8_lossy(value).into());
        if let Some(members) = setting.as_object_mut() {
            members.insert("counts".to_owned(), counts(name, value).into());
        }
        setting
    };
    let topic = |(name, count): (&Vec<u8>, &u64)| named(name, "records", (*count).into());
    json!({
        "stream_id": hex(&info.end.stream_id),
        "lowest_offset": info.lowest_offset(),
        "next_offset": info.end.offset,
        "epoch": info.end.epoch,
        "bytes": info.bytes(),
        "settings": info.settings.iter().map(setting).collect::<Vec<_>>(),
        "segments": info.segments.iter().map(segment).collect::<Vec<_>>(),
        "topics": info.topics.iter().map(topic).collect::<Vec<_>>(),
    })
}
