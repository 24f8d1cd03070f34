//! The tables of the page that have a picture in each row: segments, topics, named consumers.

use std::cmp::Reverse;
use std::fmt::Write as _;

use puro::PositionReport;

use super::look::{Cell, Class, Looked, Row};
use super::page::{MOST_ROWS, and_more, bytes, put, text};
use super::topics::{MOST_COLUMNS, Span, Topic, Topics};
use crate::time::{format_duration, format_time};

/// Topics that have a row of their own.
const MOST_TOPICS: usize = 100;
/// How wide all pictures are in their own units.
const WIDTH: f64 = 1000.0;
/// Of it, what zeros ahead take.
const ZEROS_WIDTH: f64 = 30.0;
/// What must be seen, however small it is.
const LEAST_WIDTH: f64 = 2.0;

/// The head of a table, with a caption above.
fn head(out: &mut String, caption: &str, columns: &[(&str, &str)]) {
    put!(out, "<div class=\"wide\"><table>\n<caption>{caption}</caption>\n<thead><tr>");
    for (name, class) in columns {
        put!(out, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

/// Numbers from one to another.
pub fn range(span: Span) -> String {
    match span.ends {
        None => "none".to_owned(),
        Some((low, high)) if low == high => low.to_string(),
        Some((low, high)) => format!("{low} to {high}"),
    }
}

/// The same as two cells of a table.
fn ends(span: Span) -> String {
    let (low, high) = span.ends.map_or_else(Default::default, |(l, h)| (number(l), number(h)));
    format!("<td class=\"n\">{low}</td><td class=\"n\">{high}</td>")
}

/// The first and the last of some times as one cell, in two lines.
fn times(span: Span) -> String {
    let Some((first, last)) = span.ends else { return "<td></td>".to_owned() };
    format!("<td class=\"times\">{}<br>{}</td>", moment(first), moment(last))
}

/// A time in so many characters that there is room for some of them.
pub fn moment(time_ms: u64) -> String {
    let full = format_time(time_ms);
    match full.strip_suffix('Z') {
        Some(utc) => utc.replacen('T', " ", 1),
        None => full,
    }
}

fn number(number: u64) -> String {
    number.to_string()
}

/// One row for each segment.
pub fn segments(looked: &Looked) -> String {
    let mut out = String::new();
    let drawn = |row: &Row| row.cells.iter().map(|cell| cell.bytes as f64).sum::<f64>();
    let widest = looked.rows.iter().map(drawn).fold(1.0, f64::max);
    let joined = looked.rows.iter().any(|row| row.files > 1);
    let caption = if joined {
        "There are so many that a row is several of them. Each picture is as long as its row has bytes."
    } else {
        "Each picture is as long as its segment has bytes. What is too narrow to be seen is drawn together."
    };
    let columns = [
        ("segment", ""),
        ("state", ""),
        ("blocks", "picture"),
        ("bytes", "n"),
        ("zeros ahead", "n"),
        ("blocks", "n"),
        ("records", "n"),
        ("first offset", "n"),
        ("last offset", "n"),
        ("first and last time", ""),
        ("made", ""),
    ];
    head(&mut out, caption, &columns);
    for row in &looked.rows {
        let name = match row.files {
            1 => format!("{:010}", row.first),
            files => format!("{:010} to {:010} ({files})", row.first, row.last),
        };
        let state = state(row);
        put!(out, "<tr><th scope=\"row\">{name}</th><td>{state}</td><td class=\"picture\">");
        segment_picture(&mut out, &name, &state, row, widest);
        let made = row.created_ms.map_or_else(String::new, |ms| moment(ms).replace(' ', "<br>"));
        put!(
            out,
            "</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>{}{}\
             <td class=\"times\">{made}</td></tr>",
            row.bytes,
            row.zeros,
            row.blocks,
            row.records,
            ends(row.offsets),
            times(row.times)
        );
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// What a segment is, or how many of a row are.
fn state(row: &Row) -> String {
    let mut words = Vec::new();
    let mut say = |count: usize, what: &str| match count {
        0 => {}
        _ if row.files == 1 => words.push(what.to_owned()),
        count => words.push(format!("{count} {what}")),
    };
    let sealed = row.files.saturating_sub(row.strays + usize::from(row.active));
    say(usize::from(row.active), "active");
    say(sealed, "sealed");
    say(row.compacted, "compacted");
    say(row.strays, "of another stream");
    say(row.headless, "without a valid header");
    if row.damaged {
        words.push("damaged".to_owned());
    }
    words.join(", ")
}

fn segment_picture(out: &mut String, name: &str, state: &str, row: &Row, widest: f64) {
    put!(
        out,
        "<svg viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"segment {name}, {state}: {} blocks\">",
        row.blocks
    );
    let scale = (WIDTH - ZEROS_WIDTH) / widest;
    let mut before = 0.0;
    let mut narrow = String::new();
    for cell in &row.cells {
        let (from, width) = (before * scale, cell.bytes as f64 * scale);
        before += cell.bytes as f64;
        // Damage is drawn last, and over what is beside it, where it would be too narrow.
        if cell.class >= Class::Open && width < LEAST_WIDTH {
            draw_cell(&mut narrow, cell, from.min(WIDTH - LEAST_WIDTH), LEAST_WIDTH);
        } else {
            draw_cell(out, cell, from, width);
        }
    }
    out.push_str(&narrow);
    if row.zeros > 0 {
        let from = before * scale;
        put!(
            out,
            "<rect class=\"z\" x=\"{from:.1}\" y=\"1\" width=\"{ZEROS_WIDTH}\" height=\"18\"><title>{} bytes of zeros ahead of \
             what is to come</title></rect>",
            row.zeros
        );
    }
    out.push_str("</svg>");
}

fn draw_cell(out: &mut String, cell: &Cell, from: f64, width: f64) {
    let (class, what) = match cell.class {
        Class::State => ("s", "state"),
        Class::Records => ("r", "records"),
        Class::Open => ("o", "not committed"),
        Class::Damage => ("d", "damaged"),
    };
    let mut title = format!("{what}: byte {}, {} bytes", cell.position, cell.bytes);
    if cell.blocks > 0 {
        title += &format!(", {} blocks", cell.blocks);
    }
    if cell.records > 0 {
        title += &format!(", {} records", cell.records);
    }
    if cell.offsets.ends.is_some() {
        title += &format!(", offsets {}", range(cell.offsets));
    }
    if let Some((first_ms, _)) = cell.times.ends {
        title += &format!(", {}", format_time(first_ms));
    }
    put!(
        out,
        "<rect class=\"{class}\" x=\"{from:.1}\" width=\"{width:.1}\" height=\"20\"><title>{title}</title></rect>"
    );
}

/// One row for each of the largest topics.
pub fn topics(topics: &Topics) -> String {
    let (largest, others) = topics.largest(MOST_TOPICS);
    let Some((first, last)) = topics.columns.ends else {
        return "<p>There are no records.</p>\n".to_owned();
    };
    let mut out = String::new();
    let width_ms = 1_u64.checked_shl(topics.shift).unwrap_or(u64::MAX);
    let from = format_time(first << topics.shift);
    let to = format_time((last << topics.shift).saturating_add(width_ms));
    let width = format_duration(std::time::Duration::from_millis(width_ms));
    let caption = format!(
        "The {} largest, by their bytes. Each picture goes from {from} to {to}; a column is {width}, and as high as \
         records came in it, beside the most of that topic.",
        largest.len()
    );
    let columns = [
        ("topic", ""),
        ("records over time", "picture"),
        ("records", "n"),
        ("bytes", "n"),
        ("first offset", "n"),
        ("last offset", "n"),
        ("first and last time", ""),
    ];
    head(&mut out, &caption, &columns);
    for (name, topic) in &largest {
        draw_topic(&mut out, &format!("<bdi>{}</bdi>", bytes(name)), topic, first);
    }
    if others.records > 0 {
        draw_topic(&mut out, "<i>all others together</i>", &others, first);
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn draw_topic(out: &mut String, name: &str, topic: &Topic, first: u64) {
    put!(out, "<tr><th scope=\"row\" class=\"name\">{name}</th><td class=\"picture\">");
    put!(
        out,
        "<svg viewBox=\"0 0 {MOST_COLUMNS} 20\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{} records from {} to {}\">",
        topic.records,
        topic.times.ends.map_or_else(String::new, |ends| format_time(ends.0)),
        topic.times.ends.map_or_else(String::new, |ends| format_time(ends.1))
    );
    let most = topic.columns.values().copied().max().unwrap_or(1).max(1) as f64;
    out.push_str("<path class=\"r\" d=\"");
    for (column, records) in &topic.columns {
        let height = (*records as f64 / most * 20.0).max(1.0);
        let x = column.saturating_sub(first);
        put!(out, "M{x} 20v-{height:.1}h1v{height:.1}z");
    }
    put!(
        out,
        "\"/></svg></td><td class=\"n\">{}</td><td class=\"n\">{}</td>{}{}</tr>",
        topic.records,
        topic.bytes,
        ends(topic.offsets),
        times(topic.times)
    );
}

/// One row for each named consumer, those that are furthest behind first.
pub fn positions(found: &[PositionReport], looked: &Looked) -> String {
    if found.is_empty() {
        return "<p>No named consumer has a position.</p>\n".to_owned();
    }
    let mut out = String::new();
    let mut offsets = Span::default();
    looked.rows.iter().for_each(|row| offsets.join(row.offsets));
    let (low, high) = offsets.ends.unwrap_or_default();
    let caption = "Those that are furthest behind come first. In each picture what is yet to be read is coloured.";
    let columns = [
        ("consumer", ""),
        ("place in the stream", "picture"),
        ("next offset", "n"),
        ("lag, offsets", "n"),
        ("lag, bytes", "n"),
        ("deleted unread", "n"),
        ("committed", ""),
        ("runs", ""),
    ];
    head(&mut out, caption, &columns);
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_by_key(|report| Reverse(report.lag_offsets));
    for report in sorted.iter().take(MOST_ROWS) {
        let runs = match (report.running, report.owner_pid) {
            (true, Some(pid)) => format!("process {pid}"),
            (true, None) => "yes".to_owned(),
            (false, _) => "no".to_owned(),
        };
        let all = high.saturating_add(1).saturating_sub(low).max(1) as f64;
        let read = report.position.offset.saturating_sub(low) as f64 / all * WIDTH;
        let read = read.min(WIDTH);
        let lag = match report.lag_bytes {
            Some(bytes) => bytes.to_string(),
            None if report.missed_offsets > 0 => "out of range".to_owned(),
            None => "unknown".to_owned(), // damage is between
        };
        put!(
            out,
            "<tr><th scope=\"row\" class=\"name\"><bdi>{}</bdi></th><td class=\"picture\"><svg viewBox=\"0 0 1000 20\" \
             preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{} offsets behind\"><rect class=\"r\" x=\"{read:.1}\" \
             width=\"{:.1}\" height=\"20\"/></svg></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{lag}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{runs}</td></tr>",
            text(&report.name),
            report.lag_offsets,
            WIDTH - read,
            report.position.offset,
            report.lag_offsets,
            report.missed_offsets,
            moment(report.position.time_ms)
        );
    }
    out.push_str("</tbody></table></div>\n");
    and_more(&mut out, found.len(), MOST_ROWS);
    out
}
