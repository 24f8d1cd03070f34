//! The seam with gates in it: the calls that are steps of the model stop there.
//!
//! A write of a block is as many steps as it has parts, in any order; a read of one, too.
//! A reader is shown one block at a time, as if what stands behind it were not there yet:
//! so that what it holds of the next block is never older than its last look, as in the model.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use puro::internals::block::BlockStart;
use puro::internals::layout::start;
use puro::internals::trace::Action;
use puro::internals::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

use super::cast::UNIT;
use super::gate::{Gate, Leaving, Permit, Phase, Place};

/// A machine behind a gate.
#[derive(Clone)]
pub struct GateVfs<V> {
    inner: V,
    gate: Arc<Gate>,
    /// Counts what was asked of the clock, by all: no two blocks are of the same time.
    clock: Arc<AtomicU64>,
}

/// What a file is to the model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Segment,
    WriterLock,
    Other,
}

/// A file behind a gate.
pub struct GateFile<F> {
    inner: F,
    gate: Arc<Gate>,
    role: Role,
    /// Where the last look of a reader ended, and whether more is shown there from now on.
    shown: Mutex<Option<Shown>>,
}

#[derive(Clone, Copy)]
struct Shown {
    end: u64,
    /// Whether it was all of a block, so that the next look begins at its end.
    whole: bool,
}

impl<V> GateVfs<V> {
    /// Puts a gate before a machine.
    pub fn new(inner: V, gate: Arc<Gate>, clock: Arc<AtomicU64>) -> Self {
        Self { inner, gate, clock }
    }
}

fn stopped<T>() -> io::Result<T> {
    Err(io::Error::other("the call is made to fail"))
}

impl<F: VfsFile> GateFile<F> {
    /// Whether calls on the segment stop.
    fn stops(&self) -> bool {
        let phase = self.gate.phase();
        self.role == Role::Segment && matches!(phase, Phase::Work | Phase::Opening)
    }

    /// Stops, then makes the call if it may.
    fn call<T>(&self, place: Place, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.stops() && self.gate.stop(place) != Permit::Go {
            return stopped();
        }
        run()
    }

    fn write_parts(&self, block: &[u8], position: u64) -> io::Result<usize> {
        let unit = UNIT;
        let mut left: Vec<u8> = (1..=block.len().div_ceil(unit) as u8).collect();
        while !left.is_empty() {
            let place = Place::Write { position, block: block.to_vec(), left: left.clone() };
            let Permit::Part(part) = self.gate.stop(place) else { return stopped() };
            let from = (usize::from(part) - 1) * unit;
            let bytes = &block[from..block.len().min(from + unit)];
            self.inner.write_at(bytes, position + from as u64)?;
            left.retain(|other| *other != part);
        }
        Ok(block.len())
    }

    /// Z-1: zeros are put one unit after another, and only so many of them as there is room for.
    fn write_zeros(&self, zeros: &[u8], position: u64) -> io::Result<usize> {
        let place = Place::Zeros { position, bytes: zeros.len() };
        let Permit::Part(count) = self.gate.stop(place) else { return stopped() };
        let bytes = zeros.len().min(usize::from(count) * UNIT);
        for (unit, at) in zeros[..bytes].chunks(UNIT).zip((position..).step_by(UNIT)) {
            self.inner.write_at(unit, at)?;
        }
        if bytes < zeros.len() { stopped() } else { Ok(bytes) }
    }

    fn read_parts(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let unit = UNIT;
        let mut got = [Vec::new(), Vec::new()];
        let mut left: Vec<u8> = (1..=self.gate.parts as u8).collect();
        while !left.is_empty() {
            let place = Place::Read { position, left: left.clone() };
            let Permit::Part(part) = self.gate.stop(place) else { return stopped() };
            let from = (usize::from(part) - 1) * unit;
            let bytes = &mut got[usize::from(part) - 1];
            bytes.resize(unit, 0);
            let count = self.inner.read_at(bytes, position + from as u64)?;
            bytes.truncate(count);
            left.retain(|other| *other != part);
        }
        let [mut block, rest] = got;
        if !rest.is_empty() {
            block.resize(unit, 0);
            block.extend(rest);
        }
        let (whole, count) = match BlockStart::decode(&block, self.gate.header.place(position)) {
            Ok(start) if start.block_bytes() <= block.len() as u64 => {
                (true, start.block_bytes() as usize)
            }
            _ => (false, block.len()),
        };
        let count = count.min(buf.len());
        buf[..count].copy_from_slice(&block[..count]);
        let shown = Shown { end: position + count as u64, whole };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = (count > 0).then_some(shown);
        Ok(count)
    }

    /// Whether a read goes on where the last look ended, and nothing is shown there.
    fn is_behind_look(&self, position: u64) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match *shown {
            Some(Shown { end, whole }) if end == position => {
                if whole {
                    *shown = None;
                }
                true
            }
            _ => false,
        }
    }
}

impl<F: VfsFile> VfsFile for GateFile<F> {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        // Only readers have parts to read. What is too short for a start is a look at the bytes before
        // their place: a step of the model only where it finds others.
        if !self.stops() || self.gate.parts == 0 || buf.len() < start::LEN {
            return self.inner.read_at(buf, position);
        }
        if self.is_behind_look(position) {
            return Ok(0);
        }
        self.read_parts(buf, position)
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        if !self.stops() {
            return self.inner.write_at(buf, position);
        }
        if buf.len() == 1 {
            return self.call(Place::Signal, || self.inner.write_at(buf, position));
        }
        if buf.iter().all(|byte| *byte == 0) {
            return self.write_zeros(buf, position);
        }
        self.write_parts(buf, position)
    }

    fn status(&self) -> io::Result<FileStatus> {
        if self.role == Role::Segment && self.gate.looks() != Permit::Go {
            return stopped();
        }
        self.inner.status()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.gate.phase() == (Phase::GivesUp { cut: false }) {
            return stopped();
        }
        self.call(Place::Cut, || self.inner.set_len(len))
    }

    fn reserve(&self, begin: u64, end: u64) -> io::Result<()> {
        self.inner.reserve(begin, end)
    }

    fn begin_sync(&self, begin: u64, end: u64) {
        self.inner.begin_sync(begin, end);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Place::Sync, || self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.call(Place::Sync, || self.inner.sync_all())
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        if self.role == Role::WriterLock {
            let mut inside = self.gate.inside();
            let stops = inside.phase == Phase::Opening && !inside.may_lock;
            if inside.phase != Phase::Again {
                inside.looked = false;
            }
            drop(inside);
            if stops && self.gate.stop(Place::Lock) != Permit::Go {
                return stopped();
            }
        }
        self.inner.lock(kind, wait)
    }

    fn unlock(&self) -> io::Result<()> {
        if self.role == Role::WriterLock {
            let mut inside = self.gate.inside();
            let only_opens = inside.order.leaves == Some(Leaving::Looked);
            let opens = inside.phase == Phase::Opening;
            if opens && !only_opens {
                (inside.phase, inside.looks_again) = (Phase::Again, true);
            }
            // Z-8: who cuts off zeros does so, gives the lock back, and is gone.
            let closes = inside.order.leaves == Some(Leaving::Closes);
            let stops = inside.phase == Phase::Work && !closes || opens && only_opens;
            drop(inside);
            if stops && self.gate.stop(Place::Unlock) != Permit::Go {
                return stopped();
            }
        }
        self.inner.unlock()
    }
}

impl<V: Vfs> GateVfs<V> {
    fn file(&self, name: &str, inner: V::File) -> GateFile<V::File> {
        let role = if name.ends_with(".puro") {
            Role::Segment
        } else if name == "writer.lock" {
            Role::WriterLock
        } else {
            Role::Other
        };
        GateFile { inner, gate: Arc::clone(&self.gate), role, shown: Mutex::new(None) }
    }
}

impl<V: Vfs> Vfs for GateVfs<V> {
    type File = GateFile<V::File>;
    type Dir = V::Dir;
    type Watch = V::Watch;
    type Monitor<T: Send + 'static> = V::Monitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<V::Dir> {
        self.inner.open_dir(path)
    }

    fn is_still_there(&self, dir: &V::Dir) -> io::Result<bool> {
        self.inner.is_still_there(dir)
    }

    fn create_subdir(&self, dir: &V::Dir, name: &str, alike: bool) -> io::Result<()> {
        let stops = matches!(self.gate.phase(), Phase::Work | Phase::Opening);
        if stops && name == "lost" && self.gate.stop(Place::Save) != Permit::Go {
            return stopped();
        }
        self.inner.create_subdir(dir, name, alike)
    }

    fn open_subdir(&self, dir: &V::Dir, name: &str) -> io::Result<V::Dir> {
        self.inner.open_subdir(dir, name)
    }

    fn create(
        &self,
        dir: &V::Dir,
        name: &str,
        like: Option<&Self::File>,
    ) -> io::Result<Self::File> {
        Ok(self.file(name, self.inner.create(dir, name, like.map(|like| &like.inner))?))
    }

    fn open(&self, dir: &V::Dir, name: &str, mode: OpenMode) -> io::Result<Self::File> {
        Ok(self.file(name, self.inner.open(dir, name, mode)?))
    }

    fn status_of(&self, dir: &V::Dir, name: &str) -> io::Result<Option<FileStatus>> {
        // The look of a writer: of the first one, the file itself was asked before.
        if name.ends_with(".puro") && self.gate.looks() != Permit::Go {
            return stopped();
        }
        self.inner.status_of(dir, name)
    }

    fn list(&self, dir: &V::Dir) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, dir: &V::Dir, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(dir, from, to)
    }

    fn remove(&self, dir: &V::Dir, name: &str) -> io::Result<()> {
        self.inner.remove(dir, name)
    }

    fn sync_dir(&self, dir: &V::Dir) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &V::Dir) -> io::Result<u64> {
        let leaves = self.gate.inside().order.leaves;
        if leaves == Some(Leaving::NoRoom) { Ok(0) } else { self.inner.free_bytes(dir) }
    }

    fn file_system(&self, dir: &V::Dir) -> io::Result<FileSystem> {
        self.inner.file_system(dir)
    }

    fn watch(&self, dir: &V::Dir) -> io::Result<V::Watch> {
        self.inner.watch(dir)
    }

    fn now_ms(&self) -> u64 {
        self.inner.now_ms() + self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.inner.boot_id()
    }

    fn pid(&self) -> u32 {
        self.inner.pid()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        self.inner.random()
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> V::Monitor<T> {
        self.inner.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.inner.spawn(work)
    }

    fn yield_now(&self) {
        self.inner.yield_now();
    }

    fn trace(&self, action: &Action<'_>) {
        let mut inside = self.gate.inside();
        let only_opens = inside.order.leaves == Some(Leaving::Looked);
        // The look after opening is none to the model; an append that gives up has unlocked.
        let hidden = match (inside.phase, action.name) {
            (Phase::Opening, "Unlock") => !only_opens,
            (Phase::GivesUp { .. }, "Unlock") => true,
            (_, "Unlock") if inside.order.leaves == Some(Leaving::Closes) => true,
            (Phase::Setup | Phase::Closed, _) => true,
            _ => inside.looks_again,
        };
        if !hidden {
            let leaves = action.name == "Unlock" && inside.order.leaves.is_some();
            let name = if leaves { "Leave" } else { action.name };
            inside.told.push((name, action.position));
        }
        if action.name == "Classify" {
            inside.looks_again = false;
        }
    }
}
