//! A stream of NATS JetStream as the target.
//!
//! The note is the newest message of a subject of its own (T-1). It is the last message of the atomic batch that
//! has the records, and the server takes the batch only if the note before it is the one that was read or
//! written last (T-4). So predecessors are refused.

use std::path::Path;
use std::time::Instant;

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{Client, HeaderMap, header, jetstream};
use puro::error::Blame;
use puro::{Settings, Stream, StreamId};

use super::batch::{Batch, Failure, TOO_LARGE, WRONG_LAST_SEQUENCE};
use super::message::{headers_of, notes_of, refuse_too_long, subject_of};
use super::server::Server;
use crate::cluster::{BEGIN_PATIENCE, FIRST_PATIENCE, LONGEST, MOST_VALUE_BYTES, cluster};
use crate::target::{Block, Target};
use crate::trouble::Trouble;

/// What a batch takes: as many messages as a server allows that was not told otherwise.
const MOST_MESSAGES: u64 = 1_000;

/// The stream of JetStream that is copied into.
pub struct NatsTarget {
    server: Server,
    settings: Settings,
    name: String,
    /// The subject of the note.
    notes: String,
    /// From `begin` on.
    session: Option<Session>,
    under_way: Option<UnderWay>,
    /// Whether each block goes alone, for the server takes smaller batches than usual.
    alone: bool,
}

/// A connection, and what was read through it.
struct Session {
    client: Client,
    /// The number of the note's message; 0: there is none.
    note_at: u64,
    /// Whether a message may say that no age deletes it.
    takes_ttl: bool,
    has_committed: bool,
}

/// A batch that was begun.
struct UnderWay {
    batch: Batch,
    since: Instant,
    blocks: u64,
    records: u64,
    bytes: usize,
}

impl NatsTarget {
    /// Connects. `place` is what follows `nats://`.
    pub fn open(source: &Path, place: &str, options: &[String]) -> Result<Self, Trouble> {
        let source = Stream::open(source)?;
        let (source_id, settings) = (source.id()?, source.settings()?);
        let server = Server::new(place, options)?;
        let client = server.connect(FIRST_PATIENCE)?;
        let stream = server.make_stream(&client, &settings)?;
        // Servers have no name that lasts; a stream there is told by when it was made.
        let made_ms = stream.cached_info().created.unix_timestamp_nanos() / 1_000_000;
        Ok(Self {
            name: format!("nats-{}-{made_ms}", server.prefix),
            notes: notes_of(&server.prefix, Some(source_id)),
            server,
            settings,
            session: None,
            under_way: None,
            alone: false,
        })
    }

    fn session(&self) -> Result<&Session, Trouble> {
        let session = self.session.as_ref().ok_or_else(|| cluster("not begun"))?;
        // A server that came back may have lost the note that was read.
        if session.is_lost() {
            return Err(Trouble::unknown("cluster: the connection was lost"));
        }
        Ok(session)
    }

    fn read_note(
        &self,
        stream: &jetstream::stream::Stream,
    ) -> Result<(u64, Option<String>), Trouble> {
        let asked = stream.get_last_raw_message_by_subject(&self.notes);
        match self.server.runtime.block_on(asked) {
            Ok(note) => {
                let text = String::from_utf8_lossy(&note.payload).into_owned();
                Ok((note.sequence, Some(text)))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok((0, None)),
            Err(error) => {
                Err(Trouble::unknown(format_args!("cluster: the note cannot be read: {error}")))
            }
        }
    }

    /// What a batch that failed comes to: another mirror, what the server never takes, or something that
    /// passes (T-6).
    fn given_up(&mut self, failure: Failure, under_way: &UnderWay) -> Trouble {
        let (number, is_passing, why) = match failure {
            Failure::Unknown(why) => return Trouble::unknown(format_args!("cluster: {why}")),
            Failure::Refused { number, is_passing, why } => (number, is_passing, why),
        };
        if number == WRONG_LAST_SEQUENCE {
            // What a predecessor had under way when it died may arrive behind the first look at the note.
            let is_certain =
                self.session.as_ref().is_some_and(|it| it.has_committed && !it.is_lost());
            return if is_certain {
                Trouble::other(why)
            } else {
                Trouble::unknown(format_args!("cluster: the note has changed: {why}"))
            };
        }
        if number == TOO_LARGE && under_way.blocks == 1 {
            return too_large(under_way.records, &why);
        }
        if number == TOO_LARGE {
            self.alone = true;
            return Trouble::unknown(format_args!("cluster: {why}; blocks go alone from here on"));
        }
        if is_passing {
            return Trouble::unknown(format_args!("cluster: {why}"));
        }
        cluster(format_args!("refuses a batch: {why}; nothing of it was copied"))
    }

    fn send(
        &self,
        block: &Block,
        under_way: &mut UnderWay,
    ) -> Result<Result<(), Failure>, Trouble> {
        let max_payload = self.session()?.client.max_payload();
        for record in &block.records {
            let headers = headers_of(record);
            refuse_too_long(record, &headers, max_payload)?;
            let subject = subject_of(&self.server.prefix, &record.topic);
            let value = record.value.clone().unwrap_or_default();
            under_way.bytes += value.len();
            let sent = under_way.batch.send(subject, headers, value);
            if let Err(failure) = self.server.runtime.block_on(sent) {
                return Ok(Err(failure));
            }
        }
        Ok(Ok(()))
    }
}

impl Session {
    fn is_lost(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.client.statistics().connects.load(Relaxed) != 1
            || self.client.connection_state() != async_nats::connection::State::Connected
    }
}

fn too_large(records: u64, why: &str) -> Trouble {
    let way_out = "raise the server's limit, `jetstream { limits { batch { max_msgs: N } } }`, or name the \
                   other topics by --topics";
    let how = format!(
        "the next block has {records} records, and one message follows them: more than the server takes \
         in one batch ({why}); in several, readers could see a part of it; {way_out}"
    );
    Trouble::new(Blame::Data, how)
}

impl Target for NatsTarget {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn begin(&mut self, _source: StreamId) -> Result<Option<String>, Trouble> {
        (self.session, self.under_way) = (None, None);
        let client = self.server.connect(BEGIN_PATIENCE)?;
        let stream = self.server.make_stream(&client, &self.settings)?;
        let (note_at, note) = self.read_note(&stream)?;
        let takes_ttl = stream.cached_info().config.allow_message_ttl;
        self.session = Some(Session { client, note_at, takes_ttl, has_committed: false });
        Ok(note)
    }

    fn put(&mut self, block: &Block) -> Result<(), Trouble> {
        let batch = Batch::new(&self.session()?.client);
        let mut under_way = self.under_way.take().unwrap_or_else(|| UnderWay {
            batch,
            since: Instant::now(),
            blocks: 0,
            records: 0,
            bytes: 0,
        });
        under_way.blocks += 1;
        under_way.records += block.records.len() as u64;
        if let Err(failure) = self.send(block, &mut under_way)? {
            return Err(self.given_up(failure, &under_way));
        }
        self.under_way = Some(under_way);
        Ok(())
    }

    fn takes_more(&self) -> bool {
        !self.alone
            && self.under_way.as_ref().is_some_and(|it| {
                it.batch.len() + 1 < MOST_MESSAGES
                    && it.bytes < MOST_VALUE_BYTES
                    && it.since.elapsed() < LONGEST
            })
    }

    fn has_room_for(&self, block: &Block) -> bool {
        let sent = self.under_way.as_ref().map_or(0, |it| it.batch.len());
        sent + (block.records.len() as u64) < MOST_MESSAGES // The note is one more.
    }

    fn commit(&mut self, note: &str) -> Result<(), Trouble> {
        let Session { note_at, takes_ttl, .. } = *self.session()?;
        let Some(mut under_way) = self.under_way.take() else { return Err(cluster("not begun")) };
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, note_at.to_string());
        // Of the notes only the newest is wanted, and no age deletes it.
        headers.insert(header::NATS_ROLLUP, "sub");
        if takes_ttl {
            headers.insert(header::NATS_MESSAGE_TTL, "never");
        }
        let note = note.as_bytes().to_vec();
        let committed = under_way.batch.commit(self.notes.clone(), headers, note);
        match self.server.runtime.block_on(committed) {
            Ok(note_at) => {
                if let Some(session) = &mut self.session {
                    (session.note_at, session.has_committed) = (note_at, true);
                }
                Ok(())
            }
            Err(failure) => Err(self.given_up(failure, &under_way)),
        }
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        Ok(()) // What is committed is in the server's hands.
    }
}
