//! Runs in which locks are contended, listened to: producers that roll and delete afterwards,
//! stewards that seal, expire state and delete, and consumers under few names that hop
//! and commit. They may interrupt each other before each call of the seam; nobody dies.
//!
//! In the simulator no lock is waited for: a wait that has to is over at once (L-8). What a
//! consumer was given and when it ends is no action of the code, so the actors note it.

use puro::internals::vfs::LockWait;
use puro::{AutoCommit, ConsumerOptions, NamedConsumer, NamedError, NamedOptions};
use puro::{Batch, NewRecord, Producer, Steward, StewardOptions};

use super::Event;
use super::stage::{Heard, Stage};
use super::turns::{Kind, Part};
use crate::generate::{Rng, SEGMENT_BYTES};
use crate::history::{STREAM, options};

/// Records with values of so many bytes: two fill a segment.
const VALUE_BYTES: usize = 1780;
/// Entries go when nobody renewed them for longer.
const EXPIRY_MS: u64 = 1000;

/// Turns that a consumer gives away at times where segments are deleted by force.
const LINGERS: u32 = 60;

/// Who and how long.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Producers, and records that each appends.
    pub producers: u64,
    /// See there.
    pub records: u64,
    /// Stewards, and passes of each.
    pub stewards: u64,
    /// See there.
    pub passes: u64,
    /// The names under which consumers run, one after another.
    pub names: &'static [&'static str],
    /// How often each actor that consumes does something.
    pub looks: u64,
    /// Whether a segment that is held is deleted all the same.
    pub forced: bool,
}

#[derive(Clone)]
struct Scene {
    stage: Stage,
    cast: Cast,
}

/// Plays a cast; what happened is determined by the seed, and who goes on by what makes turns.
#[must_use]
pub fn play(cast: &Cast, seed: u64, turns: Kind) -> Vec<Event> {
    let stage = Stage::new();
    stage.world().allow_calls(1 << 40);
    stage.tell_given_back();
    set_up(&stage, cast);
    let mut rng = Rng::new(seed);
    let turns = turns(rng.next_u64(), None);
    let scene = Scene { stage: stage.clone(), cast: *cast };
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |part: Box<dyn FnOnce(Scene, Rng) + Send>| {
        let (scene, rng) = (scene.clone(), Rng::new(rng.next_u64()));
        parts.push(Box::new(move || part(scene, rng)));
    };
    (0..cast.producers).for_each(|_| add(Box::new(append_all)));
    (0..cast.stewards).for_each(|_| add(Box::new(maintain)));
    for name in cast.names {
        add(Box::new(move |scene, rng| consume(&scene, rng, name)));
    }
    stage.play(&turns, parts);
    stage.events()
}

fn set_up(stage: &Stage, cast: &Cast) {
    let (_, vfs) = stage.process("producer");
    let mut producer = options(SEGMENT_BYTES).open_in(vfs, STREAM).expect("a new stream");
    let mut set = |name, value: &str| {
        producer.set(&format!("{name}={value}").parse().unwrap()).expect("a setting");
    };
    set("retention_bytes", "9000");
    set("expiry_ms", &EXPIRY_MS.to_string());
    if cast.forced {
        set("pin_grace_ms", "0");
    }
}

/// Appends under an identity, which is an entry of the state that expires.
fn append_all(scene: Scene, mut rng: Rng) {
    let mut producer: Option<(u32, Producer<Heard>)> = None;
    for number in 0..scene.cast.records {
        producer.take_if(|_| rng.one_in(4));
        if producer.is_none() {
            let (process, vfs) = scene.stage.process("producer");
            let opened = options(SEGMENT_BYTES).open_in(vfs, STREAM);
            producer = opened.ok().map(|producer| (process, producer));
        }
        let Some((process, producer)) = &mut producer else { continue };
        if rng.one_in(3) {
            let world = scene.stage.world();
            world.set_now_ms(world.now_ms() + EXPIRY_MS + 1);
        }
        let mut batch = Batch::new();
        let value = vec![number as u8; VALUE_BYTES];
        batch.push(&NewRecord::new("t", &value)).expect("a small record");
        // It may find the lock taken.
        let _ = producer.transaction(&mut batch).once(&format!("p{process}"), number + 1).commit();
    }
}

fn maintain(scene: Scene, mut rng: Rng) {
    let (_, vfs) = scene.stage.process("steward");
    let options = StewardOptions::new().roll(true).lock_wait(LockWait::Try);
    let mut sealing: Option<Steward<Heard>> = options.open_in(vfs.clone(), STREAM).ok();
    let options = options.roll(false);
    let mut deleting: Option<Steward<Heard>> = options.open_in(vfs, STREAM).ok();
    for _ in 0..scene.cast.passes {
        let steward = if rng.one_in(2) { &mut sealing } else { &mut deleting };
        // It may find a lock taken.
        let _ = steward.as_mut().map(Steward::run_once);
    }
}

/// Consumers under one name, one after another.
fn consume(scene: &Scene, mut rng: Rng, name: &str) {
    let mut running: Option<(u32, NamedConsumer<Heard>)> = None;
    for _ in 0..scene.cast.looks {
        // So that a steward deletes what it holds.
        if scene.cast.forced && rng.one_in(4) {
            (0..LINGERS).for_each(|_| scene.stage.pass());
        }
        let goes_on = match &mut running {
            None => {
                running = open(scene, name);
                continue;
            }
            Some((process, named)) => look(scene, &mut rng, *process, named),
        };
        if !goes_on || rng.one_in(12) {
            end(scene, running.take());
        }
    }
    end(scene, running);
}

fn end(scene: &Scene, running: Option<(u32, NamedConsumer<Heard>)>) {
    if let Some((process, named)) = running {
        drop(named);
        scene.stage.note(process, "Ends", 0, "");
    }
}

fn open(scene: &Scene, name: &str) -> Option<(u32, NamedConsumer<Heard>)> {
    let (process, vfs) = scene.stage.process("consumer");
    let consumer = ConsumerOptions::new().lock_wait(LockWait::Try);
    let options = NamedOptions::new().consumer(consumer).auto_commit(AutoCommit::Never);
    match options.open_in(vfs, STREAM, name) {
        Ok(named) => Some((process, named)),
        // A lock is taken, or the position is deleted.
        Err(_) => {
            scene.stage.note(process, "Ends", 0, "");
            None
        }
    }
}

/// Reads on, and commits once in a while; `false` if it lost its place.
fn look(scene: &Scene, rng: &mut Rng, process: u32, named: &mut NamedConsumer<Heard>) -> bool {
    if rng.one_in(3) {
        // It may find writer.lock taken, and goes on all the same.
        let _ = named.commit();
        return true;
    }
    match named.try_next().map(|record| record.map(|record| record.offset)) {
        Ok(Some(offset)) => scene.stage.note(process, "Read", offset + 1, ""),
        Ok(None) => {}
        Err(NamedError::Lost { .. }) => return false,
        // A steward has the next segment.
        Err(_) => {}
    }
    true
}
