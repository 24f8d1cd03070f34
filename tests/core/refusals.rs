//! What must be refused, with an error that says why, and left as it is: files that are not
//! what their names say (F-8, F-9, F-12), directories that are not streams (O-2), network
//! file systems (M-1).

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::real::*;
use puro::error::Failure;
use puro::internals::block::{BlockBuilder, BlockKind};
use puro::internals::codec::crc;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::layout::header;
use puro::internals::os::OsVfs;
use puro::internals::state::{EPOCH, State, encode_epoch};
use puro::internals::tail::open_tail;
use puro::internals::token::Epoch;
use puro::internals::vfs::{FileSystem, LockWait, OpenMode};
use puro::internals::writer::{Writer, WriterLock};
use puro::{Blame, Consumer, OpenError, Producer, ProducerOptions, ReadError};

fn refused_by_producer(dir: &Path) -> Failure {
    match Producer::open(dir).unwrap_err() {
        OpenError::Failure(failure) => failure,
        error => panic!("{error}"),
    }
}

fn refused_by_consumer(dir: &Path) -> Failure {
    match Consumer::open(dir).unwrap_err() {
        ReadError::Failure(failure) => failure,
        error => panic!("{error}"),
    }
}

type Make = fn(&Path);

/// What cannot be a segment or a lock, made under a name of one.
const KINDS: [(&str, Make); 4] = [
    ("a symbolic link", |path| {
        let target = path.with_extension("target");
        std::fs::write(&target, "not ours").unwrap();
        symlink(target, path).unwrap();
    }),
    ("a symbolic link", |path| symlink(path.with_extension("nowhere"), path).unwrap()),
    ("a directory", |path| std::fs::create_dir(path).unwrap()),
    ("a FIFO", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
];

#[test]
fn what_is_no_regular_file_is_refused_under_a_segments_name() {
    // As the only one, as the active one, as a sealed one.
    for (what, make) in KINDS {
        for sequence in [0, 1] {
            let dir = scratch();
            if sequence > 0 {
                append(&mut Producer::open(dir.path()).unwrap(), "a");
            }
            make(&segment(dir.path(), sequence));
            let text = refused_by_producer(dir.path()).to_string();
            assert!(text.contains(what) && text.contains("not a regular file"), "{text}");
            match Consumer::open(dir.path()) {
                Err(error) => assert!(error.to_string().contains(what), "{error}"),
                // It reads what is before, and then tells.
                Ok(mut reader) => {
                    assert_eq!(reader.try_next().unwrap().unwrap().value, Some(&b"a"[..]));
                    let error = reader.try_next().unwrap_err();
                    assert!(error.to_string().contains(what), "{error}");
                }
            }
            let target = segment(dir.path(), sequence).with_extension("target");
            assert!(std::fs::read(target).map_or(true, |bytes| bytes == b"not ours"));
        }
    }
}

#[test]
fn what_is_no_regular_file_is_refused_as_the_writer_lock() {
    for (what, make) in KINDS {
        let dir = scratch();
        append(&mut Producer::open(dir.path()).unwrap(), "a");
        std::fs::remove_file(dir.path().join("writer.lock")).unwrap();
        make(&dir.path().join("writer.lock"));
        let text = refused_by_producer(dir.path()).to_string();
        assert!(text.contains(what) && text.contains("writer.lock"), "{text}");
        assert_eq!(values(dir.path()), ["a"], "reading needs no lock file (L-7)");
        assert!(!dir.path().join("writer.nowhere").exists(), "nothing is made where it leads");
    }
}

#[test]
fn a_foreign_file_is_told_from_a_damaged_one_and_from_a_newer_one() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let good = std::fs::read(segment(dir.path(), 0)).unwrap();
    let with = |at: usize, bytes: &[u8], mend: bool| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        if mend {
            let crc = crc(&changed[..header::CRC]).to_le_bytes();
            changed[header::CRC..header::LEN].copy_from_slice(&crc);
        }
        std::fs::write(segment(dir.path(), 0), changed).unwrap();
    };
    let foreign = |failure: &Failure| matches!(failure, Failure::NotASegment { .. });
    let damaged = |failure: &Failure| matches!(failure, Failure::Damage(_));
    let newer = |failure: &Failure| matches!(failure, Failure::Newer { .. });

    std::fs::write(segment(dir.path(), 0), "SQLite format 3\0 and so on").unwrap();
    for failure in [refused_by_producer(dir.path()), refused_by_consumer(dir.path())] {
        assert!(foreign(&failure), "{failure}");
        assert_eq!(failure.blame(), Blame::Data);
    }
    with(0, &[0x8A], true);
    assert!(foreign(&refused_by_producer(dir.path())));
    // F-12: the checksum comes before the version.
    with(header::VERSION, &[2], false);
    assert!(damaged(&refused_by_producer(dir.path())));
    for (at, what) in [(header::VERSION, "version 2"), (header::FEATURES_INCOMPATIBLE, "features")]
    {
        with(at, &[2], true);
        for failure in [refused_by_producer(dir.path()), refused_by_consumer(dir.path())] {
            assert!(newer(&failure) && failure.to_string().contains(what), "{failure}");
            assert_eq!(failure.blame(), Blame::Environment);
        }
    }
    // Bits that forbid to write only, and bits that forbid nothing.
    let harmless = [(header::FEATURES_READ_COMPATIBLE, 0x80), (header::FEATURES_COMPATIBLE, 1)];
    for (at, bit) in harmless {
        let mut changed = good.clone();
        changed[at] = bit;
        let mended = crc(&changed[..header::CRC]).to_le_bytes();
        changed[header::CRC..header::LEN].copy_from_slice(&mended);
        std::fs::write(segment(dir.path(), 0), changed).unwrap();
        if at == header::FEATURES_READ_COMPATIBLE {
            assert!(newer(&refused_by_producer(dir.path())));
        }
        // The header's checksum seeds those of the blocks, so none of them is valid here: it
        // is enough that the header was accepted.
        Consumer::open(dir.path()).unwrap();
    }
}

/// F-9: another stream's segment, or one under another number, is no part of the stream.
#[test]
fn stray_segments_are_ignored_by_readers_and_never_written() {
    let (dir, other) = (scratch(), scratch());
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    append(&mut Producer::open(other.path()).unwrap(), "stray");
    for (sequence, from) in [(1, other.path()), (7, other.path()), (1, dir.path()), (9, dir.path())]
    {
        let stray = segment(dir.path(), sequence);
        std::fs::copy(segment(from, 0), &stray).unwrap();
        let before = std::fs::read(&stray).unwrap();
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        let count = drain(&mut reader).len();
        append(&mut producer, "b");
        append(&mut Producer::open(dir.path()).unwrap(), "c");
        assert_eq!(drain(&mut reader), ["b", "c"]);
        assert_eq!(values(dir.path()).len(), count + 2);
        let mut reader = fast_consumer().start(puro::Start::Last(2)).open(dir.path()).unwrap();
        assert_eq!(drain(&mut reader), ["b", "c"]);
        let offset = puro::Start::Offset(1);
        assert_eq!(drain(&mut fast_consumer().start(offset).open(dir.path()).unwrap())[0], "b");
        assert_eq!(std::fs::read(&stray).unwrap(), before);
        std::fs::remove_file(stray).unwrap();
    }
}

/// A rollover used to rename the new segment over whatever had its name: a stray was
/// destroyed that may have been the only copy of somebody's records.
#[test]
fn a_rollover_does_not_replace_a_stray() {
    for own in [true, false] {
        let (dir, other) = (scratch(), scratch());
        let mut producer = small_segments().open(dir.path()).unwrap();
        append(&mut producer, &"x".repeat(4000));
        append(&mut Producer::open(other.path()).unwrap(), "stray");
        let from = if own { dir.path() } else { other.path() };
        let stray = segment(dir.path(), 1);
        std::fs::copy(segment(from, 0), &stray).unwrap();
        let before = std::fs::read(&stray).unwrap();
        for _ in 0..2 {
            producer.append(&record(&"y".repeat(4000))).unwrap_err();
            assert_eq!(std::fs::read(&stray).unwrap(), before);
        }
        std::fs::remove_file(stray).unwrap();
        append(&mut producer, &"y".repeat(4000));
        assert_eq!(values(dir.path()).len(), 2);
    }
}

#[test]
fn a_directory_with_other_things_in_it_is_not_made_a_stream() {
    let dir = scratch();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let error = Producer::open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::NotEmpty { found, .. } if found == "letter.txt"));
    assert_eq!(error.blame(), Blame::Caller);
    assert_eq!(files(dir.path()).len(), 1, "nothing was made");
    // F-10: the names of a stream alone are fine.
    std::fs::remove_file(dir.path().join("letter.txt")).unwrap();
    std::fs::write(dir.path().join("writer.lock"), "").unwrap();
    std::fs::write(dir.path().join("0000000000.puro.new"), "half").unwrap();
    std::fs::create_dir(dir.path().join("lost")).unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    // And a stream is opened whatever else is there.
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    assert_eq!(values(dir.path()), ["a", "b"]);
}

#[test]
fn what_is_no_stream_is_not_opened() {
    let dir = scratch();
    for missing in [dir.path().to_owned(), dir.path().join("none")] {
        let failure = refused_by_consumer(&missing);
        assert!(matches!(failure, Failure::NotAStream { .. }), "{failure}");
        let error = ProducerOptions::new().create(false).open(&missing).unwrap_err();
        assert!(matches!(error, OpenError::Failure(Failure::NotAStream { .. })), "{error}");
    }
    assert!(!dir.path().join("none").exists());
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    Producer::open(&file).unwrap_err();
    Consumer::open(&file).unwrap_err();
    Producer::open(dir.path().join("no/parent")).unwrap_err();
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let dir = scratch();
    for bytes in [0, 4095, (1 << 40) + 1, u64::MAX] {
        let stream = dir.path().join("stream");
        let error = ProducerOptions::new().segment_bytes(bytes).open(&stream).unwrap_err();
        assert!(matches!(error, OpenError::Setting(_)), "{error}");
        assert!(!stream.exists());
    }
    for bytes in [4096, 1 << 40] {
        let stream = dir.path().join(bytes.to_string());
        append(&mut ProducerOptions::new().segment_bytes(bytes).open(stream).unwrap(), "a");
    }
}

#[test]
fn a_network_file_system_is_refused_unless_it_is_allowed() {
    struct Network;
    impl Hook for Network {
        fn before(&self, _call: &Call<'_>) -> Answer {
            Answer::Proceed
        }
        fn file_system(&self, _real: FileSystem) -> FileSystem {
            FileSystem { name: "nfs".to_owned(), network: true }
        }
    }
    let world = || Interpose::new(OsVfs::new(), Network);
    let is_network = |failure: &Failure| {
        matches!(failure, Failure::NetworkFileSystem { name, .. } if name == "nfs")
            && failure.blame() == Blame::Caller
    };
    let dir = scratch();
    let error = ProducerOptions::new().open_in(world(), dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Failure(failure) if is_network(failure)), "{error}");
    assert_eq!(files(dir.path()), []);
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let before = files(dir.path());
    let error = ProducerOptions::new().open_in(world(), dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Failure(failure) if is_network(failure)), "{error}");
    let error = fast_consumer().open_in(world(), dir.path()).unwrap_err();
    assert!(matches!(&error, ReadError::Failure(failure) if is_network(failure)), "{error}");
    assert_eq!(files(dir.path()), before);

    let allowed = ProducerOptions::new().allow_network(true);
    append(&mut allowed.open_in(world(), dir.path()).unwrap(), "b");
    let mut reader = fast_consumer().allow_network(true).open_in(world(), dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a", "b"]);
}

/// Field report D11: the number of the last epoch was used for two histories, so that no token could tell
/// them apart.
#[test]
fn there_is_no_epoch_behind_the_last() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let directory = Directory::new(OsVfs::new(), dir.path());
    let (tail, _) = open_tail(&directory, OpenMode::Write).unwrap().unwrap();
    let mut lock = WriterLock::open(&directory).unwrap();
    let mut writer = Writer::new(directory, tail);
    let guard = lock.take(LockWait::Forever).unwrap();
    writer.catch_up(&guard).unwrap();
    let last = Epoch { number: u32::MAX, first_offset: 1, boot_id: Some([9; 16]), time_ms: 1 };
    let (key, value) = encode_epoch(&last);
    let mut state = State::default();
    state.set(EPOCH, &key, &value).unwrap();
    let mut builder = BlockBuilder::default();
    state.entries().for_each(|entry| builder.push(&entry).unwrap());
    writer.append_block(&guard, &mut builder, BlockKind::Records, 1).unwrap();
    drop((guard, writer));
    let before = files(dir.path());
    let mut producer = Producer::open(dir.path()).unwrap();
    let error = producer.append(&record("b")).unwrap_err();
    assert!(error.to_string().contains("2^32 - 1 epochs"), "{error}");
    assert_eq!(files(dir.path()), before);
}
