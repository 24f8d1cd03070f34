//! Zeros behind the end (protocol.md, chapter 12): they are nothing to whoever meets them, and what
//! looks like them and is not is found. Each trap has its number in the test's story.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::real::*;
use crate::steward::{Clock, FAR};
use puro::check::{CheckOptions, Verdict as Found, check};
use puro::error::Diverged;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Operation};
use puro::internals::os::OsVfs;
use puro::internals::tail::open_tail_behind;
use puro::internals::vfs::OpenMode;
use puro::{
    Consumer, ConsumerOptions, EndState, NewRecord, Producer, ProducerOptions, ReadError, Stream,
    Token,
};

/// Where the last block of the first segment ends.
fn end(dir: &Path) -> u64 {
    let (position, start) = *blocks(&segment(dir, 0)).last().unwrap();
    position + start.block_bytes()
}

fn len(dir: &Path) -> u64 {
    std::fs::metadata(segment(dir, 0)).unwrap().len()
}

/// Puts zeros behind the end, as a durable writer does.
fn put_zeros(dir: &Path, bytes: u64) {
    set_len(&segment(dir, 0), end(dir) + bytes);
}

fn write(dir: &Path, bytes: &[u8], position: u64) {
    let file = std::fs::File::options().write(true).open(segment(dir, 0)).unwrap();
    file.write_all_at(bytes, position).unwrap();
}

fn verdict(dir: &Path) -> Found {
    let options = CheckOptions::new().deep(true);
    check(OsVfs::new(), dir, &options, &mut |_, _| {}).unwrap().verdict()
}

/// T1. A producer remembered an end. Damage before it was cut off, others appended as many bytes
/// again, and zeros came to stand behind that place. The zeros made the memory look right; what was
/// appended there was answered as durable, and continued a block that was gone.
#[test]
fn an_end_beyond_a_cut_is_not_believed_for_the_zeros_behind_it() {
    let dir = scratch();
    let mut sleeper = ProducerOptions::new().open_in(boot(Some([8; 16])), dir.path()).unwrap();
    append(&mut sleeper, "a");
    let cut = end(dir.path());
    append(&mut sleeper, "b");
    append(&mut sleeper, "c");
    let remembered = end(dir.path());
    set_len(&segment(dir.path(), 0), cut);
    let mut other = ProducerOptions::new().open_in(boot(Some([9; 16])), dir.path()).unwrap();
    append(&mut other, "d"); // and a block that raises the epoch
    assert_eq!(end(dir.path()), remembered);
    put_zeros(dir.path(), 4096);

    append(&mut sleeper, "e");
    assert_eq!(values(dir.path()), ["a", "d", "e"]);
}

/// T2. A producer remembered an end and how long the file was. Another one appended over the zeros,
/// so that the file was as long as before: by its length alone, the end was where it had been.
#[test]
fn what_others_wrote_over_zeros_is_not_written_over() {
    let dir = scratch();
    let mut sleeper = Producer::open(dir.path()).unwrap();
    append(&mut sleeper, "a");
    put_zeros(dir.path(), 4096);
    append(&mut sleeper, "b");
    let length = len(dir.path());
    let mut other = Producer::open(dir.path()).unwrap();
    append(&mut other, "c");
    assert_eq!(len(dir.path()), length);
    append(&mut sleeper, "d");
    append(&mut other, "e");
    assert_eq!(values(dir.path()), ["a", "b", "c", "d", "e"]);
    assert!(sleeper.repairs().is_empty() && other.repairs().is_empty());
}

/// T3. A committed block, which readers had seen, was not synced when the power went: its beginning
/// was zeros afterwards, its rest was there. Whoever opened the stream saw zeros behind the end,
/// and raised the epoch: so the rest counted as never seen in that boot, and was cut, unsaved.
#[test]
fn what_a_loss_of_power_left_behind_a_hole_is_saved() {
    let dir = scratch();
    let mut writer = ProducerOptions::new().open_in(boot(Some([8; 16])), dir.path()).unwrap();
    append(&mut writer, "a");
    let end = end(dir.path());
    append(&mut writer, &"b".repeat(10_000));
    write(dir.path(), &[0; 8192], end);

    let opened = ProducerOptions::new().open_in(boot(Some([9; 16])), dir.path()).unwrap();
    assert_eq!(opened.repairs().iter().map(|repair| repair.label).collect::<Vec<_>>(), ["lost"]);
    assert!(lost(dir.path())[0].1.len() > 8192);
    assert_eq!(values(dir.path()), ["a"]);
}

/// T4. A writer died in the write of a long block; of it the rest was there, its beginning was not. A
/// shorter block came to stand before that rest, which then stood at the end, and was taken for
/// something lost: a saved tail, and a new epoch, for a block that nobody can have seen.
#[test]
fn what_a_dying_write_left_behind_a_hole_is_not_taken_for_lost() {
    let dir = scratch();
    let mut sleeper = Producer::open(dir.path()).unwrap();
    put_zeros(dir.path(), 4096);
    append(&mut sleeper, "a"); // it looked at all behind the end: from here on it only glances
    let end = end(dir.path());
    let value = "b".repeat(2048 - 48 - 8 - 20);
    write(dir.path(), &[7; 64], end + 2048);

    append(&mut sleeper, &value);
    let (position, start) = *blocks(&segment(dir.path(), 0)).last().unwrap();
    assert_eq!(position + start.block_bytes(), end + 2048, "right before what was left");
    append(&mut sleeper, "c");
    assert_eq!(values(dir.path()), ["a", &value, "c"]);
    let labels: Vec<_> = sleeper.repairs().iter().map(|repair| repair.label).collect();
    assert_eq!((labels, epoch(dir.path())), (vec!["unseen"], 1));
    assert!(lost(dir.path()).is_empty());
}

/// T6. A writer died in a write that had made the file longer than zeros may reach, by an odd number of
/// bytes. "That is no clean end" and "there is nothing to repair" went round in a circle.
#[test]
fn zeros_of_any_number_hold_nobody_up() {
    for zeros in [1, 63, 64, 65, 300_001] {
        let dir = scratch();
        let mut sleeper = Producer::open(dir.path()).unwrap();
        append(&mut sleeper, "a");
        put_zeros(dir.path(), zeros);
        append(&mut sleeper, "b");
        put_zeros(dir.path(), zeros);
        append(&mut Producer::open(dir.path()).unwrap(), "c");
        append(&mut sleeper, "d");
        assert_eq!(values(dir.path()), ["a", "b", "c", "d"], "{zeros}");
        assert!(sleeper.repairs().is_empty());
    }
}

/// T7. Zeros counted as bytes on disk: the next block told that more was on disk than there was, and
/// whoever opened the stream after a death refused it for good.
#[test]
fn no_block_says_that_zeros_are_on_disk() {
    let dir = scratch();
    let mut producer = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
    for value in ["a", "b", "c"] {
        put_zeros(dir.path(), 200_000);
        append(&mut producer, value);
    }
    for (position, start) in blocks(&segment(dir.path(), 0)).into_iter().skip(1) {
        assert!(start.durable_to <= position, "at {position}: {}", start.durable_to);
    }
    assert_eq!(verdict(dir.path()), Found::Sound);
}

/// T9. The segment was removed under a producer. Eight bytes as remembered and zeros behind them are
/// there still: to append there is to append to nothing.
#[test]
fn zeros_do_not_hide_that_the_segment_is_gone() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    put_zeros(dir.path(), 4096);
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    producer.append(&record("b")).unwrap_err();
}

/// T11. A segment was sealed, synced, and then cut. Power was lost before the cut was on disk: so a
/// sealed segment, which nobody repairs, did not end with its segment end.
#[test]
fn a_segment_is_cut_before_it_is_synced_and_another_made() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, &"x".repeat(3000));
    put_zeros(dir.path(), 1000);
    drop(producer);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (seen, path) = (Arc::clone(&calls), segment(dir.path(), 0));
    let world = interpose(move |call| {
        use Operation::{Create, SetLen, SyncData, Write};
        let to_tell = [Create, SetLen, SyncData, Write].contains(&call.operation);
        if to_tell && (call.path == path || call.operation == Create) {
            seen.lock().unwrap().push(call.operation);
        }
        Answer::Proceed
    });
    let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
    append(&mut producer, &"x".repeat(3000));
    let calls = calls.lock().unwrap();
    let made = calls.iter().position(|call| *call == Operation::Create).unwrap();
    let before = &calls[made - 3..made];
    assert_eq!(before, [Operation::Write, Operation::SetLen, Operation::SyncData]);
    assert_eq!(len(dir.path()), end(dir.path()));
}

/// T11. One who seals a segment dies at any call of it; whoever comes next finishes it, and cuts.
#[test]
fn whoever_finishes_a_rollover_cuts_the_zeros() {
    let whole = scratch();
    append(&mut small_segments().open(whole.path()).unwrap(), &"x".repeat(3000));
    put_zeros(whole.path(), 1000);
    for n in 0.. {
        let dir = copy(whole.path());
        let (world, calls) = dead_from(n, 0);
        if let Ok(mut dying) = ProducerOptions::new().open_in(world, dir.path()) {
            let _ = dying.append(&record(&"y".repeat(3000)));
        }
        let mut producer = Producer::open(dir.path()).unwrap();
        assert!(producer.repairs().iter().all(|repair| repair.label == "unseen"), "{n}");
        append(&mut producer, &"z".repeat(3000));
        assert!(segment(dir.path(), 1).exists());
        assert_eq!(len(dir.path()), end(dir.path()), "dead from call {n}");
        if calls.count() <= n {
            break;
        }
    }
}

/// T11, from the other side: a sealed segment that does end in zeros, as an older writer may leave it, is
/// read, verified and judged by its age all the same.
#[test]
fn zeros_behind_a_segment_end_are_nothing() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for n in 0..9 {
        append(&mut producer, &n.to_string().repeat(800));
    }
    let all = values(dir.path());
    put_zeros(dir.path(), 100_000);
    assert_eq!(values(dir.path()), all);
    assert_eq!(verdict(dir.path()), Found::Sound);
    let mut some = ConsumerOptions::new().topic("t").open(dir.path()).unwrap();
    assert_eq!(drain(&mut some).len(), 9);
    drop(producer);
    let mut producer = Producer::open(dir.path()).unwrap();
    producer.set(&"retention_ms=1".parse().unwrap()).unwrap();
    let clock = Clock::at(FAR);
    let error = clock.steward(dir.path()).run_once().err();
    assert!(error.is_none(), "{error:?}");
}

/// T14. A consumer waited at an end; damage before it was cut off, and zeros came to stand beyond that
/// place. A file that is shorter than a position told of the cut before. Now the eight bytes do.
#[test]
fn a_reader_behind_a_cut_is_told_though_zeros_stand_there() {
    let dir = scratch();
    let mut writer = ProducerOptions::new().open_in(boot(Some([8; 16])), dir.path()).unwrap();
    append(&mut writer, "a");
    let cut = end(dir.path());
    append(&mut writer, "b");
    append(&mut writer, "c");
    append(&mut writer, "d");
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader).len(), 4);
    set_len(&segment(dir.path(), 0), cut);
    let mut other = ProducerOptions::new().open_in(boot(Some([9; 16])), dir.path()).unwrap();
    append(&mut other, "e");
    put_zeros(dir.path(), 200_000);
    let told = reader.poll(std::time::Duration::from_secs(20)).unwrap_err();
    assert!(
        matches!(told, ReadError::Diverged(Diverged::Lost { .. } | Diverged::Replaced { .. })),
        "{told}"
    );
}

/// The end is found from behind through zeros (O-6), and no more of them is read than a writer may
/// put there. It goes by units, for the last byte of a block may be zero.
#[test]
fn the_end_is_found_from_behind_through_zeros() {
    let dir = scratch();
    let options = ProducerOptions::new().checkpoint_every_bytes(300);
    let mut producer = options.open(dir.path()).unwrap();
    for _ in 0..3 {
        append(&mut producer, &"long".repeat(100_000));
    }
    for n in 0.. {
        append(&mut producer, &format!("value {n}"));
        let (end, file) = (len(dir.path()), segment(dir.path(), 0));
        let mut last = [1];
        std::fs::File::open(&file).unwrap().read_exact_at(&mut last, end - 1).unwrap();
        let seldom = last == [0]; // one in 256
        if !(seldom || n == 40) {
            continue;
        }
        for zeros in [0, 1, 64, 5000, 262_144] {
            set_len(&file, end + zeros);
            let directory = Directory::new(OsVfs::new(), dir.path());
            let (tail, _) = open_tail_behind(&directory, OpenMode::Read, 300).unwrap().unwrap();
            assert_eq!((tail.end, tail.next_offset()), (end, n + 4));
        }
        set_len(&file, end);
        if seldom && n > 40 {
            break;
        }
    }

    put_zeros(dir.path(), 262_144);
    let read = Arc::new(Mutex::new(0));
    let (sum, path) = (Arc::clone(&read), segment(dir.path(), 0));
    let world = interpose(move |call| {
        let in_long = (100_000..800_000).contains(&call.position);
        if call.operation == Operation::Read && call.path == path && in_long {
            *sum.lock().unwrap() += call.length;
        }
        Answer::Proceed
    });
    let directory = Directory::new(world, dir.path());
    open_tail_behind(&directory, OpenMode::Read, 300).unwrap().unwrap();
    assert_eq!(*read.lock().unwrap(), 0, "not from its header on");
}

/// Zeros are no part of a stream: who asks for its size, or how far behind a consumer is, is not
/// told of them (Z-4).
#[test]
fn zeros_are_not_counted() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let stream = Stream::open(dir.path()).unwrap();
    let bytes = stream.info().unwrap().bytes();
    assert_eq!(bytes, end(dir.path()));
    put_zeros(dir.path(), 262_144);
    assert_eq!(stream.info().unwrap().bytes(), bytes);
    let mut reader = Consumer::open(dir.path()).unwrap();
    drain(&mut reader);
    assert_eq!(reader.end_state().unwrap(), EndState::Clean);
    let token: Option<Token> = reader.token();
    assert_eq!(token.unwrap().offset, 1);
    assert_eq!(puro::repair(dir.path()).unwrap(), []);
    producer.append(&NewRecord::new("t", "b")).unwrap();
    assert_eq!(values(dir.path()), ["a", "b"]);
}

/// A durable producer puts zeros behind the end, so that the next blocks do not make the file longer;
/// never more than the format says, and none where no block goes. Others put none.
#[test]
fn durable_appends_go_over_zeros_that_are_there() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "not durable");
    assert_eq!(len(dir.path()), end(dir.path()));
    let mut producer = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
    let (mut grown, mut before) = (0, len(dir.path()));
    let value = "x".repeat(1000);
    for _ in 0..2000 {
        append(&mut producer, &value);
        let length = len(dir.path());
        assert!(length - end(dir.path()) <= 262_144);
        grown += u64::from(length != before);
        before = length;
    }
    assert!(before - end(dir.path()) > 0 && grown < 60, "grew {grown} times");

    let small = scratch();
    let mut producer = small_segments().durable(true).open(small.path()).unwrap();
    let opening = len(small.path());
    append(&mut producer, "a");
    assert!(len(small.path()) <= opening + 4096, "no block goes behind that (V-1)");

    let none = scratch();
    let options = ProducerOptions::new().durable(true).zeros_ahead_bytes(0);
    append(&mut options.open(none.path()).unwrap(), "a");
    assert_eq!(len(none.path()), end(none.path()));
}

/// T8. A durable producer remembered up to where it had put zeros. Another one appended beyond that
/// place; the first went on with its zeros there, and a committed block had a hole.
#[test]
fn zeros_begin_where_the_file_ends_now() {
    let dir = scratch();
    let mut durable = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
    let mut other = Producer::open(dir.path()).unwrap();
    let mut expected = Vec::new();
    for n in 0..40 {
        let long = "y".repeat(700 * (n % 7) * (n % 5));
        for (producer, value) in [(&mut durable, format!("d{n}")), (&mut other, long)] {
            append(producer, &value);
            expected.push(value);
        }
    }
    assert_eq!(values(dir.path()), expected);
    assert_eq!(verdict(dir.path()), Found::Sound);
    assert!(durable.repairs().is_empty() && other.repairs().is_empty());
}

/// Zeros are a favour: where there is no room for them, or only for some, what is appended is
/// appended, and durable.
#[test]
fn an_append_succeeds_though_no_zeros_can_be_written() {
    for room in [0, 100] {
        let dir = scratch();
        let path = segment(dir.path(), 0);
        let world = interpose(move |call| {
            // Zeros are the only writes of 8 KiB or what is left to a multiple of that.
            let end = call.position + call.length as u64;
            let zeros = call.operation == Operation::Write
                && call.path == path
                && call.length > 4096
                && end.is_multiple_of(8192);
            match (zeros, room) {
                (false, _) => Answer::Proceed,
                (true, 0) => Answer::Fail(errno(ENOSPC)),
                (true, room) => Answer::Then(room, Box::new(|| errno(ENOSPC))),
            }
        });
        let options = ProducerOptions::new().durable(true);
        let mut producer = options.open_in(world, dir.path()).unwrap();
        for value in ["a", "b", "c"] {
            append(&mut producer, value);
        }
        assert!(len(dir.path()) <= end(dir.path()) + room as u64);
        assert_eq!(values(dir.path()), ["a", "b", "c"]);
        append(&mut Producer::open(dir.path()).unwrap(), "d");
        assert_eq!(values(dir.path()), ["a", "b", "c", "d"]);
    }
}

/// One who appends durably dies at any call, its zeros written in part: nothing is repaired for
/// them, and nothing is lost.
#[test]
fn a_death_among_zeros_needs_no_repair() {
    let whole = scratch();
    append(&mut ProducerOptions::new().durable(true).open(whole.path()).unwrap(), "a");
    set_len(&segment(whole.path(), 0), end(whole.path()));
    for part in [0, 1, 5000] {
        for n in 0.. {
            let dir = copy(whole.path());
            let (world, calls) = dead_from(n, part);
            let options = ProducerOptions::new().durable(true);
            let answered = match options.open_in(world, dir.path()) {
                Ok(mut dying) => dying.append(&record("b")).is_ok(),
                Err(_) => false,
            };
            let mut next = ProducerOptions::new().durable(true).open(dir.path()).unwrap();
            assert!(next.repairs().iter().all(|repair| repair.label == "unseen"));
            append(&mut next, "c");
            let seen = values(dir.path());
            assert!(seen == ["a", "b", "c"] || !answered && seen == ["a", "c"], "{n}: {seen:?}");
            assert_eq!(epoch(dir.path()), 1);
            if calls.count() <= n {
                break;
            }
        }
    }
}
