//! The members of a line: taken as they come, each checked before the next one is read. No tree is
//! made of them: one of 56 MB of empty lists took a hundred times as much memory.

use std::fmt;

use base64::Engine as _;
use puro::internals::layout::MAX_HEADERS_BYTES;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Line;
use crate::time::parse_time;

/// Reads a line.
pub fn parse(line: &[u8]) -> Result<Line, String> {
    let mut source = serde_json::Deserializer::from_slice(line);
    let parsed = Record.deserialize(&mut source).and_then(|line| source.end().map(|()| line));
    parsed.map_err(|error| {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        match what.starts_with('`') {
            true => what.to_owned(),
            false if error.is_data() => format!("no record: {what}"),
            false => format!("no JSON object: {what} at column {}", error.column()),
        }
    })
}

/// A member that is bytes: text, or base64 under another name. It may be null where it is text.
#[derive(Default)]
struct Bytes(Option<Option<Vec<u8>>>);

impl Bytes {
    /// Takes the member if it is that of this name; tells whether it is.
    fn take<'de, M: MapAccess<'de>>(
        &mut self,
        name: &str,
        found: &str,
        map: &mut M,
    ) -> Result<bool, M::Error> {
        let encoded = found.strip_suffix("_base64") == Some(name);
        if found != name && !encoded {
            return Ok(false);
        }
        if self.0.is_some() {
            return Err(M::Error::custom(format_args!("`{name}` stands twice")));
        }
        let text = map.next_value_seed(Text { name: found, nullable: !encoded })?;
        let bytes = match text {
            Some(text) if encoded => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                let bytes = bytes.map_err(|error| format!("`{found}` is no base64: {error}"));
                Some(bytes.map_err(M::Error::custom)?)
            }
            text => text.map(String::into_bytes),
        };
        self.0 = Some(bytes);
        Ok(true)
    }

    /// What must be there and not be null.
    fn required<E: Error>(self, name: &str) -> Result<Vec<u8>, E> {
        let there = self.there(name)?;
        there.ok_or_else(|| E::custom(format_args!("`{name}` must not be null")))
    }

    /// What must be there.
    fn there<E: Error>(self, name: &str) -> Result<Option<Vec<u8>>, E> {
        self.0.ok_or_else(|| E::custom(format_args!("`{name}` is missing")))
    }
}

/// Text, or null where that may be.
struct Text<'n> {
    name: &'n str,
    nullable: bool,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_null = if self.nullable { " or null" } else { "" };
        write!(f, "text, for `{}` must be text{or_null}", self.name)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        let refused = || E::custom(format_args!("`{}` must be text", self.name));
        if self.nullable { Ok(None) } else { Err(refused()) }
    }
}

/// A whole number from 0 on.
struct Number<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<u64, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Number<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number, for `{}` must be a whole number from 0 on", self.0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

/// Refuses a member that stands there already.
fn once<E: Error, T>(member: &Option<T>, name: &str) -> Result<(), E> {
    match member {
        Some(_) => Err(E::custom(format_args!("`{name}` stands twice"))),
        None => Ok(()),
    }
}

/// A member that is not known may be a mistake that would lose data.
fn unknown<E: Error>(name: &str) -> E {
    E::custom(format_args!("`{}` is no member of a record", name.escape_debug()))
}

struct Record;

impl<'de> DeserializeSeed<'de> for Record {
    type Value = Line;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Line, D::Error> {
        source.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Line, M::Error> {
        let (mut topic, mut key, mut value) =
            (Bytes::default(), Bytes::default(), Bytes::default());
        let (mut headers, mut time_ms, mut iso, mut offset) = (None, None, None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "headers" => {
                    once(&headers, &name)?;
                    headers = Some(map.next_value_seed(Headers)?);
                }
                "timestamp_ms" => {
                    once(&time_ms, &name)?;
                    time_ms = Some(map.next_value_seed(Number(&name))?);
                }
                "time" => {
                    once(&iso, &name)?;
                    iso = Some(map.next_value_seed(Text { name: &name, nullable: true })?);
                }
                "offset" => {
                    once(&offset, &name)?;
                    offset = Some(map.next_value_seed(Number(&name))?);
                }
                other => {
                    let taken = topic.take("topic", other, &mut map)?
                        || key.take("key", other, &mut map)?
                        || value.take("value", other, &mut map)?;
                    if !taken {
                        return Err(unknown(other));
                    }
                }
            }
        }
        if let (None, Some(Some(iso))) = (time_ms, iso) {
            let no_time =
                || M::Error::custom(format_args!("`time` is no time: {}", iso.escape_debug()));
            time_ms = Some(parse_time(&iso).ok_or_else(no_time)?);
        }
        Ok(Line {
            topic: topic.required("topic")?,
            key: key.0.flatten(),
            value: value.there("value")?,
            headers: headers.unwrap_or_default(),
            time_ms,
        })
    }
}

struct Headers;

impl<'de> DeserializeSeed<'de> for Headers {
    type Value = Vec<(Vec<u8>, Vec<u8>)>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Headers {
    type Value = Vec<(Vec<u8>, Vec<u8>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, for `headers` must be a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let (mut headers, mut bytes) = (Vec::new(), 0);
        while let Some((name, value)) = list.next_element_seed(Header)? {
            // Two lengths beside them; what is longer is refused before the rest is read.
            bytes += name.len() + value.len() + 2;
            if bytes > MAX_HEADERS_BYTES {
                let limit = format_args!("`headers` take more than {MAX_HEADERS_BYTES} bytes");
                return Err(S::Error::custom(limit));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }
}

struct Header;

impl<'de> DeserializeSeed<'de> for Header {
    type Value = (Vec<u8>, Vec<u8>);

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = (Vec<u8>, Vec<u8>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header as an object with `name` and `value`")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut name, mut value) = (Bytes::default(), Bytes::default());
        while let Some(found) = map.next_key::<String>()? {
            let taken =
                name.take("name", &found, &mut map)? || value.take("value", &found, &mut map)?;
            if !taken {
                return Err(unknown(&found));
            }
        }
        Ok((name.required("name")?, value.required("value")?))
    }
}
