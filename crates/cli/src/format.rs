//! How `puro consume` prints a record: by a format string like kcat's, or as JSON.

use std::io::{self, Write};

use puro::Record;

use crate::common::write_json_bytes;
use crate::parse::split_escape;
use crate::time::{format_time, iso};

/// A format string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Topic,
    Key,
    Value,
    Offset,
    Timestamp,
    IsoTime,
    Headers,
}

/// Takes a format string apart.
pub fn parse_format(text: &str) -> Result<Format, String> {
    let mut format = Format(Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        let (plain, marked) = rest.split_at(at);
        format.add_bytes(plain.as_bytes());
        let behind = marked.get(1..).unwrap_or_default();
        rest = if marked.starts_with('%') {
            format.add_token(behind)?
        } else {
            let (byte, after) = split_escape(behind)?;
            format.add_bytes(&[byte]);
            after
        };
    }
    format.add_bytes(rest.as_bytes());
    Ok(format)
}

impl Format {
    fn add_bytes(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Piece::Bytes(before)) => before.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.0.push(Piece::Bytes(bytes.to_vec())),
        }
    }

    /// Adds the token at the front of `text`, which begins behind the percent sign; gives
    /// the rest.
    fn add_token<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        const KNOWN: &str = "there are %t %k %s %o %T %I %h %%";
        let Some(token) = text.chars().next() else {
            return Err(format!("it ends in a lone percent sign; {KNOWN}"));
        };
        match token {
            '%' => self.add_bytes(b"%"),
            't' => self.0.push(Piece::Topic),
            'k' => self.0.push(Piece::Key),
            's' => self.0.push(Piece::Value),
            'o' => self.0.push(Piece::Offset),
            'T' => self.0.push(Piece::Timestamp),
            'I' => self.0.push(Piece::IsoTime),
            'h' => self.0.push(Piece::Headers),
            other => return Err(format!("%{other} is unknown; {KNOWN}")),
        }
        Ok(text.get(token.len_utf8()..).unwrap_or_default())
    }

    /// Prints a record.
    pub fn write(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => out.write_all(bytes)?,
                Piece::Topic => out.write_all(record.topic)?,
                Piece::Key => out.write_all(record.key.unwrap_or_default())?,
                Piece::Value => out.write_all(record.value.unwrap_or_default())?,
                Piece::Offset => write!(out, "{}", record.offset)?,
                Piece::Timestamp => write!(out, "{}", record.timestamp_ms)?,
                Piece::IsoTime => out.write_all(format_time(record.timestamp_ms).as_bytes())?,
                Piece::Headers => write_headers(out, record)?,
            }
        }
        Ok(())
    }
}

/// Headers as kcat prints them: `name=value,name=value`.
fn write_headers(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    for (index, (name, value)) in record.headers.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(name)?;
        out.write_all(b"=")?;
        out.write_all(value)?;
    }
    Ok(())
}

/// Prints a record as one line of JSON. Bytes that are not UTF-8 stand in base64, in a
/// member named `..._base64`; a delete marker has the value `null`. The time stands there twice, for
/// programs and for people; beyond the calendar for programs only.
pub fn write_json(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    out.write_all(b"{")?;
    write_json_bytes(out, "topic", Some(record.topic))?;
    out.write_all(b",")?;
    write_json_bytes(out, "key", record.key)?;
    out.write_all(b",")?;
    write_json_bytes(out, "value", record.value)?;
    out.write_all(b",\"headers\":[")?;
    for (index, (name, value)) in record.headers.iter().enumerate() {
        out.write_all(if index > 0 { b",{" } else { b"{" })?;
        write_json_bytes(out, "name", Some(name))?;
        out.write_all(b",")?;
        write_json_bytes(out, "value", Some(value))?;
        out.write_all(b"}")?;
    }
    write!(out, "],\"offset\":{},\"timestamp_ms\":{}", record.offset, record.timestamp_ms)?;
    match iso(record.timestamp_ms) {
        Some(time) => writeln!(out, ",\"time\":\"{time}\"}}"),
        None => out.write_all(b",\"time\":null}\n"),
    }
}
