//! The index of topics (F-42), and consumers that pass over what they do not want.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fixed::Fixed;
use crate::real::*;
use proptest::prelude::*;
use puro::check::{Problem, Verdict};
use puro::internals::block::{Block, BlockBuilder, BlockKind, BlockMeta, Link};
use puro::internals::check;
use puro::internals::cursor::Scan;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Call, Operation};
use puro::internals::layout::BLOCK_ALIGN;
use puro::internals::os::OsVfs;
use puro::internals::record::Fields;
use puro::internals::segment::SegmentHeader;
use puro::internals::topics::{TOPICS, TopicIndex, index_in, wanted_blocks};
use puro::internals::vfs::{OpenMode, Vfs};
use puro::{
    Batch, CheckOptions, CheckReport, Consumer, ConsumerOptions, NewRecord, OwnedRecord, Producer,
    ProducerOptions, Start,
};

fn options(segment_bytes: u64) -> ProducerOptions {
    ProducerOptions::new().segment_bytes(segment_bytes).checkpoint_every_bytes(700)
}

fn records(dir: &Path, options: ConsumerOptions) -> Vec<OwnedRecord> {
    let mut consumer = options.open(dir).unwrap();
    consumer.try_iter().map(Result::unwrap).collect()
}

fn verify(dir: &Path) -> CheckReport {
    check(OsVfs::new(), dir, &CheckOptions::new().deep(true), &mut |_, _| {}).unwrap()
}

fn topic(number: u8) -> String {
    format!("topic {number}")
}

/// The topics of the records of one append.
type Append = Vec<u8>;

fn appends() -> impl Strategy<Value = Vec<Append>> {
    // Few of the higher topics, so that most blocks do not hold them.
    let topic = prop_oneof![8 => Just(0u8), 3 => Just(1), 1 => 2u8..6];
    prop::collection::vec(prop::collection::vec(topic, 1..5), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Two producers in turn, so that each one's index holds what the other wrote, too.
    #[test]
    fn who_skips_sees_what_who_reads_all_sees(
        appends in appends(),
        segment_bytes in 4096u64..20_000,
        start in 0u64..200,
        reopen in 1usize..30,
    ) {
        let dir = scratch();
        let mut producers = [options(segment_bytes), options(segment_bytes)].map(|o| o.open(dir.path()).unwrap());
        for (number, append) in appends.iter().enumerate() {
            let mut batch = Batch::new();
            for topic_number in append {
                batch.push(&NewRecord::new(&topic(*topic_number), &format!("{number}"))).unwrap();
            }
            producers[number % 2].append_batch(&mut batch).unwrap();
            if number % reopen == 0 {
                producers[0] = options(segment_bytes).open(dir.path()).unwrap();
            }
        }
        let all = records(dir.path(), ConsumerOptions::new());
        let start = start.min(all.len() as u64);
        for wanted in [vec![0], vec![1], vec![2], vec![3, 4], vec![9]] {
            let wanted: Vec<_> = wanted.into_iter().map(topic).collect();
            let mut options = ConsumerOptions::new().start(Start::Offset(start));
            for topic in &wanted {
                options = options.topic(topic);
            }
            let of_topic = |record: &&OwnedRecord| wanted.iter().any(|topic| topic.as_bytes() == record.topic);
            let expected: Vec<_> = all.iter().filter(|r| r.offset >= start).filter(of_topic).cloned().collect();
            prop_assert_eq!(records(dir.path(), options), expected);
        }
        prop_assert_eq!(verify(dir.path()).verdict(), Verdict::Sound);
    }

    #[test]
    fn an_index_names_the_blocks_that_hold_a_topic(blocks in appends()) {
        let mut index = TopicIndex::new(128, 1 << 20);
        let mut expected = [const { Vec::new() }; 6];
        for (number, topics) in blocks.iter().enumerate() {
            let position = 128 + number as u64 * 3 * BLOCK_ALIGN;
            add(&mut index, topics, position);
            for topic in topics {
                expected[usize::from(*topic)].push(position);
            }
        }
        let (value, end) = (index.value(), 128 + blocks.len() as u64 * 3 * BLOCK_ALIGN);
        for (number, positions) in expected.iter_mut().enumerate() {
            positions.dedup();
            let name = topic(u8::try_from(number).unwrap());
            let found = wanted_blocks(&value, end, |topic| topic == name.as_bytes());
            prop_assert_eq!(found.as_ref(), Some(&*positions));
        }
        // Cut anywhere, it says nothing rather than too little, or it is an index of fewer topics.
        for length in 0..value.len() {
            let cut = wanted_blocks(&value[..length], end, |_| true).unwrap_or_default();
            prop_assert!(cut.is_sorted() && cut.iter().all(|at| *at < end));
        }
    }
}

fn add(index: &mut TopicIndex, topics: &[u8], position: u64) {
    let mut builder = BlockBuilder::default();
    for number in topics {
        builder.push(&NewRecord::new(&topic(*number), "v")).unwrap();
    }
    index.add(&finish(&mut builder, BlockKind::Records, position), position);
}

fn finish(builder: &mut BlockBuilder, kind: BlockKind, position: u64) -> Block<'_> {
    let header = SegmentHeader::default();
    let meta = BlockMeta {
        kind,
        link: header.first_link(),
        timestamp_ms: 0,
        durable_to: 0,
        epoch: 1,
        committed: true,
    };
    builder.finish(&meta, header.place(position)).unwrap().block
}

/// Each block once for each topic, however often and in whatever order its records have it.
#[test]
fn an_index_is_encoded_as_the_format_says() {
    let mut index = TopicIndex::new(64, 1 << 20);
    add(&mut index, &[1, 0, 1], 64);
    add(&mut index, &[1], 192);
    let mut expected = 64u64.to_le_bytes().to_vec();
    for (number, places) in [(0, [1, 0].as_slice()), (1, [2, 0, 2].as_slice())] {
        let name = topic(number);
        expected.push(u8::try_from(name.len()).unwrap());
        expected.extend(name.as_bytes());
        expected.extend(places);
    }
    assert_eq!(index.value(), expected);
}

/// It has its own topic and no key: other control records of a checkpoint are none.
#[test]
fn other_control_records_are_no_index() {
    let mut builder = BlockBuilder::default();
    for (topic, key) in [(b"other".as_slice(), None), (TOPICS, Some(b"key".as_slice()))] {
        let (value, headers) = (Some(b"value".as_slice()), puro::Headers::default());
        let fields = Fields { control: true, topic, key, value, headers };
        builder.push(&fields.to_new()).unwrap();
    }
    assert_eq!(index_in(&finish(&mut builder, BlockKind::Checkpoint, 64)), None);
}

/// One that became too long says nothing at all, whatever follows.
#[test]
fn an_index_that_is_too_long_says_nothing() {
    let mut index = TopicIndex::new(64, 30);
    add(&mut index, &[0, 1], 64);
    assert_eq!(wanted_blocks(&index.value(), 128, |_| true), Some(vec![64]));
    add(&mut index, &[2, 3], 128);
    add(&mut index, &[0], 192);
    assert_eq!(index.value(), 64u64.to_le_bytes());
    assert_eq!(wanted_blocks(&index.value(), 256, |_| true), None);
}

/// A stream in which one append of a hundred is of topic `rare`.
fn stream_with_a_rare_topic<V: Vfs>(vfs: V, dir: &Path) -> Vec<u64> {
    let options = ProducerOptions::new().segment_bytes(256 * 1024).checkpoint_every_bytes(20_000);
    let mut producer = options.open_in(vfs, dir).unwrap();
    let mut rare = Vec::new();
    for number in 0..1500 {
        let topic = if number % 100 == 50 { "rare" } else { "common" };
        let appended = producer.append(&NewRecord::new(topic, &"v".repeat(300))).unwrap();
        if topic == "rare" {
            rare.push(appended.first_offset);
        }
    }
    rare
}

/// Most of the stream is not read at all.
#[test]
fn what_is_not_wanted_is_not_read() {
    let dir = scratch();
    let rare = stream_with_a_rare_topic(OsVfs::new(), dir.path());
    let sealed: u64 = (0..)
        .map(|n| segment(dir.path(), n))
        .take_while(|p| p.exists())
        .map(|path| path.metadata().unwrap().len())
        .sum();
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let system = interpose(move |call: &Call<'_>| {
        if call.operation == Operation::Read {
            let left = call.path.metadata().unwrap().len().saturating_sub(call.position);
            counter.fetch_add(left.min(call.length as u64), Ordering::Relaxed);
        }
        Answer::Proceed
    });
    let mut consumer = ConsumerOptions::new().topic("rare").open_in(system, dir.path()).unwrap();
    let offsets: Vec<_> = consumer.try_iter().map(|record| record.unwrap().offset).collect();
    assert_eq!(offsets, rare);
    // One block of 40 KiB, read 16 KiB at a time.
    let read = read.load(Ordering::Relaxed);
    assert!(read < sealed * 3 / 4, "{read} of {sealed} bytes were read");
}

/// A token taken behind a jump has the epoch of the block that was gone to (R-13, E-7).
#[test]
fn a_token_behind_a_jump_is_good() {
    let dir = scratch();
    stream_with_a_rare_topic(OsVfs::new(), dir.path());
    let mut consumer = ConsumerOptions::new().topic("rare").open(dir.path()).unwrap();
    while consumer.try_next().unwrap().is_some() {
        let token = consumer.token().unwrap();
        assert_eq!(token.epoch, 1);
        ConsumerOptions::new().start(Start::Token(token)).open(dir.path()).unwrap();
    }
    assert_eq!(consumer.token().unwrap().offset, 1500);
}

/// The block that a jump leads to is checked like any other, and the damage told; what is passed
/// over is not looked at.
#[test]
fn damage_is_told_where_a_jump_leads_to() {
    // In the start of a block or in its body. (In the active segment a damaged body is not told
    // from one that is still being written: R-4.)
    for (within, sealed) in [(20, true), (100, true), (20, false)] {
        let dir = scratch();
        let rare = stream_with_a_rare_topic(OsVfs::new(), dir.path());
        let first = segment(dir.path(), 0);
        let blocks = blocks(&first);
        if !sealed {
            keep_first_segment(dir.path());
            unseal(&first);
        }
        let at = |offset: u64| {
            let mut blocks = blocks.iter();
            let found = blocks.find(|(_, start)| {
                start.first_offset == offset && start.kind == BlockKind::Records
            });
            found.unwrap().0
        };
        let options = || ConsumerOptions::new().topic("rare").poll_interval(Duration::ZERO);
        // What is jumped over is not looked at.
        flip(&first, at(rare[1] + 10) + within, 1);
        let mut consumer = options().open(dir.path()).unwrap();
        assert!(consumer.try_iter().map(Result::unwrap).count() > 2);
        flip(&first, at(rare[1]) + within, 1);
        let mut consumer = options().open(dir.path()).unwrap();
        assert_eq!(consumer.try_next().unwrap().unwrap().offset, rare[0]);
        let error = consumer.try_next().unwrap_err().to_string();
        let place = format!("byte {} ", at(rare[1]));
        assert!(error.contains(&place), "{error}");
    }
}

fn keep_first_segment(dir: &Path) {
    for later in (1..).map(|n| segment(dir, n)).take_while(|path| path.exists()) {
        std::fs::remove_file(later).unwrap();
    }
}

/// As if it had not been sealed yet.
fn unseal(path: &Path) {
    set_len(path, blocks(path).last().unwrap().0);
}

/// After a loss of power, the end of the active segment may have reached the disk before blocks
/// that stand before it: who skips would jump over what the power took. So it reads all then, and stops
/// where the others stop; but in the boot in which it was all written, it skips.
#[test]
fn in_the_active_segment_who_skips_believes_its_own_boot_only() {
    for sealed in [false, true] {
        let (dir, world) = (scratch(), Fixed::new());
        let rare = stream_with_a_rare_topic(world.clone(), dir.path());
        let first = segment(dir.path(), 0);
        let blocks = blocks(&first);
        keep_first_segment(dir.path());
        if !sealed {
            unseal(&first);
        }
        let damaged = blocks.iter().find(|(_, start)| start.first_offset == rare[0] + 5).unwrap().0;
        flip(&first, damaged + 100, 1);
        let count = |world: &Fixed| {
            let options = ConsumerOptions::new().topic("rare").poll_interval(Duration::ZERO);
            let mut consumer = options.open_in(world.clone(), dir.path()).unwrap();
            consumer.try_iter().map(Result::unwrap).count()
        };
        let in_first = rare.iter().filter(|o| **o < blocks.last().unwrap().1.first_offset).count();
        assert!(in_first > 2);
        assert_eq!(count(&world), in_first);
        world.reboot();
        assert_eq!(count(&world), 1);
    }
}

/// Builds a block anew at its place in a sealed segment, its index or its offset being another.
fn rebuilt(
    segment: &SegmentHeader,
    position: u64,
    (block, next_offset): (&Block<'_>, u64),
    records: &[Fields<'_>],
) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    records.iter().for_each(|record| builder.push(&record.to_new()).unwrap());
    let start = block.start;
    let meta = BlockMeta {
        kind: start.kind,
        link: Link { prev_crc: start.prev_crc, next_offset, may_jump: false },
        timestamp_ms: start.timestamp_ms,
        durable_to: start.durable_to,
        epoch: start.epoch,
        committed: true,
    };
    builder.finish(&meta, segment.place(position)).unwrap().bytes.to_vec()
}

/// Replaces the index in the last block of a sealed segment.
fn forge_last_index(path: &Path, forge: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let dir = Directory::new(OsVfs::new(), path.parent().unwrap());
    let segment = dir.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&segment);
    while !scan.at.ended {
        let (position, block) = scan.next().unwrap().block().unwrap();
        if block.start.kind == BlockKind::SegmentEnd {
            let value = forge(index_in(&block).unwrap().to_vec());
            let headers = puro::Headers::default();
            let index =
                Fields { control: true, topic: TOPICS, key: None, value: Some(&value), headers };
            let same = (&block, block.start.first_offset);
            let bytes = rebuilt(&segment.header, position, same, &[index]);
            let mut file = std::fs::read(path).unwrap();
            file.truncate(usize::try_from(position).unwrap());
            file.extend(bytes);
            std::fs::write(path, file).unwrap();
            return;
        }
    }
}

/// Verification tells an index that names other blocks than hold the topics; one that says
/// nothing is fine, and so is none at all.
#[test]
fn verification_tells_a_wrong_index() {
    let silent = |value: Vec<u8>| value[..8].to_vec();
    let wrong_place = |mut value: Vec<u8>| {
        *value.last_mut().unwrap() += 1;
        value
    };
    let wrong_begin = |mut value: Vec<u8>| {
        value[0] ^= 64;
        value
    };
    type Forge = fn(Vec<u8>) -> Vec<u8>;
    let cases: [(Forge, bool); 3] = [(silent, false), (wrong_place, true), (wrong_begin, true)];
    for (forge, told) in cases {
        let dir = scratch();
        let rare = stream_with_a_rare_topic(OsVfs::new(), dir.path());
        forge_last_index(&segment(dir.path(), 0), forge);
        let report = verify(dir.path());
        let found: Vec<_> = report.findings.iter().map(|finding| &finding.problem).collect();
        assert_eq!(found, vec![&Problem::Topics; usize::from(told)]);
        if !told {
            assert_eq!(records(dir.path(), ConsumerOptions::new().topic("rare")).len(), rare.len());
        }
    }
}

/// Field report D6: an index that lies. A consumer of a topic missed its records, with exit code 0,
/// and verification called the stream sound. A block that is named and does not hold the topic gives a lie away
/// (F-47); plain verification compares all of it.
#[test]
fn a_consumer_tells_an_index_that_names_a_wrong_block() {
    let dir = scratch();
    stream_with_a_rare_topic(OsVfs::new(), dir.path());
    let held = Directory::new(OsVfs::new(), dir.path());
    let held = held.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let (mut scan, mut last_begin) = (Scan::new(&held), 64);
    let mut common = 0;
    while !scan.at.ended {
        let (position, block) = scan.next().unwrap().block().unwrap();
        match block.start.kind {
            BlockKind::Checkpoint => last_begin = position + block.start.block_bytes(),
            BlockKind::Records if block.topics().all(|topic| topic == b"common") => {
                common = position;
            }
            _ => {}
        }
    }
    // It says that a block of another topic is the only one with the rare topic.
    forge_last_index(&segment(dir.path(), 0), |_| {
        let mut value = last_begin.to_le_bytes().to_vec();
        value.extend([4, b'r', b'a', b'r', b'e', 1]);
        puro::internals::codec::put_varint(&mut value, (common - last_begin) / BLOCK_ALIGN);
        value
    });
    let mut consumer = ConsumerOptions::new().topic("rare").open(dir.path()).unwrap();
    let error = loop {
        match consumer.try_next() {
            Ok(record) => assert!(record.is_some(), "it came to the end without a word"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("index of topics"), "{error}");
    let plain = puro::CheckOptions::new();
    let report = puro::internals::check(OsVfs::new(), dir.path(), &plain, &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Verdict::Damaged);
}

/// A block that an index leads to claimed offsets that had been handed out before: a consumer of the topic was
/// given record 50 a second time, where one of all topics was told of damage.
#[test]
fn a_jump_to_offsets_that_were_handed_out_is_damage() {
    let dir = scratch();
    let rare = stream_with_a_rare_topic(OsVfs::new(), dir.path());
    let path = segment(dir.path(), 0);
    let held = Directory::new(OsVfs::new(), dir.path());
    let held = held.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&held);
    let (position, bytes) = loop {
        let (position, block) = scan.next().unwrap().block().unwrap();
        if block.start.kind == BlockKind::Records && block.start.first_offset == rare[1] {
            let (fields, _) = Fields::split(block.body).unwrap();
            break (position, rebuilt(&held.header, position, (&block, rare[0]), &[fields]));
        }
    };
    let mut file = std::fs::read(&path).unwrap();
    let at = usize::try_from(position).unwrap();
    file[at..at + bytes.len()].copy_from_slice(&bytes);
    std::fs::write(&path, file).unwrap();

    let mut consumer = ConsumerOptions::new().topic("rare").open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().offset, rare[0]);
    let error = consumer.try_next().unwrap_err().to_string();
    assert!(error.contains(&format!("byte {position} ")), "{error}");
}

/// F-42, F-47: an index that no encoder makes is not believed.
#[test]
fn an_index_that_is_not_canonical_is_not_believed() {
    let index = |entries: &[(&str, &[u8])]| {
        let mut value = 64u64.to_le_bytes().to_vec();
        for (topic, places) in entries {
            value.push(topic.len() as u8);
            value.extend_from_slice(topic.as_bytes());
            value.extend_from_slice(places);
        }
        value
    };
    let right: [(&str, &[u8]); 2] = [("a", &[2, 0, 1]), ("b", &[1, 3])];
    assert_eq!(wanted_blocks(&index(&right), 320, |_| true), Some(vec![64, 128, 256]));
    let wrong: [&[(&str, &[u8])]; 6] = [
        &[("b", &[1, 0]), ("a", &[1, 0])],
        &[("a", &[1, 0]), ("a", &[1, 1])],
        &[("", &[1, 0])],
        &[("a", &[0])],
        &[("a", &[2, 0, 0])],
        &[("a", &[1, 4])],
    ];
    for entries in wrong {
        assert_eq!(wanted_blocks(&index(entries), 320, |_| true), None, "{entries:?}");
    }
}

/// An index that begins where none may begin (F-42) hides nothing of what stands before it.
#[test]
fn what_stands_before_an_index_is_read() {
    let dir = scratch();
    let rare = stream_with_a_rare_topic(OsVfs::new(), dir.path());
    let held = Directory::new(OsVfs::new(), dir.path());
    let held = held.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&held);
    let mut index = TopicIndex::new(BLOCK_ALIGN, 1 << 20);
    // It knows all that follows the last block with the rare topic.
    while !scan.at.ended {
        let (position, block) = scan.next().unwrap().block().unwrap();
        if block.topics().any(|topic| topic == b"rare") {
            index = TopicIndex::new(position + block.start.block_bytes(), 1 << 20);
        } else {
            index.add(&block, position);
        }
    }
    forge_last_index(&segment(dir.path(), 0), |_| index.value());
    let found = records(dir.path(), ConsumerOptions::new().topic("rare"));
    assert_eq!(found.iter().map(|record| record.offset).collect::<Vec<_>>(), rare);
}

/// A compaction moves blocks, so it takes the indexes out (F-38).
#[test]
fn a_compacted_segment_has_no_index_and_is_read() {
    let dir = scratch();
    let mut producer = options(8192).open(dir.path()).unwrap();
    producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
    for number in 0..200 {
        let key = (number % 7).to_string();
        let topic = if number % 20 == 0 { "rare" } else { "common" };
        let value = format!("{number} {}", "v".repeat(200));
        producer.append(&NewRecord::new(topic, &value).key(&key)).unwrap();
    }
    let done = puro::Steward::open(dir.path()).unwrap().run_once().unwrap();
    assert!(!done.compacted.is_empty());
    let expected: Vec<_> = records(dir.path(), ConsumerOptions::new())
        .into_iter()
        .filter(|r| r.topic == b"rare")
        .collect();
    assert_eq!(records(dir.path(), ConsumerOptions::new().topic("rare")), expected);
    assert_eq!(verify(dir.path()).findings, []);
}

/// Whoever reads the topic while the stream grows sees each record once.
#[test]
fn a_consumer_that_follows_along_misses_nothing() {
    let dir = scratch();
    let mut producer: Producer = options(4096).open(dir.path()).unwrap();
    let mut consumer: Consumer = ConsumerOptions::new().topic("rare").open(dir.path()).unwrap();
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let topic = if number % 9 == 0 { "rare" } else { "common" };
        let appended = producer.append(&NewRecord::new(topic, &"v".repeat(number % 150))).unwrap();
        sent.extend((topic == "rare").then_some(appended.first_offset));
        // Now and then it falls segments behind.
        if number % 70 == 0 {
            seen.extend(consumer.try_iter().map(|record| record.unwrap().offset));
        }
    }
    seen.extend(consumer.try_iter().map(|record| record.unwrap().offset));
    assert_eq!(seen, sent);
}
