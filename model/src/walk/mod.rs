//! The graph walk: every step that the model has, taken by shipped code.
//!
//! TLC dumps the graph of a configuration of `spec/Segment.tla`: all its states, and all
//! steps between them. Here each step is taken by the code of `src/` over the crash
//! simulator, and the world afterwards, seen as the model sees it ([`view`]), must be the
//! state that the step leads to. In every state, what each actor's code is about to do must
//! be what the model lets it do: no less, and no more.
//!
//! - [`value`], [`picture`], [`graph`]: what TLC dumped;
//! - [`cover`]: paths from the first state that together contain every step;
//! - [`cast`]: the actors, each on a thread of its own, running `Producer::append_once` and
//!   `Consumer::try_next`; [`seam`] and [`gate`]: where they stop;
//! - [`sides`]: what they are about to do, in the words of the model; [`stage`]: the driver.
//!
//! # How steps and code go together
//!
//! A step that changes anything but one actor's memory is a call of the seam: the actor stops
//! before it, the driver lets it go on. A write of a block is one step for each part,
//! in whatever order the model has; so is a reader's look. What an actor decides by itself
//! (`Classify`, `Duplicate`, `Reserve`, `Deliver`, ..) is known by the call that it stops at
//! next. Nothing is decided by the driver but what somebody else decides in real life: whose
//! turn it is, who dies when, which call fails, how an append is asked for.
//!
//! Who leaves without appending has only opened the stream, or its append expects another end; or,
//! where it saw to the epoch first, there is no room for what it was to append.
//!
//! Who puts zeros (Z-1) may find room for any part of them, or for none. Who closes its producer (Z-8)
//! opens a new one for its next append. Whether a writer puts any, the graph tells: one that has no such
//! step there is one that leaves them to others.
//!
//! Three things are not as in the model. Where a process opens its producer in order to append, it
//! looks, repairs and gives the lock back, and its first append takes it again; nobody else has a
//! turn in between, and the model has one look. A reader is shown one block at a time, so that what it
//! holds of the next is never older than its last look. What a writer remembers (`mem`, `known`)
//! cannot be seen from outside: it is taken to be what the model says, and proved with the next
//! block that it builds, which names the block before, the offset and `durable_to`.

pub mod cast;
pub mod cover;
pub mod gate;
pub mod graph;
pub mod picture;
pub mod seam;
pub mod sides;
pub mod stage;
pub mod value;
pub mod view;

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use puro::internals::codec::get_u32;
use puro::internals::layout::{end, header};
use puro::internals::segment::SegmentHeader;
use puro::internals::vfs::Vfs;
use puro::{ConsumerOptions, LockWait};

use self::cast::{UNIT, WriterThread, writer_options};
use self::gate::{Gate, Permit};
use self::graph::Graph;
use self::seam::GateVfs;
use self::sides::{ReaderSide, WriterSide};
use self::stage::{SEGMENT, Stage};
use self::value::{FromValue, Parser};
use self::view::View;
use crate::history::{STREAM, options};
use crate::sim::disk::Node;
use crate::sim::{Disk, SimVfs, World};

/// The constants of a configuration that the walk must know.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How long the file can get.
    pub units: u8,
    /// How many appends each writer wants.
    pub requests: u8,
    /// Sizes of blocks.
    pub sizes: Vec<u8>,
    /// How many blocks are begun in all.
    pub max_made: usize,
    /// How many units of zeros are put behind the end.
    pub max_zeros: u8,
}

impl Bounds {
    /// The constants as they stand in a configuration.
    ///
    /// # Errors
    /// Which one is missing.
    pub fn read(config: &str) -> Result<Self, String> {
        let values: BTreeMap<&str, &str> = config
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        fn get<T: FromValue>(values: &BTreeMap<&str, &str>, name: &str) -> Result<T, String> {
            let value = values.get(name).and_then(|text| Parser::new(text).value());
            value
                .and_then(|value| T::from_value(&value))
                .ok_or_else(|| format!("no constant {name}"))
        }
        let sizes: std::collections::BTreeSet<u8> = get(&values, "Sizes")?;
        Ok(Self {
            units: get(&values, "Units")?,
            requests: get(&values, "Requests")?,
            sizes: sizes.into_iter().collect(),
            max_made: usize::from(get::<u8>(&values, "MaxMade")?),
            max_zeros: get(&values, "MaxZeros")?,
        })
    }

    /// How many parts a reader reads of a block.
    fn parts(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(1).into()
    }
}

/// What was walked so far, by all.
pub struct Seen {
    states: Vec<AtomicBool>,
    edges: Vec<AtomicBool>,
    probes: AtomicUsize,
    beyond: AtomicUsize,
}

impl Seen {
    fn new(graph: &Graph) -> Self {
        let flags = |count| std::iter::repeat_with(AtomicBool::default).take(count).collect();
        let (states, edges) = (flags(graph.states.len()), flags(graph.edges.len()));
        Self { states, edges, probes: AtomicUsize::new(0), beyond: AtomicUsize::new(0) }
    }

    fn is_new(&self, state: usize) -> bool {
        !self.states[state].swap(true, Ordering::Relaxed)
    }

    fn edge(&self, edge: usize) {
        self.edges[edge].store(true, Ordering::Relaxed);
    }

    fn probed(&self) {
        self.probes.fetch_add(1, Ordering::Relaxed);
    }

    fn beyond_bounds(&self) {
        self.beyond.fetch_add(1, Ordering::Relaxed);
    }
}

/// What came of a walk.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// States of the model, and those that the code was in.
    pub states: (usize, usize),
    /// Steps of the model, and those that the code took.
    pub edges: (usize, usize),
    /// For each action the steps of the model, and those that the code took.
    pub actions: BTreeMap<String, (usize, usize)>,
    /// Paths walked, and steps on them.
    pub paths: usize,
    /// Steps on all paths.
    pub steps: usize,
    /// How often an append was tried while another writer held the lock.
    pub probes: usize,
    /// How often code went on where the model has reached its bounds.
    pub beyond: usize,
    /// Where code and model part.
    pub complaints: Vec<String>,
}

/// After so many complaints nobody goes on.
const ENOUGH: usize = 5;

/// Walks a graph, on so many threads; `seam` is what stands between code and machine.
pub fn walk<V: Vfs>(
    graph: &Graph,
    bounds: &Bounds,
    jobs: usize,
    seam: impl Fn(SimVfs) -> V + Sync,
) -> Report {
    let paths = cover::paths(graph);
    let template = template();
    let (seen, next) = (Seen::new(graph), AtomicUsize::new(0));
    let complaints = Mutex::new(Vec::new());
    let steps = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    steps.fetch_add(path.len(), Ordering::Relaxed);
                    let walked = walk_path(graph, bounds, &template, path, &seen, &seam);
                    let mut complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                    complaints.extend(walked.err());
                    if complaints.len() >= ENOUGH {
                        return;
                    }
                }
            });
        }
    });
    let mut actions: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (edge, done) in graph.edges.iter().zip(&seen.edges) {
        let counts = actions.entry(edge.label.clone()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(done.load(Ordering::Relaxed));
    }
    let count = |flags: &[AtomicBool]| flags.iter().filter(|f| f.load(Ordering::Relaxed)).count();
    Report {
        states: (graph.states.len(), count(&seen.states)),
        edges: (graph.edges.len(), count(&seen.edges)),
        actions,
        paths: paths.len(),
        steps: steps.into_inner(),
        probes: seen.probes.into_inner(),
        beyond: seen.beyond.into_inner(),
        complaints: complaints.into_inner().unwrap_or_else(PoisonError::into_inner),
    }
}

/// A disk with a stream on it that holds nothing, all of it synced.
fn template() -> Disk {
    let world = World::new(Disk::default());
    let vfs = SimVfs::new(&world, 1);
    let options = options(cast::SEGMENT_BYTES);
    options.create_in(vfs.clone(), STREAM).expect("a new stream");
    drop(options.open_in(vfs, STREAM).expect("a new producer"));
    let mut disk = world.disk();
    let paths: Vec<_> = disk.paths().map(|(path, _)| path).collect();
    for path in paths {
        if let Some(Node::File(file)) = disk.look_up(&path) {
            disk.sync(file);
        }
    }
    disk.sync_directory(FilePath::new(STREAM));
    disk.sync_directory(FilePath::new("/"));
    disk
}

/// Ends all threads, however a path ends.
struct Ending(Vec<Arc<Gate>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.iter().for_each(|gate| gate.permit(Permit::End));
    }
}

/// Tells the driver when a thread ends in a panic, for which it would wait for ever.
struct Alive<'g>(&'g Gate);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lost("a thread of the cast panics");
        }
    }
}

fn walk_path<V: Vfs>(
    graph: &Graph,
    bounds: &Bounds,
    template: &Disk,
    path: &[usize],
    seen: &Seen,
    seam: impl Fn(SimVfs) -> V + Sync,
) -> Result<(), String> {
    let world = World::new(template.clone());
    let bytes = template.bytes_of(FilePath::new(SEGMENT)).unwrap_or_default();
    let header = SegmentHeader::decode(bytes, true).map_err(|cause| format!("{cause:?}"))?;
    let opening_crc = get_u32(bytes, bytes.len() - end::CRC).unwrap_or_default();
    let base = bytes.len() as u64;
    debug_assert!(bytes.len() > header::LEN);
    let view = View { header, base, opening_crc, units: bounds.units, blocks: Vec::new() };
    let clock = Arc::new(AtomicU64::new(0));
    let first = &graph.states[0];
    let (writers, readers) = (first.pc.len(), first.rd.len());
    let gates = (0..writers + readers)
        .map(|i| Arc::new(Gate::new(if i < writers { 0 } else { bounds.parts() }, header)));
    let gates: Vec<Arc<Gate>> = gates.collect();
    let (seam, world, clock) = (&seam, &world, &clock);
    std::thread::scope(|scope| {
        for (gate, number) in gates.iter().zip(1u32..) {
            let vfs = move |process| {
                let machine = seam(SimVfs::new(world, process));
                GateVfs::new(machine, Arc::clone(gate), Arc::clone(clock))
            };
            gate.inside().process = number;
            if number as usize <= writers {
                let zeros_ahead_bytes = if graph.puts_zeros(number as usize - 1) {
                    u64::from(bounds.max_zeros) * UNIT as u64
                } else {
                    0
                };
                let opened = writer_options(zeros_ahead_bytes).open_in(vfs(number), STREAM);
                let producer = Some(opened.map_err(|error| error.to_string())?);
                let identity = number.to_string();
                let writer = WriterThread { identity, seam: vfs, zeros_ahead_bytes, producer };
                scope.spawn(move || {
                    let _alive = Alive(gate);
                    writer.run(gate);
                });
            } else {
                let options = ConsumerOptions::new().lock_wait(LockWait::Try);
                let mut consumer =
                    options.open_in(vfs(number), STREAM).map_err(|e| e.to_string())?;
                consumer.try_next().map_err(|error| error.to_string())?;
                scope.spawn(move || {
                    let _alive = Alive(gate);
                    cast::read(consumer, gate);
                });
            }
        }
        let _ending = Ending(gates.clone());
        let sides = gates.iter().zip(1u32..);
        let (mut writer_sides, mut reader_sides) = (Vec::new(), Vec::new());
        for (gate, number) in sides {
            if number as usize <= writers {
                writer_sides.push(WriterSide::new(Arc::clone(gate), number));
            } else {
                reader_sides.push(ReaderSide::new(Arc::clone(gate)));
            }
        }
        let sides = (writer_sides, reader_sides);
        let processes = (writers + readers) as u32;
        Stage::new(graph, bounds, world.clone(), view, sides, processes).walk(path, seen)
    })
}
