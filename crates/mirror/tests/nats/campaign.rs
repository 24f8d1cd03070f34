//! The measure: four producers write, while the mirror is killed again and again, and the server, too.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use puro::Producer;

use crate::common::campaign::{PRODUCERS, Random, all_is_copied, assert_whole, produce};
use crate::common::{Place, assert_fine, assert_same, by_topic, kill, place, said, until};
use crate::world::{Server, Watcher};

/// How much, in the long form or in the short one.
#[derive(Clone, Copy)]
struct Size {
    transactions: u32,
    kills: u32,
    server_kills: u32,
}

const LONG: Size = Size { transactions: 3_000, kills: 50, server_kills: 10 };
const SHORT: Size = Size { transactions: 480, kills: 20, server_kills: 4 };

/// Four producers write transactions over several topics. The mirror is killed again and again, wherever it
/// is, and the server, too. In the end a client of another make reads each record once, in order for each
/// topic; on the way, too, it never sees a part of a transaction.
#[test]
#[ignore = "needs a server: crates/mirror/nats/run"]
fn kills() {
    let size = if std::env::var_os("PURO_NATS_LONG").is_some() { LONG } else { SHORT };
    let (server, mut random) = (Server::start_new(), Random::new("PURO_NATS_SEED"));
    let mut watcher = Watcher::new(&server, "events");
    let Place { a, .. } = &place();
    let (written, mut copied) = (AtomicU32::new(0), 0);
    std::thread::scope(|scope| {
        for who in 0..PRODUCERS {
            let (written, seed) = (&written, random.below(1 << 31));
            scope.spawn(move || produce(a, who, size.transactions / PRODUCERS, written, seed));
        }
        until("something is written", || {
            Producer::open(a).is_ok_and(|producer| producer.token().offset > 0)
        });
        for number in 1..=size.kills {
            while watcher.sees(Duration::ZERO) {}
            let mut running = server.out(a, "events", &[]).spawn().unwrap();
            if number % (size.kills / size.server_kills) == 1 {
                until("it is sent", || watcher.sees(Duration::from_millis(5)) || all_is_copied(a));
                std::thread::sleep(Duration::from_millis(random.below(40)));
                server.kill();
                std::thread::sleep(Duration::from_millis(random.below(300)));
                server.start();
            }
            // Most are killed in a batch or shortly after one. Every fourth one wherever it is, before it has
            // found its note, say.
            if number % 4 != 0 {
                until("the mirror gets on", || {
                    let ended = running.try_wait().unwrap().is_some();
                    watcher.sees(Duration::from_millis(5)) || all_is_copied(a) || ended
                });
                copied += 1;
            }
            let limit = if number % 4 == 0 { 500 } else { 120 };
            std::thread::sleep(Duration::from_millis(random.below(limit)));
            let ended = running.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {:?}", said(&running.wait_with_output().unwrap()));
            kill(&mut running);
            if number % 5 == 0 {
                assert_whole(&server.read("events"));
            }
        }
        eprintln!("{copied} mirrors copied before they were killed");
    });
    eprintln!("{} transactions written; all are killed", written.into_inner());
    eprint!("{}", assert_fine(&mut server.out(a, "events", &["--once"])));
    let (expected, found) = (by_topic(a), server.read("events"));
    assert_same(&found, &expected, "what the server has");
    let whole = assert_whole(&found);
    assert_eq!(whole, size.transactions as usize);
    eprintln!("{} records, {whole} transactions", found.len());
}
