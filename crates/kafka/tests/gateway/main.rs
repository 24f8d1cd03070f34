//! The gateway as a process, with clients that do what real ones do only when all goes wrong.

mod client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use client::{Gateway, ask, batch, produce, send, sent, topic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use puro::{ConsumerOptions, Stream};
use puro_kafka::code;

fn values(dir: &std::path::Path) -> Vec<String> {
    let mut consumer = ConsumerOptions::new().open(dir).unwrap();
    let records: Result<Vec<_>, _> = consumer.try_iter().collect();
    records.unwrap().iter().map(|it| it.value_str().unwrap().to_owned()).collect()
}

fn begin(stream: &mut TcpStream, id: Option<&str>) -> (i64, i16) {
    let id = id.map(|id| TransactionalId(StrBytes::from_string(id.to_owned())));
    let request = InitProducerIdRequest::default().with_transaction_timeout_ms(60_000);
    let begun = ask(stream, 4, &request.with_transactional_id(id));
    assert_eq!(begun.error_code, 0);
    (begun.producer_id.0, begun.producer_epoch)
}

/// An idempotent producer sends three batches. The gateway is killed before it could tell, each time;
/// the producer sends the last one again, to the next gateway. Each record is there once, in order; a
/// batch that would leave a gap is refused, and one that is older is told as such.
#[test]
fn idempotent_batches_survive_kills_of_the_gateway() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("s");
    let mut gateway = Gateway::start(&dir, &[]);
    let (id, epoch) = begin(&mut gateway.connect(), None);
    for round in 0..3 {
        let base = round * 2;
        let text = [format!("{base}"), format!("{}", base + 1)];
        let records = batch(&[&text[0], &text[1]], Some((id, epoch, base)), false);
        let request = produce("orders", -1, records, None);
        let first = sent(&mut gateway.connect(), &request);
        assert_eq!(first, (0, i64::from(base)));
        let dir = gateway.kill();
        gateway = Gateway::start(&dir, &[]);
        assert_eq!(sent(&mut gateway.connect(), &request), first);
    }
    let mut stream = gateway.connect();
    let gap = produce("orders", -1, batch(&["9"], Some((id, epoch, 9)), false), None);
    assert_eq!(sent(&mut stream, &gap).0, code::OUT_OF_ORDER_SEQUENCE);
    let old = produce("orders", -1, batch(&["0", "1"], Some((id, epoch, 0)), false), None);
    assert_eq!(sent(&mut stream, &old).0, code::DUPLICATE_SEQUENCE);
    assert_eq!(values(&dir), ["0", "1", "2", "3", "4", "5"]);
}

/// Two gateways serve one stream, and an idempotent producer goes from one to the other and back.
/// Neither sees a gap, and what was sent to both is there once.
#[test]
fn an_idempotent_producer_may_change_its_gateway() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("s");
    let (one, two) = (Gateway::start(&dir, &[]), Gateway::start(&dir, &[]));
    let mut streams = [one.connect(), two.connect()];
    let (id, epoch) = begin(&mut streams[0], None);
    for base in 0..6 {
        let text = base.to_string();
        let request = produce("orders", -1, batch(&[&text], Some((id, epoch, base)), false), None);
        for stream in &mut streams {
            assert_eq!(sent(stream, &request), (0, i64::from(base)));
        }
        streams.reverse();
    }
    assert_eq!(values(&dir), ["0", "1", "2", "3", "4", "5"]);
}

fn add(stream: &mut TcpStream, id: &str, (producer, epoch): (i64, i16)) -> i16 {
    use add_partitions_to_txn_request::AddPartitionsToTxnTopic;
    let topics = AddPartitionsToTxnTopic::default().with_name(topic("t")).with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_string(id.into())))
        .with_v3_and_below_producer_id(ProducerId(producer))
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![topics]);
    let response = ask(stream, 3, &request);
    response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

fn end(stream: &mut TcpStream, id: &str, (producer, epoch): (i64, i16), commit: bool) -> i16 {
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(id.into())))
        .with_producer_id(ProducerId(producer))
        .with_producer_epoch(epoch)
        .with_committed(commit);
    ask(stream, 3, &request).error_code
}

/// A producer has a transaction open while the gateway is killed: nothing of it is ever seen. It is
/// told to begin anew, by an epoch above the one that it had. What it commits then is one block.
#[test]
fn a_transaction_dies_with_the_gateway_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&scratch.path().join("s"), &[]);
    let mut stream = gateway.connect();
    let first = begin(&mut stream, Some("shop"));
    assert_eq!(add(&mut stream, "shop", first), 0);
    let records = batch(&["lost"], Some((first.0, first.1, 0)), true);
    assert_eq!(sent(&mut stream, &produce("t", -1, records, Some("shop"))).0, 0);
    let dir = gateway.kill();

    let gateway = Gateway::start(&dir, &[]);
    let mut stream = gateway.connect();
    assert_eq!(end(&mut stream, "shop", first, true), code::INVALID_PRODUCER_ID_MAPPING);
    let second = begin(&mut stream, Some("shop"));
    assert!(second.0 == first.0 && second.1 > first.1);
    assert_eq!(end(&mut stream, "shop", first, true), code::INVALID_PRODUCER_EPOCH);
    assert_eq!(add(&mut stream, "shop", second), 0);
    for (base, value) in [(0, "a"), (1, "b")] {
        let records = batch(&[value], Some((second.0, second.1, base)), true);
        assert_eq!(sent(&mut stream, &produce("t", -1, records, Some("shop"))).0, 0);
    }
    assert_eq!(values(&dir), Vec::<String>::new());
    assert_eq!(end(&mut stream, "shop", second, true), 0);
    // The answer was lost: asked again, it is the same.
    assert_eq!(end(&mut stream, "shop", second, true), 0);
    assert_eq!(values(&dir), ["a", "b"]);
}

/// Two gateways serve one stream, and a producer that was replaced at the other one is refused by the
/// stream itself: what it had open is gone.
#[test]
fn a_producer_is_fenced_across_gateways() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("s");
    let (one, two) = (Gateway::start(&dir, &[]), Gateway::start(&dir, &[]));
    let (mut at_one, mut at_two) = (one.connect(), two.connect());
    let first = begin(&mut at_one, Some("shop"));
    assert_eq!(add(&mut at_one, "shop", first), 0);
    let records = batch(&["zombie"], Some((first.0, first.1, 0)), true);
    assert_eq!(sent(&mut at_one, &produce("t", -1, records, Some("shop"))).0, 0);
    begin(&mut at_two, Some("shop"));
    assert_eq!(end(&mut at_one, "shop", first, true), code::PRODUCER_FENCED);
    assert_eq!(values(&dir), Vec::<String>::new());
}

/// A fetch of topic `t` from its beginning, that waits for a minute.
fn fetch_t() -> FetchRequest {
    use fetch_request::{FetchPartition, FetchTopic};
    let part = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topics = FetchTopic::default().with_topic(topic("t")).with_partitions(vec![part]);
    FetchRequest::default()
        .with_max_wait_ms(60_000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topics])
}

/// How long the answer is that comes within ten seconds: one without a record has 61 bytes at most.
fn length_of_answer(stream: &mut TcpStream) -> i32 {
    let begun = Instant::now();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    i32::from_be_bytes(length)
}

/// A record is appended by another process, while a client waits in a long poll that would last for a
/// minute: it is answered at once.
#[test]
fn who_waits_is_woken_by_another_process() {
    let scratch = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&scratch.path().join("s"), &[]);
    let mut stream = gateway.connect();
    send(&mut stream, 12, &fetch_t());
    let mut producer = Stream::open(&gateway.dir).unwrap().producer().unwrap();
    producer.append(&puro::NewRecord::new("other", "no")).unwrap();
    producer.append(&puro::NewRecord::new("t", "yes")).unwrap();
    assert!(length_of_answer(&mut stream) > 61);
}

/// A client stands at offset 0 of a topic without records. Its first record comes between two polls,
/// and has offset 1, for another topic had one before. The client is given it, and not told that it
/// is out of range: one that then went to the end would never see it.
#[test]
fn who_stood_before_the_first_record_of_a_topic_is_given_it() {
    let scratch = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&scratch.path().join("s"), &[]);
    let mut stream = gateway.connect();
    let mut producer = Stream::open(&gateway.dir).unwrap().producer().unwrap();
    producer.append(&puro::NewRecord::new("other", "no")).unwrap();
    producer.append(&puro::NewRecord::new("t", "yes")).unwrap();
    for _ in 0..2 {
        send(&mut stream, 12, &fetch_t());
        let length = length_of_answer(&mut stream);
        assert!(length > 61);
        let mut rest = vec![0; length.unsigned_abs() as usize];
        stream.read_exact(&mut rest).unwrap();
    }
}

/// Hundreds of connections are opened and left, each with the beginning of a request, some of which
/// claim 20 MiB; others send what is no request. Somebody else is served, and memory stays small.
#[test]
fn clients_that_do_nothing_or_send_garbage_harm_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&scratch.path().join("s"), &[]);
    let mut left = Vec::new();
    for number in 0_u32..400 {
        let mut stream = gateway.connect();
        let _ = match number % 5 {
            0 => Ok(()),
            1 => stream.write_all(&[0]),
            2 => stream.write_all(&[1, 0x3f, 0xff, 0xff, 0, 0]),
            3 => stream.write_all(&[
                0, 0, 0, 20, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0,
                0, 0, 0,
            ]),
            _ => stream.write_all(b"GET / HTTP/1.1\r\n\r\n"),
        };
        left.push(stream);
    }
    let mut stream = gateway.connect();
    let request = produce("orders", -1, batch(&["served"], None, false), None);
    assert_eq!(sent(&mut stream, &request), (0, 0));
    let mut damaged = batch(&["damaged"], None, false).to_vec();
    damaged[62] ^= 1;
    let request = produce("orders", -1, damaged.into(), None);
    assert_eq!(sent(&mut stream, &request).0, code::CORRUPT_MESSAGE);
    assert!(gateway.memory() < 200 << 20, "{} bytes", gateway.memory());
    drop(left);
    assert_eq!(values(&gateway.dir), ["served"]);
}

/// A client of a future version asks what there is: it is told, in the form of the first version.
#[test]
fn an_unknown_version_of_the_first_request_is_answered() {
    let scratch = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(&scratch.path().join("s"), &[]);
    let mut stream = gateway.connect();
    stream.write_all(&[0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0]).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 35]);
}

/// Somebody wants to listen to the world, and is told what that would mean. Asked to end while a client
/// is connected, the gateway ends well, and the stream is sound.
#[test]
fn it_listens_at_home_and_ends_when_asked() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("s");
    let mut command = Command::new(env!("CARGO_BIN_EXE_puro-serve"));
    let refused = command.arg(&dir).args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--insecure"));
    assert!(!dir.exists());

    let gateway = Gateway::start(&dir, &["--durable"]);
    let mut stream = gateway.connect();
    let request = produce("orders", -1, batch(&["kept"], None, false), None);
    assert_eq!(sent(&mut stream, &request), (0, 0));
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(values(&dir), ["kept"]);
    let verdict = Stream::open(&dir).unwrap().verify(true).unwrap().verdict();
    assert_eq!(verdict, puro::check::Verdict::Sound);
}
