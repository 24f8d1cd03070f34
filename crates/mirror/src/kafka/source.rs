//! The topics of a Kafka cluster as the source.
//!
//! How far a partition was copied stands in the stream, in the same block as its records: a note for each
//! partition, under `kafka-CLUSTER-TOPIC-PARTITION`, which says the offset to be read next (T-1, F-59). No group
//! is needed: one mirror reads all partitions, and nobody takes one from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use puro::error::Blame;
use puro::{Batch, NewRecord, Producer, RecordError, Stream, matches_pattern};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Cluster, Ears, NOTES, PATIENCE, code_of, is_passing, patiently};
use crate::cluster::{WAIT, cluster};
use crate::copy::{Copied, persist};
use crate::interrupt;
use crate::trouble::Trouble;

/// How often the stream is synced.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How often new topics and partitions are looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The most records of a block, which is also bounded by its size.
const MOST_RECORDS: usize = 10_000;

/// What is to be done.
pub struct Order<'a> {
    /// The stream that is copied into.
    pub dir: &'a Path,
    /// Empty: all.
    pub topics: &'a [String],
    pub once: bool,
    /// Go on at what is there where it was refused.
    pub reset: bool,
}

/// Copies until the end, an interruption, or a trouble.
pub fn copy(order: &Order<'_>, servers: &str, options: &[String]) -> Result<Copied, Trouble> {
    let cluster = Cluster::open(servers, options)?;
    let stream = Stream::open_or_create(order.dir)?;
    if cluster.has_notes_of(&stream)? {
        let circle = "the stream is itself copied into this cluster: records would go in circles";
        return Err(Trouble::usage(circle));
    }
    // So that who starts a second one by mistake is told before it reads anything (T-2).
    let _place = stream.own_position(&format!("mirror-from-{}", cluster.name()))?;
    let mut producer = stream.producer()?;
    note_that_it_is_a_copy(&mut producer, &cluster)?;
    let mut copied = Copied::default();
    persist(&mut copied, |copied| {
        let reader = cluster.reader(order.once)?;
        let inbox = Inbox::new(&mut producer, copied);
        Work { order, cluster: &cluster, reader, inbox }.copy()
    })?;
    producer.sync()?;
    Ok(copied)
}

/// So that nobody copies it back (T-5).
fn note_that_it_is_a_copy(producer: &mut Producer, cluster: &Cluster) -> Result<(), Trouble> {
    let name = cluster.name();
    if producer.source(&name)?.is_none() {
        let mut nothing = Batch::new();
        producer.transaction(&mut nothing).copied(&name, None, "by partition").commit()?;
    }
    Ok(())
}

/// A partition that is copied.
struct Part {
    topic: String,
    partition: i32,
    /// The name of its note.
    name: String,
    note: Option<String>,
    /// The next offset to be copied; `None`: whatever is first there.
    next: Option<i64>,
}

struct Work<'a> {
    order: &'a Order<'a>,
    cluster: &'a Cluster,
    reader: BaseConsumer<Ears>,
    inbox: Inbox<'a>,
}

/// What was heard of the cluster.
#[derive(PartialEq)]
enum Heard {
    Nothing,
    Something,
    /// The end of a partition, which the library does not name.
    End,
}

impl Work<'_> {
    fn copy(mut self) -> Result<(), Trouble> {
        self.find_parts()?;
        if self.order.once {
            return (0..self.inbox.parts.len()).try_for_each(|at| self.copy_to_end(at));
        }
        self.assign(&self.inbox.parts)?;
        let mut looked = Instant::now();
        while !interrupt::asked() {
            self.copy_what_is_there()?;
            self.inbox.sync_now_and_then()?;
            if looked.elapsed() >= LOOK_INTERVAL {
                looked = Instant::now();
                if self.find_parts()? {
                    self.assign(&self.inbox.parts)?;
                }
            }
        }
        Ok(())
    }

    /// Takes in topics and partitions that are new; tells whether there are any.
    fn find_parts(&mut self) -> Result<bool, Trouble> {
        let metadata = patiently(|| self.reader.fetch_metadata(None, PATIENCE))?;
        let before = self.inbox.parts.len();
        for (topic, partition) in all_of(&metadata) {
            if self.is_wanted(topic) && self.inbox.find(topic, partition).is_none() {
                let part = self.take_in(topic, partition)?;
                self.inbox.add(part);
            }
        }
        Ok(self.inbox.parts.len() > before)
    }

    fn is_wanted(&self, topic: &str) -> bool {
        let fits = |pattern: &String| matches_pattern(pattern.as_bytes(), topic.as_bytes());
        let is_of_the_cluster = topic.starts_with("__") || topic.starts_with(NOTES);
        !is_of_the_cluster && (self.order.topics.is_empty() || self.order.topics.iter().any(fits))
    }

    fn take_in(&mut self, topic: &str, partition: i32) -> Result<Part, Trouble> {
        let name = format!("{}-{topic}-{partition}", self.cluster.name());
        let note = self.inbox.producer.source(&name)?;
        let next = note.as_deref().map(str::parse::<i64>).transpose().map_err(|_| {
            let unknown = format!("the note {name} says no offset");
            Trouble::new(Blame::Data, unknown)
        })?;
        let mut part = Part { topic: topic.to_owned(), partition, name, note, next };
        self.refuse_what_is_lost(&mut part)?;
        Ok(part)
    }

    /// Goes on only behind the note (T-5).
    fn refuse_what_is_lost(&self, part: &mut Part) -> Result<(), Trouble> {
        let Some(next) = part.next else { return Ok(()) };
        let (low, high) = self.bounds(part)?;
        if (low..=high).contains(&next) {
            return Ok(());
        }
        if self.order.reset {
            part.next = None;
            return Ok(());
        }
        let Part { topic, partition, .. } = part;
        let what =
            if next < low { "deleted what was to be copied next" } else { "lost what was copied" };
        let way_out = "`--reset` goes on at what is there; or mirror into a new stream";
        let how = format!(
            "the cluster has {what}: {topic}, partition {partition}, has offsets {low} to {high}, and \
             {next} is next; {way_out}"
        );
        Err(Trouble::new(Blame::Data, how))
    }

    fn bounds(&self, part: &Part) -> Result<(i64, i64), Trouble> {
        patiently(|| self.reader.fetch_watermarks(&part.topic, part.partition, PATIENCE))
    }

    fn assign(&self, parts: &[Part]) -> Result<(), Trouble> {
        let mut all = TopicPartitionList::new();
        for Part { topic, partition, next, .. } in parts {
            let from = next.map_or(Offset::Beginning, Offset::Offset);
            all.add_partition_offset(topic, *partition, from)?;
        }
        Ok(self.reader.assign(&all)?)
    }

    /// Copies one partition, up to where it ended when this began. One at a time, for the library does
    /// not say which one has ended.
    fn copy_to_end(&mut self, at: usize) -> Result<(), Trouble> {
        let Some(part) = self.inbox.parts.get(at) else { return Ok(()) };
        let (low, high) = self.bounds(part)?;
        let is_at_end = |part: &Part| part.next.unwrap_or(low) >= high;
        if is_at_end(part) {
            return Ok(());
        }
        self.assign(std::slice::from_ref(part))?;
        let mut listened = Instant::now();
        while !interrupt::asked() {
            let heard = self.copy_what_is_there()?;
            let Some(part) = self.inbox.parts.get(at) else { return Ok(()) };
            if heard == Heard::End || is_at_end(part) {
                return self.inbox.pass_to(at, high);
            }
            if heard == Heard::Something {
                listened = Instant::now();
            } else if listened.elapsed() >= PATIENCE {
                let (topic, partition) = (&part.topic, part.partition);
                return Err(cluster(format_args!(
                    "no answer about {topic}, partition {partition}"
                )));
            }
        }
        Ok(())
    }

    /// Waits for records a moment, and copies those that are there, up to as many as a block has.
    fn copy_what_is_there(&mut self) -> Result<Heard, Trouble> {
        let (mut heard, mut wait) = (Heard::Nothing, WAIT);
        for _ in 0..MOST_RECORDS {
            match self.reader.poll(wait) {
                Some(Ok(message)) => self.inbox.take(&message)?,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.inbox.end_block()?;
                    return Ok(Heard::End);
                }
                Some(Err(error)) if is_passing(&error) => break,
                Some(Err(error)) => return Err(lost_or(error)),
                None => break,
            }
            (heard, wait) = (Heard::Something, Duration::ZERO);
        }
        self.inbox.end_block()?;
        Ok(heard)
    }
}

fn all_of(metadata: &Metadata) -> impl Iterator<Item = (&str, i32)> {
    metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions().iter().map(|partition| (topic.name(), partition.id())))
}

/// What is next was deleted just now: to begin anew says what.
fn lost_or(error: KafkaError) -> Trouble {
    match code_of(&error) {
        Some(RDKafkaErrorCode::AutoOffsetReset) => {
            Trouble::unknown(format_args!("cluster: {error}"))
        }
        _ => error.into(),
    }
}

/// What comes in, on its way into the stream.
struct Inbox<'a> {
    producer: &'a mut Producer,
    parts: Vec<Part>,
    /// Which of them a topic and partition is.
    index: BTreeMap<(String, i32), usize>,
    /// The block under way: records of one partition and one time, for a block has one (T-4).
    batch: Batch,
    /// The partition's place, and the time.
    of: (usize, Option<u64>),
    copied: &'a mut Copied,
    synced: Instant,
    is_synced: bool,
}

impl<'a> Inbox<'a> {
    fn new(producer: &'a mut Producer, copied: &'a mut Copied) -> Self {
        let (parts, index, batch) = (Vec::new(), BTreeMap::new(), Batch::new());
        let (of, synced) = ((0, None), Instant::now());
        Self { producer, parts, index, batch, of, copied, synced, is_synced: true }
    }

    fn add(&mut self, part: Part) {
        self.index.insert((part.topic.clone(), part.partition), self.parts.len());
        self.parts.push(part);
    }

    fn find(&self, topic: &str, partition: i32) -> Option<usize> {
        let last = self.parts.get(self.of.0);
        if last.is_some_and(|part| part.topic == topic && part.partition == partition) {
            return Some(self.of.0);
        }
        self.index.get(&(topic.to_owned(), partition)).copied()
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), Trouble> {
        let Some(at) = self.find(message.topic(), message.partition()) else { return Ok(()) };
        let offset = message.offset();
        if self.parts.get(at).is_none_or(|part| part.next.is_some_and(|next| offset < next)) {
            return Ok(()); // It was copied, and comes again.
        }
        let time = message.timestamp().to_millis().and_then(|time| u64::try_from(time).ok());
        if self.of != (at, time) || self.batch.len() >= MOST_RECORDS {
            self.end_block()?;
            self.of = (at, time);
        }
        let record = record_of(message)?;
        let mut pushed = self.batch.push(&record);
        if matches!(pushed, Err(RecordError::TooLong { .. })) && !self.batch.is_empty() {
            self.end_block()?;
            pushed = self.batch.push(&record);
        }
        pushed.map_err(|why| cannot_be(message, &why))?;
        if let Some(part) = self.parts.get_mut(at) {
            part.next = Some(offset + 1);
        }
        Ok(())
    }

    /// Appends the block under way, with the note behind it.
    fn end_block(&mut self) -> Result<(), Trouble> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.append()?;
        self.copied.blocks += 1;
        self.copied.records += self.batch.len() as u64;
        self.batch.clear();
        Ok(())
    }

    /// Moves the note over what is no record: marks of transactions, and records of aborted ones.
    fn pass_to(&mut self, at: usize, end: i64) -> Result<(), Trouble> {
        self.end_block()?;
        self.of = (at, None);
        match self.parts.get_mut(at) {
            Some(part) if part.next.is_none_or(|next| next < end) => part.next = Some(end),
            _ => return Ok(()),
        }
        self.append()
    }

    fn append(&mut self) -> Result<(), Trouble> {
        let (at, time) = self.of;
        let Some(part) = self.parts.get_mut(at) else { return Ok(()) };
        let after = part.next.unwrap_or_default().to_string();
        let mut transaction = self.producer.transaction(&mut self.batch);
        if let Some(time) = time {
            transaction = transaction.timestamp_ms(time);
        }
        transaction.copied(&part.name, part.note.as_deref(), &after).commit()?;
        part.note = Some(after);
        self.is_synced = false;
        Ok(())
    }

    fn sync_now_and_then(&mut self) -> Result<(), Trouble> {
        if !self.is_synced && self.synced.elapsed() >= SYNC_INTERVAL {
            self.producer.sync()?;
            (self.synced, self.is_synced) = (Instant::now(), true);
        }
        Ok(())
    }
}

fn record_of<'m>(message: &'m BorrowedMessage<'_>) -> Result<NewRecord<'m>, Trouble> {
    let (topic, key) = (message.topic(), message.key());
    let mut record = match (message.payload(), key) {
        (Some(value), _) => NewRecord::new(topic, value),
        (None, Some(key)) => NewRecord::delete_marker(topic, key),
        (None, None) => return Err(cannot_be(message, &RecordError::MarkerWithoutKey)),
    };
    if let Some(key) = key {
        record = record.key(key);
    }
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        record = record.header(header.key, header.value.unwrap_or_default());
    }
    Ok(record)
}

fn cannot_be(message: &BorrowedMessage<'_>, why: &RecordError) -> Trouble {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    let how = format!(
        "{topic}, partition {partition}, offset {offset} cannot be a record of a stream: {why}; name the \
         other topics by --topics"
    );
    Trouble::new(Blame::Data, how)
}
