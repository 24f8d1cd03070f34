//! The topics of a Kafka cluster as the target.
//!
//! The note is the newest record under the source's id in the topic `puro-mirror`, which is compacted
//! (T-1). The transactional id is made of the source's id, so that whoever begins fences who came
//! before (T-2).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use puro::error::Blame;
use puro::{OwnedRecord, Settings, Stream, StreamId};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::target::{Block, Target};
use crate::trouble::Trouble;

/// Where the notes are.
const NOTES: &str = "puro-mirror";
/// How long the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a full queue of the client is left to drain.
const DRAIN: Duration = Duration::from_millis(50);

/// The cluster that is copied into.
pub struct KafkaTarget {
    config: ClientConfig,
    servers: String,
    source_id: StreamId,
    settings: Settings,
    producer: BaseProducer,
    known: BTreeSet<String>,
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        let fenced = [RDKafkaErrorCode::Fenced, RDKafkaErrorCode::ProducerFenced];
        match error.rdkafka_error_code() {
            Some(code) if fenced.contains(&code) => Self::other(error),
            Some(RDKafkaErrorCode::InvalidProducerEpoch) => Self::other(error),
            _ => Self::new(Blame::Environment, format_args!("cluster: {error}")),
        }
    }
}

impl KafkaTarget {
    /// Connects. `options` are the client library's own.
    pub fn open(source: &Path, servers: &str, options: &[String]) -> Result<Self, Trouble> {
        let source = Stream::open(source)?;
        let (source_id, settings) = (source.id()?, source.settings()?);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers);
        for option in options {
            let Some((name, value)) = option.split_once('=') else {
                return Err(Trouble::usage(format_args!("--client is NAME=VALUE, not {option}")));
            };
            config.set(name, value);
        }
        let producer = config
            .clone()
            .set("transactional.id", format!("puro-{source_id}"))
            .set("linger.ms", "5")
            .set("message.max.bytes", "16777216")
            .create()?;
        let servers = servers.to_owned();
        Ok(Self { config, servers, source_id, settings, producer, known: BTreeSet::new() })
    }

    /// Makes a topic as the stream's settings say, if it is missing.
    fn make_topic(&mut self, topic: &str, compacts: bool, deletes: bool) -> Result<(), Trouble> {
        if self.known.contains(topic) {
            return Ok(());
        }
        let policy = match (compacts, deletes) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            _ => "delete",
        };
        let retention = self.settings.retention.filter(|_| deletes);
        let retention = retention.map_or("-1".to_owned(), |age| age.as_millis().to_string());
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1))
            .set("cleanup.policy", policy)
            .set("retention.ms", &retention)
            .set("max.message.bytes", "16777216");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for made in wait(admin.create_topics([&new], &options))? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let why = format!("cluster: topic {topic} cannot be made: {code}");
                    return Err(Trouble::new(Blame::Environment, why));
                }
            }
        }
        self.known.insert(topic.to_owned());
        Ok(())
    }

    /// The newest note under the source's id that is committed.
    fn read_note(&self) -> Result<Option<String>, Trouble> {
        let mut config = self.config.clone();
        config.set("group.id", "puro-mirror").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create()?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(NOTES, 0, Offset::Beginning)?;
        consumer.assign(&from)?;
        let (key, mut note) = (self.key(), None);
        loop {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) if message.key() == Some(key.as_bytes()) => {
                    let text = message.payload().and_then(|bytes| str::from_utf8(bytes).ok());
                    note = text.map(str::to_owned);
                }
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(note),
                Some(Err(error)) => return Err(error.into()),
                None => {
                    let silent = "cluster: the notes cannot be read: no answer for a minute";
                    return Err(Trouble::new(Blame::Environment, silent));
                }
            }
        }
    }

    fn key(&self) -> String {
        format!("puro-{}", self.source_id)
    }

    fn send(&self, record: &OwnedRecord) -> Result<(), Trouble> {
        let topic = topic_of(&record.topic)?;
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.headers {
            let name = str::from_utf8(name).map_err(|_| {
                Trouble::new(Blame::Data, "a header's name is no UTF-8, which Kafka cannot hold")
            })?;
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        let mut new = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(0)
            .timestamp(i64::try_from(record.timestamp_ms).unwrap_or(i64::MAX));
        if !record.headers.is_empty() {
            new = new.headers(headers);
        }
        new.key = record.key.as_deref();
        new.payload = record.value.as_deref();
        self.queue(new)
    }

    fn queue(&self, mut new: BaseRecord<'_, [u8], [u8]>) -> Result<(), Trouble> {
        loop {
            match self.producer.send(new) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    new = same;
                    self.producer.poll(DRAIN);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

/// Kafka's topics are texts.
fn topic_of(topic: &[u8]) -> Result<&str, Trouble> {
    str::from_utf8(topic)
        .map_err(|_| Trouble::new(Blame::Data, "a topic is no UTF-8, which Kafka cannot hold"))
}

/// Waits for an answer of the client library, whose own threads bring it.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut answer = std::pin::pin!(answer);
    loop {
        if let Poll::Ready(value) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

impl Target for KafkaTarget {
    fn name(&self) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        format!("kafka-{}", self.servers.chars().take(150).map(allowed).collect::<String>())
    }

    fn begin(&mut self, _source: StreamId) -> Result<Option<String>, Trouble> {
        self.make_topic(NOTES, true, false)?;
        self.producer.init_transactions(PATIENCE)?;
        self.read_note()
    }

    fn copy(&mut self, block: &Block, note: &str) -> Result<(), Trouble> {
        for record in &block.records {
            let cleanup = self.settings.cleanup(&record.topic);
            self.make_topic(topic_of(&record.topic)?, cleanup.compacts(), cleanup.deletes())?;
        }
        self.producer.begin_transaction()?;
        block.records.iter().try_for_each(|record| self.send(record))?;
        let key = self.key();
        self.queue(
            BaseRecord::to(NOTES).partition(0).key(key.as_bytes()).payload(note.as_bytes()),
        )?;
        // Any failure ends this mirror: the next one begins with the fence (T-6).
        Ok(self.producer.commit_transaction(PATIENCE)?)
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        Ok(()) // A transaction that is committed is on all replicas that are in sync.
    }
}
