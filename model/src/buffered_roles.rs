//! What processes do whose threads share a producer, and those that keep the writer's lock, in the
//! worlds of loom and shuttle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use puro::internals::dir::Directory;
use puro::internals::vfs::Vfs;
use puro::{BufferOptions, BufferedProducer, Start};

use crate::judge::{Journal, STREAM, open};
use crate::roles::{self, Role};
use crate::shared_world::{Threads, World};

/// Something that a thread does with the producer that it shares.
#[derive(Clone, Copy, Debug)]
pub enum Do {
    /// Pushes a record, and waits for it.
    Append(&'static str),
    /// Only pushes it.
    Push(&'static str),
    /// Flushes. One thread of a process may, and nobody beside it.
    Flush,
    /// Waits until so many records are there, without doing anything for it. Only where
    /// nobody is in trouble.
    Await(usize),
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It takes its producer back, and appends a record with it.
    Close(&'static str),
    /// It drops the buffer.
    Drop,
    /// It forgets the buffer: that is a mistake, and must be seen to be one.
    Forget,
}

/// A process whose threads share a [`BufferedProducer`].
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Whether it appends durably.
    pub durable: bool,
    /// Whether it has a thread that appends what nobody waits for.
    pub lingers: bool,
    /// How many bytes it collects.
    pub batch_bytes: usize,
    /// What each of its threads does.
    pub threads: &'static [&'static [Do]],
    /// How it ends.
    pub end: End,
}

/// A buffer that no thread drops which panics: that would call the checker.
struct Shared<T: Threads>(Option<BufferedProducer<World<T>>>);

impl<T: Threads> Shared<T> {
    fn producer(&self) -> &BufferedProducer<World<T>> {
        self.0.as_ref().expect("it is taken out at the end")
    }
}

impl<T: Threads> Drop for Shared<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.0.take());
        }
    }
}

impl Process {
    fn options(&self) -> BufferOptions {
        // Longer than what one look at the clock takes: the lingering thread waits, too.
        let linger = self.lingers.then_some(Duration::from_millis(100));
        BufferOptions::new().linger(linger).batch_bytes(self.batch_bytes)
    }

    fn thread<T: Threads>(
        &self,
        world: &World<T>,
        journal: &Journal,
        shared: &Shared<T>,
        at: usize,
    ) {
        let buffered = shared.producer();
        for does in self.threads[at] {
            match does {
                Do::Push(value) => drop(journal.push(world, buffered, value)),
                Do::Append(value) => {
                    if let Some(pushed) = journal.push(world, buffered, value) {
                        journal.wait(world, buffered, pushed, self.durable);
                    }
                }
                Do::Flush => journal.flush(world, buffered, self.durable),
                Do::Await(count) => {
                    roles::waits_for(Start::Beginning, *count)(world.clone(), journal.clone())();
                }
            }
        }
    }

    fn ends<T: Threads>(&self, world: &World<T>, journal: &Journal, mut shared: Shared<T>) {
        let Some(buffered) = shared.0.take() else { return };
        match self.end {
            End::Close(value) => {
                if let Some(mut producer) = journal.close(world, buffered, self.durable) {
                    journal.append(world, &mut producer, &[value]);
                }
            }
            End::Drop => {
                drop(buffered);
                journal.dropped(world, self.durable);
            }
            End::Forget => {
                std::mem::forget(buffered);
                journal.dropped(world, self.durable);
            }
        }
    }
}

/// Several threads that append through one producer.
pub fn shares<T: Threads>(process: Process) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut producer = open(&world).expect("opened at rest");
        producer.set_durable(process.durable);
        Box::new(move || {
            let buffered = BufferedProducer::new(producer, process.options());
            let shared = Arc::new(Shared(Some(buffered)));
            let others: Vec<_> = (1..process.threads.len())
                .map(|at| {
                    let (world, journal) = (world.clone(), journal.clone());
                    let (own, shared) = (world.clone(), Arc::clone(&shared));
                    let work = move || process.thread(&own, &journal, &shared, at);
                    world.spawn(Box::new(work)).expect("the worlds start threads")
                })
                .collect();
            process.thread(&world, &journal, &shared, 0);
            others.into_iter().for_each(|join| join());
            let shared = Arc::into_inner(shared).expect("the others have ended");
            process.ends(&world, &journal, shared);
        })
    })
}

/// Something that a process does which keeps the writer's lock.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// Appends a batch.
    Append(&'static [&'static str]),
    /// Lets others go first.
    GiveWay,
    /// The lock file loses its name: to a cleaner of old files, that comes just then.
    LoseName,
}

/// Keeps the lock over all that it does, then appends a record without it.
pub fn holds<T: Threads>(
    durable: bool,
    does: &'static [Keep],
    then: &'static [&'static str],
) -> Role<T> {
    Arc::new(move |world, journal| {
        let mut producer = open(&world).expect("opened at rest");
        producer.set_durable(durable);
        Box::new(move || {
            let note = |appended: Option<puro::Appended>| {
                if let (Some(appended), true) = (appended, durable) {
                    journal.durable(appended.first_offset);
                }
            };
            match producer.hold() {
                Ok(mut held) => {
                    for step in does {
                        match step {
                            Keep::Append(values) => {
                                note(journal.append_held(&world, &mut held, values));
                            }
                            Keep::GiveWay => report(&world, &journal, held.give_way()),
                            Keep::LoseName => lose_name(&world, &journal),
                        }
                    }
                }
                Err(error) => report(&world, &journal, Err(error)),
            }
            note(journal.append(&world, &mut producer, then));
        })
    })
}

fn report<T: Threads, E: std::fmt::Display>(
    world: &World<T>,
    journal: &Journal,
    done: Result<(), E>,
) {
    if let (Err(error), false) = (done, world.is_troubled()) {
        journal.wrong(format!("Progress: the lock cannot be kept: {error}"));
    }
}

fn lose_name<T: Threads>(world: &World<T>, journal: &Journal) {
    let dir = Directory::new(world.clone(), Path::new(STREAM));
    report(world, journal, dir.remove("writer.lock", "remove"));
}
