//! Streams mirrored into a real NATS JetStream, by real processes. `crates/mirror/nats/run` installs the server
//! and a client of another make, and runs these.

#![cfg(feature = "nats")]

mod campaign;
#[path = "../common/mod.rs"]
mod common;
mod world;

use std::path::Path;
use std::time::Duration;

use puro::{Batch, Cleanup, NewRecord, Producer, Setting, Stream};

use crate::common::{
    Place, append_all_kinds, assert_fine, assert_same, by_topic, copy_dir, kill, place, said, until,
};
use crate::world::Server;

/// Records of one block, all of one topic.
fn append_block(dir: &Path, topic: &str, count: usize, value_bytes: usize) {
    let (mut batch, value) = (Batch::new(), vec![b'v'; value_bytes]);
    for _ in 0..count {
        batch.push(&NewRecord::new(topic, &value)).unwrap();
    }
    Producer::open(dir).unwrap().append_batch(&mut batch).unwrap();
}

/// How far behind the only mirror is, as its position says.
fn lag(dir: &Path) -> Option<u64> {
    let positions = Stream::open(dir).unwrap().positions().unwrap();
    positions.first().map(|it| it.lag_offsets)
}

/// Somebody mirrors a stream into NATS now and then. A client of another make reads the same records in each
/// topic, with keys, headers, times and delete markers, whatever bytes they are of. The stream there is made as
/// the settings say.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn out() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    let stream = Stream::open_or_create(a).unwrap();
    stream.set(&Setting::Retention(Some(Duration::from_secs(3_600)))).unwrap();
    stream.set(&Setting::RetentionBytes(Some(1 << 30))).unwrap();
    let mut producer = Producer::open(a).unwrap();
    for topic in [".a..b.", "a b", "a*b>c%", "%2E", "é", "orders.eu", "a\t"] {
        let odd = NewRecord::new(topic, b"\0\xFF\r\n").key(b"\r\n\0\xFF %=&");
        let odd = odd
            .header(b"n=\r\n:\xFF", b" &=%\r\n\0 ")
            .header("empty", "")
            .header("Nats-Rollup", "all");
        producer.append(&odd).unwrap();
    }
    for round in 0..3 {
        append_all_kinds(a, "out", 100);
        assert_fine(&mut server.out(a, "events", &["--once"]));
        assert_same(&server.read("events"), &by_topic(a), &format!("round {round}"));
    }
    let found = server.foreign(&["settings", "events", "max_age", "max_bytes", "subjects"]);
    assert_eq!(found[..2], ["3600000000000", "1073741824"]);
    assert_eq!(found[2], r#"["events.>", "puro-mirror.events.*"]"#);
    let positions = Stream::open(a).unwrap().positions().unwrap();
    assert_eq!((positions.len(), positions[0].lag_offsets), (1, 0));
    assert!(positions[0].name.starts_with("mirror-nats-events-"), "{}", positions[0].name);
    // A run without news adds nothing. Of the notes there is one.
    let before = server.foreign(&["last", "events"]);
    assert!(before[0].ends_with(&format!(" {}", by_topic(a).len() + 1)), "{before:?}");
    assert_fine(&mut server.out(a, "events", &["--once"]));
    assert_eq!(server.foreign(&["last", "events"]), before);
    // What is compacted in the stream, JetStream must not forget.
    stream.set(&Setting::CleanupOf("out-users".into(), Cleanup::Compact)).unwrap();
    assert_fine(&mut server.out(a, "kept", &["--once", "--topics", "out-*"]));
    assert_eq!(server.foreign(&["settings", "kept", "max_age", "max_bytes"]), ["0", "-1"]);
}

/// Age deletes all that was copied. How far the copy is stays, and nothing is copied twice.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn the_note_outlives_the_records() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    let stream = Stream::open_or_create(a).unwrap();
    stream.set(&Setting::Retention(Some(Duration::from_secs(1)))).unwrap();
    append_all_kinds(a, "aged", 10);
    assert_fine(&mut server.out(a, "aged", &["--once"]));
    until("age deletes", || server.foreign(&["last", "aged"])[0].ends_with(" 1"));
    let before = server.foreign(&["last", "aged"]);
    assert_fine(&mut server.out(a, "aged", &["--once"]));
    assert_eq!(server.foreign(&["last", "aged"]), before);
}

/// A mirror runs, and somebody starts another one by mistake: that one is told. Then one is started on a
/// copy of the directory, which has the same id: the first is told when it copies next. Nothing is doubled.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn of_two_mirrors_one_is_told() {
    let (server, Place { a, b, .. }) = (Server::start_new(), &place());
    append_all_kinds(a, "two", 3);
    let mut first = server.out(a, "two", &[]).spawn().unwrap();
    until("the first copies", || lag(a) == Some(0) || first.try_wait().unwrap().is_some());
    let (code, told) = said(&server.out(a, "two", &[]).output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("another mirror copies this stream"), "{told}");

    copy_dir(a, b);
    append_all_kinds(b, "two", 3);
    assert_fine(&mut server.out(b, "two", &["--once"]));
    append_all_kinds(a, "two", 3);
    until("the first is told", || first.try_wait().unwrap().is_some());
    let (code, told) = said(&first.wait_with_output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("another mirror copies this stream"), "{told}");
    assert_same(&server.read("two"), &by_topic(b), "each once");
}

/// A source was put back from an old copy, so that its offsets mean other records: the mirror is refused,
/// says the way out, and changes nothing. So it is where retention was faster. With a place it goes on.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn what_was_lost_is_refused() {
    let (server, Place { a, b, .. }) = (Server::start_new(), &place());
    append_all_kinds(a, "lost", 2);
    assert_fine(&mut server.out(a, "lost", &["--once"]));
    copy_dir(a, b);
    append_all_kinds(a, "lost", 2);
    assert_fine(&mut server.out(a, "lost", &["--once"]));
    let before = server.read("lost");
    std::fs::remove_dir_all(a).unwrap();
    std::fs::rename(b, a).unwrap();
    let (code, told) = said(&server.out(a, "lost", &["--once"]).output().unwrap());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("not of one history") && told.contains("--reset"), "{told}");
    assert_eq!(server.read("lost"), before);

    append_all_kinds(a, "lost", 1);
    let place = (by_topic(a).len() - 4).to_string();
    assert_fine(&mut server.out(a, "lost", &["--once", "--reset", "--from", &place]));
    assert_eq!(server.read("lost").len(), before.len() + 4);
    assert_fine(&mut server.out(a, "lost", &["--once"]));
    assert_eq!(server.read("lost").len(), before.len() + 4);
}

/// The server takes batches of a thousand messages. A block that is larger cannot be kept whole: the mirror says
/// so, and nothing of it is there. A server that takes more has it whole.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn a_block_is_whole_or_refused() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    for count in [999, 600, 600] {
        append_block(a, "before", count, 1);
    }
    append_block(a, "large", 1_000, 1);
    let (code, told) = said(&server.out(a, "whole", &["--once"]).output().unwrap());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("has 1000 records") && told.contains("max_msgs"), "{told}");
    assert!(!told.contains("anew"), "two of 600 do not share a batch: {told}");
    assert_eq!(server.read("whole").len(), 2_199);
    let limits = |limit: &str| format!("limits {{ batch {{ max_msgs: {limit} }} }}");
    server.kill();
    server.configure(&limits("11001"), "");
    server.start();
    append_block(a, "large", 11_000, 1);
    assert_fine(&mut server.out(a, "whole", &["--once"]));
    assert_same(&server.read("whole"), &by_topic(a), "with a larger limit");
    // Blocks that share a batch go alone where it takes fewer.
    server.kill();
    server.configure(&limits("10"), "");
    server.start();
    (0..20).for_each(|_| append_block(a, "small", 9, 1));
    assert_fine(&mut server.out(a, "whole", &["--once"]));
    assert_same(&server.read("whole"), &by_topic(a), "with a smaller limit");
}

/// A record is larger than the server takes: the mirror says which one, and nothing of its block is there.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn what_the_server_refuses() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    append_block(a, "large", 3, 2 << 20);
    let (code, told) = said(&server.out(a, "refused", &["--once"]).output().unwrap());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("record at 0") && told.contains("max_payload"), "{told}");
    assert_eq!(server.read("refused").len(), 0);
    server.kill();
    server.configure("", "max_payload: 16MB");
    server.start();
    assert_fine(&mut server.out(a, "refused", &["--once"]));
    assert_eq!(server.read("refused").len(), 3);
    let mut producer = Producer::open(a).unwrap();
    producer.append(&NewRecord::new("headers", "").header("h", &vec![0; 30_000])).unwrap();
    let (code, told) = said(&server.out(a, "refused", &["--once"]).output().unwrap());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("its headers have"), "{told}");
}

/// A stream that was made by hand, and cannot keep blocks whole, is left alone. One that can is used as it is.
/// Options that there are not, a password that is wrong, and an address where nobody answers are told.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn what_is_there_and_wrong_calls() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    append_all_kinds(a, "there", 1);
    let made = |name: &str, more: &str| {
        let config = format!(
            r#"{{"name": "{name}", "subjects": ["{name}.>", "puro-mirror.{name}.*"], {more}}}"#
        );
        server.foreign(&["make", &config]);
    };
    made("bare", r#""num_replicas": 1"#);
    let (code, told) = said(&server.out(a, "bare", &["--once"]).output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("allow_atomic"), "{told}");
    made("queue", r#""allow_atomic": true, "allow_rollup_hdrs": true, "retention": "workqueue""#);
    let (code, told) = said(&server.out(a, "queue", &["--once"]).output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("retention by limits"), "{told}");
    made("fit", r#""allow_atomic": true, "allow_rollup_hdrs": true, "max_msgs": 1000"#);
    assert_fine(&mut server.out(a, "fit", &["--once"]));
    assert_same(&server.read("fit"), &by_topic(a), "into what was there");
    for (more, part) in [("no.such=1", "no.such"), ("replicas=9", "1 to 5"), ("user", "NAME=VALUE")]
    {
        let (code, told) = said(&server.out(a, "fit", &["--client", more]).output().unwrap());
        assert_eq!(code, Some(64), "{told}");
        assert!(told.contains(part), "{told}");
    }
    let (code, told) = said(&server.out(a, "a.b", &["--once"]).output().unwrap());
    assert_eq!(code, Some(64), "{told}");

    let guarded = Server::start_with("authorization { user: mirror, password: secret }");
    let (code, told) = said(&guarded.out(a, "in", &["--once"]).output().unwrap());
    assert_eq!(code, Some(74), "{told}");
    assert!(told.to_lowercase().contains("authorization"), "{told}");
    let known = ["--once", "--client", "user=mirror", "--client", "password=secret"];
    assert_fine(&mut guarded.out(a, "in", &known));
}

/// The server is killed under a mirror that waits for more, and comes back: the mirror goes on.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn a_server_that_comes_back() {
    let (server, Place { a, .. }) = (Server::start_new(), &place());
    append_all_kinds(a, "back", 3);
    let mut running = server.out(a, "back", &[]).spawn().unwrap();
    until("it copies", || lag(a) == Some(0));
    server.kill();
    append_all_kinds(a, "back", 3);
    server.start();
    until("it goes on", || lag(a) == Some(0) || running.try_wait().unwrap().is_some());
    kill(&mut running);
    assert_same(&server.read("back"), &by_topic(a), "each once");
}
