//! The page: a template that is filled, and what is in it besides pictures.
//!
//! Whatever is foreign comes through [`text`]: the name of a topic is no tag. And no script of any kind
//! may run on the page, as its own policy says.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use puro::check::{Severity, Verdict};
use puro::steward::Report;
use puro::who::WhoReport;

use super::{Map, pictures};
use crate::config::counts;
use crate::printable::one_line;
use crate::steward;
use crate::time::format_time;

const TEMPLATE: &str = include_str!("page.html");

/// Rows of the tables that have no bound of their own.
pub const MOST_ROWS: usize = 200;
/// Characters of a foreign text.
const MOST_CHARACTERS: usize = 200;

/// The whole page.
pub fn draw(map: &Map<'_>) -> String {
    let dir = map.dir.to_string_lossy();
    let (verdict, verdict_class) = verdict(map);
    let (version, made) = (env!("CARGO_PKG_VERSION").to_owned(), format_time(map.made_ms));
    fill(TEMPLATE, |name| match name {
        "title" => format!("{} - Puro", text(&dir)),
        "dir" => text(&dir),
        "verdict" => verdict.to_owned(),
        "verdict_class" => verdict_class.to_owned(),
        "facts" => facts(map),
        "findings" => findings(map),
        "segments" => pictures::segments(&map.looked),
        "topics" => pictures::topics(&map.looked.topics),
        "positions" => told(&map.positions, |found| pictures::positions(found, &map.looked)),
        "debt" => told(&map.debt, debt),
        "settings" => told(&map.settings, |found| settings(found)),
        "version" => version.clone(),
        "made" => made.clone(),
        _ => String::new(),
    })
}

/// Puts something in the place of each `{{name}}`. What is put there is not looked at again.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        page.push_str(before);
        page.push_str(&value(name));
        rest = after;
    }
    page + rest
}

/// Foreign text for any place of the page, cut where it is long.
pub fn text(foreign: &str) -> String {
    let cut = foreign.char_indices().nth(MOST_CHARACTERS);
    let shown = cut.map_or(foreign, |(at, _)| &foreign[..at]);
    let mut escaped = String::with_capacity(shown.len());
    for c in one_line(shown).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    if cut.is_some() { escaped + "…" } else { escaped }
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($to:expr, $($what:tt)*) => {{ let _ = writeln!($to, $($what)*); }};
}
pub(super) use put;

/// What could be told, or why it could not.
fn told<T>(found: &Result<T, String>, draw: impl FnOnce(&T) -> String) -> String {
    match found {
        Ok(found) => draw(found),
        Err(why) => format!("<p>It cannot be told: {}.</p>\n", text(why)),
    }
}

fn verdict(map: &Map<'_>) -> (&'static str, &'static str) {
    match map.report.verdict() {
        Verdict::Sound => ("Sound: nothing is wrong.", "sound"),
        Verdict::Repairable => {
            ("Repairable: the next writer, or puro repair, mends its end.", "repairable")
        }
        Verdict::Unreadable => ("Unreadable: the system did not let all of it be read.", "bad"),
        Verdict::Damaged => ("Damaged: puro salvage gets out what is good.", "bad"),
    }
}

fn facts(map: &Map<'_>) -> String {
    let rows = &map.looked.rows;
    let sum =
        |of: fn(&super::look::Row) -> u64| rows.iter().map(of).fold(0_u64, u64::saturating_add);
    let files: usize = rows.iter().map(|row| row.files).sum();
    let compacted: usize = rows.iter().map(|row| row.compacted).sum();
    let id = map.report.stream_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    let mut offsets = super::topics::Span::default();
    rows.iter().for_each(|row| offsets.join(row.offsets));
    let offsets = pictures::range(offsets);
    let (bytes, zeros) = (sum(|row| row.bytes), sum(|row| row.zeros));
    let mut out = String::new();
    for (name, value) in [
        ("id", id),
        ("offsets", offsets),
        ("records", sum(|row| row.records).to_string()),
        ("bytes", format!("{bytes} ({})", HumanBytes(bytes))),
        ("zeros ahead", format!("{zeros} bytes")),
        ("segments", format!("{files}, {compacted} compacted")),
        ("blocks", sum(|row| row.blocks).to_string()),
    ] {
        put!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out
}

fn findings(map: &Map<'_>) -> String {
    let found = &map.report.findings;
    if found.is_empty() {
        return "<p>Nothing.</p>\n".to_owned();
    }
    let mut out = String::from(
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">weight</th><th scope=\"col\">file</th>\
         <th scope=\"col\" class=\"n\">byte</th><th scope=\"col\" class=\"n\">offset</th>\
         <th scope=\"col\">what</th></tr></thead>\n<tbody>\n",
    );
    // The worst first: they are those that must not be left out.
    let mut sorted: Vec<_> = found.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    for finding in sorted.iter().take(MOST_ROWS) {
        let class = match finding.severity() {
            Severity::Note => "quiet",
            Severity::Repairable => "repairable",
            Severity::Unreadable | Severity::Damage => "bad",
        };
        let name = finding.path.file_name().unwrap_or(finding.path.as_os_str()).to_string_lossy();
        let place = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
        put!(
            out,
            "<tr><td class=\"{class}\">{}</td><th scope=\"row\" class=\"name\"><bdi>{}</bdi></th>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"text\">{}</td></tr>",
            finding.severity(),
            text(&name),
            place(finding.position),
            place(finding.offset),
            text(&finding.problem.to_string())
        );
    }
    out.push_str("</tbody></table></div>\n");
    and_more(&mut out, found.len(), MOST_ROWS);
    out
}

/// Says how many there are besides those that are shown.
pub fn and_more(out: &mut String, all: usize, shown: usize) {
    if all > shown {
        put!(out, "<p class=\"quiet\">And {} more.</p>", all - shown);
    }
}

fn debt(report: &Report) -> String {
    let mut out = String::new();
    let before: u64 = report.compacted.iter().map(|done| done.bytes_before).sum();
    let after: u64 = report.compacted.iter().map(|done| done.bytes_after).sum();
    let removed: u64 = report.compacted.iter().map(|done| done.records_removed).sum();
    let freed: u64 = report.deleted.iter().map(|deleted| deleted.bytes).sum();
    put!(
        out,
        "<p>Compaction debt: {removed} superseded records in {} sealed segments; without them these take {after} bytes \
         instead of {before}.</p>",
        report.compacted.len()
    );
    put!(out, "<p>Retention lets {} segments go, of {freed} bytes.</p>", report.deleted.len());
    let lines = steward::lines(report, &WhoReport::default());
    if !lines.is_empty() {
        out.push_str("<ul>\n");
        for line in lines.iter().take(MOST_ROWS) {
            put!(out, "<li>{}</li>", text(line));
        }
        out.push_str("</ul>\n");
    }
    and_more(&mut out, lines.len(), MOST_ROWS);
    out.push_str(
        "<p class=\"quiet\">As <code>puro steward --dry-run</code> tells it, but for who holds a segment: \
         <code>puro who</code>.</p>\n",
    );
    out
}

fn settings(found: &[(Vec<u8>, Vec<u8>)]) -> String {
    if found.is_empty() {
        return "<p>None is set: all are as they are by default.</p>\n".to_owned();
    }
    let mut out = String::from(
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">setting</th><th scope=\"col\">value</th></tr></thead>\n\
         <tbody>\n",
    );
    for (name, value) in found.iter().take(MOST_ROWS) {
        let note = if counts(name, value) { "" } else { " (cannot be: counts as not set)" };
        put!(
            out,
            "<tr><th scope=\"row\" class=\"name\"><bdi>{}</bdi></th><td class=\"text\"><bdi>{}</bdi>{note}</td></tr>",
            bytes(name),
            bytes(value)
        );
    }
    out.push_str("</tbody></table></div>\n");
    and_more(&mut out, found.len(), MOST_ROWS);
    out
}

/// Foreign bytes that are text, most often.
pub fn bytes(foreign: &[u8]) -> String {
    text(&String::from_utf8_lossy(foreign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        let page = fill("a {{x}} b {{y}} c", |name| match name {
            "x" => "{{y}}".to_owned(),
            _ => "Y".to_owned(),
        });
        assert_eq!(page, "a {{y}} b Y c");
    }

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(
            text("<a href=\"x\" b='y'>&\n"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\n"
        );
        assert_eq!(text(&"é".repeat(201)), "é".repeat(200) + "…");
    }
}
