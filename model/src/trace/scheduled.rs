//! Runs in the world of shuttle that are listened to: producers, readers and deaths, each call of
//! the seam and each part of a read or write in the order of a schedule.
//!
//! Only one actor runs at a time, but another may be scheduled between an effect and the event
//! that tells of it. What happens under `writer.lock` is in order all the same; looks of readers are
//! [put in their places](super::settle), as with processes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::trace::Action;
use puro::{Batch, Consumer, ConsumerOptions, NewRecord, Producer, ProducerOptions};
use shuttle::Runner;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use super::{Event, Log, settle};
use crate::history::STREAM;
use crate::shared_world::{Image, Manner, Order, Plan, Threads};
use crate::shuttle_world::{STACK_BYTES, Schedules, Shuttle, ShuttleWorld};

type Heard = Interpose<ShuttleWorld>;

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Producers: one of them makes the stream, the last opens it while others work.
    pub producers: u32,
    /// Records that each appends.
    pub appends: u32,
    /// Readers.
    pub readers: u32,
    /// How often each looks for what is there.
    pub looks: u32,
    /// Bytes of a record's value.
    pub bytes: usize,
    /// Bytes of records in a segment.
    pub segment_bytes: u64,
    /// How many zeros producers put ahead at most (Z-1).
    pub zeros_ahead_bytes: u64,
}

/// One of so many actors dies, at one of so many steps.
const DIES: u32 = 2;
const STEPS: u32 = 40;
/// Schedules of which the last is listened to: PCT learns from those before how long they are.
const SCHEDULES: usize = 2;

/// What is common to all actors of a schedule.
#[derive(Clone)]
struct Stage {
    world: ShuttleWorld,
    log: Log,
    living: Arc<Mutex<Vec<(u32, ShuttleWorld)>>>,
}

/// Listens to one actor.
struct Listener {
    stage: Stage,
    number: u32,
    world: ShuttleWorld,
    /// When the first read since its last event began; 0 if there was none.
    begun: AtomicU64,
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Answer {
        if call.operation == Operation::Read && self.begun.load(Ordering::Relaxed) == 0 {
            self.begun.store(self.stage.log.tick(), Ordering::Relaxed);
        }
        Answer::Proceed
    }

    fn trace(&self, action: &Action<'_>) {
        self.stage.note_deaths();
        if !self.world.is_dead() {
            let begun = self.begun.swap(0, Ordering::Relaxed);
            self.stage.log.note(Event { begun, ..Event::of(self.number, action) });
        }
    }
}

impl Stage {
    fn new() -> Self {
        let manner =
            Manner { writes: Order::Any, reads: Order::Any, every_look: true, ..Manner::default() };
        let world = ShuttleWorld::new(&Image::default(), manner, 1);
        Self { world, log: Log::default(), living: Arc::default() }
    }

    fn actor(&self, number: u32, role: &str, plan: Plan) -> Heard {
        let world = self.world.actor(number, plan);
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.push((number, world.clone()));
        drop(living);
        let mut event = Event::of_the_world(number, "Begins");
        event.label = format!("{role} {number}");
        self.log.note(event);
        let begun = AtomicU64::new(0);
        let listener = Listener { stage: self.clone(), number, world: world.clone(), begun };
        Interpose::new(world, listener)
    }

    /// Notes who died since. Whoever dies gives up its locks, so it is noted before anybody
    /// else is heard of who has taken one of them.
    fn note_deaths(&self) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        let (dead, alive) = living.drain(..).partition(|(_, world)| world.is_dead());
        *living = alive;
        let dead: Vec<(u32, ShuttleWorld)> = dead;
        for (number, _) in dead {
            self.log.note(Event::of_the_world(number, "Die"));
        }
    }
}

fn fate() -> Plan {
    let dies_at = (Shuttle::choose(DIES) == 0).then(|| Shuttle::choose(STEPS));
    Plan { dies_at, ..Plan::default() }
}

fn append(mut producer: Producer<Heard>, number: u32, cast: Cast) {
    for index in 0..cast.appends {
        producer.set_durable(Shuttle::choose(2) == 0);
        let mut value = (number * 100 + index).to_le_bytes().to_vec();
        value.resize(cast.bytes.max(value.len()), 0);
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("t", &value)).expect("a small record");
        // Who is dead is told so; nothing else fails here.
        let _ = producer.append_batch(&mut batch);
    }
}

fn read(mut consumer: Consumer<Heard>, looks: u32) {
    for _ in 0..looks {
        while let Ok(Some(_)) = consumer.try_next() {}
    }
}

/// Plays a cast once, in the schedule that is running.
fn play_now(cast: Cast) -> Vec<Event> {
    let stage = Stage::new();
    let options = ProducerOptions::new()
        .zeros_ahead_bytes(cast.zeros_ahead_bytes)
        .segment_bytes(cast.segment_bytes);
    let mut works: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    for number in 1..=cast.producers {
        let plan = if number > 1 { fate() } else { Plan::default() };
        let (vfs, options) = (stage.actor(number, "producer", plan), options.clone());
        works.push(if number > 1 && number == cast.producers {
            Box::new(move || {
                if let Ok(producer) = options.open_in(vfs, STREAM) {
                    append(producer, number, cast);
                }
            })
        } else {
            let producer = options.open_in(vfs, STREAM).expect("opened at rest");
            Box::new(move || append(producer, number, cast))
        });
    }
    for number in cast.producers + 1..=cast.producers + cast.readers {
        let vfs = stage.actor(number, "reader", Plan::default());
        let consumer = ConsumerOptions::new().open_in(vfs, STREAM).expect("opened at rest");
        works.push(Box::new(move || read(consumer, cast.looks)));
    }
    stage.world.set_going();
    let threads: Vec<_> = works.into_iter().map(shuttle::thread::spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("an actor panicked"));
    stage.note_deaths();
    stage.log.events()
}

/// Plays a cast in a schedule that the seed determines; tells what happened.
#[must_use]
pub fn play(cast: Cast, schedules: Schedules, seed: u64) -> Vec<Event> {
    settle(in_a_schedule(schedules, seed, move || play_now(cast)))
}

/// Plays in a schedule that the seed determines; tells what happened in it.
#[must_use]
pub fn in_a_schedule(
    schedules: Schedules,
    seed: u64,
    play: impl Fn() -> Vec<Event> + Send + Sync + 'static,
) -> Vec<Event> {
    match schedules {
        Schedules::Random => run(RandomScheduler::new_from_seed(seed, SCHEDULES), play),
        Schedules::Pct(depth) => run(PctScheduler::new_from_seed(seed, depth, SCHEDULES), play),
    }
}

fn run(
    scheduler: impl Scheduler + 'static,
    play: impl Fn() -> Vec<Event> + Send + Sync + 'static,
) -> Vec<Event> {
    let played = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&played);
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(scheduler, config).run(move || {
        *told.lock().unwrap_or_else(PoisonError::into_inner) = play();
    });
    std::mem::take(&mut *played.lock().unwrap_or_else(PoisonError::into_inner))
}
