//! How a line becomes a record.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use puro::internals::layout::{MAX_KEY_BYTES, MAX_TOPIC_BYTES, MAX_VALUE_BYTES};
use puro::{NewRecord, RecordError};

use super::Args;
use crate::common::CliError;
use crate::parse::Delimiter;

/// What all records have in common, and how a line becomes one.
pub struct Template<'a> {
    topic: Option<&'a [u8]>,
    topic_delimiter: Option<&'a Delimiter>,
    key: Option<&'a [u8]>,
    key_delimiter: Option<&'a Delimiter>,
    headers: Vec<(&'a [u8], &'a [u8])>,
    delete_empty: bool,
}

impl<'a> Template<'a> {
    /// Takes the flags apart.
    pub fn new(args: &'a Args) -> Result<Self, CliError> {
        let template = Self {
            topic: args.topic.as_ref().map(|topic| topic.as_bytes()),
            topic_delimiter: args.topic_delimiter.as_ref(),
            key: args.key.as_ref().map(|key| key.as_bytes()),
            key_delimiter: args.key_delimiter.as_ref(),
            headers: args.headers.iter().map(split_header).collect::<Result<_, _>>()?,
            delete_empty: args.delete_empty,
        };
        // What is wrong with topic, key or headers is told before anything is read.
        template.record_of(template.topic.unwrap_or(b"any"), b"any")?.check()?;
        Ok(template)
    }

    /// No longer line makes a record.
    pub fn longest_line(&self) -> usize {
        let key = self.key_delimiter.map_or(0, |delimiter| MAX_KEY_BYTES + delimiter.len());
        let topic = self.topic_delimiter.map_or(0, |delimiter| MAX_TOPIC_BYTES + delimiter.len());
        topic + key + MAX_VALUE_BYTES
    }

    /// The record that a line makes.
    pub fn record<'l>(&self, line: &'l [u8]) -> Result<NewRecord<'l>, CliError>
    where
        'a: 'l,
    {
        let Some(delimiter) = self.topic_delimiter else {
            return Ok(self.record_of(self.topic.unwrap_or_default(), line)?);
        };
        let (topic, rest) = delimiter
            .split(line)
            .ok_or_else(|| CliError::usage("there is no topic: --topic-delimiter is missing"))?;
        Ok(self.record_of(topic, rest)?)
    }

    fn record_of<'l>(&self, topic: &'l [u8], line: &'l [u8]) -> Result<NewRecord<'l>, RecordError>
    where
        'a: 'l,
    {
        let split = self.key_delimiter.and_then(|delimiter| delimiter.split(line));
        let (key, value) = match split {
            Some((key, value)) => (Some(key), value),
            None => (self.key, line),
        };
        let delete = self.delete_empty && value.is_empty();
        let mut record = match key {
            None if delete => return Err(RecordError::MarkerWithoutKey),
            Some(key) if delete => NewRecord::delete_marker(topic, key),
            Some(key) => NewRecord::new(topic, value).key(key),
            None => NewRecord::new(topic, value),
        };
        for (name, value) in &self.headers {
            record = record.header(*name, *value);
        }
        Ok(record)
    }
}

fn split_header(header: &OsString) -> Result<(&[u8], &[u8]), CliError> {
    let bytes = header.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=');
    let split = at.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)));
    split.ok_or_else(|| {
        let header = header.display();
        CliError::usage(format_args!("header `{header}` is not of the form NAME=VALUE"))
    })
}
