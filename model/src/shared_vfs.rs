//! The seam of the [shared world](crate::shared_world): open files, names, locks and watches.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use puro::internals::layout::{BLOCK_ALIGN, SIGNAL_HIGH, SIGNAL_LOW};
use puro::internals::vfs::{
    FileId, FileStatus, FileSystem, Join, LockKind, LockWait, Monitor, OpenMode, Vfs, VfsFile,
    Watch,
};

use crate::shared_file::{Inode, Owner};
use crate::shared_world::{Sabotage, Threads, World};

/// An open file of one actor.
pub struct SharedFile<T: Threads> {
    world: World<T>,
    inode: Arc<Inode<T>>,
    owner: Owner,
    /// How many failed syncs of the file it was told of.
    told: AtomicU64,
}

impl<T: Threads> SharedFile<T> {
    fn release(&self) {
        let (inode, owner) = (&self.inode, self.owner);
        let release = || inode.locks().release(|holder| holder == owner);
        if self.world.quiet() { release() } else { T::wake(&inode.lock_gate, release) }
    }
}

impl<T: Threads> Drop for SharedFile<T> {
    fn drop(&mut self) {
        if self.inode.locks().held_by(self.owner) {
            self.release();
        }
    }
}

impl<T: Threads> VfsFile for SharedFile<T> {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let (world, position) = (&self.world, position as usize);
        let wanted = world.hiccup(buf.len())?;
        let buf = &mut buf[..wanted];
        let unit = BLOCK_ALIGN as usize;
        let read = |buf: &mut [u8], position| {
            world.step(&self.inode.bytes_gate, || Ok(self.inode.content().read(buf, position)))
        };
        if wanted <= unit || world.quiet() {
            return read(buf, position);
        }
        let (head, rest) = buf.split_at_mut(unit);
        if world.is_backward(world.shared.manner.reads) {
            let rest_count = read(rest, position + unit)?;
            let head_count = read(head, position)?;
            return Ok(if head_count < unit { head_count } else { unit + rest_count });
        }
        let head_count = read(head, position)?;
        if head_count < unit {
            return Ok(head_count);
        }
        Ok(unit + read(rest, position + unit)?)
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        let (inode, position) = (&self.inode, position as usize);
        let count = self.world.hiccup(buf.len())?;
        let early = self.world.sabotaged(Sabotage::SignalBeforeBody)
            && buf.len() > 1
            && buf.first() == Some(&SIGNAL_LOW);
        for part in self.world.parts(count) {
            self.world.change(&inode.bytes_gate, || {
                let at = position + part.start;
                self.world.tell(|| {
                    format!("writes {} bytes at {at} of file {}", part.len(), inode.number)
                });
                inode.content().write(&buf[part.clone()], at);
                if early {
                    inode.content().write(&[SIGNAL_HIGH], position);
                }
                Ok(())
            })?;
        }
        Ok(count)
    }

    fn status(&self) -> io::Result<FileStatus> {
        let look = || Ok(self.world.status(&self.inode));
        if self.world.shared.manner.every_look {
            return self.world.step(&self.inode.bytes_gate, look);
        }
        if self.world.is_dead() { Err(io::Error::other("the actor is dead")) } else { look() }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.world.change(&self.inode.bytes_gate, || {
            self.world.tell(|| format!("sets the length of file {} to {len}", self.inode.number));
            self.inode.content().set_len(len as usize);
            Ok(())
        })
    }

    fn reserve(&self, _begin: u64, _end: u64) -> io::Result<()> {
        Ok(())
    }

    /// Whoever has the file open is told once of each failure, also of one before it was opened:
    /// what another process alone was told of is not promised against (M-6).
    fn sync_data(&self) -> io::Result<()> {
        let lying = self.world.sabotaged(Sabotage::LyingSync);
        let synced = self.world.step(&self.inode.bytes_gate, || {
            let mut content = self.inode.content();
            if self.told.swap(content.failed_syncs, Ordering::Relaxed) < content.failed_syncs {
                return Ok(false);
            }
            if !lying {
                content.sync();
            }
            Ok(true)
        });
        self.world.tell(|| format!("syncs file {}: {synced:?}", self.inode.number));
        match synced {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.world.actor.failed.store(true, Ordering::Relaxed);
                Err(io::Error::other("a sync failed before"))
            }
            Err(error) => {
                if !self.world.is_dead() {
                    let mut content = self.inode.content();
                    content.fail_to_sync();
                    self.told.store(content.failed_syncs, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        self.world.begin_step()?;
        let free = self.world.sabotaged(Sabotage::LockExcludesNobody);
        let take = || free || self.inode.locks().take(kind, self.owner);
        if self.world.quiet() {
            return Ok(take());
        }
        if wait == LockWait::Try {
            return Ok(T::pass(&self.inode.lock_gate, take));
        }
        // Time limits are not modelled: who waits is served in the end, or the checker sees a deadlock.
        T::wait(&self.inode.lock_gate, || self.world.is_dead() || take());
        if self.world.is_dead() {
            // By another thread, while this one waited.
            return Err(io::Error::other("the actor is dead"));
        }
        self.world.tell(|| format!("has locked file {}", self.inode.number));
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        if !self.world.is_dead() {
            self.world.tell(|| format!("unlocks file {}", self.inode.number));
            self.release();
        }
        Ok(())
    }
}

/// A watch of one actor.
pub struct SharedWatch<T: Threads> {
    world: World<T>,
    bell: Arc<AtomicBool>,
}

impl<T: Threads> Watch for SharedWatch<T> {
    fn clear(&mut self) {
        let clear = || self.bell.store(false, Ordering::Relaxed);
        if self.world.quiet() { clear() } else { T::pass(&self.world.shared.bell_gate, clear) }
    }

    /// Without a time limit: a wake-up that is lost is a deadlock, which the checker sees.
    fn wait(&mut self, _timeout: Duration) {
        if self.world.sabotaged(Sabotage::DeafWatch) {
            self.clear();
        }
        T::wait(&self.world.shared.bell_gate, || self.bell.load(Ordering::Relaxed));
    }
}

/// A value that the threads of one actor share.
pub struct SharedMonitor<T: Threads, V: Send + 'static> {
    inner: T::Monitor<V>,
    world: World<T>,
}

impl<T: Threads, V: Send + 'static> Monitor<V> for SharedMonitor<T, V> {
    type Held<'m> = <T::Monitor<V> as Monitor<V>>::Held<'m>;

    fn enter(&self) -> Self::Held<'_> {
        self.inner.enter()
    }

    /// Nobody forks here, so that it makes no difference who waits when.
    fn try_enter(&self) -> Option<Self::Held<'_>> {
        Some(self.inner.enter())
    }

    /// A time limit may be over at any moment: whoever has one may run at once again. A dead one that
    /// tries for ever lets others run, until they have ended it.
    fn wait<'m>(&'m self, held: Self::Held<'m>, timeout: Option<Duration>) -> Self::Held<'m> {
        if timeout.is_some() {
            drop(held);
            if self.world.is_dead() {
                T::pause();
            }
            return self.inner.enter();
        }
        if self.world.sabotaged(Sabotage::DeafMonitor) {
            drop(held);
            return self.inner.wait(self.inner.enter(), None);
        }
        self.inner.wait(held, None)
    }

    fn wake_all(&self) {
        self.inner.wake_all();
    }
}

impl<T: Threads> World<T> {
    fn open_now(&self, path: &Path) -> io::Result<Arc<Inode<T>>> {
        Ok(Arc::clone(self.tree().names.get(path).ok_or(io::ErrorKind::NotFound)?))
    }

    fn create_now(&self, path: &Path) -> io::Result<Arc<Inode<T>>> {
        let mut tree = self.tree();
        if tree.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        tree.make(path, Vec::new())
    }

    fn handle(&self, inode: Arc<Inode<T>>) -> SharedFile<T> {
        let handle = self.shared.next_handle.fetch_add(1, Ordering::Relaxed);
        let owner = Owner { actor: self.actor.number, handle };
        SharedFile { world: self.clone(), inode, owner, told: AtomicU64::new(0) }
    }

    fn rename_now(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let inode = tree.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        if let Some(replaced) = tree.names.insert(to.to_owned(), inode) {
            replaced.content().links = 0;
        }
        Ok(())
    }
}

impl<T: Threads> Vfs for World<T> {
    type File = SharedFile<T>;
    type Dir = PathBuf;
    type Watch = SharedWatch<T>;
    type Monitor<V: Send + 'static> = SharedMonitor<T, V>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step(&self.shared.names_gate, || {
            self.tree().dirs.insert(path.to_owned());
            Ok(())
        })
    }

    /// Directories are never moved here: to open one is no step, for it only finds what was made.
    fn open_dir(&self, path: &Path) -> io::Result<PathBuf> {
        let there = self.tree().dirs.contains(path);
        if there { Ok(path.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn is_still_there(&self, _dir: &PathBuf) -> io::Result<bool> {
        Ok(true)
    }

    fn create_subdir(&self, dir: &PathBuf, name: &str, _alike: bool) -> io::Result<()> {
        self.create_dir(&dir.join(name))
    }

    fn open_subdir(&self, dir: &PathBuf, name: &str) -> io::Result<PathBuf> {
        self.open_dir(&dir.join(name))
    }

    fn create(
        &self,
        dir: &PathBuf,
        name: &str,
        _like: Option<&Self::File>,
    ) -> io::Result<Self::File> {
        let create = || self.create_now(&dir.join(name));
        Ok(self.handle(self.step(&self.shared.names_gate, create)?))
    }

    fn open(&self, dir: &PathBuf, name: &str, _mode: OpenMode) -> io::Result<Self::File> {
        let open = || self.open_now(&dir.join(name));
        Ok(self.handle(self.step(&self.shared.names_gate, open)?))
    }

    fn status_of(&self, dir: &PathBuf, name: &str) -> io::Result<Option<FileStatus>> {
        let look = || {
            let named = self.tree().names.get(&dir.join(name)).cloned();
            let constant = FileStatus { len: 0, id: FileId { device: 1, inode: 0 }, links: 1 };
            let otherwise = self.sabotaged(Sabotage::ConstantId).then_some(constant);
            Ok(named.map(|inode| self.status(&inode)).or(otherwise))
        };
        // Of a segment it is the look of each append, which orders nothing: as that of an open file.
        if name.ends_with(".puro") && !self.shared.manner.every_look {
            return if self.is_dead() {
                Err(io::Error::other("the actor is dead"))
            } else {
                look()
            };
        }
        self.step(&self.shared.names_gate, look)
    }

    fn list(&self, dir: &PathBuf) -> io::Result<Vec<String>> {
        self.step(&self.shared.names_gate, || {
            let tree = self.tree();
            if !tree.dirs.contains(dir) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let within = tree.dirs.iter().chain(tree.names.keys());
            let within = within.filter(|path| path.parent() == Some(dir));
            Ok(within.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    fn rename(&self, dir: &PathBuf, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (dir.join(from), dir.join(to));
        if self.sabotaged(Sabotage::TornRename) {
            self.change(&self.shared.names_gate, || self.tree().make(&to, Vec::new()).map(drop))?;
        }
        self.tell(|| format!("renames to {}", to.display()));
        self.change(&self.shared.names_gate, || self.rename_now(&from, &to))
    }

    fn remove(&self, dir: &PathBuf, name: &str) -> io::Result<()> {
        self.change(&self.shared.names_gate, || {
            let removed = self.tree().names.remove(&dir.join(name));
            removed.ok_or(io::ErrorKind::NotFound)?.content().links = 0;
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &PathBuf) -> io::Result<()> {
        self.step(&self.shared.names_gate, || {
            if !self.sabotaged(Sabotage::LyingSync) {
                self.tree().sync_names(dir);
            }
            Ok(())
        })
    }

    fn free_bytes(&self, _dir: &PathBuf) -> io::Result<u64> {
        Ok(u64::MAX / 2)
    }

    fn file_system(&self, _dir: &PathBuf) -> io::Result<FileSystem> {
        Ok(FileSystem { name: "memory".to_owned(), network: false })
    }

    fn watch(&self, _dir: &PathBuf) -> io::Result<Self::Watch> {
        if !self.shared.manner.watched {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let bell = Arc::new(AtomicBool::new(false));
        self.step(&self.shared.bell_gate, || {
            self.tree().bells.push(Arc::clone(&bell));
            Ok(())
        })?;
        Ok(SharedWatch { world: self.clone(), bell })
    }

    fn now_ms(&self) -> u64 {
        1_000 * u64::from(self.shared.boot)
    }

    /// A clock of the actor's own, which every look moves on.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.actor.clock_ms.fetch_add(60, Ordering::Relaxed))
    }

    fn sleep(&self, _duration: Duration) {
        let _ = self.step(&self.shared.names_gate, || Ok(()));
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        Some([self.shared.boot; 16])
    }

    fn pid(&self) -> u32 {
        1
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        Ok([0xA0 | self.actor.number as u8; 16])
    }

    fn monitor<V: Send + 'static>(&self, value: V) -> SharedMonitor<T, V> {
        SharedMonitor { inner: T::monitor(value), world: self.clone() }
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        Ok(T::spawn(work))
    }

    /// Whoever lets others run first may still be the next: that is one of the ways to go on.
    fn yield_now(&self) {}
}
