//! Producers that write while mirrors are killed, and what must hold in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use puro::{Batch, NewRecord, Producer, Stream};

pub const PRODUCERS: u32 = 4;

/// Numbers that look like chance, and are the same for the same seed.
pub struct Random(u64);

impl Random {
    /// By the seed in the variable of that name, or any.
    pub fn new(variable: &str) -> Self {
        let given = std::env::var(variable).ok().and_then(|seed| seed.parse().ok());
        let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
        let seed = given.unwrap_or_else(now);
        eprintln!("{variable}={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x9E37_79B9_7F4A_7C15);
        (self.0 >> 33) % limit
    }
}

/// Up to where a mirror has said that it copied.
fn position(dir: &Path) -> u64 {
    let positions = Stream::open(dir).unwrap().positions().unwrap();
    positions.first().map_or(0, |it| it.position.offset)
}

pub fn all_is_copied(dir: &Path) -> bool {
    Stream::open(dir).unwrap().bounds().unwrap().end == position(dir)
}

/// Transactions of 33 or 34 records, over four topics, at a pace that lasts as long as the kills do.
pub fn produce(dir: &Path, who: u32, transactions: u32, written: &AtomicU32, seed: u64) {
    let (mut producer, mut random) = (Producer::open(dir).unwrap(), Random(seed));
    let own = format!("kills-own-{who}");
    for number in 0..transactions {
        let records = if number % 3 == 0 { 34 } else { 33 };
        let mark = format!("{who}:{number}:{records}");
        let mut batch = Batch::new();
        for index in 0..records {
            let (key, value) = (format!("{who}-{}", index % 5), format!("{mark}:{index}"));
            let record = match index % 4 {
                0 | 1 => NewRecord::new(&own, &value).header("of", &mark).header("of", "twice"),
                2 => NewRecord::new("kills-shared", &value).key(&key).header("of", &mark),
                _ => NewRecord::delete_marker("kills-gone", &key).header("of", &mark),
            };
            batch.push(&record).unwrap();
        }
        producer.append_batch(&mut batch).unwrap();
        written.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(60 + random.below(60)));
    }
}

/// Each transaction of which anything is there is there whole; tells how many there are.
pub fn assert_whole(lines: &[String]) -> usize {
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in lines {
        let headers = line.rsplit(' ').next().unwrap();
        let mark = headers.split(',').next().and_then(|header| header.split_once('='));
        *counts.entry(mark.unwrap().1).or_default() += 1;
    }
    for (mark, found) in &counts {
        let bytes: Vec<u8> = (0..mark.len() / 2)
            .map(|at| u8::from_str_radix(&mark[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        let mark = String::from_utf8(bytes).unwrap();
        let records: usize = mark.rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(*found, records, "{mark} is there in part, or more than once");
    }
    counts.len()
}
