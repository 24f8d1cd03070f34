//! The topics of a Kafka cluster as the target.
//!
//! The note is the newest record of a topic of its own (T-1). The transactional id is made of the source's
//! id, so that whoever begins fences who came before (T-2).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use puro::error::Blame;
use puro::{OwnedRecord, Settings, Stream, StreamId};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::topics::{Maker, topic_of};
use super::{Cluster, Ears, MOST_BYTES, PATIENCE, code_of, is_fence, is_passing, patiently};
use crate::cluster::{BEGIN_PATIENCE, LONGEST, MOST_VALUE_BYTES, cluster};
use crate::interrupt;
use crate::target::{Block, Target};
use crate::trouble::Trouble;

/// What a transaction takes, unless one block is more.
const MOST_RECORDS: usize = 20_000;
/// How long it looks away from a client that is busy.
const MOMENT: Duration = Duration::from_micros(200);
/// Where the newest note is looked for first: so many records before the end.
const NEAR: i64 = 1_000;

/// The cluster that is copied into.
pub struct KafkaTarget {
    cluster: Cluster,
    maker: Maker,
    settings: Settings,
    /// The key of the note, and the id of transactions.
    key: String,
    /// The topic of the note.
    notes: String,
    /// From `begin` on.
    producer: Option<ThreadedProducer<Ears>>,
    /// Topics that are there.
    known: BTreeSet<Vec<u8>>,
    under_way: Option<UnderWay>,
}

/// A transaction that was begun.
struct UnderWay {
    since: Instant,
    records: usize,
    bytes: usize,
}

impl KafkaTarget {
    /// Connects. `options` are the client library's own.
    pub fn open(source: &Path, servers: &str, options: &[String]) -> Result<Self, Trouble> {
        let source = Stream::open(source)?;
        let (source_id, settings) = (source.id()?, source.settings()?);
        let cluster = Cluster::open(servers, options)?;
        if source.producer()?.source(&cluster.name())?.is_some() {
            let circle =
                "the stream is itself a copy of this cluster's topics: records would go in circles";
            return Err(Trouble::usage(circle));
        }
        let maker = Maker::open(&cluster)?;
        Ok(Self {
            cluster,
            maker,
            settings,
            key: format!("puro-{source_id}"),
            notes: Cluster::notes_of(source_id),
            producer: None,
            known: BTreeSet::new(),
            under_way: None,
        })
    }

    fn fence(&self) -> Result<ThreadedProducer<Ears>, Trouble> {
        let mut config = self.cluster.config_with(&[
            ("partitioner", "murmur2_random"), // As clients in Java do.
            ("linger.ms", "1"),
            ("message.max.bytes", MOST_BYTES),
            ("queue.buffering.max.kbytes", "65536"),
        ]);
        config.set("transactional.id", &self.key);
        let producer: ThreadedProducer<Ears> = self.cluster.client(&config)?;
        producer.init_transactions(BEGIN_PATIENCE)?;
        Ok(producer)
    }

    /// The newest note that is committed. No transaction of this source is open since the fence.
    fn read_note(&self) -> Result<Option<String>, Trouble> {
        let reader = self.cluster.reader(true)?;
        let (low, high) = patiently(|| reader.fetch_watermarks(&self.notes, 0, PATIENCE))?;
        let near = low.max(high - NEAR);
        let found = self.read_note_from(&reader, near)?;
        if found.is_some() || near == low {
            return Ok(found);
        }
        self.read_note_from(&reader, low)
    }

    fn read_note_from(
        &self,
        reader: &BaseConsumer<Ears>,
        offset: i64,
    ) -> Result<Option<String>, Trouble> {
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&self.notes, 0, Offset::Offset(offset))?;
        reader.assign(&from)?;
        let (begun, mut note) = (Instant::now(), None);
        while begun.elapsed() < PATIENCE && !interrupt::asked() {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(record)) if record.key() == Some(self.key.as_bytes()) => {
                    let text = record.payload().and_then(|bytes| str::from_utf8(bytes).ok());
                    note = text.map(str::to_owned);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(note),
                Some(Err(error)) if !is_passing(&error) => return Err(error.into()),
                _ => {}
            }
        }
        if interrupt::asked() {
            return Err(Trouble::interrupted());
        }
        Err(cluster(format_args!("the note in {} cannot be read: no answer", self.notes)))
    }

    fn begin_transaction(&mut self) -> Result<(), Trouble> {
        if self.under_way.is_none() {
            self.with_producer(|producer| producer.begin_transaction())?;
            self.under_way = Some(UnderWay { since: Instant::now(), records: 0, bytes: 0 });
        }
        Ok(())
    }

    fn with_producer<T>(
        &self,
        work: impl FnOnce(&ThreadedProducer<Ears>) -> Result<T, KafkaError>,
    ) -> Result<T, Trouble> {
        let Some(producer) = &self.producer else { return Err(cluster("not begun")) };
        work(producer).map_err(|error| given_up(producer, &error))
    }

    fn send(&self, record: &OwnedRecord) -> Result<(), Trouble> {
        let topic = topic_of(&record.topic)?;
        let mut new = BaseRecord::<[u8], [u8]>::to(topic)
            .timestamp(i64::try_from(record.timestamp_ms).unwrap_or(i64::MAX));
        if !record.headers.is_empty() {
            new = new.headers(headers_of(record)?);
        }
        new.key = record.key.as_deref();
        new.payload = record.value.as_deref();
        self.queue(new)
    }

    /// Hands a record to the client, whose queue is bounded.
    fn queue(&self, mut new: BaseRecord<'_, [u8], [u8]>) -> Result<(), Trouble> {
        let Some(producer) = &self.producer else { return Err(cluster("not begun")) };
        loop {
            match producer.send(new) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    new = same;
                    std::thread::sleep(MOMENT);
                }
                Err((
                    error @ KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge),
                    new,
                )) => {
                    let bytes = new.payload.map_or(0, <[u8]>::len);
                    let what =
                        format!("a record of topic {}, with a value of {bytes} B", new.topic);
                    return Err(refused(&error, &what));
                }
                Err((error, _)) => return Err(given_up(producer, &error)),
            }
            if interrupt::asked() {
                return Err(Trouble::interrupted());
            }
        }
    }
}

/// What a transaction that failed comes to: another mirror, a record that the cluster never takes, or
/// something that passes (T-6).
fn given_up(producer: &ThreadedProducer<Ears>, error: &KafkaError) -> Trouble {
    let mut is_fenced = is_fence(error);
    if let KafkaError::Transaction(why) = error
        && why.txn_requires_abort()
    {
        // Whoever is fenced is told so here at the latest.
        is_fenced |= producer.abort_transaction(PATIENCE).is_err_and(|error| is_fence(&error));
    }
    let fatal = producer.client().fatal_error();
    is_fenced |= fatal.is_some_and(|(code, _)| is_fence(&KafkaError::Global(code)));
    if is_fenced {
        return Trouble::other(error);
    }
    match producer.context().take_lost() {
        Some((why, what)) if is_for_good(&why) => refused(&why, &what),
        Some((why, what)) => Trouble::unknown(format_args!("cluster: {error}: {what}: {why}")),
        None => Trouble::unknown(format_args!("cluster: {error}")),
    }
}

/// Whether the cluster will refuse the same record again.
fn is_for_good(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        InvalidMessage, InvalidRecord, InvalidTimestamp, MessageBatchTooLarge, MessageSizeTooLarge,
        PolicyViolation, TopicAuthorizationFailed,
    };
    let for_good = [
        InvalidMessage,
        InvalidRecord,
        InvalidTimestamp,
        MessageBatchTooLarge,
        MessageSizeTooLarge,
        PolicyViolation,
        TopicAuthorizationFailed,
    ];
    code_of(error).is_some_and(|code| for_good.contains(&code))
}

fn refused(why: &KafkaError, what: &str) -> Trouble {
    let way_out = "change the topic's settings there (max.message.bytes, cleanup.policy and the like), or \
                   name the other topics by --topics";
    cluster(format_args!("refuses {what}: {why}; nothing of its block was copied; {way_out}"))
}

fn headers_of(record: &OwnedRecord) -> Result<OwnedHeaders, Trouble> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (name, value) in &record.headers {
        let Ok(name) = str::from_utf8(name) else {
            let (name, offset) = (name.escape_ascii(), record.offset);
            let how =
                format!("header {name} of the record at {offset} is no UTF-8, as Kafka wants it");
            return Err(Trouble::new(Blame::Data, how));
        };
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    Ok(headers)
}

impl Target for KafkaTarget {
    fn name(&self) -> String {
        self.cluster.name()
    }

    fn begin(&mut self, _source: StreamId) -> Result<Option<String>, Trouble> {
        (self.producer, self.under_way) = (None, None);
        self.maker.make_notes(&self.notes)?;
        self.producer = Some(self.fence()?);
        self.read_note()
    }

    fn put(&mut self, block: &Block) -> Result<(), Trouble> {
        for record in &block.records {
            if !self.known.contains(&record.topic) {
                self.maker.make_topic(topic_of(&record.topic)?, &self.settings)?;
                self.known.insert(record.topic.clone());
            }
        }
        self.begin_transaction()?;
        block.records.iter().try_for_each(|record| self.send(record))?;
        if let Some(under_way) = &mut self.under_way {
            under_way.records += block.records.len();
            let bytes = |record: &OwnedRecord| record.value.as_ref().map_or(0, Vec::len);
            under_way.bytes += block.records.iter().map(bytes).sum::<usize>();
        }
        Ok(())
    }

    fn takes_more(&self) -> bool {
        self.under_way.as_ref().is_some_and(|it| {
            it.records < MOST_RECORDS && it.bytes < MOST_VALUE_BYTES && it.since.elapsed() < LONGEST
        })
    }

    fn commit(&mut self, note: &str) -> Result<(), Trouble> {
        let new = BaseRecord::<[u8], [u8]>::to(&self.notes).partition(0);
        self.queue(new.key(self.key.as_bytes()).payload(note.as_bytes()))?;
        self.with_producer(|producer| {
            // To commit waits for what is on its way, too, but looks seldom.
            let begun = Instant::now();
            while producer.in_flight_count() > 0 && begun.elapsed() < PATIENCE {
                std::thread::sleep(MOMENT);
            }
            producer.commit_transaction(PATIENCE)
        })?;
        self.under_way = None;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        Ok(()) // What is committed is on all replicas that are in sync.
    }
}

impl Drop for KafkaTarget {
    /// An open transaction would hide from readers what others write, until it times out.
    fn drop(&mut self) {
        if let (Some(producer), Some(_)) = (&self.producer, &self.under_way) {
            // Whatever fails here, the next fence ends it.
            let _ = producer.abort_transaction(Duration::from_secs(5));
        }
    }
}
