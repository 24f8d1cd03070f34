//! The seam of the simulated machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use puro::internals::os::{OsMonitor, OsVfs};
use puro::internals::vfs::{
    FileId, FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile, Watch,
};

use super::disk::{DirNumber, FileNumber, Node};
use super::world::{Fault, Machine, Verdict, World};
use crate::locks::{Descriptor, ProcessId};

/// The machine as one process sees it.
#[derive(Clone)]
pub struct SimVfs {
    world: World,
    process: ProcessId,
}

/// A file that a process has open.
pub struct SimFile {
    vfs: SimVfs,
    file: FileNumber,
    descriptor: Descriptor,
    /// How many failures of writing back this descriptor was told of (M-6).
    told: std::sync::atomic::AtomicU64,
}

/// A directory that a process has open, wherever it is by now.
#[derive(Clone, Debug)]
pub struct SimDir {
    number: DirNumber,
    opened_as: Arc<Path>,
}

/// Nothing is ever noticed here: whoever waits, polls.
pub struct NoWatch;

impl Watch for NoWatch {
    fn clear(&mut self) {}
    fn wait(&mut self, _timeout: Duration) {}
}

impl SimVfs {
    /// The view of one process.
    pub fn new(world: &World, process: ProcessId) -> Self {
        Self { world: world.clone(), process }
    }

    /// The machine.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A call that is done whole or not at all.
    fn call<T>(&self, run: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        match self.world.before(self.process)? {
            Verdict::Go | Verdict::Fail(Fault::Short) => run(&mut self.world.machine()),
            Verdict::Fail(fault) => Err(error(fault)),
            Verdict::Die(bytes) => {
                if bytes > 0 {
                    let _ = run(&mut self.world.machine());
                }
                Err(self.die())
            }
        }
    }

    /// Opens the file that is found in one call.
    fn open_descriptor(
        &self,
        find: impl FnOnce(&mut Machine) -> io::Result<FileNumber>,
    ) -> io::Result<SimFile> {
        let (file, descriptor, failures) = self.call(|machine| {
            let file = find(machine)?;
            let descriptor = machine.locks.open(self.process, file);
            Ok((file, descriptor, machine.disk.file(file).failures))
        })?;
        Ok(SimFile { vfs: self.clone(), file, descriptor, told: failures.into() })
    }

    fn die(&self) -> io::Error {
        self.world.kill(self.process);
        io::Error::other("this process dies")
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::NoSpace => io::ErrorKind::StorageFull.into(),
        Fault::Io | Fault::Short => io::Error::other("input/output error"),
        Fault::Interrupted => io::ErrorKind::Interrupted.into(),
    }
}

fn not_found<T>() -> io::Result<T> {
    Err(io::ErrorKind::NotFound.into())
}

/// Where an open directory is by now.
fn path_of<'m>(machine: &'m Machine, dir: &SimDir) -> io::Result<&'m Path> {
    machine.disk.path_of(dir.number).map_or_else(not_found, Ok)
}

fn path_in(machine: &Machine, dir: &SimDir, name: &str) -> io::Result<PathBuf> {
    Ok(path_of(machine, dir)?.join(name))
}

fn create_directory(machine: &mut Machine, path: &Path) -> io::Result<()> {
    if machine.disk.look_up(path).is_none() {
        machine.note_step(None);
    }
    if machine.disk.create_directory(path) { Ok(()) } else { not_found() }
}

impl SimFile {
    fn write_now(&self, machine: &mut Machine, position: u64, bytes: &[u8]) -> usize {
        if !bytes.is_empty() {
            machine.note_step(Some((self.file, position as usize, bytes)));
            machine.disk.write(self.file, position as usize, bytes);
        }
        bytes.len()
    }

    fn sync(&self) -> io::Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let sync = |machine: &mut Machine| {
            machine.note_step(None);
            machine.disk.sync(self.file);
            let failures = machine.disk.file(self.file).failures;
            if self.told.swap(failures, Relaxed) < failures {
                return Err(io::Error::other("input/output error, some time ago"));
            }
            Ok(())
        };
        match self.vfs.world.before(self.vfs.process)? {
            Verdict::Go | Verdict::Fail(Fault::Short) => sync(&mut self.vfs.world.machine()),
            Verdict::Fail(fault @ (Fault::Io | Fault::NoSpace)) => {
                let mut machine = self.vfs.world.machine();
                machine.disk.fail_sync(self.file);
                self.told.store(machine.disk.file(self.file).failures, Relaxed);
                Err(error(fault))
            }
            Verdict::Fail(fault) => Err(error(fault)),
            Verdict::Die(bytes) => {
                if bytes > 0 {
                    let _ = sync(&mut self.vfs.world.machine());
                }
                Err(self.vfs.die())
            }
        }
    }

    /// Syncs without the length: against M-5, for a planted bug.
    pub fn sync_without_length(&self) -> io::Result<()> {
        self.vfs.call(|machine| {
            machine.note_step(None);
            machine.disk.sync_without_length(self.file);
            Ok(())
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut machine = self.vfs.world.machine();
        if !machine.dead.contains(&self.vfs.process) {
            let descriptor = machine.descriptor(self.descriptor);
            machine.locks.close(descriptor);
        }
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let wanted = match self.vfs.world.before(self.vfs.process)? {
            Verdict::Go => buf.len(),
            Verdict::Fail(Fault::Short) => buf.len().div_ceil(2),
            Verdict::Fail(fault) => return Err(error(fault)),
            Verdict::Die(_) => return Err(self.vfs.die()),
        };
        let machine = self.vfs.world.machine();
        let bytes = &machine.disk.file(self.file).cache;
        let there = bytes.get(position as usize..).unwrap_or_default();
        let count = there.len().min(wanted);
        buf[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        let half = buf.len() / 2;
        match self.vfs.world.before(self.vfs.process)? {
            Verdict::Go => Ok(self.write_now(&mut self.vfs.world.machine(), position, buf)),
            Verdict::Fail(Fault::Short) => {
                let part = &buf[..half.max(1).min(buf.len())];
                Ok(self.write_now(&mut self.vfs.world.machine(), position, part))
            }
            Verdict::Fail(fault) => {
                if fault != Fault::Interrupted {
                    self.write_now(&mut self.vfs.world.machine(), position, &buf[..half]);
                }
                Err(error(fault))
            }
            Verdict::Die(bytes) => {
                let part = &buf[..bytes.min(buf.len())];
                self.write_now(&mut self.vfs.world.machine(), position, part);
                Err(self.vfs.die())
            }
        }
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.vfs.call(|machine| Ok(status_of(machine, self.file)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.vfs.call(|machine| {
            machine.note_step(None);
            machine.disk.set_len(self.file, len as usize);
            Ok(())
        })
    }

    fn reserve(&self, _begin: u64, _end: u64) -> io::Result<()> {
        self.vfs.call(|_| Ok(()))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    /// Waiting helps nobody here: whoever holds the lock goes on only when this call returns.
    fn lock(&self, kind: LockKind, _wait: LockWait) -> io::Result<bool> {
        self.vfs.call(|machine| {
            let family = machine.family;
            let descriptor = machine.descriptor(self.descriptor);
            Ok(machine.locks.try_lock(descriptor, family, kind))
        })
    }

    /// Giving a whole-file lock back does not fail, whatever was to fail here.
    fn unlock(&self) -> io::Result<()> {
        let unlock = |machine: &mut Machine| {
            let family = machine.family;
            let descriptor = machine.descriptor(self.descriptor);
            machine.locks.unlock(descriptor, family);
        };
        match self.vfs.world.before(self.vfs.process)? {
            Verdict::Go | Verdict::Fail(_) => {
                unlock(&mut self.vfs.world.machine());
                Ok(())
            }
            Verdict::Die(_) => Err(self.vfs.die()),
        }
    }
}

impl Vfs for SimVfs {
    type File = SimFile;
    type Dir = SimDir;
    type Watch = NoWatch;
    type Monitor<T: Send + 'static> = OsMonitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(|machine| create_directory(machine, path))
    }

    fn open_dir(&self, path: &Path) -> io::Result<SimDir> {
        self.call(|machine| {
            let number = machine.disk.directory(path).map_or_else(not_found, Ok)?;
            Ok(SimDir { number, opened_as: path.into() })
        })
    }

    fn is_still_there(&self, dir: &SimDir) -> io::Result<bool> {
        self.call(|machine| Ok(machine.disk.directory(&dir.opened_as) == Some(dir.number)))
    }

    fn create_subdir(&self, dir: &SimDir, name: &str, _alike: bool) -> io::Result<()> {
        self.call(|machine| create_directory(machine, &path_in(machine, dir, name)?))
    }

    fn open_subdir(&self, dir: &SimDir, name: &str) -> io::Result<SimDir> {
        self.call(|machine| {
            let path = path_in(machine, dir, name)?;
            let number = machine.disk.directory(&path).map_or_else(not_found, Ok)?;
            Ok(SimDir { number, opened_as: dir.opened_as.join(name).into() })
        })
    }

    /// Modes and owners are not simulated.
    fn create(&self, dir: &SimDir, name: &str, _like: Option<&SimFile>) -> io::Result<SimFile> {
        self.open_descriptor(|machine| {
            let path = path_in(machine, dir, name)?;
            if machine.disk.look_up(&path).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if machine.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            machine.note_step(None);
            machine.disk.create(&path).map_or_else(not_found, Ok)
        })
    }

    fn open(&self, dir: &SimDir, name: &str, _mode: OpenMode) -> io::Result<SimFile> {
        self.open_descriptor(|machine| match machine.disk.look_up(&path_in(machine, dir, name)?) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory) => Err(io::ErrorKind::InvalidInput.into()),
            None => not_found(),
        })
    }

    fn status_of(&self, dir: &SimDir, name: &str) -> io::Result<Option<FileStatus>> {
        self.call(|machine| match machine.disk.look_up(&path_in(machine, dir, name)?) {
            Some(Node::File(file)) => Ok(Some(status_of(machine, file))),
            _ => Ok(None),
        })
    }

    fn list(&self, dir: &SimDir) -> io::Result<Vec<String>> {
        self.call(|machine| {
            let mut names = machine.disk.list(path_of(machine, dir)?).map_or_else(not_found, Ok)?;
            names.retain(|name| !machine.hidden.contains(name));
            Ok(names)
        })
    }

    fn rename(&self, dir: &SimDir, from: &str, to: &str) -> io::Result<()> {
        self.call(|machine| {
            let (from, to) = (path_in(machine, dir, from)?, path_in(machine, dir, to)?);
            machine.note_step(None);
            if machine.disk.rename(&from, &to) { Ok(()) } else { not_found() }
        })
    }

    fn remove(&self, dir: &SimDir, name: &str) -> io::Result<()> {
        self.call(|machine| {
            let path = path_in(machine, dir, name)?;
            machine.note_step(None);
            if machine.disk.remove(&path) { Ok(()) } else { not_found() }
        })
    }

    fn sync_dir(&self, dir: &SimDir) -> io::Result<()> {
        self.call(|machine| {
            let path = path_of(machine, dir)?.to_owned();
            machine.note_step(None);
            if machine.disk.sync_directory(&path) { Ok(()) } else { not_found() }
        })
    }

    fn free_bytes(&self, _dir: &SimDir) -> io::Result<u64> {
        self.call(|machine| Ok(machine.free_bytes))
    }

    fn file_system(&self, _dir: &SimDir) -> io::Result<FileSystem> {
        self.call(|_| Ok(FileSystem { name: "memory".to_owned(), network: false }))
    }

    fn watch(&self, _dir: &SimDir) -> io::Result<NoWatch> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now_ms(&self) -> u64 {
        self.world.now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.world.machine().slept
    }

    fn sleep(&self, duration: Duration) {
        self.world.machine().slept += duration;
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        Some((u128::from(self.world.machine().disk.boot) << 64 | 0xB007).to_le_bytes())
    }

    fn pid(&self) -> u32 {
        self.world.machine().running(self.process)
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        self.call(|machine| {
            machine.random += 1;
            Ok((u128::from(machine.random) << 64 | 0x1D).to_le_bytes())
        })
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> OsMonitor<T> {
        OsMonitor::new(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        OsVfs::new().spawn(work)
    }

    fn yield_now(&self) {
        OsVfs::new().yield_now();
    }
}

/// What a file is like at this moment.
fn status_of(machine: &mut Machine, file: FileNumber) -> FileStatus {
    let len = machine.disk.file(file).cache.len() as u64;
    let id = FileId { device: 1, inode: u64::from(file) };
    FileStatus { len, id, links: machine.disk.links(file) }
}
