//! A driver for the Rust code: answers the requests of `spec/kit.md`, one a line.

mod bytes;
mod fields;
mod streams;
mod world;

use std::io::{BufRead, Write};

use serde_json::{Value, json};

pub use fields::{Fields, Refusal, hex, unhex};
pub use streams::Handles;

/// What a request is answered with, or one of the words for errors.
pub type Answer = Result<Value, Refusal>;

/// The requests that are answered.
pub const REQUESTS: [&str; 24] = [
    "hello",
    "crc",
    "varint",
    "to_varint",
    "header",
    "to_header",
    "start",
    "block",
    "to_block",
    "records",
    "to_record",
    "setting",
    "name",
    "token",
    "info",
    "classify",
    "read",
    "verify",
    "create",
    "append",
    "set",
    "repair",
    "consume",
    "close",
];

/// A driver, and the handles that it has open.
#[derive(Default)]
pub struct Driver {
    handles: Handles,
}

impl Driver {
    /// Answers one request.
    pub fn answer(&mut self, request: &Value) -> Value {
        let fields = Fields(request);
        let answered = match fields.text("do") {
            Ok("hello") => Ok(json!({"name": "puro", "requests": REQUESTS})),
            Ok(word) => bytes::answer(word, &fields)
                .or_else(|| self.handles.answer(word, &fields))
                .unwrap_or_else(|| Err(Refusal::new("unsupported", word))),
            Err(refusal) => Err(refusal),
        };
        answered.unwrap_or_else(|refusal| json!({"error": refusal.word, "text": refusal.text}))
    }

    /// Answers line by line until there are no more.
    ///
    /// # Errors
    /// What stdin or stdout say.
    pub fn serve(&mut self, input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
        for line in input.lines() {
            let answer = match serde_json::from_str(&line?) {
                Ok(request) => self.answer(&request),
                Err(error) => json!({"error": "unsupported", "text": error.to_string()}),
            };
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
        Ok(())
    }
}
