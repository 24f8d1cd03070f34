//! What the simulator found, each told as a story.

use puro::Start;
use puro_model::history::{Op, Player, STREAM, batch, options, read};
use puro_model::oracle::Crash;
use puro_model::sim::power::PowerLoss;
use puro_model::sim::{Disk, Fault, Fuse, SimVfs, World};

const SEGMENT_BYTES: u64 = 4096;
const FIRST_SEGMENT: &str = "/stream/0000000000.puro";

fn saved_tails(disk: &Disk) -> Vec<Vec<u8>> {
    let files = disk.paths().filter(|(path, _)| path.starts_with("/stream/lost"));
    files.map(|(_, file)| file.cache.clone()).collect()
}

/// Field reports D1 and A7: a value that holds starts of blocks, each right for its place and with a
/// high durable_to, whose writer dies at any call of the append, with any part of it done. They were
/// believed, and the stream was *damaged* for good (F-43, X-9).
#[test]
fn starts_in_a_value_are_no_blocks_whenever_its_writer_dies() {
    for calls in 0..16 {
        for done in (0..=768).step_by(64) {
            let world = World::new(Disk::default());
            let mut player = Player::new(world, |vfs| vfs, options(SEGMENT_BYTES));
            for op in [
                Op::Append { who: 0, records: 1, bytes: 10, durable: true },
                Op::Forge { who: 0, calls: Some(calls), done },
                Op::Append { who: 1, records: 1, bytes: 10, durable: false },
                Op::Forge { who: 1, calls: None, done: 0 },
                Op::Read { durable: false },
            ] {
                player.play(&op).unwrap_or_else(|found| panic!("{calls} {done} {op:?}: {found}"));
            }
            player.settle(Crash::Death).unwrap();
        }
    }
}

/// A disk on which power loss left a whole block of one record, but for its signal.
fn whole_but_low() -> Disk {
    for calls in 0.. {
        let world = World::new(Disk::default());
        let mut producer = options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 1), STREAM).unwrap();
        let before = world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().len();
        world.set_fuse(Fuse { process: 1, calls, bytes: 0 });
        let died = producer.append_batch(&mut batch(1, 1, 0)).is_err();
        assert!(died, "no call leaves a low block");
        let disk = world.disk();
        if disk.bytes_of(FIRST_SEGMENT.as_ref()).unwrap().len() > before {
            let loss = PowerLoss::new(&disk, 64);
            return loss.apply(&loss.newest());
        }
    }
    unreachable!()
}

/// Power was lost and left one whole block whose signal was not on the disk. Repair saved and cut
/// it, and died when it had written, but not yet committed, the block that raises the epoch: of the
/// same length, at the same place. The next repair saved that one over the first one's tail. Each
/// block ends in its own CRC, so the CRC in the names was the same for both (F-41, X-4,
/// NothingDestroyed). Found by `crash_exhaustive`: a second crash, inside a recovery.
#[test]
fn a_second_saved_tail_does_not_replace_the_first() {
    let image = whole_but_low();
    let mut two_tails = false;
    for calls in 0..60 {
        let world = World::new(image.clone());
        world.set_fuse(Fuse { process: 2, calls, bytes: 0 });
        drop(options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 2), STREAM));
        let first = saved_tails(&world.disk());
        world.calm();
        drop(options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 3), STREAM).unwrap());
        let both = saved_tails(&world.disk());
        let whole = first.iter().filter(|tail| tail.len() == 128);
        assert!(whole.clone().all(|tail| both.contains(tail)), "death at call {calls}");
        two_tails |= both.len() == 2;
    }
    assert!(two_tails, "no death came between writing and committing the epoch");
}

/// A repair cut off a block that was never seen, and the sync of the cut failed. What others had
/// committed before was no longer on its way to the disk then. The repairer gave up, as it was not
/// promised anything; but who opened the stream after it was never told of the failure, and
/// promised what it had synced (A-14: who was told while it holds the lock mends at once; M-6,
/// Durable). Found by the fuzzer `operations`.
#[test]
fn a_sync_of_a_cut_that_failed_is_mended_before_others_write() {
    let appending = options(SEGMENT_BYTES);
    let mut torn_ends = 0;
    for (death, calls) in (0..10).flat_map(|death| (0..30).map(move |calls| (death, calls))) {
        let world = World::new(Disk::default());
        let open = |process| appending.open_in(SimVfs::new(&world, process), STREAM);
        open(1).unwrap().append_batch(&mut batch(1, 1, 0)).unwrap();
        let committed = world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().len();
        let mut dying = open(2).unwrap();
        world.set_fuse(Fuse { process: 2, calls: death, bytes: 64 });
        let _ = dying.append_batch(&mut batch(2, 1, 0));
        world.kill(2);
        let left = world.disk().bytes_of(FIRST_SEGMENT.as_ref()).unwrap().len();
        torn_ends += u32::from(left == committed + 64);
        world.set_fault(calls, Fault::Io);
        drop(open(3));
        world.calm();
        open(4).unwrap().append_batch(&mut batch(4, 1, 0)).unwrap();
        let mut last = open(5).unwrap();
        last.set_durable(true);
        let appended = last.append_batch(&mut batch(5, 1, 0)).unwrap();
        let disk = world.disk();
        let loss = PowerLoss::new(&disk, 64);
        world.restart(loss.apply(&loss.oldest()), 5);
        let (seen, _) = read(SimVfs::new(&world, 6), Start::Beginning, false).unwrap();
        let last = seen.last().map(|delivery| delivery.offset);
        assert_eq!(last, Some(appended.first_offset), "death {death}, fault in call {calls}");
    }
    assert!(torn_ends > 0, "no death left a torn end");
}
