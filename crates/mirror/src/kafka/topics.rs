//! Topics of the cluster, made as the stream's settings say.

use puro::Settings;
use puro::error::Blame;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Cluster, Ears, MOST_BYTES, NOTES, is_passing};
use crate::cluster::{BEGIN_PATIENCE, cluster};
use crate::trouble::Trouble;

/// Makes topics.
pub struct Maker {
    admin: AdminClient<Ears>,
}

impl Maker {
    /// Connects once for all topics.
    pub fn open(cluster: &Cluster) -> Result<Self, Trouble> {
        Ok(Self { admin: cluster.client(&cluster.config_with(&[]))? })
    }

    /// Makes a topic of the stream, as its settings say.
    pub fn make_topic(&self, topic: &str, of: &Settings) -> Result<(), Trouble> {
        let (cleanup, age) = (of.cleanup(topic.as_bytes()), of.retention);
        let policy = match (cleanup.compacts(), cleanup.deletes()) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            _ => "delete",
        };
        let retention = age.filter(|_| cleanup.deletes());
        let retention = retention.map_or("-1".to_owned(), |age| age.as_millis().to_string());
        let marker_grace = of.marker_grace.as_millis().to_string();
        let settings = [
            ("cleanup.policy", policy),
            ("retention.ms", retention.as_str()),
            ("delete.retention.ms", marker_grace.as_str()),
            ("max.message.bytes", MOST_BYTES),
        ];
        self.make(topic, &settings)
    }

    /// Makes the topic of notes. Only the newest one is wanted, and the segment that is written is not
    /// compacted: so segments are small.
    pub fn make_notes(&self, topic: &str) -> Result<(), Trouble> {
        let settings = [
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.1"),
        ];
        self.make(topic, &settings)
    }

    /// Makes a topic, with one partition, unless it is there: then it stays as it is.
    fn make(&self, topic: &str, settings: &[(&str, &str)]) -> Result<(), Trouble> {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let patience = Some(BEGIN_PATIENCE);
        let options = AdminOptions::new().operation_timeout(patience).request_timeout(patience);
        for made in wait(self.admin.create_topics([&new], &options))? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, why)) if is_passing(&KafkaError::AdminOp(why)) => {
                    return Err(Trouble::unknown(format_args!("cluster: topic {topic}: {why}")));
                }
                Err((topic, why)) => {
                    let way_out = "a topic that is there, made by hand, is used as it is";
                    let how = format_args!("topic {topic} cannot be made: {why}; {way_out}");
                    return Err(cluster(how));
                }
            }
        }
        Ok(())
    }
}

/// Kafka's topics are short texts of few letters.
pub fn topic_of(topic: &[u8]) -> Result<&str, Trouble> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let fits =
        topic.len() <= 249 && topic.iter().all(is_allowed) && topic != b"." && topic != b"..";
    match str::from_utf8(topic) {
        Ok(topic) if fits && !topic.starts_with(NOTES) => Ok(topic),
        _ => {
            let topic = topic.escape_ascii();
            let how = "Kafka takes names of at most 249 letters, digits, `.`, `_` and `-`, and \
                       `puro-mirror-` is taken; name the other topics by --topics";
            Err(Trouble::new(Blame::Data, format_args!("topic {topic} cannot be in Kafka: {how}")))
        }
    }
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
