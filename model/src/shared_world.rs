//! An operating system in memory, for the worlds in which a checker decides who runs next.
//!
//! It is written once, over [`Threads`]: what loom, shuttle, or nobody at all (the
//! [`Alone`] of a single thread) does about scheduling. The state stands in plain memory.
//! Every access to it goes through a *gate*, an object of the checker: passing one is a
//! step, at which another actor may be scheduled first. Where the steps are:
//!
//! - a write of more than one unit of 64 bytes is two steps, first unit and rest, in the order
//!   that [`Manner::writes`] says; a read likewise (M-2: neither is atomic);
//! - every other call is one step, but for those that no other actor can tell from nothing
//!   (reserving room, clocks, `sync_dir`) and, unless [`Manner::every_look`] is set, for the
//!   status of a file: its length matters to the holder of `writer.lock` alone, who
//!   is the only one to change it.
//!
//! An actor can die at any of its steps ([`Plan::dies_at`]): its locks are released there,
//! and each later call of it fails without effect. So a death in mid-write leaves part of it.
//!
//! An actor may have several threads ([`Threads::spawn`]), which share its steps and die with it:
//! what they do to each other in memory is ordered by the checker too ([`Threads::Monitor`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use puro::internals::layout::BLOCK_ALIGN;
use puro::internals::os::OsMonitor;
use puro::internals::vfs::{FileId, FileStatus, Join, Monitor};

use crate::shared_file::Inode;

/// What decides who runs next.
pub trait Threads: Send + Sync + 'static {
    /// Where accesses to one thing meet: the checker orders them in every way.
    type Gate: Send + Sync + 'static;

    /// A new gate.
    fn gate() -> Self::Gate;
    /// Takes a step, before which others may be scheduled.
    fn pass<R>(gate: &Self::Gate, step: impl FnOnce() -> R) -> R;
    /// Waits until `ready`, which is asked again after each [`Threads::wake`].
    fn wait(gate: &Self::Gate, ready: impl FnMut() -> bool);
    /// Takes a step, after which all who wait at the gate look again.
    fn wake<R>(gate: &Self::Gate, step: impl FnOnce() -> R) -> R;
    /// One of so many ways to go on.
    fn choose(ways: u32) -> u32;
    /// A value that the threads of one actor share. Time limits are not its matter.
    type Monitor<V: Send + 'static>: Monitor<V> + 'static;
    /// A new one.
    fn monitor<V: Send + 'static>(value: V) -> Self::Monitor<V>;
    /// Starts another thread of an actor.
    fn spawn(work: Box<dyn FnOnce() + Send>) -> Join;
    /// Lets others run first, if any can.
    fn pause();
}

/// A single thread: for making streams to begin with, and looking at what came of them.
#[derive(Debug)]
pub enum Alone {}

impl Threads for Alone {
    type Gate = ();
    fn gate() {}
    fn pass<R>((): &(), step: impl FnOnce() -> R) -> R {
        step()
    }
    fn wait((): &(), mut ready: impl FnMut() -> bool) {
        assert!(ready(), "a single thread waits for itself");
    }
    fn wake<R>((): &(), step: impl FnOnce() -> R) -> R {
        step()
    }
    fn choose(_ways: u32) -> u32 {
        0
    }
    type Monitor<V: Send + 'static> = OsMonitor<V>;
    fn monitor<V: Send + 'static>(value: V) -> OsMonitor<V> {
        OsMonitor::new(value)
    }
    fn spawn(_work: Box<dyn FnOnce() + Send>) -> Join {
        unreachable!("a single thread is alone")
    }
    fn pause() {}
}

/// In which order the two parts of a read or a write are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first 64 bytes, then the rest.
    Forward,
    /// The rest, then the first 64 bytes.
    Backward,
    /// Either, as the checker likes.
    Any,
}

/// How the world breaks a promise that real systems keep, so that checks can be seen to bite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Not at all.
    None,
    /// Locks exclude nobody.
    LockExcludesNobody,
    /// The signal is high as soon as the first part of a block is written.
    SignalBeforeBody,
    /// A watch forgets what came between being cleared and being waited for.
    DeafWatch,
    /// All files look like the same one.
    ConstantId,
    /// A renamed file is empty at first.
    TornRename,
    /// A sync does nothing.
    LyingSync,
    /// Who begins to wait for another thread misses what comes at that moment.
    DeafMonitor,
}

/// How a world behaves where systems differ.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Order within writes.
    pub writes: Order,
    /// Order within reads.
    pub reads: Order,
    /// Whether asking for a file's status is a step.
    pub every_look: bool,
    /// Whether directories can be watched; if not, who waits polls.
    pub watched: bool,
    /// Whether reads and writes may be interrupted or do less than asked.
    pub hiccups: bool,
    /// What it does wrong.
    pub sabotage: Sabotage,
}

impl Default for Manner {
    fn default() -> Self {
        let (writes, reads) = (Order::Forward, Order::Backward);
        let sabotage = Sabotage::None;
        Self { writes, reads, every_look: false, watched: false, hiccups: false, sabotage }
    }
}

/// What befalls an actor.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The step at which it dies.
    pub dies_at: Option<u32>,
    /// The steps that fail, without effect.
    pub fails: Range<u32>,
}

/// The names and bytes of a file system at rest.
#[derive(Clone, Debug, Default)]
pub struct Image {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// The names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.files.keys().map(|path| path.display().to_string()).collect()
    }
}

type Names<T> = BTreeMap<PathBuf, Arc<Inode<T>>>;

pub(crate) struct Tree<T: Threads> {
    pub dirs: BTreeSet<PathBuf>,
    pub names: Names<T>,
    /// The names that outlive a loss of power.
    pub disk_names: Names<T>,
    /// One for each watch: whether it has something to tell.
    pub bells: Vec<Arc<AtomicBool>>,
    pub next_number: u64,
}

pub(crate) struct Shared<T: Threads> {
    pub tree: Mutex<Tree<T>>,
    pub names_gate: T::Gate,
    pub bell_gate: T::Gate,
    pub manner: Manner,
    pub boot: u8,
    pub next_handle: AtomicU64,
    /// While only one thread runs, nothing is a step.
    pub at_rest: AtomicBool,
}

pub(crate) struct Actor {
    pub number: u32,
    pub plan: Plan,
    pub steps: AtomicU32,
    pub dead: AtomicBool,
    pub failed: AtomicBool,
    pub clock_ms: AtomicU64,
}

impl<T: Threads> Tree<T> {
    /// Makes a file in a directory that is there.
    pub fn make(&mut self, path: &Path, bytes: Vec<u8>) -> io::Result<Arc<Inode<T>>> {
        if !path.parent().is_some_and(|dir| self.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = Arc::new(Inode::new(self.next_number, bytes));
        self.next_number += 1;
        if let Some(replaced) = self.names.insert(path.to_owned(), Arc::clone(&inode)) {
            replaced.content().links = 0;
        }
        Ok(inode)
    }

    /// Puts the names of a directory on the disk.
    pub fn sync_names(&mut self, dir: &Path) {
        let inside = |path: &Path| path.parent() == Some(dir);
        self.disk_names.retain(|path, _| !inside(path));
        let named = self.names.iter().filter(|(path, _)| inside(path));
        self.disk_names.extend(named.map(|(path, inode)| (path.clone(), Arc::clone(inode))));
    }
}

/// The world as one actor has it.
pub struct World<T: Threads> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) actor: Arc<Actor>,
}

impl<T: Threads> Clone for World<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), actor: Arc::clone(&self.actor) }
    }
}

impl<T: Threads> World<T> {
    /// A world at rest, in its boot number `boot`, that holds what an image shows.
    #[must_use]
    pub fn new(image: &Image, manner: Manner, boot: u8) -> Self {
        let files = image.files.iter().zip(1..);
        let names: Names<T> = files
            .map(|((path, bytes), number)| {
                (path.clone(), Arc::new(Inode::new(number, bytes.clone())))
            })
            .collect();
        let tree = Tree {
            dirs: image.dirs.clone(),
            disk_names: names.clone(),
            next_number: names.len() as u64 + 1,
            names,
            bells: Vec::new(),
        };
        let shared = Shared {
            tree: Mutex::new(tree),
            names_gate: T::gate(),
            bell_gate: T::gate(),
            manner,
            boot,
            next_handle: AtomicU64::new(1),
            at_rest: AtomicBool::new(true),
        };
        let world =
            Self { shared: Arc::new(shared), actor: Arc::new(Actor::new(0, Plan::default())) };
        world.tree().dirs.insert(PathBuf::from("/"));
        world
    }

    /// The same world for another actor.
    #[must_use]
    pub fn actor(&self, number: u32, plan: Plan) -> Self {
        let actor = Arc::new(Actor::new(number, plan));
        Self { shared: Arc::clone(&self.shared), actor }
    }

    /// From here on the checker schedules; to be called before the first thread is started.
    pub fn set_going(&self) {
        self.shared.at_rest.store(false, Ordering::Relaxed);
    }

    /// From here on only one thread runs; to be called after the last was joined.
    pub fn set_at_rest(&self) {
        self.shared.at_rest.store(true, Ordering::Relaxed);
    }

    /// Whether this actor has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.actor.dead.load(Ordering::Relaxed)
    }

    /// Whether this actor has died or had a call fail.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.is_dead() || self.actor.failed.load(Ordering::Relaxed)
    }

    /// What is there now.
    #[must_use]
    pub fn image(&self) -> Image {
        let tree = self.tree();
        let files =
            tree.names.iter().map(|(path, inode)| (path.clone(), inode.content().bytes.clone()));
        Image { dirs: tree.dirs.clone(), files: files.collect() }
    }

    /// What would be left by a loss of power that keeps nothing but what was synced.
    #[must_use]
    pub fn disk_image(&self) -> Image {
        let tree = self.tree();
        let files = tree
            .disk_names
            .iter()
            .map(|(path, inode)| (path.clone(), inode.content().disk.clone()));
        Image { dirs: tree.dirs.clone(), files: files.collect() }
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree<T>> {
        self.shared.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sabotaged(&self, sabotage: Sabotage) -> bool {
        self.shared.manner.sabotage == sabotage
    }

    /// Whether nothing is a step now. A thread that panics must not call the checker.
    pub(crate) fn quiet(&self) -> bool {
        self.shared.at_rest.load(Ordering::Relaxed) || std::thread::panicking()
    }

    /// Tells what happens, when a single schedule is played again.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        static TOLD: LazyLock<bool> =
            LazyLock::new(|| std::env::var("PURO_SHUTTLE_REPLAY").is_ok());
        if *TOLD && !self.quiet() {
            eprintln!("actor {}: {}", self.actor.number, what());
        }
    }

    /// Counts a step of this actor, which may be its last, or fail.
    pub(crate) fn begin_step(&self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("the actor is dead"));
        }
        if self.quiet() {
            return Ok(());
        }
        let step = self.actor.steps.fetch_add(1, Ordering::Relaxed);
        if self.actor.plan.dies_at == Some(step) {
            self.tell(|| "dies".to_owned());
            self.die();
            return Err(io::Error::other("the actor dies"));
        }
        if self.actor.plan.fails.contains(&step) {
            self.tell(|| "has the next call fail".to_owned());
            self.actor.failed.store(true, Ordering::Relaxed);
            return Err(io::Error::other("a planned failure"));
        }
        Ok(())
    }

    /// Death: the kernel takes the locks back.
    fn die(&self) {
        self.actor.dead.store(true, Ordering::Relaxed);
        let number = self.actor.number;
        let inodes: Vec<_> = self.tree().names.values().map(Arc::clone).collect();
        for inode in inodes {
            if inode.locks().held_by_actor(number) {
                T::wake(&inode.lock_gate, || inode.locks().release(|owner| owner.actor == number));
            }
        }
    }

    pub(crate) fn step<R>(
        &self,
        gate: &T::Gate,
        effect: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.begin_step()?;
        if self.quiet() { effect() } else { T::pass(gate, effect) }
    }

    /// A step that whoever watches the directory hears of.
    pub(crate) fn change<R>(
        &self,
        gate: &T::Gate,
        effect: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let done = self.step(gate, effect)?;
        if self.shared.manner.watched {
            let ring =
                || self.tree().bells.iter().for_each(|bell| bell.store(true, Ordering::Relaxed));
            if self.quiet() { ring() } else { T::wake(&self.shared.bell_gate, ring) }
        }
        Ok(done)
    }

    pub(crate) fn id(&self, inode: &Inode<T>) -> FileId {
        let inode = if self.sabotaged(Sabotage::ConstantId) { 0 } else { inode.number };
        FileId { device: 1, inode }
    }

    /// What a file is like at this moment.
    pub(crate) fn status(&self, inode: &Inode<T>) -> FileStatus {
        let content = inode.content();
        let (len, links) = (content.bytes.len() as u64, content.links);
        FileStatus { len, id: self.id(inode), links }
    }

    /// The two parts of a write of `length` bytes, in their order.
    #[allow(clippy::single_range_in_vec_init)] // one part, not a list of numbers
    pub(crate) fn parts(&self, length: usize) -> Vec<Range<usize>> {
        let unit = BLOCK_ALIGN as usize;
        if length <= unit || self.quiet() {
            return vec![0..length];
        }
        let mut parts = vec![0..unit, unit..length];
        if self.is_backward(self.shared.manner.writes) {
            parts.reverse();
        }
        parts
    }

    pub(crate) fn is_backward(&self, order: Order) -> bool {
        order == Order::Backward || order == Order::Any && T::choose(2) == 1
    }

    /// How many of `length` bytes this call transfers; an interruption now and then.
    pub(crate) fn hiccup(&self, length: usize) -> io::Result<usize> {
        if !self.shared.manner.hiccups || self.quiet() || length == 0 {
            return Ok(length);
        }
        match T::choose(16) {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1 => Ok(length.div_ceil(2)),
            _ => Ok(length),
        }
    }
}

impl Actor {
    fn new(number: u32, plan: Plan) -> Self {
        Self {
            number,
            plan,
            steps: AtomicU32::new(0),
            dead: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            clock_ms: AtomicU64::new(0),
        }
    }
}
