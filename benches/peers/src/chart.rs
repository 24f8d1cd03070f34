//! A bar chart: how much of the limit each contestant reaches.

use std::fmt::Write as _;

use anyhow::Result;

use crate::report::{Results, number};
use crate::rounds::Table;

/// What is drawn, and what the limit is there.
const PANELS: [(&str, &str); 6] = [
    ("W1", "one append a call, of pwrite"),
    ("W2", "batches of 100 x 100 B, of pwrite"),
    ("W3", "batches of 100 x 1 KiB, of pwrite"),
    ("W5 of W2", "reading 100 B records, of pread"),
    ("W5 of W3", "reading 1 KiB records, of pread"),
    ("W8", "four processes, of O_APPEND"),
];

const WIDTH: usize = 880;
const COLUMNS: usize = 2;
const PANEL_WIDTH: usize = 420;
const LINE: usize = 20;
const LABELS: usize = 120;
/// Pixels of the bar of a contestant that reaches the limit.
const FULL: f64 = 210.0;
/// Longer bars are cut off there.
const LONGEST: f64 = 1.15;

const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .page { fill: #ffffff; }
  .puro { fill: #bf3989; }
  .peer { fill: #8c959f; }
  .memory { fill: none; stroke: #8c959f; stroke-dasharray: 3 2; }
  .limit { stroke: #24292f; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .puro { fill: #f778ba; }
    .peer { fill: #6e7681; }
    .memory { stroke: #6e7681; }
    .limit { stroke: #e6edf3; }
  }
";

pub fn svg(results: &Results) -> Result<String> {
    let panels: Vec<_> = PANELS
        .iter()
        .filter_map(|(id, title)| Some((results.table(id)?, format!("{id}: {title}"))))
        .collect();
    let mut body = String::new();
    let mut bottom = LINE;
    for row in panels.chunks(COLUMNS) {
        let mut lowest = bottom;
        for (column, (table, title)) in row.iter().enumerate() {
            let left = 20 + column * PANEL_WIDTH;
            lowest = lowest.max(panel(&mut body, table, title, left, bottom)?);
        }
        bottom = lowest + LINE;
    }
    let key = "the line is the limit; dashed: acknowledged from memory";
    writeln!(body, r#"<text x="20" y="{}">{key}</text>"#, bottom + 4)?;
    let height = bottom + LINE;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Puro and its peers beside the limit\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
    ))
}

/// Draws one workload; tells where it ends.
fn panel(body: &mut String, table: &Table, title: &str, left: usize, top: usize) -> Result<usize> {
    writeln!(body, r#"<text class="title" x="{left}" y="{top}">{title}</text>"#)?;
    let drawn = |name: &str| !name.starts_with("plain") && !name.starts_with("O_APPEND");
    let mut rows: Vec<_> = table.rows.iter().filter(|row| drawn(&row.contestant)).collect();
    rows.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    let bars = left + LABELS;
    let mut line = top + LINE;
    for row in &rows {
        let ratio = row.ratio();
        let class = match row.contestant.starts_with("Puro") {
            true => "puro",
            false if row.acknowledges == "memory" => "memory",
            false => "peer",
        };
        let width = (ratio.min(LONGEST) * FULL).max(1.0);
        let (text, value) = (bars - 6, bars as f64 + width + 5.0);
        writeln!(
            body,
            r#"<text x="{text}" y="{line}" text-anchor="end">{}</text><rect class="{class}" x="{bars}" y="{}" width="{width:.1}" height="13"/><text x="{value:.1}" y="{line}">{}</text>"#,
            row.contestant,
            line - 11,
            number(ratio),
        )?;
        line += LINE;
    }
    let limit = bars as f64 + FULL;
    let (from, to) = (top + 6, line - 12);
    writeln!(body, r#"<line class="limit" x1="{limit}" x2="{limit}" y1="{from}" y2="{to}"/>"#)?;
    Ok(line)
}
