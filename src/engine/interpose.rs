//! Steps between the code and an operating system: a [`Hook`] is asked before each call, and
//! may count it, let it fail, let it do less than asked, or never return.
//!
//! This is how tests meet full disks, failing syncs and deaths at any call, on real files
//! and in real processes, and how benches count calls.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use puro::internals::interpose::{Call, Interpose, Operation, Answer};
//! use puro::internals::os::OsVfs;
//! use puro::{NewRecord, ProducerOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let syncs = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&syncs);
//! let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
//!     if call.operation == Operation::SyncData {
//!         counter.fetch_add(1, Ordering::Relaxed);
//!     }
//!     Answer::Proceed
//! });
//! let mut producer = ProducerOptions::new().durable(true).open_in(system, dir.path())?;
//! let before = syncs.load(Ordering::Relaxed);
//! producer.append(&NewRecord::new("orders", "3 apples"))?;
//! assert_eq!(syncs.load(Ordering::Relaxed) - before, 1);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::trace::Action;
use crate::engine::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile, Watch,
};

/// A call of the seam that a [`Hook`] is asked about: all that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // They are the operations of `Vfs` and `VfsFile`.
pub enum Operation {
    OpenDir,
    IsStillThere,
    CreateDir,
    Create,
    Open,
    StatusOf,
    List,
    Rename,
    Link,
    Remove,
    SyncDir,
    FreeBytes,
    FileSystem,
    Watch,
    Random,
    Read,
    Write,
    Status,
    SetLen,
    Reserve,
    SyncData,
    SyncAll,
    Lock,
    Unlock,
    Spawn,
}

/// What is about to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'c> {
    /// The operation.
    pub operation: Operation,
    /// The file or directory, by the path by which it or its directory was opened, even if it
    /// was renamed since. Empty where there is none.
    pub path: &'c Path,
    /// Where a read or a write begins; the length asked for by `SetLen`, the end asked
    /// for by `Reserve`; 0 for all others.
    pub position: u64,
    /// Bytes of a read or a write; 0 for all others.
    pub length: usize,
}

/// What is to become of a call.
pub enum Answer {
    /// It is made as it is.
    Proceed,
    /// It is not made, and reports this error.
    Fail(io::Error),
    /// A read or a write is made of the first so many bytes only, and says so; all
    /// others proceed.
    Short(usize),
    /// A write is made of the first so many bytes, as far as the system does them in one
    /// call; anything else is made whole. Then the closure is called, and the call reports
    /// what it returns, if it returns.
    Then(usize, Box<dyn FnOnce() -> io::Error>),
}

/// What is asked before each call, and may change what the system says of itself.
///
/// A closure from [`Call`] to [`Answer`] is a hook too.
pub trait Hook: Send + Sync + 'static {
    /// What is to become of this call.
    fn before(&self, call: &Call<'_>) -> Answer;
    /// This boot's id, given the real one.
    fn boot_id(&self, real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        real
    }
    /// Milliseconds since 1970, given the real ones.
    fn now_ms(&self, real: u64) -> u64 {
        real
    }
    /// Time by the clock that never jumps, given the real one.
    fn monotonic(&self, real: Duration) -> Duration {
        real
    }
    /// This process, given the real one.
    fn pid(&self, real: u32) -> u32 {
        real
    }
    /// Random bytes, given the real ones.
    fn random(&self, real: [u8; 16]) -> [u8; 16] {
        real
    }
    /// Bytes that may still be written, given the real ones.
    fn free_bytes(&self, real: u64) -> u64 {
        real
    }
    /// The names in a directory, given the real ones: a listing is not of one moment.
    fn listed(&self, real: Vec<String>) -> Vec<String> {
        real
    }
    /// The file system, given the real one.
    fn file_system(&self, real: FileSystem) -> FileSystem {
        real
    }
    /// Takes note of a protocol action.
    fn trace(&self, _action: &Action<'_>) {}
}

impl<F: Fn(&Call<'_>) -> Answer + Send + Sync + 'static> Hook for F {
    fn before(&self, call: &Call<'_>) -> Answer {
        self(call)
    }
}

/// A system with a [`Hook`] before it.
#[derive(Clone)]
pub struct Interpose<V> {
    inner: V,
    hook: Arc<dyn Hook>,
}

impl<V> Interpose<V> {
    /// Puts a hook before a system.
    pub fn new(inner: V, hook: impl Hook) -> Self {
        Self { inner, hook: Arc::new(hook) }
    }
}

impl<V: fmt::Debug> fmt::Debug for Interpose<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interpose").field(&self.inner).finish()
    }
}

/// An open file with a [`Hook`] before it.
pub struct InterposedFile<F> {
    inner: F,
    path: PathBuf,
    hook: Arc<dyn Hook>,
}

impl<F: fmt::Debug> fmt::Debug for InterposedFile<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InterposedFile").field(&self.inner).finish()
    }
}

/// An open directory, and the path by which it was opened.
#[derive(Clone, Debug)]
pub struct InterposedDir<D> {
    inner: D,
    path: PathBuf,
}

/// Does what the hook says with a call that has no length.
fn ask<T>(
    hook: &dyn Hook,
    operation: Operation,
    path: &Path,
    position: u64,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match hook.before(&Call { operation, path, position, length: 0 }) {
        Answer::Proceed | Answer::Short(_) => call(),
        Answer::Fail(error) => Err(error),
        Answer::Then(_, then) => {
            let _ = call();
            Err(then())
        }
    }
}

impl<F> InterposedFile<F> {
    fn ask<T>(
        &self,
        operation: Operation,
        position: u64,
        call: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        ask(&*self.hook, operation, &self.path, position, call)
    }

    fn answer(&self, operation: Operation, position: u64, length: usize) -> Answer {
        self.hook.before(&Call { operation, path: &self.path, position, length })
    }
}

impl<F: VfsFile> VfsFile for InterposedFile<F> {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        match self.answer(Operation::Read, position, buf.len()) {
            Answer::Proceed => self.inner.read_at(buf, position),
            Answer::Fail(error) => Err(error),
            Answer::Short(most) => {
                let length = most.min(buf.len());
                self.inner.read_at(buf.get_mut(..length).unwrap_or_default(), position)
            }
            Answer::Then(_, then) => {
                let _ = self.inner.read_at(buf, position);
                Err(then())
            }
        }
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        let first = |most: usize| buf.get(..most).unwrap_or(buf);
        match self.answer(Operation::Write, position, buf.len()) {
            Answer::Proceed => self.inner.write_at(buf, position),
            Answer::Fail(error) => Err(error),
            Answer::Short(most) => self.inner.write_at(first(most), position),
            Answer::Then(most, then) => {
                let _ = self.inner.write_at(first(most), position);
                Err(then())
            }
        }
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.ask(Operation::Status, 0, || self.inner.status())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.ask(Operation::SetLen, len, || self.inner.set_len(len))
    }

    fn reserve(&self, begin: u64, end: u64) -> io::Result<()> {
        self.ask(Operation::Reserve, end, || self.inner.reserve(begin, end))
    }

    fn begin_sync(&self, begin: u64, end: u64) {
        self.inner.begin_sync(begin, end);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.ask(Operation::SyncData, 0, || self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.ask(Operation::SyncAll, 0, || self.inner.sync_all())
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        self.ask(Operation::Lock, 0, || self.inner.lock(kind, wait))
    }

    fn lock_waits(&self) -> u64 {
        self.inner.lock_waits()
    }

    fn touch(&self) {
        self.inner.touch();
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.ask(Operation::Read, position, || self.inner.next_data(position))
    }

    fn is_locked(&self, kind: LockKind) -> io::Result<bool> {
        self.ask(Operation::Lock, 0, || self.inner.is_locked(kind))
    }

    fn unlock(&self) -> io::Result<()> {
        self.ask(Operation::Unlock, 0, || self.inner.unlock())
    }
}

/// A watch is asked about when it is made, and passed through after that.
#[derive(Debug)]
pub struct InterposedWatch<W>(W);

impl<W: Watch> Watch for InterposedWatch<W> {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn wait(&mut self, timeout: Duration) {
        self.0.wait(timeout);
    }
}

impl<V> Interpose<V> {
    fn ask<T>(
        &self,
        operation: Operation,
        path: &Path,
        call: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        ask(&*self.hook, operation, path, 0, call)
    }
}

impl<V: Vfs> Vfs for Interpose<V> {
    type File = InterposedFile<V::File>;
    type Dir = InterposedDir<V::Dir>;
    type Watch = InterposedWatch<V::Watch>;
    type Monitor<T: Send + 'static> = V::Monitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::CreateDir, path, || self.inner.create_dir(path))
    }

    fn open_dir(&self, path: &Path) -> io::Result<Self::Dir> {
        let inner = self.ask(Operation::OpenDir, path, || self.inner.open_dir(path))?;
        Ok(InterposedDir { inner, path: path.to_owned() })
    }

    fn is_still_there(&self, dir: &Self::Dir) -> io::Result<bool> {
        self.ask(Operation::IsStillThere, &dir.path, || self.inner.is_still_there(&dir.inner))
    }

    fn create_subdir(&self, dir: &Self::Dir, name: &str, alike: bool) -> io::Result<()> {
        let path = dir.path.join(name);
        let create = || self.inner.create_subdir(&dir.inner, name, alike);
        self.ask(Operation::CreateDir, &path, create)
    }

    fn open_subdir(&self, dir: &Self::Dir, name: &str) -> io::Result<Self::Dir> {
        let path = dir.path.join(name);
        let open = || self.inner.open_subdir(&dir.inner, name);
        let inner = self.ask(Operation::OpenDir, &path, open)?;
        Ok(InterposedDir { inner, path })
    }

    fn create(
        &self,
        dir: &Self::Dir,
        name: &str,
        like: Option<&Self::File>,
    ) -> io::Result<Self::File> {
        let path = dir.path.join(name);
        let like = like.map(|like| &like.inner);
        let create = || self.inner.create(&dir.inner, name, like);
        let inner = self.ask(Operation::Create, &path, create)?;
        Ok(InterposedFile { inner, path, hook: Arc::clone(&self.hook) })
    }

    fn open(&self, dir: &Self::Dir, name: &str, mode: OpenMode) -> io::Result<Self::File> {
        let path = dir.path.join(name);
        let inner = self.ask(Operation::Open, &path, || self.inner.open(&dir.inner, name, mode))?;
        Ok(InterposedFile { inner, path, hook: Arc::clone(&self.hook) })
    }

    fn status_of(&self, dir: &Self::Dir, name: &str) -> io::Result<Option<FileStatus>> {
        let path = dir.path.join(name);
        self.ask(Operation::StatusOf, &path, || self.inner.status_of(&dir.inner, name))
    }

    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<String>> {
        let names = self.ask(Operation::List, &dir.path, || self.inner.list(&dir.inner))?;
        Ok(self.hook.listed(names))
    }

    fn rename(&self, dir: &Self::Dir, from: &str, to: &str) -> io::Result<()> {
        let path = dir.path.join(from);
        self.ask(Operation::Rename, &path, || self.inner.rename(&dir.inner, from, to))
    }

    fn link(&self, from: &Self::Dir, name: &str, to: &Self::Dir) -> io::Result<()> {
        let path = to.path.join(name);
        self.ask(Operation::Link, &path, || self.inner.link(&from.inner, name, &to.inner))
    }

    fn remove(&self, dir: &Self::Dir, name: &str) -> io::Result<()> {
        let path = dir.path.join(name);
        self.ask(Operation::Remove, &path, || self.inner.remove(&dir.inner, name))
    }

    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()> {
        self.ask(Operation::SyncDir, &dir.path, || self.inner.sync_dir(&dir.inner))
    }

    fn free_bytes(&self, dir: &Self::Dir) -> io::Result<u64> {
        let ask = || self.inner.free_bytes(&dir.inner);
        Ok(self.hook.free_bytes(self.ask(Operation::FreeBytes, &dir.path, ask)?))
    }

    fn file_system(&self, dir: &Self::Dir) -> io::Result<FileSystem> {
        let ask = || self.inner.file_system(&dir.inner);
        Ok(self.hook.file_system(self.ask(Operation::FileSystem, &dir.path, ask)?))
    }

    fn watch(&self, dir: &Self::Dir) -> io::Result<Self::Watch> {
        let watch = || self.inner.watch(&dir.inner);
        self.ask(Operation::Watch, &dir.path, watch).map(InterposedWatch)
    }

    fn now_ms(&self) -> u64 {
        self.hook.now_ms(self.inner.now_ms())
    }

    fn monotonic(&self) -> Duration {
        self.hook.monotonic(self.inner.monotonic())
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.hook.boot_id(self.inner.boot_id())
    }

    fn pid(&self) -> u32 {
        self.hook.pid(self.inner.pid())
    }

    fn process_start(&self) -> u64 {
        self.inner.process_start()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let random = self.ask(Operation::Random, Path::new(""), || self.inner.random())?;
        Ok(self.hook.random(random))
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> V::Monitor<T> {
        self.inner.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.ask(Operation::Spawn, Path::new(""), || self.inner.spawn(work))
    }

    fn yield_now(&self) {
        self.inner.yield_now();
    }

    fn trace(&self, action: &Action<'_>) {
        self.hook.trace(action);
        self.inner.trace(action);
    }
}
