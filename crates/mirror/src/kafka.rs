//! Kafka clusters: out of a stream ([`target`]), and into one ([`source`]).

pub mod source;
pub mod target;
mod topics;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use puro::{Stream, StreamId};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::cluster::{FIRST_PATIENCE, WAIT, cluster, split_options};
use crate::interrupt;
use crate::trouble::Trouble;

/// How long the cluster may take for an answer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A record of Puro, of 10 MiB and its headers, fits.
pub const MOST_BYTES: &str = "16777216";

/// A cluster, and how it is reached.
pub struct Cluster {
    config: ClientConfig,
    servers: String,
    id: String,
}

impl Cluster {
    /// Asks the cluster who it is. `options` are the client library's own.
    pub fn open(servers: &str, options: &[String]) -> Result<Self, Trouble> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("client.id", "puro-mirror");
        // A broker that comes back is to be noticed.
        config.set("reconnect.backoff.max.ms", "1000");
        for (name, value) in split_options(options)? {
            config.set(name, value);
        }
        let mut this = Self { config, servers: servers.to_owned(), id: String::new() };
        this.id = this.ask_id()?;
        Ok(this)
    }

    fn ask_id(&self) -> Result<String, Trouble> {
        let (client, begun): (BaseConsumer<Ears>, _) = (self.client(&self.config)?, Instant::now());
        while begun.elapsed() < FIRST_PATIENCE && !interrupt::asked() {
            if let Some(id) = client.client().fetch_cluster_id(WAIT) {
                return Ok(id);
            }
            // So that it hears what is wrong.
            let _ = client.poll(Duration::ZERO);
        }
        if interrupt::asked() {
            return Err(Trouble::interrupted());
        }
        let why = client.context().last_error().map_or_else(String::new, |why| format!(": {why}"));
        Err(cluster(format_args!("no answer from {}{why}", self.servers)))
    }

    /// What tells it from other targets and sources: its id, which stays where addresses change.
    pub fn name(&self) -> String {
        format!("kafka-{}", self.id)
    }

    /// How it is reached, and what holds where the user does not say.
    pub fn config_with(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.config.clone();
        for (name, value) in defaults {
            if config.get(name).is_none() {
                config.set(*name, *value);
            }
        }
        config
    }

    /// A client of any kind.
    pub fn client<C: FromClientConfigAndContext<Ears>>(
        &self,
        config: &ClientConfig,
    ) -> Result<C, Trouble> {
        Ok(config.create_with_context(Ears::default())?)
    }

    /// A reader of what was committed, that begins where it is told to, and belongs to no group. Where it
    /// is to tell the end, the cluster does not keep it waiting there.
    pub fn reader(&self, tells_end: bool) -> Result<BaseConsumer<Ears>, Trouble> {
        // The library wants a group; nothing is kept under it.
        let defaults = [("group.id", "puro-mirror"), ("queued.max.messages.kbytes", "32768")];
        let mut config = self.config_with(&defaults);
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", if tells_end { "true" } else { "false" });
        if tells_end {
            config.set("fetch.wait.max.ms", "10");
        }
        self.client(&config)
    }

    /// The topic whose newest record is the note of a source (T-1). Each source has one of its own, so
    /// that no transaction of another mirror can hide a note from who reads what was committed.
    pub fn notes_of(source: StreamId) -> String {
        format!("{NOTES}{source}")
    }

    /// Whether something of the stream was copied into this cluster.
    pub fn has_notes_of(&self, stream: &Stream) -> Result<bool, Trouble> {
        let (client, notes): (BaseConsumer<Ears>, _) =
            (self.client(&self.config)?, Self::notes_of(stream.id()?));
        let metadata = client.fetch_metadata(None, PATIENCE)?;
        Ok(metadata.topics().iter().any(|topic| topic.name() == notes))
    }
}

/// What the topics of notes begin with.
const NOTES: &str = "puro-mirror-";

/// Hears what the client library says beside its answers.
#[derive(Default)]
pub struct Ears {
    last_error: Mutex<Option<String>>,
    /// The first record that was not taken: why, and what it is.
    lost: Mutex<Option<(KafkaError, String)>>,
}

impl Ears {
    /// What was said last.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first record that was not taken.
    pub fn take_lost(&self) -> Option<(KafkaError, String)> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Ears {
    fn error(&self, _error: KafkaError, reason: &str) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(reason.to_owned());
    }
}

impl ConsumerContext for Ears {}

impl ProducerContext for Ears {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let Err((error, record)) = delivered else { return };
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_none() {
            let bytes = record.payload().map_or(0, <[u8]>::len);
            let what = format!("a record of topic {}, with a value of {bytes} B", record.topic());
            *lost = Some((error.clone(), what));
        }
    }
}

/// Whether the client goes on by itself, or may be asked again: a broker is away, or just begins.
pub fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, CoordinatorLoadInProgress, CoordinatorNotAvailable,
        LeaderNotAvailable, NotLeaderForPartition, OffsetNotAvailable, OperationTimedOut,
        RequestTimedOut, Resolve, UnknownPartition, UnknownTopicOrPartition,
    };
    let passing = [
        AllBrokersDown,
        BrokerTransportFailure,
        CoordinatorLoadInProgress,
        CoordinatorNotAvailable,
        LeaderNotAvailable,
        NotLeaderForPartition,
        OffsetNotAvailable,
        OperationTimedOut,
        RequestTimedOut,
        Resolve,
        UnknownPartition,
        UnknownTopicOrPartition,
    ];
    let is_retriable = matches!(error, KafkaError::Transaction(why) if why.is_retriable());
    is_retriable || code_of(error).is_some_and(|code| passing.contains(&code))
}

/// Asks the cluster, again where that may help, for as long as patience lasts.
pub fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, Trouble> {
    let begun = Instant::now();
    loop {
        match ask() {
            Err(error) if is_passing(&error) && begun.elapsed() < PATIENCE => {
                if interrupt::asked() {
                    return Err(Trouble::interrupted());
                }
                std::thread::sleep(WAIT);
            }
            answer => return Ok(answer?),
        }
    }
}

/// What is wrong, where the library has a number for it.
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    }
}

/// Whether another mirror has taken the transactional id (T-2).
pub fn is_fence(error: &KafkaError) -> bool {
    let fences = [
        RDKafkaErrorCode::Fenced,
        RDKafkaErrorCode::ProducerFenced,
        RDKafkaErrorCode::InvalidProducerEpoch,
    ];
    code_of(error).is_some_and(|code| fences.contains(&code))
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        match &error {
            KafkaError::ClientConfig(_, why, name, value) => {
                Self::usage(format_args!("--client {name}={value}: {why}"))
            }
            KafkaError::ClientCreation(why) => Self::usage(format_args!("--client: {why}")),
            _ if is_fence(&error) => Self::other(error),
            _ if is_passing(&error) => Self::unknown(format_args!("cluster: {error}")),
            _ => cluster(error),
        }
    }
}
