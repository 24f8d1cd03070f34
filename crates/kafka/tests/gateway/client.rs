//! A client of a few lines, which sends what it is told and nothing by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ProduceRequest, RequestHeader, ResponseHeader, TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use puro_kafka::batch::Encoder;

/// A gateway that runs.
pub struct Gateway {
    child: Child,
    pub port: u16,
    pub dir: PathBuf,
    _stderr: ChildStderr,
}

/// No test leaves one behind, however it ends.
impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    pub fn start(dir: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_puro-serve"));
        command.arg(dir).args(["--listen", "127.0.0.1:0"]).args(more).env("PURO_LOG", "error");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split(' ').next().unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let stderr = child.stderr.take().unwrap();
        Self { child, port, dir: dir.to_owned(), _stderr: stderr }
    }

    /// Kills it as a loss of power of this one process would.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.dir.clone()
    }

    /// Asks it to end, and tells its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// How much memory it has, in bytes.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// Sends a request, and reads its answer.
pub fn ask<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> R::Response {
    send(stream, version, request);
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut bytes).unwrap();
    let mut bytes = Bytes::from(bytes);
    let form = <R::Response as HeaderVersion>::header_version(version);
    assert_eq!(ResponseHeader::decode(&mut bytes, form).unwrap().correlation_id, 7);
    let response = R::Response::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty());
    response
}

/// Sends a request, and does not wait.
pub fn send<R: Request>(stream: &mut TcpStream, version: i16, request: &R) {
    let mut out = BytesMut::from(&[0_u8; 4][..]);
    let key = ApiKey::try_from(R::KEY).unwrap();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    header.encode(&mut out, key.request_header_version(version)).unwrap();
    request.encode(&mut out, version).unwrap();
    let length = i32::try_from(out.len() - 4).unwrap();
    out[..4].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&out).unwrap();
}

pub fn topic(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A batch as a client makes it: values, and who sends them with which numbers.
pub fn batch(values: &[&str], producer: Option<(i64, i16, i32)>, transactional: bool) -> Bytes {
    let mut encoder = Encoder::default();
    for (offset, value) in (0..).zip(values) {
        encoder.push((offset, 0, 0), None, Some(value.as_bytes()), std::iter::empty());
    }
    let mut bytes = encoder.finish();
    let (id, epoch, base) = producer.unwrap_or((-1, -1, -1));
    bytes[22] = if transactional { 0x10 } else { 0 };
    bytes[43..51].copy_from_slice(&id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&base.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

pub fn produce(name: &str, acks: i16, records: Bytes, id: Option<&str>) -> ProduceRequest {
    let part = PartitionProduceData::default().with_records(Some(records));
    let topics = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![part]);
    let id = id.map(|id| TransactionalId(StrBytes::from_string(id.to_owned())));
    let request = ProduceRequest::default().with_acks(acks).with_topic_data(vec![topics]);
    request.with_transactional_id(id)
}

/// The code and the offset of the one batch that was sent.
pub fn sent(stream: &mut TcpStream, request: &ProduceRequest) -> (i16, i64) {
    let response = ask(stream, 9, request);
    let part = &response.responses[0].partition_responses[0];
    (part.error_code, part.base_offset)
}
