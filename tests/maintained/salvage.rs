//! Salvage on real files: whatever is damaged, every record that is not is saved, in order,
//! once, with its content and its time, and what is lost is told as it is.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fixed::Fixed;
use crate::real::{self, EIO, blocks, copy, errno, flip, interpose, scratch, segment, set_len};
use puro::SalvageOptions;
use puro::check::{Problem, Verdict};
use puro::internals::block::BlockKind;
use puro::internals::interpose::{Answer, Operation};
use puro::internals::layout::block_bytes;
use puro::internals::os::OsVfs;
use puro::internals::record::OwnedRecord;
use puro::internals::vfs::Vfs;
use puro::internals::{check, salvage};
use puro::{
    Batch, Blame, CheckOptions, Consumer, NewRecord, OpenError, Producer, ProducerOptions,
    SalvageError, SalvageReport,
};
use tempfile::TempDir;

/// What was saved, and what was told.
struct Saved {
    records: Vec<OwnedRecord>,
    report: SalvageReport,
    _dir: TempDir,
}

fn save_in<V: Vfs>(vfs: V, dir: &Path) -> Saved {
    save_with(vfs, dir, &SalvageOptions::new())
}

fn save_with<V: Vfs>(vfs: V, dir: &Path, options: &SalvageOptions) -> Saved {
    let scratch = scratch();
    let out = scratch.path().join("out");
    let report = salvage(vfs, dir, &out, options, &mut |_| {}).unwrap();
    let records = read(&out);
    assert_eq!(records.len() as u64, report.records);
    assert!(records.iter().map(|record| record.offset).eq(0..report.records));
    let sound = check(OsVfs::new(), &out, &CheckOptions::new().deep(true), &mut |_, _| {}).unwrap();
    assert_eq!(sound.verdict(), Verdict::Sound, "{:?}", sound.findings);
    Saved { records, report, _dir: scratch }
}

fn save(dir: &Path) -> Saved {
    save_in(OsVfs::new(), dir)
}

fn read(dir: &Path) -> Vec<OwnedRecord> {
    Consumer::open(dir).unwrap().try_iter().map(Result::unwrap).collect()
}

/// The offsets in the old stream of what was saved. Every record must be the one of that
/// offset, to the last byte; its time too, unless `any_time`.
fn offsets(saved: &Saved, original: &[OwnedRecord], any_time: bool) -> BTreeSet<u64> {
    let mut offsets = BTreeSet::new();
    for record in &saved.records {
        let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
        let offset: u64 = value.split(':').next().unwrap().parse().unwrap();
        let mut expected = original[offset as usize].clone();
        expected.offset = record.offset;
        if any_time {
            expected.timestamp_ms = record.timestamp_ms;
        }
        assert_eq!(*record, expected, "offset {offset}");
        assert!(offsets.last().is_none_or(|last| *last < offset), "out of order, or twice");
        offsets.insert(offset);
    }
    offsets
}

/// The offsets that the report calls lost, where it says how many.
fn told_lost(report: &SalvageReport) -> u64 {
    report.gaps.iter().map(|gap| gap.lost.unwrap()).sum()
}

/// Three segments; blocks of one to four records, each record with its offset in its value.
fn stream() -> (TempDir, Vec<OwnedRecord>) {
    let dir = scratch();
    let world = Fixed::new();
    let options = ProducerOptions::new().segment_bytes(4096);
    let mut producer = options.open_in(world.clone(), dir.path()).unwrap();
    let (mut offset, mut size) = (0, 1);
    while !segment(dir.path(), 2).exists() {
        let mut batch = Batch::new();
        for _ in 0..size {
            let value = format!("{offset}:{}", "x".repeat(offset % 90));
            let key = format!("key-{offset}");
            let record = NewRecord::new("topic", &value).key(&key).header("n", "v");
            batch.push(&record).unwrap();
            offset += 1;
        }
        size = size % 4 + 1;
        world.pass_ms(7);
        producer.append_batch(&mut batch).unwrap();
    }
    let records = read(dir.path());
    assert_eq!(records.len(), offset);
    (dir, records)
}

/// The first offset and the number of records of each records block of a segment, with its
/// place and length.
fn records_blocks(dir: &Path, sequence: u32) -> Vec<(u64, u64, u64, u64)> {
    let blocks = blocks(&segment(dir, sequence)).into_iter();
    let blocks = blocks.filter(|(_, start)| start.kind == BlockKind::Records);
    blocks
        .map(|(at, start)| {
            (at, block_bytes(start.body_len), start.first_offset, start.record_count.into())
        })
        .collect()
}

#[test]
fn of_a_sound_stream_all_is_saved() {
    let (dir, original) = stream();
    let saved = save(dir.path());
    assert_eq!(offsets(&saved, &original, false).len(), original.len());
    assert_eq!(saved.report, all_of(original.len() as u64));
}

/// One byte in every 64-byte unit of a sealed segment, its first, its last and one between:
/// at most the one record that it stands in is lost.
#[test]
fn a_damaged_byte_in_any_unit_of_a_sealed_segment_costs_one_record_at_most() {
    let (dir, original) = stream();
    let path = segment(dir.path(), 1);
    let length = std::fs::metadata(&path).unwrap().len();
    for unit in 0..length / 64 {
        for within in [0, 29, 63] {
            check_one_damaged_byte(dir.path(), &original, 1, unit * 64 + within, 0x41);
        }
    }
}

/// The same for every byte of the header, the first checkpoint, one block and the segment end,
/// and for the lowest segment's header.
#[test]
fn a_damaged_byte_anywhere_in_a_block_costs_one_record_at_most() {
    let (dir, original) = stream();
    let all = blocks(&segment(dir.path(), 1));
    let four = all.iter().find(|(_, start)| start.record_count == 4).unwrap();
    let (end, _) = *all.last().unwrap();
    let records = four.0..four.0 + four.1.block_bytes();
    for position in (0..all[1].0).chain(records).chain(end..end + 64) {
        check_one_damaged_byte(dir.path(), &original, 1, position, 0x80);
    }
    for position in 0..64 {
        check_one_damaged_byte(dir.path(), &original, 0, position, 0x04);
    }
}

fn check_one_damaged_byte(
    dir: &Path,
    original: &[OwnedRecord],
    sequence: u32,
    position: u64,
    mask: u8,
) {
    let what = format!("segment {sequence}, byte {position}, mask {mask:#x}");
    let path = segment(dir, sequence);
    flip(&path, position, mask);
    let verdict = check(OsVfs::new(), dir, &CheckOptions::new(), &mut |_, _| {}).unwrap().verdict();
    assert_eq!(verdict, Verdict::Damaged, "{what}");
    let saved = save(dir);
    flip(&path, position, mask);
    let block = records_blocks(dir, sequence)
        .into_iter()
        .find(|(at, length, ..)| (*at..at + length).contains(&position));
    // Where time, durable_to or epoch themselves are hit, the time cannot be proved.
    let within = block.map_or(0, |(at, ..)| position - at);
    let any_time = (24..44).contains(&within);
    let found = offsets(&saved, original, any_time);
    let lost: Vec<u64> = (0..original.len() as u64).filter(|o| !found.contains(o)).collect();
    assert_eq!(told_lost(&saved.report), lost.len() as u64, "{what}: {:?}", saved.report.gaps);
    assert!(lost.len() <= 1, "{what}: lost {lost:?}: {:?}", saved.report.gaps);
    for lost in lost {
        let (_, _, first, count) = block.unwrap();
        assert!((first..first + count).contains(&lost), "{what}: lost {lost}");
        assert!(within >= 48, "{what}: the body is untouched");
        let gap = &saved.report.gaps[0];
        assert_eq!((gap.from, gap.to), (lost, Some(lost + 1)), "{what}");
        assert_eq!(gap.trouble.segment, sequence, "{what}");
    }
    let SalvageReport { gaps, without_loss, .. } = &saved.report;
    assert_eq!(gaps.len() + without_loss.len(), 1, "{what}: {gaps:?} {without_loss:?}");
}

/// Damage from a block's start into the next one: the blocks hit are lost, no other.
#[test]
fn a_stretch_of_garbage_costs_the_blocks_it_hits() {
    let (dir, original) = stream();
    let hit = &records_blocks(dir.path(), 1)[2..5];
    let copy = copy(dir.path());
    let path = segment(copy.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (hit[0].0, hit[2].0 + hit[2].1);
    bytes[from as usize..to as usize].fill(0xEE);
    std::fs::write(&path, bytes).unwrap();
    let saved = save(copy.path());
    let found = offsets(&saved, &original, false);
    let lost = hit[0].2..hit[2].2 + hit[2].3;
    assert!((0..original.len() as u64).all(|o| found.contains(&o) != lost.contains(&o)));
    let gap = &saved.report.gaps[..];
    assert_eq!(gap.len(), 1);
    assert_eq!((gap[0].from, gap[0].to), (lost.start, Some(lost.end)));
    assert_eq!((gap[0].trouble.segment, gap[0].trouble.position), (1, from));
}

#[test]
fn a_missing_segment_is_a_gap() {
    let (dir, original) = stream();
    let copy = copy(dir.path());
    std::fs::remove_file(segment(copy.path(), 1)).unwrap();
    let saved = save(copy.path());
    let blocks = records_blocks(dir.path(), 1);
    let (first, last) = (blocks[0].2, blocks.last().unwrap());
    let lost = first..last.2 + last.3;
    assert_eq!(
        offsets(&saved, &original, false).len() as u64,
        original.len() as u64 - (lost.end - lost.start)
    );
    let gap = &saved.report.gaps[0];
    assert_eq!((gap.from, gap.to), (lost.start, Some(lost.end)));
    assert_eq!(gap.trouble.problem, Problem::MissingSegments { to: 1 });
}

#[test]
fn a_sealed_segment_that_is_cut_loses_what_is_cut_off() {
    let (dir, original) = stream();
    let copy = copy(dir.path());
    let blocks = records_blocks(dir.path(), 1);
    let cut = blocks[3];
    set_len(&segment(copy.path(), 1), cut.0);
    let saved = save(copy.path());
    let end = blocks.last().unwrap().2 + blocks.last().unwrap().3;
    let gap = &saved.report.gaps[..];
    assert_eq!((gap.len(), gap[0].from, gap[0].to), (1, cut.2, Some(end)));
    let found = offsets(&saved, &original, false);
    assert_eq!(found.len() as u64, original.len() as u64 - (end - cut.2));
}

/// A segment of which nothing can be recognized, in the middle and at the end.
#[test]
fn a_segment_that_is_not_one_any_more_is_a_gap() {
    let (dir, original) = stream();
    for sequence in [1, 2] {
        let copy = copy(dir.path());
        std::fs::write(segment(copy.path(), sequence), [0x55; 5000]).unwrap();
        let saved = save(copy.path());
        let first = records_blocks(dir.path(), sequence)[0].2;
        let next = (sequence == 1).then(|| records_blocks(dir.path(), 2)[0].2);
        let gap = &saved.report.gaps[..];
        assert_eq!((gap.len(), gap[0].from, gap[0].to), (1, first, next));
        assert_eq!(gap[0].trouble.problem, Problem::NotASegment);
        let lost = next.unwrap_or(original.len() as u64) - first;
        assert_eq!(offsets(&saved, &original, false).len() as u64, original.len() as u64 - lost);
    }
}

/// Low at the end: never committed, so never part of the stream. Low before a committed
/// block: the signal is what is damaged.
#[test]
fn low_blocks_are_saved_only_where_a_committed_one_follows() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for value in ["0:", "1:", "2:"] {
        real::append(&mut producer, value);
    }
    let original = read(dir.path());
    let blocks = records_blocks(dir.path(), 0);
    for (hits, expected, left_out) in
        [(&[2][..], vec![0, 1], 1), (&[1], vec![0, 1, 2], 0), (&[1, 2], vec![0], 2)]
    {
        let copy = copy(dir.path());
        for hit in hits {
            flip(&segment(copy.path(), 0), blocks[*hit].0, 0xA5);
        }
        let saved = save(copy.path());
        assert_eq!(offsets(&saved, &original, false), BTreeSet::from_iter(expected), "{hits:?}");
        assert_eq!(saved.report.gaps, []);
        let first = &blocks[blocks.len() - left_out..];
        let told = saved.report.uncommitted.map(|tail| (tail.position, tail.bytes));
        let bytes = first.iter().map(|block| block.1).sum();
        assert_eq!(told, first.first().map(|block| (block.0, bytes)));
        assert_eq!(saved.report.without_loss.len(), usize::from(left_out == 0));
    }
}

/// F-56. A durable writer had put zeros behind the end: salvage told of bytes that were left out.
#[test]
fn zeros_behind_the_end_are_not_told_as_left_out() {
    let dir = scratch();
    real::append(&mut Producer::open(dir.path()).unwrap(), "0:a");
    let original = read(dir.path());
    let length = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    for zeros in [1, 64, 262_144] {
        set_len(&segment(dir.path(), 0), length + zeros);
        let saved = save(dir.path());
        assert_eq!(offsets(&saved, &original, false), BTreeSet::from([0]));
        let SalvageReport { gaps, without_loss, uncommitted, .. } = saved.report;
        assert!(gaps.is_empty() && without_loss.is_empty() && uncommitted.is_none(), "{zeros}");
    }
}

/// A committed block at the end, cut in the middle of its records: the whole ones are saved.
#[test]
fn of_a_torn_last_block_the_whole_records_are_saved() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    for value in ["0:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1:b", "2:c", "3:d"] {
        batch.push(&NewRecord::new("t", value)).unwrap();
    }
    producer.append_batch(&mut batch).unwrap();
    let original = read(dir.path());
    let (at, ..) = records_blocks(dir.path(), 0)[0];
    set_len(&segment(dir.path(), 0), at + 48 + 40 + 11 + 4);
    let saved = save(dir.path());
    assert_eq!(offsets(&saved, &original, false), BTreeSet::from([0, 1]));
    let gap = &saved.report.gaps[0];
    assert_eq!((gap.from, gap.to, gap.lost), (2, Some(4), Some(2)));
}

/// Field report B3: bytes that the disk does not give back cost what stands in them; and that only
/// where it was asked for. It was taken for damage, and salvage ended as if all was well.
#[test]
fn read_errors_cost_what_cannot_be_read() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for offset in 0..40 {
        real::append(&mut producer, &format!("{offset}:{}", "y".repeat(1000)));
    }
    let original = read(dir.path());
    let bad = 8192..12288;
    let (unreadable, path) = (bad.clone(), segment(dir.path(), 0));
    let world = interpose(move |call| {
        let read = call.position..call.position + call.length as u64;
        let hit = read.start < unreadable.end && unreadable.start < read.end;
        match call.operation {
            Operation::Read if hit && call.path == path => Answer::Fail(errno(EIO)),
            _ => Answer::Proceed,
        }
    });
    let out = scratch();
    let refused = salvage(
        world.clone(),
        dir.path(),
        &out.path().join("out"),
        &SalvageOptions::new(),
        &mut |_| {},
    );
    let refused = refused.unwrap_err();
    assert!(matches!(refused, SalvageError::Unreadable { position: 7.., .. }), "{refused}");
    assert_eq!(refused.blame(), Blame::Environment);
    let saved = save_with(world, dir.path(), &SalvageOptions::new().leave_out_unreadable(true));
    let hit = |(at, length, ..): &(u64, u64, u64, u64)| *at < bad.end && bad.start < at + length;
    let blocks = records_blocks(dir.path(), 0);
    let lost: BTreeSet<u64> =
        blocks.iter().filter(|block| hit(block)).map(|block| block.2).collect();
    let expected: BTreeSet<u64> = (0..40).filter(|offset| !lost.contains(offset)).collect();
    assert_eq!(offsets(&saved, &original, false), expected);
    assert_eq!(told_lost(&saved.report), lost.len() as u64);
    assert!(saved.report.gaps.iter().any(|gap| {
        matches!(&gap.trouble.problem, Problem::Unreadable(error) if error.contains("os error 5"))
    }));
}

#[test]
fn segments_of_other_streams_are_left_out() {
    let (dir, original) = stream();
    let other = scratch();
    real::append(&mut Producer::open(other.path()).unwrap(), "0:foreign");
    let copy = copy(dir.path());
    let stray = segment(copy.path(), 7);
    std::fs::copy(segment(other.path(), 0), &stray).unwrap();
    let saved = save(copy.path());
    assert_eq!(offsets(&saved, &original, false).len(), original.len());
    assert_eq!(saved.report.strays, [stray]);
    assert_eq!(saved.report.gaps, []);
}

/// The new stream keeps the settings of the old one.
#[test]
fn settings_are_kept() {
    let (dir, _) = stream();
    let saved = save(dir.path());
    assert!(segment(&saved._dir.path().join("out"), 2).exists(), "segment_bytes was kept");
}

#[test]
fn nothing_is_written_into_a_directory_that_holds_something() {
    let (dir, _) = stream();
    let out = scratch();
    std::fs::write(out.path().join("something"), "").unwrap();
    let refused =
        salvage(OsVfs::new(), dir.path(), out.path(), &SalvageOptions::new(), &mut |_| {})
            .unwrap_err();
    assert!(matches!(refused, SalvageError::Create(OpenError::NotEmpty { .. })), "{refused}");
    let refused = salvage(
        OsVfs::new(),
        out.path(),
        &out.path().join("new"),
        &SalvageOptions::new(),
        &mut |_| {},
    );
    assert!(matches!(refused.unwrap_err(), SalvageError::Read(_)));
    assert!(!out.path().join("new").exists());
}

/// Field report B3: a segment that the caller may not read. Salvage left it out and exited with 0; the
/// records were missing. Nothing is made of a stream that is not read whole, unless that is asked for.
#[test]
fn a_segment_that_may_not_be_read_is_not_left_out_unasked() {
    const EACCES: i32 = 13;
    let (dir, original) = stream();
    let path = segment(dir.path(), 1);
    let world = interpose(move |call| match call.operation {
        Operation::Open if call.path == path => Answer::Fail(errno(EACCES)),
        _ => Answer::Proceed,
    });
    let out = scratch();
    let target = out.path().join("out");
    let refused = salvage(world.clone(), dir.path(), &target, &SalvageOptions::new(), &mut |_| {})
        .unwrap_err();
    let SalvageError::Unreadable { file, why, .. } = &refused else { panic!("{refused}") };
    assert_eq!(file, "0000000001.puro");
    assert!(why.contains("os error 13"), "{why}");
    assert!(!target.exists(), "nothing was begun");
    let saved =
        save_with(world.clone(), dir.path(), &SalvageOptions::new().leave_out_unreadable(true));
    assert!(offsets(&saved, &original, false).len() < original.len());
    assert_eq!(saved.report.gaps.len(), 1);
    let report = check(world, dir.path(), &CheckOptions::new(), &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Verdict::Unreadable);
}

/// The body of a block of one record of a user, and of what it takes beside it to be taken for two.
fn forged_record() -> Vec<u8> {
    let mut builder = puro::internals::block::BlockBuilder::default();
    builder.push(&NewRecord::new("t", "0:forged")).unwrap();
    let link = puro::internals::block::Link { prev_crc: 0, next_offset: 0, may_jump: false };
    let meta = puro::internals::block::BlockMeta {
        kind: BlockKind::Records,
        link,
        timestamp_ms: 0,
        durable_to: 0,
        epoch: 1,
        committed: false,
    };
    let place = puro::internals::block::Place { header_crc: 0, position: 64 };
    builder.finish(&meta, place).unwrap().block.body.to_vec()
}

/// Field report D3. A value ended in the bytes of a record, and stood in a block with a control record.
/// One bit of the true record's length flipped. Salvage gave out the forged record, said that no record
/// was lost, and the true one was gone. One bit of a length is put right by the checksum.
#[test]
fn one_flipped_bit_of_a_length_costs_nothing_and_forges_nothing() {
    let dir = scratch();
    let value = [&b"0:true "[..], &forged_record()].concat();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", &value)).unwrap();
    producer.transaction(&mut batch).once("me", 1).commit().unwrap();
    let (at, ..) = records_blocks(dir.path(), 0)[0];
    for bit in 0..8 {
        let copy = copy(dir.path());
        flip(&segment(copy.path(), 0), at + 48 + 4, 1 << bit);
        let saved = save(copy.path());
        let values: Vec<_> = saved.records.iter().map(|r| r.value.clone().unwrap()).collect();
        assert_eq!(values, std::slice::from_ref(&value), "bit {bit}");
        assert_eq!((saved.report.gaps.len(), saved.report.doubtful.len()), (0, 0));
    }
}

/// D3: where more of a length is damaged, what a search finds may be part of the damaged record's value.
/// That is told, and that nothing was lost is not.
#[test]
fn what_a_search_finds_is_told_as_doubtful() {
    let dir = scratch();
    let value = [&b"0:true "[..], &forged_record()].concat();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", &value)).unwrap();
    producer.transaction(&mut batch).once("me", 1).commit().unwrap();
    let (at, ..) = records_blocks(dir.path(), 0)[0];
    flip(&segment(dir.path(), 0), at + 48 + 4, 0x6B);
    let saved = save(dir.path());
    for doubtful in &saved.report.doubtful {
        assert_eq!((doubtful.first_offset, doubtful.trouble.position), (0, at));
    }
    let told: u64 = saved.report.doubtful.iter().map(|doubtful| doubtful.records).sum();
    assert_eq!(told, saved.report.records, "not one of them is certain");
    assert!(saved.report.without_loss.is_empty());
}

/// Field report B17. A loss of power took the middle of a segment; what stood behind it, forty-nine good
/// records, was saved in `lost/`, where nothing could read it: only by hand, the head of the
/// segment and the tail joined at the place in the tail's name.
#[test]
fn what_a_repair_saved_is_salvaged() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for offset in 0..50 {
        real::append(&mut producer, &format!("{offset}:{}", "z".repeat(offset)));
    }
    drop(producer);
    let original = read(dir.path());
    let out = scratch();
    let none = salvage(
        OsVfs::new(),
        dir.path(),
        &out.path().join("none"),
        &SalvageOptions::new().lost(true),
        &mut |_| {},
    );
    assert!(matches!(none.unwrap_err(), SalvageError::NothingLost { .. }));
    let (at, ..) = records_blocks(dir.path(), 0)[0];
    flip(&segment(dir.path(), 0), at + 48 + 4 + 5, 1);
    // In another boot: a loss of power may leave such a place.
    let world = Fixed::new();
    let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
    assert_eq!(producer.repairs()[0].label, "lost");
    real::append(&mut producer, "after");
    drop(producer);
    let saved = save_with(OsVfs::new(), dir.path(), &SalvageOptions::new().lost(true));
    assert_eq!(offsets(&saved, &original, false), (1..50).collect());
    assert_eq!(told_lost(&saved.report), 1);
}

/// Field report D8. The body of one damaged block, made of what looks like the beginnings of records
/// wherever one looks, took nine seconds for 0.4 MB, and four times that for twice as much.
#[test]
fn a_body_made_to_mislead_is_searched_in_linear_time() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut value = Vec::new();
    while value.len() < 4 << 20 {
        value.extend_from_slice(&forged_record());
    }
    producer.append(&NewRecord::new("t", &value)).unwrap();
    let (at, ..) = records_blocks(dir.path(), 0)[0];
    flip(&segment(dir.path(), 0), at + 48 + 4, 0x6B);
    let begun = std::time::Instant::now();
    let out = scratch();
    salvage(OsVfs::new(), dir.path(), &out.path().join("out"), &SalvageOptions::new(), &mut |_| {})
        .unwrap();
    // Quadratic it takes a quarter of an hour.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

/// The report of a salvage that saved so many records, and lost none.
fn all_of(records: u64) -> SalvageReport {
    let mut report = SalvageReport::default();
    report.records = records;
    report
}
