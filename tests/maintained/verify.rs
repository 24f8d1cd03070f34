//! Verification on real files: every kind of finding, told with its place, and with the
//! severity that makes the exit code; nothing told of a stream that is sound, whoever works
//! in it.

use std::path::Path;
use std::time::Duration;

use crate::fixed::Fixed;
use crate::forge::{make_control, mend_checksums};
use crate::real::{
    self, EIO, append, blocks, copy, errno, flip, interpose, record, scratch, segment, set_len,
    small_segments,
};
use puro::check::{Problem, Severity, Verdict};
use puro::error::Failure;
use puro::internals::block::{BlockKind, Cause};
use puro::internals::check;
use puro::internals::codec::crc;
use puro::internals::interpose::{Answer, Operation};
use puro::internals::layout::{header, start};
use puro::internals::os::OsVfs;
use puro::internals::record::RecordCause;
use puro::internals::vfs::Vfs;
use puro::{Batch, CheckOptions, CheckReport, Producer, ProducerOptions};
use tempfile::TempDir;

fn check_in<V: Vfs>(vfs: V, dir: &Path, deep: bool) -> CheckReport {
    let options = CheckOptions::new().deep(deep).second_look(Duration::ZERO);
    let files = real::files(dir);
    let report = check(vfs, dir, &options, &mut |_, _| {}).unwrap();
    assert!(real::files(dir) == files, "verification changed something");
    report
}

/// Problems with segment and position, of a deep verification in the first boot.
fn findings(dir: &Path) -> Vec<(Option<u32>, Option<u64>, Problem)> {
    let report = check_in(Fixed::new(), dir, true);
    let findings = report.findings.into_iter();
    findings.map(|found| (found.segment, found.position, found.problem)).collect()
}

fn found(
    segment: u32,
    position: u64,
    problem: impl Into<Problem>,
) -> (Option<u32>, Option<u64>, Problem) {
    (Some(segment), Some(position), problem.into())
}

/// Three segments, the first two sealed; records of one to three in a block.
fn stream() -> TempDir {
    let dir = scratch();
    let world = Fixed::new();
    let mut producer = small_segments().open_in(world.clone(), dir.path()).unwrap();
    let value = "v".repeat(500);
    while !segment(dir.path(), 2).exists() {
        let mut batch = Batch::new();
        for _ in 0..3 {
            batch.push(&record(&value).key("k")).unwrap();
        }
        world.pass_ms(5);
        producer.append_batch(&mut batch).unwrap();
    }
    dir
}

/// A stream of one segment: "a", "b", "c".
fn short_stream() -> TempDir {
    let dir = scratch();
    let world = Fixed::new();
    let mut producer = ProducerOptions::new().open_in(world.clone(), dir.path()).unwrap();
    for value in ["a", "b", "c"] {
        world.pass_ms(5);
        append(&mut producer, value);
    }
    dir
}

/// Position of a segment's block, by its number.
fn at(dir: &Path, sequence: u32, number: usize) -> u64 {
    blocks(&segment(dir, sequence))[number].0
}

fn write(path: &Path, position: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, position).unwrap();
}

/// A copy in which a field of a block was changed and all checksums made right.
fn forged(dir: &Path, sequence: u32, number: usize, field: usize, bytes: &[u8]) -> TempDir {
    let copy = copy(dir);
    let path = segment(copy.path(), sequence);
    write(&path, at(dir, sequence, number) + field as u64, bytes);
    mend_checksums(&path);
    copy
}

#[test]
fn sound_streams_are_sound() {
    for dir in [stream(), short_stream()] {
        for deep in [false, true] {
            let report = check_in(Fixed::new(), dir.path(), deep);
            assert_eq!(report.findings, []);
            assert_eq!(report.verdict(), Verdict::Sound);
            let bytes: u64 = report.bytes;
            let files = real::files(dir.path()).into_iter();
            let files = files.filter(|(name, _)| name.ends_with(".puro"));
            assert_eq!(bytes, files.map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
            assert_eq!(report.records, real::values(dir.path()).len() as u64);
        }
    }
    let mend = forged(stream().path(), 1, 1, start::TIMESTAMP, &[]);
    assert_eq!(findings(mend.path()), [], "mending checksums changes nothing");
}

#[test]
fn names_that_do_not_belong_are_told_and_are_no_damage() {
    let dir = stream();
    for name in ["notes.txt", "0000000003.puro.new", "0000000001.puro.compact", "1.puro"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let other = short_stream();
    std::fs::copy(segment(other.path(), 0), segment(dir.path(), 9)).unwrap();
    let report = check_in(Fixed::new(), dir.path(), true);
    let told: Vec<_> = report
        .findings
        .iter()
        .map(|found| (found.path.file_name().unwrap().to_str().unwrap(), found.problem.clone()))
        .collect();
    let expected = [
        ("1.puro", Problem::StrayName),
        ("notes.txt", Problem::StrayName),
        ("0000000001.puro.compact", Problem::Temporary),
        ("0000000003.puro.new", Problem::Temporary),
    ];
    assert_eq!(told[..4], expected);
    // The other stream has the same fixed id, so its number alone gives it away.
    assert_eq!(told[4..], [("0000000009.puro", Problem::StraySegment)]);
    assert!(report.findings.iter().all(|found| found.severity() == Severity::Note));
    assert_eq!(report.verdict(), Verdict::Sound);
}

/// F-9: a segment of another stream, under a number that fits.
#[test]
fn a_segment_of_another_stream_is_stray() {
    let (dir, other) = (stream(), stream());
    let path = segment(other.path(), 2);
    write(&path, header::STREAM_ID as u64, b"another stream's");
    write(&path, header::SEQUENCE as u64, &3u32.to_le_bytes());
    mend_checksums(&path);
    std::fs::copy(path, segment(dir.path(), 3)).unwrap();
    assert_eq!(findings(dir.path()), [(Some(3), None, Problem::StraySegment)]);
}

/// The recovery table at the end of the active segment.
#[test]
fn tails_are_told_by_their_label() {
    let dir = short_stream();
    let (length, last) =
        (std::fs::metadata(segment(dir.path(), 0)).unwrap().len(), at(dir.path(), 0, 3));
    let tail = |change: &dyn Fn(&Path), label, position, bytes, cause| {
        let copy = copy(dir.path());
        change(&segment(copy.path(), 0));
        let problem = Problem::Tail { label, bytes, cause };
        assert_eq!(findings(copy.path()), [found(0, position, problem)]);
        assert_eq!(check_in(Fixed::new(), copy.path(), false).verdict(), Verdict::Repairable);
        let mut producer = Producer::open(copy.path()).unwrap();
        append(&mut producer, "repaired");
        assert_eq!(check_in(Fixed::new(), copy.path(), true).verdict(), Verdict::Sound);
    };
    tail(&|path| flip(path, last, 0xA5), "unseen", last, 128, Cause::Low);
    tail(&|path| set_len(path, length - 1), "lost", last, 127, Cause::Cut);
    tail(&|path| flip(path, last + 20, 1), "lost", last, 128, Cause::StartCrc);
    tail(&|path| flip(path, last + 50, 1), "lost", last, 128, Cause::Crc);
    tail(&|path| flip(path, last, 0x5A), "lost", last, 128, Cause::Signal(0xFF));
}

/// Zeros behind the end are those that durable writers put there ahead: no finding, also where a
/// writer died that had just sealed the segment, or before anything followed a segment end.
#[test]
fn zeros_behind_the_end_are_no_finding() {
    let dir = short_stream();
    let path = segment(dir.path(), 0);
    let length = std::fs::metadata(&path).unwrap().len();
    for zeros in [1, 64, 200, 262_144, 300_000] {
        set_len(&path, length + zeros);
        assert_eq!(findings(dir.path()), [], "{zeros}");
        assert_eq!(check_in(Fixed::new(), dir.path(), true).bytes, length, "not counted");
    }
}

/// In another boot nobody can know that a low block was never seen.
#[test]
fn a_low_block_of_another_boot_is_lost() {
    let dir = short_stream();
    flip(&segment(dir.path(), 0), at(dir.path(), 0, 3), 0xA5);
    let world = Fixed::new();
    world.reboot();
    assert_eq!(check_in(world, dir.path(), false).findings[0].problem.label(), "lost");
}

/// Row `damaged`: a later block says that these bytes were on disk.
#[test]
fn synced_bytes_that_are_not_valid_are_damage() {
    let dir = scratch();
    let mut producer = ProducerOptions::new().open_in(Fixed::new(), dir.path()).unwrap();
    append(&mut producer, "a");
    producer.sync().unwrap();
    append(&mut producer, "b");
    let position = at(dir.path(), 0, 1);
    let durable_to = at(dir.path(), 0, 2);
    flip(&segment(dir.path(), 0), position + 50, 1);
    assert_eq!(findings(dir.path()), [found(0, position, Cause::Synced { durable_to })]);
}

/// V-6: the writer died between the segment end and the name of the next segment.
#[test]
fn a_rollover_that_did_not_end_is_repairable() {
    let dir = stream();
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    let length = std::fs::metadata(segment(dir.path(), 1)).unwrap().len();
    assert_eq!(findings(dir.path()), [found(1, length, Problem::RolloverUnfinished)]);
    drop(Producer::open(dir.path()).unwrap());
    assert_eq!(findings(dir.path()), []);
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = stream();
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let report = check_in(Fixed::new(), dir.path(), true);
    let problems: Vec<_> = report.findings.iter().map(|f| (f.segment, &f.problem)).collect();
    assert_eq!(problems, [(Some(1), &Problem::MissingSegments { to: 1 })]);
    assert_eq!(report.verdict(), Verdict::Damaged);
    // The lowest may go: that is what retention does.
    let dir = stream();
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    assert_eq!(findings(dir.path()), []);
}

#[test]
fn files_that_are_no_segments_are_damage() {
    let dir = stream();
    let path = segment(dir.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "something else altogether").unwrap();
    assert_eq!(findings(dir.path()), [found(1, 0, Problem::NotASegment)]);
    std::fs::write(&path, &whole[..50]).unwrap();
    assert_eq!(findings(dir.path()), [found(1, 0, Cause::HeaderCut)]);
    std::fs::write(&path, &whole).unwrap();
    flip(&path, 20, 1);
    assert_eq!(findings(dir.path()), [found(1, 0, Cause::HeaderCrc)]);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(segment(dir.path(), 2), &path).unwrap();
    let report = check_in(Fixed::new(), dir.path(), false);
    assert_eq!((report.findings.len(), report.verdict()), (1, Verdict::Unreadable));
    assert_eq!(report.findings[0].problem.label(), "unreadable");
    assert!(report.findings[0].to_string().contains("a symbolic link"), "{}", report.findings[0]);
}

/// A read error is never taken for invalid bytes, in a sealed segment and at the end.
#[test]
fn read_errors_are_told_as_such() {
    let dir = stream();
    for sequence in [1, 2] {
        let (path, from) = (segment(dir.path(), sequence), at(dir.path(), sequence, 1));
        let world = interpose(move |call| match call.operation {
            Operation::Read if call.path == path && call.position + call.length as u64 > from => {
                Answer::Fail(errno(EIO))
            }
            _ => Answer::Proceed,
        });
        let report = check_in(world, dir.path(), true);
        let finding = &report.findings[0];
        assert_eq!((finding.segment, finding.problem.label()), (Some(sequence), "unreadable"));
        assert!(finding.to_string().contains("os error 5"), "{finding}");
        assert_eq!(report.verdict(), Verdict::Unreadable);
    }
}

/// One bit anywhere in a sealed segment, bytes behind its end and a cut: each is found, where
/// it is.
#[test]
fn damage_of_sealed_segments_is_found_where_it_is() {
    let dir = stream();
    let path = segment(dir.path(), 1);
    let blocks = blocks(&path);
    let damaged = |position: u64, mask: u8| {
        flip(&path, position, mask);
        let findings = findings(dir.path());
        flip(&path, position, mask);
        findings
    };
    for (number, (at, start)) in blocks.iter().enumerate() {
        assert_eq!(damaged(*at, 0xA5), [found(1, *at, Cause::Low)]);
        assert_eq!(damaged(*at, 1), [found(1, *at, Cause::Signal(0xA4))]);
        assert_eq!(damaged(*at + 12, 1), [found(1, *at, Cause::StartCrc)], "block {number}");
        let last = at + start.block_bytes() - 1;
        let expected = [found(1, *at, Cause::Crc)];
        let chain = blocks.get(number + 1).map(|(next, _)| found(1, *next, Cause::Chain));
        // The stored checksum itself is hit: then the next block does not continue it either.
        let expected: Vec<_> = expected.into_iter().chain(chain).collect();
        assert_eq!(damaged(last, 1), expected, "block {number}");
    }
    let offset = |position| {
        flip(&path, position, 1);
        let report = check_in(Fixed::new(), dir.path(), false);
        flip(&path, position, 1);
        report.findings[0].offset
    };
    let (at, start) = blocks[2];
    assert_eq!(offset(at + 100), Some(start.first_offset));

    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], &[0; 64]].concat()).unwrap();
    assert_eq!(findings(dir.path()), [], "zeros are nothing (F-25)");
    std::fs::write(&path, [&whole[..], &[1; 64]].concat()).unwrap();
    assert_eq!(findings(dir.path()), [found(1, whole.len() as u64, Cause::BehindEnd)]);
    let (end, _) = blocks[blocks.len() - 1];
    std::fs::write(&path, &whole[..usize::try_from(end).unwrap()]).unwrap();
    assert_eq!(findings(dir.path()), [found(1, end, Cause::NotSealed)]);
}

/// Fields that contradict what came before, all checksums being right.
#[test]
fn fields_that_cannot_be_are_found() {
    let dir = stream();
    let end = blocks(&segment(dir.path(), 1)).len() - 1;
    let place = |number| at(dir.path(), 1, number);
    let cases: [(usize, usize, Vec<u8>, Cause); 8] = [
        (1, start::FIRST_OFFSET, 1u64.to_le_bytes().to_vec(), Cause::Chain),
        (1, start::DURABLE_TO, u64::MAX.to_le_bytes().to_vec(), Cause::Field("durable_to")),
        (1, start::EPOCH, 9u32.to_le_bytes().to_vec(), Cause::Field("epoch")),
        (0, start::EPOCH, 9u32.to_le_bytes().to_vec(), Cause::Field("epoch")),
        (0, start::TIMESTAMP, 1u64.to_le_bytes().to_vec(), Cause::Field("timestamp")),
        (end, start::TIMESTAMP, 1u64.to_le_bytes().to_vec(), Cause::Field("timestamp")),
        (2, start::KIND, vec![7], Cause::Field("kind")),
        (2, start::KIND, vec![BlockKind::Checkpoint as u8], Cause::Field("record count")),
    ];
    for (number, field, bytes, cause) in cases {
        let forged = forged(dir.path(), 1, number, field, &bytes);
        let findings = findings(forged.path());
        assert_eq!(findings.first(), Some(&found(1, place(number), cause)), "{findings:?}");
    }
    // The opening checkpoints know what was synced with them (F-23).
    let forged = forged(dir.path(), 1, 0, start::DURABLE_TO, &64u64.to_le_bytes());
    assert_eq!(findings(forged.path()), [found(1, place(1), Cause::Field("durable_to"))]);
}

#[test]
fn headers_that_do_not_continue_the_segment_before_are_found() {
    let dir = stream();
    for (field, at, bytes) in [
        ("base offset", header::BASE_OFFSET, 1u64.to_le_bytes().to_vec()),
        ("epoch", header::EPOCH, 5u32.to_le_bytes().to_vec()),
    ] {
        let copy = copy(dir.path());
        let path = segment(copy.path(), 1);
        write(&path, at as u64, &bytes);
        mend_checksums(&path);
        let findings = findings(copy.path());
        assert_eq!(findings.first(), Some(&found(1, 0, Cause::HeaderField(field))), "{findings:?}");
    }
}

/// F-25: a segment begins with a checkpoint.
#[test]
fn a_segment_without_checkpoint_is_damage() {
    let dir = stream();
    let path = segment(dir.path(), 0);
    let bytes = std::fs::read(&path).unwrap();
    let begin = at(dir.path(), 0, 1) as usize;
    let kept = [&bytes[..header::LEN], &bytes[begin..]].concat();
    std::fs::write(&path, kept).unwrap();
    mend_checksums(&path);
    let findings = findings(dir.path());
    assert_eq!(findings.first(), Some(&found(0, 64, Cause::NoCheckpoint)), "{findings:?}");
}

/// Field report D11: records that are malformed in blocks whose checksums are right. Every consumer stopped
/// there; only a deep verification said so. What only a deep one looks for is the state in checkpoints.
#[test]
fn verification_decodes_records_and_a_deep_one_compares_checkpoints() {
    let dir = stream();
    let body = start::LEN;
    let (second, count) = (at(dir.path(), 1, 2), start::RECORD_COUNT);
    // Attributes of the first record, its own checksum left wrong; the block's count.
    for (field, bytes, cause) in [
        (body + 6, vec![0x83], Cause::Record(RecordCause::Crc)),
        (count, 4u32.to_le_bytes().to_vec(), Cause::Count),
    ] {
        let forged = forged(dir.path(), 1, 2, field, &bytes);
        let deep = findings(forged.path());
        assert_eq!(deep.first(), Some(&found(1, second, cause)), "{deep:?}");
        let shallow = check_in(Fixed::new(), forged.path(), false);
        assert_eq!(shallow.findings[0].problem, cause.into());
    }
    // A setting in the opening checkpoint that nobody set: found at the next block.
    let copy = copy(dir.path());
    let path = segment(copy.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let value = bytes.windows(4).position(|window| window == b"4096").unwrap();
    bytes[value..value + 4].copy_from_slice(b"8192");
    let record = bytes[..value].windows(7).rposition(|window| window == b"setting").unwrap() - 7;
    let length = bytes[record + 4] as usize;
    let sum = crc(&bytes[record + 4..record + 5 + length]);
    bytes[record..record + 4].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    mend_checksums(&path);
    let deep = findings(copy.path());
    assert_eq!(
        deep.first(),
        Some(&found(1, at(dir.path(), 1, 1), Problem::Checkpoint)),
        "{deep:?}"
    );
    assert_eq!(check_in(Fixed::new(), copy.path(), false).verdict(), Verdict::Sound);
    // Field report D11: a backup of such a stream asked whether the disk was failing.
    let out = scratch();
    let options = puro::BackupOptions::new();
    let backed_up = puro::internals::backup(
        OsVfs::new(),
        copy.path(),
        &out.path().join("b"),
        &options,
        &mut |_, _| {},
    );
    let error = backed_up.unwrap_err();
    assert!(matches!(error, puro::BackupError::Source { .. }), "{error}");
    assert_eq!(error.blame(), puro::Blame::Data);
}

/// A block that is being written right now: low at the first look, committed at the second.
#[test]
fn a_block_that_is_just_being_written_is_no_finding() {
    let dir = short_stream();
    let (path, last) = (segment(dir.path(), 0), at(dir.path(), 0, 3));
    flip(&path, last, 0xA5);
    let world = Fixed::new();
    let mut committed = false;
    world.while_asleep(move || {
        if !committed {
            flip(&path, last, 0xA5);
            committed = true;
        }
    });
    let options = CheckOptions::new();
    let report = check(world, dir.path(), &options, &mut |_, _| {}).unwrap();
    assert_eq!((report.findings, report.records), (vec![], 3));
}

/// Verification beside writers that roll over all the time never finds anything.
#[test]
fn beside_writers_nothing_is_found() {
    const RECORDS: usize = 1500;
    let dir = scratch();
    drop(small_segments().open(dir.path()).unwrap());
    std::thread::scope(|scope| {
        let write = || {
            let mut producer = Producer::open(dir.path()).unwrap();
            for number in 0..RECORDS {
                append(&mut producer, &number.to_string());
            }
        };
        let writers = [scope.spawn(write), scope.spawn(write)];
        let mut runs = 0;
        while !writers.iter().all(|writer| writer.is_finished()) || runs == 0 {
            let options = CheckOptions::new().deep(runs % 2 == 0);
            let vfs = puro::internals::os::OsVfs::new();
            let report = check(vfs, dir.path(), &options, &mut |_, _| {}).unwrap();
            let wrong = report.findings.iter().filter(|f| f.severity() != Severity::Note);
            assert_eq!(wrong.count(), 0, "{:?}", report.findings);
            runs += 1;
        }
    });
    let report = check_in(puro::internals::os::OsVfs::new(), dir.path(), true);
    assert_eq!((report.findings, report.records), (vec![], 2 * RECORDS as u64));
}

#[test]
fn what_is_no_stream_or_from_a_newer_puro_is_an_error() {
    let options = CheckOptions::new();
    let dir = scratch();
    let refused = check(Fixed::new(), dir.path(), &options, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused, Failure::NotAStream { .. }));
    let dir = short_stream();
    let path = segment(dir.path(), 0);
    write(&path, header::VERSION as u64, &[2, 0]);
    mend_checksums(&path);
    let refused = check(Fixed::new(), dir.path(), &options, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused, Failure::Newer { .. }));
}

/// Field report B22. A gap stood in a segment that was never compacted, where nothing can have been
/// removed (F-33). `verify --deep` called it sound, and consumers passed over an offset.
#[test]
fn a_gap_where_nothing_was_removed_is_found() {
    let dir = scratch();
    let mut producer = ProducerOptions::new().open_in(Fixed::new(), dir.path()).unwrap();
    producer.append(&puro::NewRecord::new("gap", &[1])).unwrap();
    append(&mut producer, "behind it");
    drop(producer);
    let position = at(dir.path(), 0, 1);
    assert_eq!(findings(dir.path()), []);
    make_control(&segment(dir.path(), 0), position, 1);
    assert_eq!(findings(dir.path()), [found(0, position, Cause::Control("gap"))]);
}

/// Field report D11: the last segment that there can be, sealed. `verify` wanted it repaired, repair said that it
/// could not, and consumers that all was well. It is full, and nothing else.
#[test]
fn a_stream_that_is_full_is_sound() {
    let dir = stream();
    for sequence in [0, 2] {
        std::fs::remove_file(segment(dir.path(), sequence)).unwrap();
    }
    let path = segment(dir.path(), u32::MAX);
    std::fs::rename(segment(dir.path(), 1), &path).unwrap();
    write(&path, header::SEQUENCE as u64, &u32::MAX.to_le_bytes());
    mend_checksums(&path);
    let report = check_in(Fixed::new(), dir.path(), true);
    let problems: Vec<_> = report.findings.iter().map(|finding| &finding.problem).collect();
    assert_eq!(problems, [&Problem::Full]);
    assert_eq!(report.verdict(), Verdict::Sound);
    let error = Producer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("2^32 segments"), "{error}");
}
