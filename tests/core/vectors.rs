//! The golden streams in `spec/vectors/`: what this code writes in a fixed world is what stands
//! there, byte for byte, and what `puro inspect` says of it is what stands beside it. A change
//! of the format cannot go unnoticed; a port can try its reader on them.
//!
//! To write them anew after a change that is meant:
//! `PURO_WRITE_VECTORS=1 cargo test --test core vectors::`, then look at the difference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fixed::Fixed;
use crate::real::{self, blocks, flip, scratch, segment, set_len};
use puro::check::Verdict;
use puro::internals::check;
use puro::{Batch, CheckOptions, ConsumerOptions, NewRecord, Producer, ProducerOptions, Token};

/// A golden stream: its name, what makes it, what verification says of it, and how many
/// records a consumer gets out of it.
struct Vector {
    name: &'static str,
    make: fn(&Fixed, &Path),
    verdict: Verdict,
    /// Labels of all findings.
    findings: &'static [&'static str],
    /// `None`: the consumer ends with an error.
    records: Option<usize>,
}

const VECTORS: &[Vector] = &[
    Vector { name: "empty", make: empty, verdict: Verdict::Sound, findings: &[], records: Some(0) },
    Vector {
        name: "records",
        make: records,
        verdict: Verdict::Sound,
        findings: &[],
        records: Some(9),
    },
    Vector {
        name: "rollover",
        make: rollover,
        verdict: Verdict::Sound,
        findings: &[],
        records: Some(12),
    },
    Vector {
        name: "epochs",
        make: epochs,
        verdict: Verdict::Sound,
        findings: &[],
        records: Some(3),
    },
    Vector {
        name: "boot_id",
        make: boot_id,
        verdict: Verdict::Sound,
        findings: &[],
        records: Some(1),
    },
    Vector { name: "zeros", make: zeros, verdict: Verdict::Sound, findings: &[], records: Some(2) },
    Vector {
        name: "low_tail",
        make: low_tail,
        verdict: Verdict::Repairable,
        findings: &["unseen"],
        records: Some(2),
    },
    Vector {
        name: "torn_tail",
        make: torn_tail,
        verdict: Verdict::Repairable,
        findings: &["lost"],
        records: Some(2),
    },
    Vector {
        name: "lost_tail",
        make: lost_tail,
        verdict: Verdict::Repairable,
        findings: &["lost"],
        records: Some(1),
    },
    Vector {
        name: "repaired",
        make: repaired,
        verdict: Verdict::Sound,
        findings: &[],
        records: Some(2),
    },
    Vector {
        name: "damaged_tail",
        make: damaged_tail,
        verdict: Verdict::Damaged,
        findings: &["damaged"],
        records: Some(0),
    },
    Vector {
        name: "damaged_sealed",
        make: damaged_sealed,
        verdict: Verdict::Damaged,
        findings: &["damaged"],
        records: None,
    },
];

/// Just created.
fn empty(world: &Fixed, dir: &Path) {
    ProducerOptions::new().create_in(world.clone(), dir).unwrap();
}

fn open(world: &Fixed, dir: &Path) -> Producer<Fixed> {
    ProducerOptions::new().open_in(world.clone(), dir).unwrap()
}

fn append(world: &Fixed, producer: &mut Producer<Fixed>, value: &str) {
    world.pass_ms(1000);
    producer.append(&NewRecord::new("letters", value)).unwrap();
}

/// Every kind of record.
fn records(world: &Fixed, dir: &Path) {
    let mut producer = open(world, dir);
    let mut append = |record: NewRecord<'_>| {
        world.pass_ms(1);
        producer.append(&record).unwrap();
    };
    append(NewRecord::new("plain", "a value"));
    append(NewRecord::new("keyed", "with a key").key("key"));
    append(NewRecord::new("keyed", "").key(""));
    append(NewRecord::new("headers", "v").header("name", "value").header("name", "").key("k"));
    append(NewRecord::delete_marker("keyed", "key"));
    append(NewRecord::new(&b"\xff\x00bytes"[..], &[0x80, 0x00, 0xA5][..]).key(&[0xFE][..]));
    let mut batch = Batch::new();
    for (topic, value) in [("orders", "1 pear"), ("audit", "pear reserved")] {
        batch.push(&NewRecord::new(topic, value).key("customer-9")).unwrap();
    }
    let long = "0123456789".repeat(30);
    batch.push(&NewRecord::new("audit", &long)).unwrap();
    world.pass_ms(1);
    producer.append_batch(&mut batch).unwrap();
    producer.sync().unwrap();
}

/// Three segments of the smallest size.
fn rollover(world: &Fixed, dir: &Path) {
    let options = ProducerOptions::new().segment_bytes(4096);
    let mut producer = options.open_in(world.clone(), dir).unwrap();
    for letter in "ABCDEFGHIJKL".chars() {
        append(world, &mut producer, &letter.to_string().repeat(700));
    }
}

/// Appends in three boots: the epoch is raised twice (E-2).
fn epochs(world: &Fixed, dir: &Path) {
    for value in ["first", "second", "third"] {
        append(world, &mut open(world, dir), value);
        world.reboot();
    }
}

/// One record, in a boot whose id tells in which order its bytes stand (M-9).
fn boot_id(world: &Fixed, dir: &Path) {
    world.name_boot(bytes_of(BOOT_TEXT));
    append(world, &mut open(world, dir), "only");
}

/// The boot id of the stream `boot_id`, as Linux writes it.
const BOOT_TEXT: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The bytes of a boot id (M-9): its hexadecimal digits in their order.
fn bytes_of(text: &str) -> [u8; 16] {
    let digits = text.replace('-', "");
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// The start of a segment's block, by its number.
fn block(dir: &Path, sequence: u32, number: usize) -> u64 {
    blocks(&segment(dir, sequence))[number].0
}

fn three(world: &Fixed, dir: &Path) {
    let mut producer = open(world, dir);
    for value in ["a", "b", "c"] {
        append(world, &mut producer, value);
    }
}

/// Two durable appends, and zeros ahead of the next (Z-1): whoever made them died, or is there still.
fn zeros(world: &Fixed, dir: &Path) {
    let options = ProducerOptions::new().durable(true).zeros_ahead_bytes(4096);
    let mut producer = options.open_in(world.clone(), dir).unwrap();
    for value in ["a", "b"] {
        append(world, &mut producer, value);
    }
    let length = std::fs::metadata(segment(dir, 0)).unwrap().len();
    drop(producer); // which cuts them (Z-8)
    set_len(&segment(dir, 0), length);
}

/// The writer of the last block died before the commit.
fn low_tail(world: &Fixed, dir: &Path) {
    three(world, dir);
    flip(&segment(dir, 0), block(dir, 0, 3), 0xA5);
}

/// The last block is committed, but the file ends within it.
fn torn_tail(world: &Fixed, dir: &Path) {
    three(world, dir);
    set_len(&segment(dir, 0), block(dir, 0, 3) + 50);
}

/// The power failed: of three blocks never synced, the middle one did not reach the disk.
fn lost_tail(world: &Fixed, dir: &Path) {
    three(world, dir);
    let (from, to) = (block(dir, 0, 2), block(dir, 0, 3));
    let path = segment(dir, 0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[from as usize..to as usize].fill(0);
    std::fs::write(&path, bytes).unwrap();
    world.reboot();
}

/// The same, repaired by the next writer: the tail in `lost/`, the epoch raised.
fn repaired(world: &Fixed, dir: &Path) {
    lost_tail(world, dir);
    append(world, &mut open(world, dir), "after");
}

/// A block is damaged that a later one says was on disk: nothing may be cut (row `damaged`).
fn damaged_tail(world: &Fixed, dir: &Path) {
    let mut producer = open(world, dir);
    append(world, &mut producer, "a");
    producer.sync().unwrap();
    append(world, &mut producer, "b");
    flip(&segment(dir, 0), block(dir, 0, 1) + 60, 0x10);
}

/// One bit of a record in a sealed segment is wrong.
fn damaged_sealed(world: &Fixed, dir: &Path) {
    rollover(world, dir);
    flip(&segment(dir, 1), block(dir, 1, 2) + 200, 0x01);
}

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/vectors").join(name)
}

/// Names and bytes of all files that make up a stream, those in `lost/` too; no locks.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = real::files(dir);
    files.retain(|(name, _)| !name.ends_with(".lock"));
    let lost = real::lost(dir).into_iter().map(|(name, bytes)| (format!("lost/{name}"), bytes));
    files.extend(lost);
    files
}

/// Makes every stream anew and hands it out with its world.
fn each(mut judge: impl FnMut(&Vector, &Fixed, &Path)) {
    for vector in VECTORS {
        let scratch = scratch();
        let dir = scratch.path().join("stream");
        let world = Fixed::new();
        (vector.make)(&world, &dir);
        judge(vector, &world, &dir);
    }
}

/// Writes the streams to `spec/vectors/` if asked to; else compares them.
#[test]
fn streams_are_the_golden_ones_byte_for_byte() {
    let write = std::env::var_os("PURO_WRITE_VECTORS").is_some();
    each(|Vector { name, .. }, _, dir| {
        let golden = committed(name);
        if write {
            let _ = std::fs::remove_dir_all(&golden);
            for (name, bytes) in content(dir) {
                let path = golden.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
        let (made, golden_files) = (content(dir), content(&golden));
        let names = |files: &[(String, Vec<u8>)]| {
            files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&made), names(&golden_files), "{name}");
        for ((file, made), (_, golden)) in made.iter().zip(&golden_files) {
            let differs = made.iter().zip(golden).position(|(made, golden)| made != golden);
            assert_eq!(differs, None, "{name}/{file} differs at this byte");
            assert_eq!(made.len(), golden.len(), "length of {name}/{file}");
        }
    });
}

#[test]
fn verify_and_consumers_say_of_each_stream_what_the_table_says() {
    each(|vector, world, dir| {
        let options = CheckOptions::new().deep(true).second_look(Duration::ZERO);
        let report = check(world.clone(), dir, &options, &mut |_, _| {}).unwrap();
        let labels: Vec<_> = report.findings.iter().map(|found| found.problem.label()).collect();
        assert_eq!(labels, vector.findings, "{}: {:?}", vector.name, report.findings);
        assert_eq!(report.verdict(), vector.verdict, "{}", vector.name);
        let mut consumer = ConsumerOptions::new().open_in(world.clone(), dir).unwrap();
        let read: Result<Vec<_>, _> = consumer.try_iter().collect();
        assert_eq!(read.ok().map(|records| records.len()), vector.records, "{}", vector.name);
    });
}

/// Nothing stands in `spec/vectors/` that no test looks at. (`kit/` has a test of its own, in
/// `crates/kit`.)
#[test]
fn every_golden_stream_has_its_generator() {
    let entries = std::fs::read_dir(committed("")).unwrap();
    let directories = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let mut found: Vec<_> = directories.map(|e| e.file_name().into_string().unwrap()).collect();
    found.retain(|name| name != "kit");
    let mut expected: Vec<_> = VECTORS.iter().map(|vector| vector.name.to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// A port guessed another order of the boot id's bytes: each change from one program to the
/// other raised the epoch, and nothing told (M-9).
#[test]
#[cfg(target_os = "linux")]
fn the_bytes_of_a_boot_id_stand_in_the_order_of_its_text() {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let known = puro::internals::vfs::Vfs::boot_id(&puro::internals::os::OsVfs::new());
    assert_eq!(known, Some(bytes_of(text.trim())));
    let first = std::fs::read(committed("boot_id/0000000000.puro")).unwrap();
    assert!(first.windows(16).any(|bytes| bytes == bytes_of(BOOT_TEXT)));
}

/// Nothing said how a token is written as text, so two programs could not hand one over (E-9).
#[test]
fn a_token_is_written_as_the_spec_says() {
    let world = Fixed::new();
    let mut consumer = ConsumerOptions::new().open_in(world.clone(), committed("epochs")).unwrap();
    assert_eq!(consumer.try_iter().count(), 3);
    let text = "101112131415161718191a1b1c1d1e1f:3:3";
    assert_eq!(consumer.token().unwrap().to_string(), text);
    for other in [text.to_uppercase(), text.replace(":3:", ":03:")] {
        assert_eq!(other.parse::<Token>().unwrap().to_string(), text);
    }
    for other in ["1011:3:3", "101112131415161718191a1b1c1d1e1f:3", &format!("{text}:0")] {
        assert!(other.parse::<Token>().is_err(), "{other}");
    }
}
