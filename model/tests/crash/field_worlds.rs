//! What people, cleaners and other programs do to a stream: names that are removed or moved,
//! listings that miss names, a process that forks, bytes that go bad beside an old memory.

use std::path::Path;

use puro::{Producer, Start};
use puro_model::faults::{Between, every_interruption};
use puro_model::history::{STREAM, batch, options, read};
use puro_model::locks::Family;
use puro_model::sim::{Disk, SimVfs, World};

const SEGMENT_BYTES: u64 = 4096;
const LOCK: &str = "/stream/writer.lock";
const FIRST_SEGMENT: &str = "/stream/0000000000.puro";

fn open(world: &World, process: u32) -> Producer<SimVfs> {
    options(SEGMENT_BYTES).open_in(SimVfs::new(world, process), STREAM).unwrap()
}

fn offset(producer: &mut Producer<SimVfs>, number: u32, records: u32, bytes: usize) -> u64 {
    let appended = producer.append_batch(&mut batch(number, records, bytes)).unwrap();
    appended.first_offset
}

fn length(world: &World, path: &str) -> usize {
    world.disk().bytes_of(path.as_ref()).unwrap().len()
}

fn count(world: &World, path: &str) -> usize {
    let consumer = puro::ConsumerOptions::new().start(Start::Beginning);
    let mut consumer = consumer.open_in(SimVfs::new(world, 90), path).unwrap();
    std::iter::from_fn(|| consumer.try_next().unwrap().map(drop)).count()
}

/// Field report A1: a cleaner took the lock file while two producers had it open. From then on both
/// took the lock of a file without a name, or of two different ones (L-4). Whatever the other does
/// before any call of an append, nothing of either is lost.
#[test]
fn a_lock_file_without_a_name_excludes_again() {
    let calls = every_interruption(Family::Ofd, Between::OtherProcessLockLost, |vfs| vfs);
    assert!(calls.unwrap_or_else(|violation| panic!("{violation}")) >= 6);
}

/// Field report A1: a held lock is looked at before each append, too.
#[test]
fn a_held_lock_is_looked_at_before_each_append() {
    let world = World::new(Disk::default());
    let mut first = open(&world, 1);
    let mut held = first.hold().unwrap();
    held.append_batch(&mut batch(1, 1, 0)).unwrap();
    assert!(world.remove(LOCK.as_ref()));
    // Who had the old file open would wait for it; who comes now makes another one.
    assert_eq!(offset(&mut open(&world, 2), 2, 1, 0), 1);
    assert_eq!(held.append_batch(&mut batch(3, 1, 0)).unwrap().first_offset, 2);
    drop(held);
    assert_eq!(count(&world, STREAM), 3);
}

/// Field report A2: a process forked while it held the lock; the child dropped what it had
/// inherited, and gave its parent's lock back (L-3).
#[test]
fn a_child_gives_nothing_back() {
    let world = World::new(Disk::default());
    let mut producer = open(&world, 1);
    let held = producer.hold().unwrap();
    world.enter_child(1, 2);
    drop(held);
    world.leave_child();
    assert_eq!(world.holder(LOCK.as_ref()), Some(1));
    let impatient = options(SEGMENT_BYTES).lock_wait(puro::internals::vfs::LockWait::Try);
    assert!(impatient.open_in(SimVfs::new(&world, 3), STREAM).is_err());
}

/// Field report A3: a log rotator moved the directory of an open producer, and another stream was
/// made in its place. The producer rolled into that one (O-8).
#[test]
fn a_producer_goes_on_in_the_directory_that_it_opened() {
    let world = World::new(Disk::default());
    let mut producer = open(&world, 1);
    offset(&mut producer, 1, 1, 1000);
    assert!(world.rename(Path::new(STREAM), Path::new("/aside")));
    let mut other = open(&world, 2);
    offset(&mut other, 2, 1, 0);
    for number in 3..12 {
        offset(&mut producer, number, 1, 1000);
    }
    assert_eq!((count(&world, "/aside"), count(&world, STREAM)), (10, 1));
    assert!(world.disk().bytes_of("/aside/0000000001.puro".as_ref()).is_some());
    assert!(world.disk().bytes_of("/stream/0000000001.puro".as_ref()).is_none());
}

/// Field report A4: before each call of an append in turn somebody copied the directory by hard links,
/// and removed the lock file of the copy, so that two locks stood for one file. Whoever appended to the
/// copy, and whoever went on in the stream, wrote over what the other was told is there. Now all but
/// the one append that had begun are refused until the copy is gone, and nothing is lost.
#[test]
fn a_segment_under_two_names_has_one_writer_at_most() {
    let (copy, copied_lock) = (Path::new("/copy"), Path::new("/copy/writer.lock"));
    let mut appended_beside_the_copy = 0;
    for calls in 0.. {
        let world = World::new(Disk::default());
        let mut producer = open(&world, 1);
        offset(&mut producer, 1, 1, 0);
        let inner = world.clone();
        world.interrupt(1, calls, move || {
            assert!(inner.link(Path::new(STREAM), copy) && inner.remove(copied_lock));
            let other = options(SEGMENT_BYTES).open_in(SimVfs::new(&inner, 2), "/copy");
            let appended = other.map(|mut other| other.append_batch(&mut batch(2, 1, 200)));
            assert!(!matches!(appended, Ok(Ok(_))), "two append to one file before call {calls}");
        });
        let begun = producer.append_batch(&mut batch(3, 1, 0)).is_ok();
        if world.has_interruption() {
            assert!(calls >= 6 && appended_beside_the_copy > 0, "{calls} calls");
            return;
        }
        appended_beside_the_copy += u32::from(begun);
        let refused = producer.append_batch(&mut batch(4, 1, 0));
        assert!(refused.is_err(), "appended beside a copy that was made before call {calls}");
        assert!(world.remove(Path::new("/copy/0000000000.puro")));
        let there = offset(&mut producer, 5, 1, 0);
        assert_eq!(there, 1 + u64::from(begun), "a copy was made before call {calls}");
        assert_eq!(count(&world, STREAM) as u64, there + 1);
    }
}

/// Field report A6: listings showed a segment and not the one before it, for both were made while
/// the directory was read. Consumers took that for damage (V-11, V-9).
#[test]
fn what_a_listing_misses_is_looked_up() {
    let world = World::new(Disk::default());
    let mut producer = open(&world, 1);
    for number in 1..16 {
        offset(&mut producer, number, 1, 1000);
    }
    assert!(world.disk().bytes_of("/stream/0000000003.puro".as_ref()).is_some());
    for missed in ["0000000001.puro", "0000000002.puro"] {
        world.hide_from_listings(missed);
        assert_eq!(count(&world, STREAM), 15);
    }
    assert_eq!(offset(&mut open(&world, 3), 16, 1, 0), 15);
    assert_eq!(count(&world, STREAM), 16);
}

/// Field report A5, trap T1: a producer remembered an end; the block before it went bad and was cut
/// off by another one, which wrote up to the very length that the first remembered. The first
/// appended behind a block that was not there any more, "durable". With every length that the
/// other may reach, what both appended since is there.
#[test]
fn an_end_that_others_cut_and_grew_over_is_not_believed() {
    for (mine, theirs) in (0..6).flat_map(|mine| (0..12).map(move |theirs| (mine, theirs))) {
        let world = World::new(Disk::default());
        let mut sleeper = open(&world, 1);
        let begin = length(&world, FIRST_SEGMENT);
        offset(&mut sleeper, 1, 1, mine * 64);
        let remembered = length(&world, FIRST_SEGMENT);
        world.harm(FIRST_SEGMENT.as_ref(), begin + 70);
        let mut other = open(&world, 2);
        assert_eq!(offset(&mut other, 2, 1, theirs * 32), 0);
        let reached = length(&world, FIRST_SEGMENT);
        assert_eq!(
            offset(&mut sleeper, 3, 1, 0),
            1,
            "{remembered} was remembered, {reached} there"
        );
        let (seen, _) = read(SimVfs::new(&world, 4), Start::Beginning, false).unwrap();
        assert_eq!(seen.len(), 2, "{remembered} was remembered, {reached} there");
    }
}

/// Field report A11: one byte of a committed block went bad, with whole committed blocks behind it
/// in the same boot. That is damage, which nobody cuts off.
#[test]
fn damage_before_whole_blocks_stops_writers() {
    let world = World::new(Disk::default());
    let mut producer = open(&world, 1);
    let begin = length(&world, FIRST_SEGMENT);
    for number in 1..5 {
        offset(&mut producer, number, 1, 0);
    }
    world.harm(FIRST_SEGMENT.as_ref(), begin + 70);
    let before = world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().to_vec();
    assert!(options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 2), STREAM).is_err());
    assert_eq!(world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap(), before);
}

/// Field report A10: X-7 promised "the same bytes", and 16 of 60 deaths inside a repair left others: no
/// new epoch, or one more saved tail. So X-7 promises what is needed, and this holds it to that: wherever
/// a repairer of damage dies, whoever comes next leaves the same committed bytes, and all that was cut
/// off is saved.
#[test]
fn a_repair_that_dies_is_done_again_as_promised() {
    let world = World::new(Disk::default());
    let mut producer = open(&world, 1);
    offset(&mut producer, 1, 1, 0);
    offset(&mut producer, 2, 1, 0);
    let end = length(&world, FIRST_SEGMENT);
    offset(&mut producer, 3, 1, 100);
    world.harm(FIRST_SEGMENT.as_ref(), end + 70);
    let before = world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().to_vec();
    let (kept, cut) = before.split_at(end);

    world.record();
    assert_eq!(open(&world, 2).repairs().len(), 1);
    let (mut raised, mut left) = (0, 0);
    for step in world.recorded() {
        for bytes in [0, step.bytes() / 2, step.bytes()] {
            let again = World::new(step.cut_at(bytes));
            let mut next = open(&again, 3);
            let now = again.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().to_vec();
            assert_eq!(now.get(..end), Some(kept));
            assert!(saved(&again).iter().any(|tail| tail.windows(cut.len()).any(|w| w == cut)));
            *if next.token().epoch > 1 { &mut raised } else { &mut left } += 1;
            assert_eq!(offset(&mut next, 4, 1, 0), 2);
            assert_eq!(count(&again, STREAM), 3);
        }
    }
    assert!(raised > 0 && left > 0, "{raised} raised the epoch, {left} did not");
}

/// What stands in `lost/`.
fn saved(world: &World) -> Vec<Vec<u8>> {
    let disk = world.disk();
    let tails = disk.paths().filter(|(path, _)| path.starts_with("/stream/lost"));
    tails.map(|(path, _)| disk.bytes_of(&path).unwrap().to_vec()).collect()
}
