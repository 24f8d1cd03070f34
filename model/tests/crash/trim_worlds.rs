//! Who deletes beside others, on a disk without room for one more name: trims without `steward.lock`
//! (S-14), and what was deleted when a producer is forgotten (C-10). Both were found by the model.

use std::cell::Cell;

use puro::{NewRecord, Start, Steward, StewardOptions, Trim};
use puro_model::history::{STREAM, batch, options};
use puro_model::sim::power::{GRAINS, PowerLoss};
use puro_model::sim::{Disk, SimVfs, World};

const SEGMENT_BYTES: u64 = 4096;
const LOCK: &str = "/stream/steward.lock";
const LOWEST: &str = "/stream/0000000000.puro";

/// Some sealed segments with two values each, under one key; and no lock file.
fn some_segments(settings: &[(&str, &str)]) -> World {
    let world = World::new(Disk::default());
    let mut producer = options(SEGMENT_BYTES).open_in(SimVfs::new(&world, 9), STREAM).unwrap();
    for (name, value) in settings {
        producer.set(&format!("{name}={value}").parse().unwrap()).unwrap();
    }
    for _ in 0..8 {
        producer.append(&NewRecord::new("kept", &[7; 1780]).key(b"key")).unwrap();
    }
    producer.sync().unwrap();
    world.remove(LOCK.as_ref());
    world
}

fn steward(world: &World, process: u32) -> Steward<SimVfs> {
    StewardOptions::new().open_in(SimVfs::new(world, process), STREAM).unwrap()
}

/// How many records can be read: a hole would be told as damage.
fn count(world: &World) -> usize {
    let consumer = puro::ConsumerOptions::new().start(Start::Beginning);
    let mut consumer = consumer.open_in(SimVfs::new(world, 90), STREAM).unwrap();
    std::iter::from_fn(|| consumer.try_next().unwrap().map(drop)).count()
}

/// What a loss of power may leave of each moment recorded: all, the least, and all but one thing.
fn every_loss(world: &World, judge: impl Fn(World)) {
    for step in world.recorded() {
        let loss = PowerLoss::new(&step.disk, GRAINS[2]);
        let newest = loss.newest();
        let mut choices = vec![newest.clone(), loss.oldest()];
        for (at, ways) in loss.options().into_iter().enumerate() {
            for way in 0..ways {
                let mut choice = newest.clone();
                choice[at] = way;
                choices.push(choice);
            }
        }
        choices.iter().for_each(|choice| judge(World::new(loss.apply(choice))));
    }
}

/// Somebody trimmed a stream on a full disk, where `steward.lock` could not be made. Room came, and
/// before some call of the trim a steward made the lock and compacted. What it had replaced was taken
/// for deleted, and the next segment went: a hole.
#[test]
fn what_was_replaced_beside_a_trim_is_not_taken_for_gone() {
    let mut compacted = 0;
    for calls in 0.. {
        let world = some_segments(&[("cleanup:kept", "compact,delete")]);
        let mut trimming = steward(&world, 1);
        world.set_full(true);
        let inner = world.clone();
        world.interrupt(1, calls, move || {
            inner.set_full(false);
            let _ = steward(&inner, 2).run_once();
        });
        let trimmed = trimming.trim(&Trim::keep_bytes(0));
        if world.has_interruption() {
            assert!(calls > 10 && compacted > 0, "{calls} calls");
            return;
        }
        compacted += u32::from(count(&world) < 8);
        assert!(trimmed.is_err() || trimmed.is_ok_and(|report| report.deleted.len() <= 4));
    }
}

/// Somebody else had deleted the lowest segment, and the power was lost before that was synced, but
/// after who deletes had taken it for gone, and deleted the next one (S-14). So the first was there
/// again, and the second was not.
#[test]
fn what_another_deleted_is_synced_before_the_next_goes() {
    for trims in [false, true] {
        let mut deleted_more = 0;
        for calls in 0.. {
            let world = some_segments(&[]);
            let limited = StewardOptions::new().retention_bytes(4096);
            let mut deleting = limited.open_in(SimVfs::new(&world, 1), STREAM).unwrap();
            let inner = world.clone();
            world.interrupt(1, calls, move || {
                inner.remove(LOWEST.as_ref());
            });
            world.record();
            // It may meet with what no lock allows: the name goes while it has the segment locked.
            let report =
                if trims { deleting.trim(&Trim::keep_bytes(0)) } else { deleting.run_once() };
            if world.has_interruption() {
                assert!(calls > 10 && deleted_more > 0, "{calls} calls");
                break;
            }
            deleted_more += report.map_or(0, |report| report.deleted.len());
            every_loss(&world, |left| assert!(count(&left) <= 8));
        }
    }
}

/// A producer was forgotten when the segment with its last records was deleted. The power was lost
/// before the deletion was synced, but not the removal of its entry; its retry was appended again,
/// though the first time was there (C-10).
#[test]
fn who_is_forgotten_has_left_nothing_on_the_disk() {
    let world = World::new(Disk::default());
    let open =
        |world: &World| options(SEGMENT_BYTES).open_in(SimVfs::new(world, 3), STREAM).unwrap();
    let mut producer = open(&world);
    producer.set(&"expiry_ms=300".parse().unwrap()).unwrap();
    let last = || batch(77, 1, 0);
    producer.transaction(&mut last()).once("outbox", 7).commit().unwrap();
    let mut fill = |until: &str| {
        while world.disk().bytes_of(until.as_ref()).is_none() {
            producer.append(&NewRecord::new("other", &[7; 1000])).unwrap();
        }
    };
    fill("/stream/0000000001.puro");
    world.tick(24 * 3_600_000);
    fill("/stream/0000000002.puro");
    assert!(world.remove(LOWEST.as_ref()));
    world.record();
    fill("/stream/0000000003.puro");

    let forgotten = Cell::new(0);
    every_loss(&world, |left| {
        let back = left.disk().bytes_of(LOWEST.as_ref()).is_some();
        let (mut producer, mut retry) = (open(&left), last());
        let again = producer.transaction(&mut retry).once("outbox", 7).commit().unwrap();
        assert!(again.duplicate || !back, "appended again at {}", again.first_offset);
        forgotten.set(forgotten.get() + u32::from(!again.duplicate));
    });
    assert!(forgotten.get() > 0, "it was never forgotten");
}
