//! `puro inspect`: what stands in the files, block by block.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::Failure;
use puro::error::IoError;
use puro::internals::block::{BlockKind, Cause};
use puro::internals::dir::{Directory, open_path, parse_segment_name};
use puro::internals::layout::{SIGNAL_HIGH, SIGNAL_LOW, start};
use puro::internals::os::OsVfs;
use puro::internals::record::Fields;
use puro::internals::segment::{HeaderCause, SegmentHeader, read_header};
use puro::internals::vfs::{OpenMode, VfsFile};
use puro::internals::walk::{FoundBlock, Piece, Stretch, Walk, restore_header};
use puro::internals::{SavedTail, parse_saved_tail_name};
use serde_json::{Map, Value, json};

use crate::common::{CliError, hex, insert_json_bytes};
use crate::printable::one_line;
use crate::streams::report;
use crate::time::format_time;

/// Show every block of a stream, or of one segment's file
///
/// Shows what is there, good or bad: behind bytes that are no block it goes on at the next one.
#[derive(clap::Args)]
pub struct Args {
    /// A segment's file, one that a repair saved in `lost`, or a stream's directory
    path: PathBuf,
    /// Show the records of each block too
    #[arg(long)]
    records: bool,
    /// One JSON object a line, for each segment and each block
    #[arg(long)]
    json: bool,
}

/// Shows all segments, or the one.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let paths = segment_paths(&args.path)?;
    report(|out| paths.iter().try_for_each(|path| show_segment(out, args, path)))?;
    Ok(ExitCode::SUCCESS)
}

fn segment_paths(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let dir = Directory::new(OsVfs::new(), path);
    let sequences = dir.list()?.unwrap_or_default().segments;
    if sequences.is_empty() {
        return Err(Failure::NotAStream { dir: path.to_owned() }.into());
    }
    Ok(sequences.into_iter().map(|sequence| dir.segment_path(sequence)).collect())
}

/// Shows what a repair saved, if the path leads to that; tells whether it does.
fn show_saved_tail(out: &mut impl Write, args: &Args, path: &Path) -> Result<bool, CliError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if parse_saved_tail_name(&name).is_none() {
        return Ok(false);
    }
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(stream) = full.parent().and_then(Path::parent) else { return Ok(false) };
    let dir = Directory::new(OsVfs::new(), stream);
    let Some(tail) = SavedTail::open(&dir, &name)? else { return Ok(false) };
    let error = |source| IoError::of("look at", path.to_owned(), source);
    let (bytes, header) = (tail.bytes().map_err(error)?, Some(tail.header()));
    if args.json {
        writeln!(out, "{}", segment_json(&name, bytes, header, None))?;
    } else {
        write_segment(out, &name, bytes, header, None)?;
    }
    show_blocks(out, args, tail.walk().map_err(error)?)?;
    Ok(true)
}

fn show_segment(out: &mut impl Write, args: &Args, path: &Path) -> Result<(), CliError> {
    if show_saved_tail(out, args, path)? {
        return Ok(());
    }
    let error = |operation: &'static str| {
        let path = path.to_owned();
        move |source| IoError::of(operation, path, source)
    };
    let file = open_path(&OsVfs::new(), path, OpenMode::Read).map_err(error("open"))?;
    let bytes = read_header(&file).map_err(error("read"))?;
    let read = SegmentHeader::decode(&bytes, false);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let header = match &read {
        Ok(header) => Some(*header),
        Err(HeaderCause::Newer(what)) => {
            let (path, what) = (path.to_owned(), what.clone());
            return Err(Failure::Newer { path, what }.into());
        }
        Err(_) => restore_header(&file, parse_segment_name(&name).unwrap_or(0)),
    };
    let walk = header.map(|header| Walk::new(&file, &header)).transpose();
    let walk = walk.map_err(error("look at"))?;
    let length = file.status().map_err(error("look at"))?.len;
    let problem = read.as_ref().err().map(header_problem);
    if args.json {
        let header = read.as_ref().ok();
        writeln!(out, "{}", segment_json(&name, length, header, problem.as_deref()))?;
    } else {
        write_segment(out, &name, length, read.as_ref().ok(), problem.as_deref())?;
    }
    walk.map_or(Ok(()), |walk| show_blocks(out, args, walk))
}

fn header_problem(cause: &HeaderCause) -> String {
    match cause {
        HeaderCause::Foreign => "it does not begin with the magic bytes".to_owned(),
        HeaderCause::Damaged(cause) => cause.to_string(),
        HeaderCause::Newer(what) => format!("from a newer Puro: {what}"),
    }
}

fn show_blocks<F: VfsFile>(
    out: &mut impl Write,
    args: &Args,
    mut walk: Walk<'_, F>,
) -> Result<(), CliError> {
    // Whether everything up to here is committed: without that nothing behind it is (F-24).
    let mut reached = true;
    while let Some(piece) = walk.next_piece() {
        let committed = piece.committed().is_ok_and(|_| reached);
        match piece {
            Piece::Block(found) if args.json => {
                writeln!(out, "{}", block_json(&found, reached, args.records))?;
            }
            Piece::Block(found) => write_block(out, &found, reached, args.records)?,
            Piece::Stretch(stretch) if args.json => writeln!(out, "{}", stretch_json(&stretch))?,
            Piece::Stretch(stretch) => {
                let Stretch { position, length, .. } = stretch;
                writeln!(out, "{position:>12}  {length} bytes: {}", stretch_state(&stretch))?;
            }
        }
        reached = committed;
    }
    Ok(())
}

fn kind_name(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Records => "records",
        BlockKind::Checkpoint => "checkpoint",
        BlockKind::SegmentEnd => "segment_end",
    }
}

fn signal_name(signal: u8) -> String {
    match signal {
        SIGNAL_LOW => "low".to_owned(),
        SIGNAL_HIGH => "high".to_owned(),
        other => format!("{other:#04x}"),
    }
}

/// What a block is, all in all, in one word.
fn block_state(found: &FoundBlock<'_>, reached: bool) -> &'static str {
    match found.committed() {
        Ok(_) if reached => "committed",
        Ok(_) => "behind",
        Err(Cause::Cut) => "torn",
        Err(_) if found.block.is_err() && found.signal == SIGNAL_LOW => "torn",
        Err(Cause::Low) => "low",
        Err(_) => "damaged",
    }
}

fn stretch_state(stretch: &Stretch) -> String {
    match &stretch.read_error {
        Some(error) => format!("unreadable: {error}"),
        None if stretch.zeros => "zeros".to_owned(),
        None if stretch.cause == Cause::Cut => format!("torn: {}", stretch.cause),
        None => format!("no block: {}", stretch.cause),
    }
}

fn write_segment(
    out: &mut impl Write,
    name: &str,
    length: u64,
    header: Option<&SegmentHeader>,
    problem: Option<&str>,
) -> io::Result<()> {
    write!(out, "{}: {length} bytes", one_line(name))?;
    if let Some(header) = header {
        let SegmentHeader { base_offset, sequence, generation, epoch, .. } = header;
        let (id, created) = (hex(&header.stream_id), format_time(header.created_ms));
        write!(out, ", stream {id}, sequence {sequence}, generation {generation}")?;
        write!(out, ", base offset {base_offset}, epoch {epoch}, created {created}")?;
    }
    writeln!(out, ", header {}", problem.unwrap_or("good"))?;
    writeln!(
        out,
        "{:>12}  {:6}  {:11}  {:>21}  {:24}  {:>5}  {:>9}  {:>10}  state",
        "position", "signal", "kind", "offsets", "time", "epoch", "bytes", "durable_to"
    )
}

fn write_block(
    out: &mut impl Write,
    found: &FoundBlock<'_>,
    reached: bool,
    records: bool,
) -> io::Result<()> {
    let start = &found.start;
    let (first, count) = (start.first_offset, start.record_count);
    let offsets = match count {
        0 => format!("{first}"),
        count => format!("{first}..{}", first.saturating_add(u64::from(count))),
    };
    write!(
        out,
        "{:>12}  {:6}  {:11}  {offsets:>21}  {:24}  {:>5}  {:>9}  {:>10}  {}",
        found.position,
        signal_name(found.signal),
        kind_name(start.kind),
        format_time(start.timestamp_ms),
        start.epoch,
        start.block_bytes(),
        start.durable_to,
        block_state(found, reached),
    )?;
    match (found.committed().err(), &found.read_error) {
        (_, Some(error)) => writeln!(out, ": {error}")?,
        (Some(cause), None) => writeln!(out, ": {cause}")?,
        (None, None) if !reached => writeln!(out, " what is not committed")?,
        (None, None) => writeln!(out)?,
    }
    if records {
        for record in records_of(found) {
            writeln!(out, "              {record}")?;
        }
    }
    Ok(())
}

fn segment_json(
    name: &str,
    length: u64,
    header: Option<&SegmentHeader>,
    problem: Option<&str>,
) -> Value {
    json!({
        "type": "segment",
        "file": name,
        "bytes": length,
        "problem": problem,
        "header": header.map(|header| json!({
            "stream_id": hex(&header.stream_id),
            "base_offset": header.base_offset,
            "created_ms": header.created_ms,
            "sequence": header.sequence,
            "generation": header.generation,
            "epoch": header.epoch,
            "crc": format!("{:08x}", header.crc),
        })),
    })
}

fn stretch_json(stretch: &Stretch) -> Value {
    json!({
        "type": "bytes",
        "position": stretch.position,
        "bytes": stretch.length,
        "state": stretch_state(stretch),
    })
}

fn block_json(found: &FoundBlock<'_>, reached: bool, records: bool) -> Value {
    let start = &found.start;
    let mut block = json!({
        "type": "block",
        "position": found.position,
        "bytes": start.block_bytes(),
        "bytes_there": found.bytes.len(),
        "signal": signal_name(found.signal),
        "kind": kind_name(start.kind),
        "control": start.has_control,
        "body_len": start.body_len,
        "record_count": start.record_count,
        "prev_crc": format!("{:08x}", start.prev_crc),
        "first_offset": start.first_offset,
        "timestamp_ms": start.timestamp_ms,
        "durable_to": start.durable_to,
        "epoch": start.epoch,
        "start_crc": format!("{:08x}", start.start_crc),
        "crc": found.stored_crc().map(|crc| format!("{crc:08x}")),
        "crc_good": found.block.as_ref().err().is_none_or(|cause| *cause == Cause::Pad),
        "chained": found.chained(),
        "state": block_state(found, reached),
        "problem": found.committed().err().map(|cause| cause.to_string()),
    });
    if let Some(block) = block.as_object_mut().filter(|_| records) {
        block.insert("records".to_owned(), records_of(found).into());
    }
    block
}

/// The records of a block, up to the first that is not good.
fn records_of(found: &FoundBlock<'_>) -> Vec<Value> {
    let mut records = Vec::new();
    let (mut rest, mut offset) = (found.body(), found.start.first_offset);
    while !rest.is_empty() {
        match Fields::split(rest) {
            Ok((fields, after)) => {
                records.push(record_json(&fields, offset));
                offset = offset.saturating_add(fields.spanned_offsets().unwrap_or(0));
                rest = after;
            }
            Err(cause) => {
                let behind_start = found.body().len() - rest.len();
                let position = found.position + (start::LEN + behind_start) as u64;
                records.push(json!({ "position": position, "problem": cause.to_string() }));
                break;
            }
        }
    }
    records
}

fn record_json(fields: &Fields<'_>, offset: u64) -> Value {
    let mut record = Map::new();
    if fields.control {
        insert_json_bytes(&mut record, "control", Some(fields.topic));
    } else {
        record.insert("offset".to_owned(), offset.into());
        insert_json_bytes(&mut record, "topic", Some(fields.topic));
    }
    insert_json_bytes(&mut record, "key", fields.key);
    insert_json_bytes(&mut record, "value", fields.value);
    let header = |(name, value): (&[u8], &[u8])| {
        let mut header = Map::new();
        insert_json_bytes(&mut header, "name", Some(name));
        insert_json_bytes(&mut header, "value", Some(value));
        Value::from(header)
    };
    if !fields.headers.is_empty() {
        let headers = fields.headers.iter().map(header).collect();
        record.insert("headers".to_owned(), Value::Array(headers));
    }
    record.into()
}
