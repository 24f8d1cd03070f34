//! A real broker, real mirrors, and a client of another make.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::common::{self, free_port, kill, mirror, until};

/// What `crates/mirror/kafka/run` has installed.
fn installed(name: &str) -> String {
    common::installed(name, "crates/mirror/kafka/run")
}

/// Apache Kafka, one node, in a directory of its own.
pub struct Broker {
    scratch: tempfile::TempDir,
    port: u16,
    running: Mutex<Option<Child>>,
}

impl Broker {
    pub fn start_new() -> Self {
        let (port, controller) = (free_port(), free_port());
        let scratch = tempfile::tempdir().unwrap();
        let logs = scratch.path().join("logs");
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n",
            logs.display()
        );
        std::fs::write(scratch.path().join("properties"), properties).unwrap();
        let this = Self { scratch, port, running: Mutex::new(None) };
        let id = "MkU3OEVBNTcwNTJENDM2Qg";
        let mut format = this.java("kafka.tools.StorageTool");
        format.args(["format", "-t", id, "-c"]).arg(this.scratch.path().join("properties"));
        let formatted = format.output().unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        this.start();
        this
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1", "-cp"]);
        java.arg(format!("{}/*", installed("PURO_KAFKA_JARS")));
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg(class);
        java.current_dir(self.scratch.path()).stdin(Stdio::null());
        java
    }

    /// Starts it, and waits until it listens.
    pub fn start(&self) {
        let log = || std::fs::File::options().append(true).create(true).open(self.log()).unwrap();
        let mut java = self.java("kafka.Kafka");
        java.arg("properties").stdout(log()).stderr(log());
        *self.running.lock().unwrap() = Some(java.spawn().unwrap());
        until("the broker listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn log(&self) -> PathBuf {
        self.scratch.path().join("log")
    }

    pub fn kill(&self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            kill(&mut running);
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Out of a stream, into this cluster.
    pub fn out(&self, from: &Path, more: &[&str]) -> Command {
        let mut command = mirror();
        command.arg(from).arg("--to").arg(format!("kafka://{}", self.address())).args(more);
        command
    }

    /// Out of this cluster, into a stream.
    pub fn back(&self, to: &Path, more: &[&str]) -> Command {
        let mut command = mirror();
        command.arg("--from").arg(format!("kafka://{}", self.address())).arg(to).args(more);
        command
    }

    /// Asks confluent-kafka; see `kafka/foreign.py`.
    pub fn foreign(&self, arguments: &[&str]) -> Vec<String> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/foreign.py");
        let address = self.address();
        let all: Vec<_> = std::iter::once(&*address).chain(arguments.iter().copied()).collect();
        common::ask_python(&installed("PURO_KAFKA_PYTHON"), program, &all)
    }
}

/// Sees what is committed to a topic from now on.
pub struct Watcher(BaseConsumer);

impl Watcher {
    pub fn new(broker: &Broker, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.address()).set("group.id", "watcher");
        config.set("isolation.level", "read_committed").set("reconnect.backoff.max.ms", "200");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&all).unwrap();
        Self(consumer)
    }

    /// Whether something was committed, that it has not told of yet.
    pub fn sees(&self, wait: Duration) -> bool {
        let seen = |wait| matches!(self.0.poll(wait), Some(Ok(_)));
        let first = seen(wait);
        while first && seen(Duration::ZERO) {}
        first
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the broker's log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
        self.kill();
    }
}

/// One broker for all tests that run at the moment and do not kill it.
pub fn broker() -> Arc<Broker> {
    static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start_new());
        *shared = Arc::downgrade(&broker);
        broker
    })
}
