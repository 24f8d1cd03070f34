//! What the map tells of segments: one pass over all files, block by block, whatever stands there. What
//! is kept of it is bounded: neighbours that would be too small in the picture become one cell, and
//! neighbouring segments one row.

use std::collections::BTreeSet;

use puro::CheckReport;
use puro::check::Severity;
use puro::internals::block::BlockKind;
use puro::internals::dir::{Directory, segment_name};
use puro::internals::record::Fields;
use puro::internals::segment::{SegmentHeader, data_end, read_header};
use puro::internals::vfs::{OpenMode, VfsFile};
use puro::internals::walk::{FoundBlock, Piece, Walk, restore_header};

use super::quiet::{Quiet, QuietFile};
use super::topics::{Span, Topics};
use crate::common::{CliError, hex};

/// Rows of the table of segments.
const MOST_ROWS: usize = 400;
/// Cells of all rows together, about.
const MOST_CELLS: u64 = 4000;
/// Cells of one row.
const MOST_ROW_CELLS: u64 = 300;

/// What stands at a place; of several, the last of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Checkpoints, with positions, settings and the index of topics; the end of a segment.
    State,
    /// Records.
    Records,
    /// What is not committed.
    Open,
    /// What is not as it must be, or cannot be read.
    Damage,
}

/// Neighbouring bytes of a row.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub class: Class,
    /// In the file.
    pub position: u64,
    pub bytes: u64,
    pub blocks: u64,
    pub records: u64,
    pub offsets: Span,
    pub times: Span,
}

/// A segment, or several that stand one behind the other.
#[derive(Debug, Default)]
pub struct Row {
    pub first: u32,
    pub last: u32,
    /// How many files.
    pub files: usize,
    pub active: bool,
    /// Segments of other streams, or under other numbers than their own.
    pub strays: usize,
    /// How many are compacted.
    pub compacted: usize,
    /// How many have no valid header, or cannot be opened.
    pub headless: usize,
    /// When the first of them was made.
    pub created_ms: Option<u64>,
    /// Length of the files, zeros ahead included.
    pub bytes: u64,
    /// Zeros ahead of what is to come (protocol.md, chapter 12).
    pub zeros: u64,
    pub blocks: u64,
    /// Records that are there: after a compaction fewer than offsets.
    pub records: u64,
    /// Of the first and the last record.
    pub offsets: Span,
    pub times: Span,
    pub damaged: bool,
    pub cells: Vec<Cell>,
    /// No two neighbours are together as small as this.
    least_bytes: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Looked {
    pub rows: Vec<Row>,
    pub topics: Topics,
}

/// Looks at all segments, and tells `progress` how many bytes are done.
pub fn look(
    dir: &Directory<Quiet>,
    report: &CheckReport,
    progress: &mut dyn FnMut(u64),
) -> Result<Looked, CliError> {
    let sequences = dir.list()?.unwrap_or_default().segments;
    let damaged = damaged_segments(report);
    let own_id = report.stream_id.map(|id| id.to_string());
    let in_row = sequences.len().div_ceil(MOST_ROWS).max(1);
    let rows = sequences.len().div_ceil(in_row).max(1) as u64;
    let cells = (MOST_CELLS / rows / 2).clamp(5, MOST_ROW_CELLS);
    let mut looked = Looked::default();
    let mut done = 0_u64;
    for numbers in sequences.chunks(in_row) {
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { continue };
        // Opened once more below: there may be more of them than a process may have open.
        let lengths = numbers.iter().filter_map(|number| Some(open(dir, *number)?.data));
        let least_bytes = lengths.fold(0, u64::saturating_add) / cells;
        let mut row = Row { first, last, least_bytes, files: numbers.len(), ..Row::default() };
        row.damaged = numbers.iter().any(|number| damaged.contains(number));
        for number in numbers {
            let Some(file) = open(dir, *number) else {
                row.headless += 1;
                continue;
            };
            let pass = Pass { own_id: own_id.as_deref(), damaged: damaged.contains(number) };
            pass.over(&file, &mut row, &mut looked.topics);
            done = done.saturating_add(file.data);
            progress(done);
        }
        looked.rows.push(row);
    }
    if let Some(last) = looked.rows.iter_mut().rev().find(|row| row.strays < row.files) {
        last.active = true;
    }
    Ok(looked)
}

/// The segments with something that the next writer would not mend.
fn damaged_segments(report: &CheckReport) -> BTreeSet<u32> {
    let bad = report.findings.iter().filter(|found| found.severity() >= Severity::Unreadable);
    bad.filter_map(|found| found.segment).collect()
}

/// A file that can be read.
struct Opened {
    number: u32,
    file: QuietFile,
    header: Option<SegmentHeader>,
    /// Its own, or one that does for its blocks.
    usable: Option<SegmentHeader>,
    length: u64,
    /// Up to where there is more than zeros.
    data: u64,
}

/// `None` where it cannot be opened, or is gone: verification told of that.
fn open(dir: &Directory<Quiet>, number: u32) -> Option<Opened> {
    let file = dir.open_file(&segment_name(number), OpenMode::Read).ok()?;
    let length = file.status().ok()?.len;
    let data = data_end(&file, length).unwrap_or(length);
    let header = SegmentHeader::decode(&read_header(&file).ok()?, false).ok();
    let usable = header.or_else(|| restore_header(&file, number));
    Some(Opened { number, file, header, usable, length, data })
}

/// What is known of a file before it is looked at.
struct Pass<'a> {
    /// Of the stream.
    own_id: Option<&'a str>,
    damaged: bool,
}

impl Pass<'_> {
    fn over(&self, file: &Opened, row: &mut Row, topics: &mut Topics) {
        row.bytes = row.bytes.saturating_add(file.length);
        let belongs = |header: &SegmentHeader| {
            header.sequence == file.number
                && self.own_id.is_none_or(|id| *id == hex(&header.stream_id))
        };
        let stray = file.header.as_ref().is_some_and(|header| !belongs(header));
        row.strays += usize::from(stray);
        row.headless += usize::from(file.header.is_none());
        if let Some(header) = file.header.filter(|_| !stray) {
            row.compacted += usize::from(header.generation > 0);
            row.created_ms = row.created_ms.or(Some(header.created_ms));
        }
        let usable = file.usable.filter(|_| !stray);
        let walk = usable.and_then(|header| Walk::new(&file.file, &header).ok());
        match walk {
            Some(walk) => self.over_blocks(file, walk, row, topics),
            None => row.add(cell(Class::Damage, 0, file.data)),
        }
    }

    fn over_blocks(
        &self,
        file: &Opened,
        mut walk: Walk<'_, QuietFile>,
        row: &mut Row,
        topics: &mut Topics,
    ) {
        let not_good = if self.damaged { Class::Damage } else { Class::Open };
        // What stands behind the end of what is committed is not committed (F-24). In a damaged
        // segment it is good for `salvage`.
        let mut reached = true;
        let length = walk.length();
        while let Some(piece) = walk.next_piece() {
            let good = piece.committed().is_ok() && (reached || self.damaged);
            reached &= piece.committed().is_ok();
            match piece {
                Piece::Block(found) if good => {
                    let cell = block_cell(&found);
                    row.blocks += 1;
                    row.times.join(cell.times);
                    let records = note_records(&found, topics, &mut row.offsets);
                    row.records += records;
                    row.add(Cell { records, ..cell });
                }
                Piece::Block(found) => {
                    row.add(Cell { class: not_good, ..block_cell(&found) });
                }
                Piece::Stretch(stretch)
                    if stretch.zeros && stretch.position + stretch.length == length =>
                {
                    row.zeros = row.zeros.saturating_add(stretch.length);
                }
                Piece::Stretch(stretch) => {
                    // Zeros behind bytes that are none are no part of the picture.
                    let end = (stretch.position + stretch.length).min(file.data);
                    let bytes = end.saturating_sub(stretch.position);
                    row.zeros = row.zeros.saturating_add(stretch.length - bytes);
                    row.add(cell(not_good, stretch.position, bytes));
                }
            }
        }
    }
}

fn cell(class: Class, position: u64, bytes: u64) -> Cell {
    let (offsets, times) = (Span::default(), Span::default());
    let (blocks, records) = (0, 0);
    Cell { class, position, bytes, blocks, records, offsets, times }
}

fn block_cell(found: &FoundBlock<'_>) -> Cell {
    let start = &found.start;
    let class = match start.kind {
        BlockKind::Records => Class::Records,
        BlockKind::Checkpoint | BlockKind::SegmentEnd => Class::State,
    };
    let mut cell = cell(class, found.position, found.bytes.len() as u64);
    cell.blocks = 1;
    if start.record_count > 0 {
        cell.offsets.note(start.first_offset);
        let last = u64::from(start.record_count) - 1;
        cell.offsets.note(start.first_offset.saturating_add(last));
    }
    if class == Class::Records {
        cell.times.note(start.timestamp_ms);
    }
    cell
}

/// Counts the records of a good block, up to the first that is not good; tells how many.
fn note_records(found: &FoundBlock<'_>, topics: &mut Topics, offsets: &mut Span) -> u64 {
    let (mut rest, mut offset, mut count) = (found.body(), found.start.first_offset, 0);
    if found.start.kind != BlockKind::Records {
        return 0;
    }
    while !rest.is_empty() {
        let Ok((fields, after)) = Fields::split(rest) else { break };
        if !fields.control {
            topics.note(fields.topic, offset, found.start.timestamp_ms, bytes_of(&fields));
            offsets.note(offset);
            count += 1;
        }
        offset = offset.saturating_add(fields.spanned_offsets().unwrap_or(0));
        rest = after;
    }
    count
}

fn bytes_of(fields: &Fields<'_>) -> u64 {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = fields.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (length(fields.key) + length(fields.value) + headers) as u64
}

impl Row {
    /// Adds bytes at its end. Two neighbours that would hardly be seen become one.
    fn add(&mut self, cell: Cell) {
        if cell.bytes == 0 {
            return;
        }
        match self.cells.last_mut() {
            Some(last) if last.bytes.saturating_add(cell.bytes) <= self.least_bytes => {
                last.join(&cell)
            }
            _ => self.cells.push(cell),
        }
    }
}

impl Cell {
    fn join(&mut self, next: &Self) {
        self.class = self.class.max(next.class);
        self.bytes = self.bytes.saturating_add(next.bytes);
        self.blocks += next.blocks;
        self.records += next.records;
        self.offsets.join(next.offsets);
        self.times.join(next.times);
    }
}
