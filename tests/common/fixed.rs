//! A world in which everything but the files is fixed: time, boot, process and random bytes.
//! What is written in it is the same, byte for byte, on every machine and every day.

#![allow(dead_code)] // Each test takes what it needs.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use puro::internals::os::{OsDir, OsFile, OsMonitor, OsVfs, OsWatch};
use puro::internals::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

/// 2026-01-01T00:00:00Z: when every fixed world begins.
pub const BEGINNING_MS: u64 = 1_767_225_600_000;

/// Real files in a fixed world. Clones share it.
#[derive(Clone)]
pub struct Fixed {
    files: OsVfs,
    world: Arc<Mutex<World>>,
}

struct World {
    now_ms: u64,
    boot: u8,
    named_boot: Option<[u8; 16]>,
    random: u8,
    while_asleep: Option<Box<dyn FnMut() + Send>>,
}

impl Fixed {
    pub fn new() -> Self {
        let world = World {
            now_ms: BEGINNING_MS,
            boot: 1,
            named_boot: None,
            random: 0,
            while_asleep: None,
        };
        Self { files: OsVfs::new(), world: Arc::new(Mutex::new(world)) }
    }

    /// Time passes only so.
    pub fn pass_ms(&self, ms: u64) {
        self.world.lock().unwrap().now_ms += ms;
    }

    /// What others do whenever somebody sleeps.
    pub fn while_asleep(&self, act: impl FnMut() + Send + 'static) {
        self.world.lock().unwrap().while_asleep = Some(Box::new(act));
    }

    /// From now on it is this boot.
    pub fn name_boot(&self, boot_id: [u8; 16]) {
        self.world.lock().unwrap().named_boot = Some(boot_id);
    }

    /// The machine was restarted.
    pub fn reboot(&self) {
        self.world.lock().unwrap().boot += 1;
    }
}

impl Vfs for Fixed {
    type File = FixedFile;
    type Dir = OsDir;
    type Watch = OsWatch;
    type Monitor<T: Send + 'static> = OsMonitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir(path)
    }
    fn open_dir(&self, path: &Path) -> io::Result<OsDir> {
        self.files.open_dir(path)
    }
    fn is_still_there(&self, dir: &OsDir) -> io::Result<bool> {
        self.files.is_still_there(dir)
    }
    fn create_subdir(&self, dir: &OsDir, name: &str, alike: bool) -> io::Result<()> {
        self.files.create_subdir(dir, name, alike)
    }
    fn open_subdir(&self, dir: &OsDir, name: &str) -> io::Result<OsDir> {
        self.files.open_subdir(dir, name)
    }
    fn create(&self, dir: &OsDir, name: &str, like: Option<&FixedFile>) -> io::Result<FixedFile> {
        self.files.create(dir, name, like.map(|like| &like.0)).map(FixedFile)
    }
    fn open(&self, dir: &OsDir, name: &str, mode: OpenMode) -> io::Result<FixedFile> {
        self.files.open(dir, name, mode).map(FixedFile)
    }
    fn status_of(&self, dir: &OsDir, name: &str) -> io::Result<Option<FileStatus>> {
        self.files.status_of(dir, name)
    }
    fn list(&self, dir: &OsDir) -> io::Result<Vec<String>> {
        self.files.list(dir)
    }
    fn rename(&self, dir: &OsDir, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(dir, from, to)
    }
    fn remove(&self, dir: &OsDir, name: &str) -> io::Result<()> {
        self.files.remove(dir, name)
    }
    fn sync_dir(&self, dir: &OsDir) -> io::Result<()> {
        self.files.sync_dir(dir)
    }
    fn free_bytes(&self, _dir: &OsDir) -> io::Result<u64> {
        Ok(1 << 40)
    }
    fn file_system(&self, _dir: &OsDir) -> io::Result<FileSystem> {
        Ok(FileSystem { name: "fixed".to_owned(), network: false })
    }
    fn watch(&self, dir: &OsDir) -> io::Result<OsWatch> {
        self.files.watch(dir)
    }
    fn now_ms(&self) -> u64 {
        self.world.lock().unwrap().now_ms
    }
    fn monotonic(&self) -> Duration {
        self.files.monotonic()
    }
    fn sleep(&self, _duration: Duration) {
        let act = self.world.lock().unwrap().while_asleep.take();
        if let Some(mut act) = act {
            act();
            self.world.lock().unwrap().while_asleep = Some(act);
        }
    }
    fn boot_id(&self) -> Option<[u8; 16]> {
        let world = self.world.lock().unwrap();
        Some(world.named_boot.unwrap_or([0xB0 + world.boot; 16]))
    }
    fn pid(&self) -> u32 {
        4242
    }
    fn random(&self) -> io::Result<[u8; 16]> {
        let mut world = self.world.lock().unwrap();
        world.random += 1;
        Ok(std::array::from_fn(|index| world.random * 16 + index as u8))
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> OsMonitor<T> {
        self.files.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.files.spawn(work)
    }

    fn yield_now(&self) {
        self.files.yield_now();
    }
}

/// A real file on which nothing is reserved.
pub struct FixedFile(OsFile);

impl VfsFile for FixedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buf, position)
    }
    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        self.0.write_at(buf, position)
    }
    fn status(&self) -> io::Result<FileStatus> {
        self.0.status()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn reserve(&self, _begin: u64, _end: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        self.0.lock(kind, wait)
    }
    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}
