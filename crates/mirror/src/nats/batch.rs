//! An atomic batch: messages of which JetStream stores all or none, and shows none before all are there.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::{Client, HeaderMap};
use serde_json::Value;

/// How long the server may take for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// After so many messages or bytes the server is to say that it has them: it queues no more than some
/// thousand.
const MOST_UNANSWERED: u64 = 500;
const MOST_UNANSWERED_BYTES: usize = 8 << 20;

/// Why a batch is not there, or may not be.
#[derive(Debug)]
pub enum Failure {
    /// The server said so: its number for the reason, and the reason.
    Refused { number: u64, is_passing: bool, why: String },
    /// It said nothing, and what became of the batch is unknown.
    Unknown(String),
}

/// Numbers of JetStream for reasons.
pub const WRONG_LAST_SEQUENCE: u64 = 10_071;
pub const TOO_LARGE: u64 = 10_199;
const INCOMPLETE: u64 = 10_176;
/// Of the same sequence, where a message is under way to another replica.
const WRONG_LAST_SEQUENCE_NOW: u64 = 10_164;
const TOO_MANY_UNDER_WAY: u64 = 10_210;

/// The messages of a batch, as they are sent.
pub struct Batch {
    client: Client,
    id: String,
    sent: u64,
    unanswered: u64,
    unanswered_bytes: usize,
}

impl Batch {
    /// Of messages through this connection.
    pub fn new(client: &Client) -> Self {
        // Never the same twice, and shorter than the 64 bytes that an id may have.
        let id = client.new_inbox();
        Self { client: client.clone(), id, sent: 0, unanswered: 0, unanswered_bytes: 0 }
    }

    /// How many messages were sent.
    pub fn len(&self) -> u64 {
        self.sent
    }

    fn mark(&mut self, headers: &mut HeaderMap) {
        self.sent += 1;
        headers.insert(async_nats::header::NATS_BATCH_ID, self.id.as_str());
        headers.insert(async_nats::header::NATS_BATCH_SEQUENCE, self.sent.to_string());
    }

    /// Sends a message, and waits now and then until the server has all of them.
    pub async fn send(
        &mut self,
        subject: String,
        mut headers: HeaderMap,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        self.mark(&mut headers);
        self.unanswered += 1;
        self.unanswered_bytes += value.len();
        let asks =
            self.unanswered >= MOST_UNANSWERED || self.unanswered_bytes >= MOST_UNANSWERED_BYTES;
        if !asks {
            let sent = self.client.publish_with_headers(subject, headers, value.into()).await;
            return sent.map_err(unknown);
        }
        (self.unanswered, self.unanswered_bytes) = (0, 0);
        let answer = self.ask(subject, headers, value).await?;
        if answer.is_empty() { Ok(()) } else { Err(refusal(&answer)) }
    }

    /// Sends the last message, which commits all. Tells its sequence number in the stream.
    pub async fn commit(
        &mut self,
        subject: String,
        mut headers: HeaderMap,
        value: Vec<u8>,
    ) -> Result<u64, Failure> {
        self.mark(&mut headers);
        headers.insert(async_nats::header::NATS_BATCH_COMMIT, "1");
        let answer = self.ask(subject, headers, value).await?;
        let number = serde_json::from_slice::<Value>(&answer).ok();
        number
            .filter(|answer| answer.get("error").is_none())
            .and_then(|answer| answer.get("seq")?.as_u64())
            .ok_or_else(|| refusal(&answer))
    }

    async fn ask(
        &self,
        subject: String,
        headers: HeaderMap,
        value: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let request = Request::new().headers(headers).payload(value.into());
        let request = request.timeout(Some(ANSWER_PATIENCE));
        let answer = self.client.send_request(subject, request).await.map_err(unknown)?;
        Ok(answer.payload.into())
    }
}

fn unknown(error: impl std::fmt::Display) -> Failure {
    Failure::Unknown(error.to_string())
}

fn refusal(answer: &[u8]) -> Failure {
    let error = serde_json::from_slice::<Value>(answer).ok();
    let Some(error) = error.as_ref().and_then(|answer| answer.get("error")) else {
        return unknown(format_args!("an answer that says nothing: {}", answer.escape_ascii()));
    };
    let number_at = |name| error.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (number, status) = (number_at("err_code"), number_at("code"));
    let passing = [INCOMPLETE, TOO_MANY_UNDER_WAY, WRONG_LAST_SEQUENCE_NOW];
    let is_passing = status >= 500 || passing.contains(&number);
    let why = error.get("description").and_then(Value::as_str).unwrap_or("it does not say why");
    Failure::Refused { number, is_passing, why: why.to_owned() }
}
