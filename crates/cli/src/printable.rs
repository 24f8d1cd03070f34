//! What stands in a stream may be anything, and a terminal obeys control characters: they are
//! written as escapes, everywhere but where records are the output.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Writes lines with all other control characters as `\u001b`, which a string of JSON may hold, too.
pub struct Printable<W> {
    out: W,
    /// The line that has no end yet.
    line: Vec<u8>,
}

impl<W: Write> Printable<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                let (lines, rest) = bytes.split_at(end + 1);
                self.line.extend_from_slice(lines);
                let escaped = escape(&String::from_utf8_lossy(&self.line), LAYOUT);
                self.line.clear();
                self.line.extend_from_slice(rest);
                self.out.write_all(escaped.as_bytes())?;
            }
            None => self.line.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let escaped = escape(&String::from_utf8_lossy(&self.line), LAYOUT);
        self.line.clear();
        self.out.write_all(escaped.as_bytes())?;
        self.out.flush()
    }
}

/// Foreign text, in which a line or a column might end, for one line of a report.
pub fn one_line(text: &str) -> String {
    escape(text, &[])
}

/// The same for bytes that are text, most often.
pub fn shown(bytes: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(bytes))
}

/// The same for a path.
pub fn shown_path(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// What lays out a report; in what is foreign, [`one_line`] escapes it.
const LAYOUT: &[char] = &['\n', '\t'];

fn escape(text: &str, keep: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !c.is_control() || keep.contains(&c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            // Writing to a string cannot fail.
            c => _ = write!(escaped, "\\u{:04x}", u32::from(c)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_lines_stay() {
        let mut out = Printable::new(Vec::new());
        for piece in [&b"a\x1b[2J\n"[..], b"b\xC2", b"\x9b\r\n", b"\x7f\tz"] {
            out.write_all(piece).unwrap();
        }
        out.flush().unwrap();
        let text = String::from_utf8(out.out).unwrap();
        assert_eq!(text, "a\\u001b[2J\nb\\u009b\\u000d\n\\u007f\tz");
        assert_eq!(one_line("a\n\tb\u{202}\u{9b}31m"), "a\\n\\tb\u{202}\\u009b31m");
        assert_eq!(shown(b"\xFF\x1b"), "\u{FFFD}\\u001b");
    }
}
