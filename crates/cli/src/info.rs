//! `puro info`: what a stream is and what it holds.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::internals::setting_entries;
use puro::{SegmentInfo, StreamInfo, StreamOptions, TopicInfo};
use serde_json::{Map, Value, json};

use crate::common::{CliError, insert_json_bytes};
use crate::config::counts;
use crate::printable::{shown, shown_path};
use crate::streams::report;
use crate::time::format_time;
use crate::topics;

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

/// Names and values, as they stand there.
pub type Settings = Vec<(Vec<u8>, Vec<u8>)>;

struct Info {
    stream: StreamInfo,
    settings: Settings,
    topics: Vec<TopicInfo>,
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
    let opened = StreamOptions::new().allow_network(args.allow_network).open(&args.dir)?;
    let stream = opened.info()?;
    let settings = setting_entries(&args.dir)?;
    let topics = topics::count(&opened)?;
    Ok(Info { stream, settings, topics })
}

fn write_text(out: &mut impl Write, dir: &Path, info: &Info) -> io::Result<()> {
    writeln!(out, "stream    {}", shown_path(dir))?;
    writeln!(out, "id        {}", info.stream.end.stream_id)?;
    writeln!(
        out,
        "offsets   {} to {} (the next)",
        info.stream.lowest_offset(),
        info.stream.end.offset
    )?;
    writeln!(out, "epoch     {}", info.stream.end.epoch)?;
    writeln!(out, "bytes     {}", info.stream.bytes())?;
    for (name, value) in &info.settings {
        let note = if counts(name, value) { "" } else { " (cannot be: counts as not set)" };
        writeln!(out, "setting   {} = {}{note}", shown(name), shown(value))?;
    }
    for SegmentInfo { sequence, base_offset, generation, created_ms, bytes, active, .. } in
        &info.stream.segments
    {
        let state = if *active { "active" } else { "sealed" };
        let created = format_time(*created_ms);
        writeln!(
            out,
            "segment   {sequence:010} {state} from offset {base_offset}, {bytes} bytes, \
             generation {generation}, created {created}"
        )?;
    }
    for TopicInfo { topic, records, .. } in &info.topics {
        writeln!(out, "topic     {records:>12} {}", shown(topic))?;
    }
    Ok(())
}

fn named(name: &[u8], field: &str, value: Value) -> Value {
    let mut object = Map::new();
    insert_json_bytes(&mut object, "name", Some(name));
    object.insert(field.to_owned(), value);
    object.into()
}

fn info_json(info: &Info) -> Value {
    let segment = |segment: &SegmentInfo| {
        json!({
            "sequence": segment.sequence,
            "state": if segment.active { "active" } else { "sealed" },
            "base_offset": segment.base_offset,
            "bytes": segment.bytes,
            "generation": segment.generation,
            "created_ms": segment.created_ms,
        })
    };
    let setting = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let mut setting = named(name, "value", String::from_utf8_lossy(value).into());
        if let Some(members) = setting.as_object_mut() {
            members.insert("counts".to_owned(), counts(name, value).into());
        }
        setting
    };
    let topic = |found: &TopicInfo| topics::to_json(found, "name");
    json!({
        "stream_id": info.stream.end.stream_id.to_string(),
        "lowest_offset": info.stream.lowest_offset(),
        "next_offset": info.stream.end.offset,
        "epoch": info.stream.end.epoch,
        "bytes": info.stream.bytes(),
        "settings": info.settings.iter().map(setting).collect::<Vec<_>>(),
        "segments": info.stream.segments.iter().map(segment).collect::<Vec<_>>(),
        "topics": info.topics.iter().map(topic).collect::<Vec<_>>(),
    })
}
