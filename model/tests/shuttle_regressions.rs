//! What the scheduled worlds found in the shipped code, as plain sequences of calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro_model::judge::{Journal, open, stream};
use puro_model::shared_world::{Alone, Manner, Plan, World};

/// Two producers append to one segment. The second one's sync fails, twice, and with it what
/// *both* appended is no longer on its way to the disk. The first, told of the failure by
/// its own sync, wrote again only what it knew of: up to the end that it remembered, not the
/// block of the second behind it. After that its syncs succeeded, so it sealed the
/// segment and acknowledged a durable append in the next one. Then the power failed, and a
/// sealed segment had a hole in it. Found by `shuttle_cast::durable_pct3` (Durable).
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
