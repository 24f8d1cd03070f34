//! What the scheduled worlds found in the shipped code, as plain sequences of calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro_model::judge::{Journal, open, stream};
use puro_model::shared_world::{Alone, Manner, Plan, World};

/// Two producers append to one segment. The second one's sync fails, twice, and with it what
/// *both* appended is no longer on its way to the disk. The first, told of the failure by
/// its own sync, wrote again only what it knew of: up to the end that it remembered, not the
/// block of the second behind it. After that its syncs succeeded, so it sealed the
/// segment and acknowledged a durable append in the next one. Then the power failed, and a
/// sealed segment had a hole in it. Found by `cast::durable_pct3`.
#[test]
fn a_failed_sync_has_blocks_of_others_written_again_too() {
    let before = [&*"x".repeat(3_600)];
    let image = stream(&before);
    let mut told = 0;
    for step in 0..60 {
        let world = World::<Alone>::new(&image, Manner::default(), 1);
        let journal = Journal::new(&before);
        let first = world.actor(1, Plan::default());
        let second = world.actor(2, Plan { fails: step..step + 2, ..Plan::default() });
        let (mut one, mut two) = (open(&first).unwrap(), open(&second).unwrap());
        world.set_going();
        journal.append(&first, &mut one, &["a"]);
        journal.append(&second, &mut two, &["b"]);
        told += u32::from(two.sync().is_err());
        one.sync().unwrap();
        one.set_durable(true);
        for value in ["c", "d", "e"] {
            if let Some(appended) = journal.append(&first, &mut one, &[value]) {
                journal.durable(appended.first_offset);
            }
        }
        drop((one, two));
        journal.judge(&world).unwrap_or_else(|what| panic!("{what}\n  with call {step} failing"));
    }
    assert!(told > 0, "some failing call is the sync");
}

/// A producer dies in mid-write, behind a block that another committed and nobody synced yet. A
/// durable producer repairs: it cuts the dead block off, and the sync of the cut fails, with
/// which the committed block is no longer on its way to the disk either. The producer
/// forgot that failure: its next append found a clean end, its sync succeeded, and it told,
/// and wrote as `durable_to`, that all up to there was on the disk. After a loss of power the
/// segment was damaged. Found by `cast::durable_pct3`.
#[test]
fn a_failed_sync_of_a_cut_has_committed_blocks_written_again() {
    let image = stream(&["x"]);
    let mut died = 0;
    for death in 0..20 {
        for step in 0..20 {
            let world = World::<Alone>::new(&image, Manner::default(), 1);
            let journal = Journal::new(&["x"]);
            let calm = world.actor(1, Plan::default());
            let dying = world.actor(2, Plan { dies_at: Some(death), ..Plan::default() });
            let failing = world.actor(3, Plan { fails: step..step + 1, ..Plan::default() });
            let (mut one, mut two, mut three) =
                (open(&calm).unwrap(), open(&dying).unwrap(), open(&failing).unwrap());
            three.set_durable(true);
            world.set_going();
            journal.append(&calm, &mut one, &["a"]);
            journal.append(&dying, &mut two, &["b1", "b2"]);
            died += u32::from(dying.is_dead());
            for value in ["c", "d"] {
                if let Some(appended) = journal.append(&failing, &mut three, &[value]) {
                    journal.durable(appended.first_offset);
                }
            }
            drop((one, two, three));
            let judged = journal.judge(&world);
            judged.unwrap_or_else(|what| panic!("{what}\n  death {death}, failure {step}"));
        }
    }
    assert!(died > 0, "the second producer dies in its append");
}
