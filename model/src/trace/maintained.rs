//! Runs of a maintained stream that are listened to: producers, stewards, and one consumer
//! after another, who may be interrupted by each other before each call of the seam.
//!
//! Keys, and which records are delete markers, are in no event of the code, and what a consumer
//! was given and when it goes away is no action of it either: these the actors note themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use puro::internals::vfs::LockWait;
use puro::{Batch, Consumer, ConsumerOptions, NewRecord, Producer, ReadError, Start, Token};
use puro::{Steward, StewardOptions};

use super::Event;
use super::stage::{Heard, Stage};
use super::turns::{Kind, Part, Turns};
use crate::generate::{Rng, SEGMENT_BYTES};
use crate::history::{STREAM, options};
use crate::sim::Fuse;

/// Records with values of so many bytes: two fill a segment.
const VALUE_BYTES: usize = 1780;
/// Delete markers go when they are older.
const GRACE_MS: u64 = 1000;

/// Who and how long.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Producers.
    pub producers: u64,
    /// Stewards.
    pub stewards: u64,
    /// Records that each producer appends in each boot.
    pub records: u64,
    /// Passes of each steward in each boot.
    pub passes: u64,
    /// Times that consumers look for a record in each boot.
    pub looks: u64,
    /// Keys of the records.
    pub keys: u64,
    /// Whether segments are deleted, and after how many bytes.
    pub retention_bytes: Option<u64>,
    /// Whether a segment that is held is deleted all the same.
    pub forced: bool,
    /// Turns that a consumer gives away before one look in four, so that others overtake it.
    pub lingers: u64,
    /// One operation in so many ends with the death of who does it; 0 for none.
    pub deaths: u64,
    /// Losses of power, each after some calls.
    pub boots: u64,
}

/// What all actors share.
#[derive(Clone)]
struct Scene {
    stage: Stage,
    turns: Arc<Turns>,
    cast: Cast,
    shared: Arc<Shared>,
}

/// What actors must know of each other so that no consumer stays away for longer than delete
/// markers do (S-7): no time passes while one is away, nor while a record is written whose
/// time is taken already; and none goes away while it passes.
#[derive(Default)]
struct Shared {
    away: AtomicBool,
    appending: AtomicU32,
    /// How often time passed.
    times: AtomicU32,
    values: AtomicU32,
}

/// Plays a cast; what happened is determined by the seed, and who goes on by what makes turns.
#[must_use]
pub fn play(cast: &Cast, seed: u64, turns: Kind) -> Vec<Event> {
    let stage = Stage::new();
    stage.world().allow_calls(1 << 40);
    set_up(&stage, cast);
    for boot in 0..=cast.boots {
        let mut rng = Rng::new(seed ^ (boot << 32));
        let calls = (boot < cast.boots).then(|| 100 + rng.below(700));
        let turns = turns(rng.next_u64(), calls);
        let scene = Scene {
            stage: stage.clone(),
            turns: Arc::clone(&turns),
            cast: *cast,
            shared: Arc::default(),
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut add = |part: fn(Scene, Rng)| {
            let (scene, rng) = (scene.clone(), Rng::new(rng.next_u64()));
            parts.push(Box::new(move || part(scene, rng)));
        };
        (0..cast.producers).for_each(|_| add(append_all));
        (0..cast.stewards).for_each(|_| add(maintain));
        add(consume);
        stage.play(&turns, parts);
        if boot < cast.boots && !turns.are_over() {
            stage.lose_power(|_, newest| newest);
        }
    }
    stage.events()
}

fn set_up(stage: &Stage, cast: &Cast) {
    let (_, vfs) = stage.process("producer");
    let mut producer = options(SEGMENT_BYTES).open_in(vfs, STREAM).expect("a new stream");
    let mut set = |name, value: &str| {
        producer.set(&format!("{name}={value}").parse().unwrap()).expect("a setting");
    };
    set("cleanup:kept", "compact,delete");
    set("marker_grace_ms", &GRACE_MS.to_string());
    if let Some(bytes) = cast.retention_bytes {
        set("retention_bytes", &bytes.to_string());
    }
    if cast.forced {
        set("pin_grace_ms", "0");
    }
}

impl Scene {
    /// Whether somebody is to go on under this process.
    fn goes_on(&self, process: u32) -> bool {
        !self.turns.are_over() && !self.stage.is_dead(process)
    }

    fn is_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::Relaxed);
    }

    fn let_time_pass(&self) {
        let Shared { away, appending, times, .. } = &*self.shared;
        if !away.load(Ordering::Relaxed) && appending.load(Ordering::Relaxed) == 0 {
            times.fetch_add(1, Ordering::Relaxed);
            let world = self.stage.world();
            world.set_now_ms(world.now_ms() + GRACE_MS + 1);
        }
    }

    /// Does something, in which a process may die.
    fn risk<T>(&self, rng: &mut Rng, process: u32, calls: u64, work: impl FnOnce() -> T) -> T {
        let dies = self.cast.deaths > 0 && rng.one_in(self.cast.deaths);
        if dies {
            let bytes = [0, 1, 64, 128][rng.below(4) as usize];
            self.stage.world().set_fuse(Fuse { process, calls: rng.below(calls), bytes });
        }
        let done = work();
        if dies {
            self.stage.kill(process);
        }
        done
    }
}

/// Appends values and delete markers under a few keys.
fn append_all(scene: Scene, mut rng: Rng) {
    let mut producer: Option<(u32, Producer<Heard>)> = None;
    for _ in 0..scene.cast.records {
        producer.take_if(|(process, _)| !scene.goes_on(*process));
        if scene.turns.are_over() {
            return;
        }
        if producer.is_none() {
            let (process, vfs) = scene.stage.process("producer");
            let opened = options(SEGMENT_BYTES).open_in(vfs, STREAM);
            producer = opened.ok().map(|producer| (process, producer));
        }
        let Some((process, producer)) = &mut producer else { continue };
        if rng.one_in(3) {
            scene.let_time_pass();
        }
        let (key, marker) = (1 + rng.below(scene.cast.keys), rng.one_in(3));
        producer.set_durable(rng.one_in(2));
        scene.risk(&mut rng, *process, 12, || append(&scene, *process, producer, key, marker));
    }
}

fn append(scene: &Scene, process: u32, producer: &mut Producer<Heard>, key: u64, marker: bool) {
    let mut value = scene.shared.values.fetch_add(1, Ordering::Relaxed).to_le_bytes().to_vec();
    value.resize(VALUE_BYTES, 0);
    let bytes = [key as u8];
    let record = match marker {
        true => NewRecord::delete_marker("kept", &bytes),
        false => NewRecord::new("kept", &value).key(&bytes),
    };
    let mut batch = Batch::new();
    batch.push(&record).expect("a small record");
    scene.stage.note(process, "Appends", key, if marker { "marker" } else { "value" });
    // It may find the lock taken, or die.
    scene.shared.appending.fetch_add(1, Ordering::Relaxed);
    let _ = producer.append_batch(&mut batch);
    scene.shared.appending.fetch_sub(1, Ordering::Relaxed);
}

fn maintain(scene: Scene, mut rng: Rng) {
    let mut steward: Option<(u32, Steward<Heard>)> = None;
    for _ in 0..scene.cast.passes {
        steward.take_if(|(process, _)| !scene.goes_on(*process));
        if scene.turns.are_over() {
            return;
        }
        if steward.is_none() {
            let (process, vfs) = scene.stage.process("steward");
            let options = StewardOptions::new().roll(rng.one_in(3)).lock_wait(LockWait::Try);
            steward = options.open_in(vfs, STREAM).ok().map(|steward| (process, steward));
        }
        let Some((process, steward)) = &mut steward else { continue };
        let _ = scene.risk(&mut rng, *process, 100, || steward.run_once());
    }
}

/// One who reads, and what it is to go on by.
#[derive(Default)]
struct Reading {
    consumer: Option<(u32, Consumer<Heard>)>,
    token: Option<Token>,
    seen: u64,
}

/// Consumers, one after another: each reads on, ends, or goes away at the end and comes back.
fn consume(scene: Scene, mut rng: Rng) {
    let mut reading = Reading::default();
    for _ in 0..scene.cast.looks {
        if scene.cast.lingers > 0 && rng.one_in(4) {
            (0..scene.cast.lingers).for_each(|_| scene.stage.pass());
        }
        if scene.turns.are_over() {
            return;
        }
        match reading.consumer.take() {
            Some((process, _)) if scene.stage.is_dead(process) => reading = Reading::new(&scene),
            Some((process, consumer)) => reading.read(&scene, &mut rng, process, consumer),
            None => reading.open(&scene, &mut rng),
        }
    }
    if let Some((process, _)) = &reading.consumer {
        scene.stage.note(*process, "Ends", 0, "");
    }
}

impl Reading {
    /// Nothing read, nothing held.
    fn new(scene: &Scene) -> Self {
        scene.is_away(false);
        Self::default()
    }

    fn open(&mut self, scene: &Scene, rng: &mut Rng) {
        let (process, vfs) = scene.stage.process("consumer");
        let start = self.token.map_or(Start::Beginning, Start::Token);
        let options = ConsumerOptions::new().start(start).lock_wait(LockWait::Try);
        match scene.risk(rng, process, 30, || options.open_in(vfs, STREAM)) {
            Ok(consumer) => {
                self.consumer = Some((process, consumer));
                scene.is_away(false);
            }
            Err(ReadError::OffsetOutOfRange { .. }) => {
                scene.stage.note(process, "Seek", 0, "told");
                scene.stage.note(process, "Ends", 0, "");
                *self = Self::new(scene);
            }
            Err(_) if scene.stage.is_dead(process) => *self = Self::new(scene),
            // A steward has the segment.
            Err(_) => {}
        }
    }

    fn read(&mut self, scene: &Scene, rng: &mut Rng, process: u32, mut consumer: Consumer<Heard>) {
        let times = || scene.shared.times.load(Ordering::Relaxed);
        let before = times();
        let read = || consumer.try_next().map(|record| record.map(|record| record.offset));
        match scene.risk(rng, process, 20, read) {
            Ok(Some(offset)) => {
                scene.stage.note(process, "Read", offset + 1, "");
                self.seen += 1;
            }
            Ok(None) if scene.goes_on(process) => match rng.below(4) {
                0 if self.seen > 0 && before == times() => {
                    scene.stage.note(process, "GoAway", 0, "");
                    scene.is_away(true);
                    self.token = consumer.token();
                    return;
                }
                1 => {
                    scene.stage.note(process, "Ends", 0, "");
                    *self = Self::new(scene);
                    return;
                }
                _ => {}
            },
            // It was told that it lost its place: the next one begins anew.
            Err(ReadError::OffsetOutOfRange { .. }) => {
                scene.stage.note(process, "Ends", 0, "");
                *self = Self::new(scene);
                return;
            }
            // A steward has the next segment, or it is dead.
            Ok(None) | Err(_) => {}
        }
        self.consumer = Some((process, consumer));
    }
}
