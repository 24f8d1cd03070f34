//! A record as a message: binary data as text, reversibly.
//!
//! Headers of NATS are lines of text, of which most clients keep one for each name. So all headers of a record
//! are one, in the form that queries of URLs have.

use std::fmt::Write as _;

use async_nats::HeaderMap;
use puro::error::Blame;
use puro::{OwnedRecord, StreamId};

use crate::trouble::Trouble;

const TIME: &str = "Puro-Time";
const KEY: &str = "Puro-Key";
const HEADERS: &str = "Puro-Headers";
const DELETED: &str = "Puro-Deleted";

/// The subject of a topic. Dots stay, unless nothing would be before or behind them.
pub fn subject_of(prefix: &str, topic: &[u8]) -> String {
    let mut subject = format!("{prefix}.");
    for (at, &byte) in topic.iter().enumerate() {
        let follows_dot = at == 0 || topic.get(at - 1) == Some(&b'.');
        let is_last = at + 1 == topic.len();
        match byte {
            b'.' if follows_dot || is_last => escape(&mut subject, byte),
            b'*' | b'>' | b'%' => escape(&mut subject, byte),
            _ if byte.is_ascii_graphic() => subject.push(char::from(byte)),
            _ => escape(&mut subject, byte),
        }
    }
    subject
}

/// The subject of the note of a source (T-1).
pub fn notes_of(prefix: &str, source: Option<StreamId>) -> String {
    let source = source.map_or_else(|| "*".to_owned(), |id| id.to_string());
    format!("puro-mirror.{prefix}.{source}")
}

fn escape(text: &mut String, byte: u8) {
    // To write into a text does not fail.
    let _ = write!(text, "%{byte:02X}");
}

/// As in a URL: letters, digits and `-._~` stay.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            escape(&mut text, byte);
        }
    }
    text
}

/// All of a record but its topic and its value.
pub fn headers_of(record: &OwnedRecord) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TIME, record.timestamp_ms.to_string());
    if let Some(key) = &record.key {
        headers.insert(KEY, escaped(key));
    }
    if !record.headers.is_empty() {
        let pair = |(name, value): &(Vec<u8>, Vec<u8>)| escaped(name) + "=" + &escaped(value);
        headers.insert(HEADERS, record.headers.iter().map(pair).collect::<Vec<_>>().join("&"));
    }
    if record.value.is_none() {
        headers.insert(DELETED, "1");
    }
    headers
}

/// The longest headers that JetStream keeps.
const MOST_HEADER_BYTES: usize = 65_535;
/// What a batch adds to them, at most.
const BATCH_BYTES: usize = 200;

/// Refuses what the server would not take.
pub fn refuse_too_long(
    record: &OwnedRecord,
    headers: &HeaderMap,
    max_payload: usize,
) -> Result<(), Trouble> {
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |it| (name, it)));
    let line = |(name, value): (&async_nats::HeaderName, &async_nats::HeaderValue)| {
        AsRef::<[u8]>::as_ref(name).len() + value.as_str().len() + 4
    };
    let header_bytes = lines.map(line).sum::<usize>() + BATCH_BYTES;
    let bytes = header_bytes + record.value.as_ref().map_or(0, Vec::len);
    let (what, has, takes, way_out) = if header_bytes > MOST_HEADER_BYTES {
        ("its headers have", header_bytes, MOST_HEADER_BYTES, "")
    } else if bytes > max_payload {
        ("it has", bytes, max_payload, "raise `max_payload` there, or ")
    } else {
        return Ok(());
    };
    let (topic, offset) = (record.topic.escape_ascii(), record.offset);
    let how = format!(
        "the record at {offset}, of topic {topic}, cannot be in NATS: {what} {has} B there, and the server \
         takes {takes}; {way_out}name the other topics by --topics"
    );
    Err(Trouble::new(Blame::Data, how))
}

#[cfg(test)]
mod tests {
    use super::{escaped, subject_of};

    #[test]
    fn topics_become_subjects_and_different_ones_different() {
        let topics: [(&[u8], &str); 9] = [
            (b"orders", "p.orders"),
            (b"orders.eu/2:x", "p.orders.eu/2:x"),
            (b".a..b.", "p.%2Ea.%2Eb%2E"),
            (b".", "p.%2E"),
            (b"...", "p.%2E%2E%2E"),
            (b"%2E", "p.%252E"),
            (b"a*b>c d", "p.a%2Ab%3Ec%20d"),
            (b"\0\n\x7F\xFF", "p.%00%0A%7F%FF"),
            ("é".as_bytes(), "p.%C3%A9"),
        ];
        for (topic, subject) in topics {
            assert_eq!(subject_of("p", topic), subject);
        }
    }

    #[test]
    fn keys_and_headers_are_escaped_as_in_urls() {
        assert_eq!(escaped(b"a-b._~ &=%\r\n\xFF"), "a-b._~%20%26%3D%25%0D%0A%FF");
        assert_eq!(escaped(b""), "");
    }
}
