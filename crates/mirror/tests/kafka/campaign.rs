//! The measure: four producers write, while the mirror is killed again and again, and the broker, too.

use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use puro::{Producer, Stream};

use crate::common::campaign::{PRODUCERS, Random, all_is_copied, assert_whole, produce};
use crate::common::{assert_fine, assert_same, by_topic, kill, said, until};
use crate::world::{Broker, Watcher};

/// How much, in the long form or in the short one.
#[derive(Clone, Copy)]
struct Size {
    transactions: u32,
    kills: u32,
    broker_kills: u32,
    kills_on_the_way_back: u32,
}

const LONG: Size =
    Size { transactions: 3_000, kills: 50, broker_kills: 5, kills_on_the_way_back: 30 };
const SHORT: Size =
    Size { transactions: 800, kills: 20, broker_kills: 1, kills_on_the_way_back: 12 };

/// Four producers write transactions over several topics. The mirror is killed fifty times, wherever it
/// is, and the broker five times. In the end a client of another make reads each record once, in order for
/// each topic; on the way, too, it never sees a part of a transaction. Mirrored back into a second stream,
/// by mirrors that are killed, all is equal record by record.
#[test]
#[ignore = "needs a broker: crates/mirror/kafka/run"]
fn kills() {
    let size = if std::env::var_os("PURO_KAFKA_LONG").is_some() { LONG } else { SHORT };
    let (broker, mut random) = (Broker::start_new(), Random::new("PURO_KAFKA_SEED"));
    broker.foreign(&["make", "kills-shared", "1"]);
    let watcher = Watcher::new(&broker, "kills-shared");
    let scratch = tempfile::tempdir().unwrap();
    let (a, b) = (&scratch.path().join("a"), &scratch.path().join("b"));
    let (written, mut copied) = (AtomicU32::new(0), 0);
    std::thread::scope(|scope| {
        for who in 0..PRODUCERS {
            let (written, seed) = (&written, random.below(1 << 31));
            scope.spawn(move || produce(a, who, size.transactions / PRODUCERS, written, seed));
        }
        while Producer::open(a).unwrap().token().offset == 0 {
            std::thread::yield_now();
        }
        for number in 1..=size.kills {
            while watcher.sees(Duration::ZERO) {}
            let mut running = broker.out(a, &[]).spawn().unwrap();
            if number % (size.kills / size.broker_kills) == 1 {
                std::thread::sleep(Duration::from_millis(random.below(1_000)));
                broker.kill();
                std::thread::sleep(Duration::from_millis(random.below(1_000)));
                broker.start();
            }
            // Most are killed shortly after something was committed. Every fourth one wherever it is, before it
            // has found its note, say.
            if number % 4 != 0 {
                until("the mirror gets on", || {
                    let ended = running.try_wait().unwrap().is_some();
                    watcher.sees(Duration::from_millis(5)) || all_is_copied(a) || ended
                });
                copied += 1;
            }
            let limit = if number % 4 == 0 { 1_000 } else { 40 };
            std::thread::sleep(Duration::from_millis(random.below(limit)));
            let ended = running.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {:?}", said(&running.wait_with_output().unwrap()));
            kill(&mut running);
            if number % 10 == 0 {
                assert_whole(&broker.foreign(&["read", "kills-.*"]));
            }
        }
        eprintln!("{copied} mirrors copied before they were killed");
    });
    eprintln!("{} transactions written; all are killed", written.into_inner());
    eprint!("{}", assert_fine(&mut broker.out(a, &["--once"])));
    let expected = by_topic(a);
    let found = broker.foreign(&["read", "kills-.*"]);
    assert_same(&found, &expected, "what the cluster has");
    let whole = assert_whole(&found);
    assert_eq!(whole, size.transactions as usize);
    let aborted = broker.foreign(&["aborted", "kills-.*"]);
    eprintln!("{} records, {whole} transactions; {} records aborted", found.len(), aborted[0]);

    let step = expected.len() as u64 / u64::from(size.kills_on_the_way_back);
    for _ in 0..size.kills_on_the_way_back {
        let (mut running, stood) =
            (broker.back(b, &["--topics", "kills-*"]).spawn().unwrap(), end_of(b));
        let goal = stood + random.below(step);
        until("it comes in", || end_of(b) > goal || end_of(b) >= expected.len() as u64);
        kill(&mut running);
    }
    eprint!("{}", assert_fine(&mut broker.back(b, &["--once", "--topics", "kills-*"])));
    assert_same(&by_topic(b), &expected, "mirrored back");
}

fn end_of(dir: &Path) -> u64 {
    Stream::open(dir).map_or(0, |stream| stream.bounds().map_or(0, |bounds| bounds.end))
}
