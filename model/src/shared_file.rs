//! One file of the [shared world](crate::shared_world): its bytes, what of them is on the
//! disk, and who has locked it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use puro::internals::vfs::LockKind;

use crate::shared_world::Threads;

/// A file, whatever names lead to it.
pub struct Inode<T: Threads> {
    /// What tells it from others.
    pub number: u64,
    /// Where accesses to its bytes meet.
    pub bytes_gate: T::Gate,
    /// Where those to its lock meet.
    pub lock_gate: T::Gate,
    content: Mutex<Content>,
    locks: Mutex<Locks>,
}

/// An owner of a lock: an actor and one of its open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The actor, which takes its locks along when it dies.
    pub actor: u32,
    /// The open file.
    pub handle: u64,
}

/// The bytes of a file.
#[derive(Debug, Default)]
pub struct Content {
    /// As every process sees them.
    pub bytes: Vec<u8>,
    /// As they are after a loss of power.
    pub disk: Vec<u8>,
    /// What the system still means to write to the disk.
    dirty: Vec<Range<usize>>,
    /// How many syncs failed.
    pub failed_syncs: u64,
    /// Whether a name leads to the file.
    pub links: u64,
}

/// Who holds the file's lock.
#[derive(Debug, Default)]
pub struct Locks {
    shared: BTreeSet<Owner>,
    exclusive: Option<Owner>,
}

impl<T: Threads> Inode<T> {
    /// A new file with a name.
    pub fn new(number: u64, bytes: Vec<u8>) -> Self {
        let content = Content { disk: bytes.clone(), bytes, links: 1, ..Content::default() };
        Self {
            number,
            bytes_gate: T::gate(),
            lock_gate: T::gate(),
            content: Mutex::new(content),
            locks: Mutex::default(),
        }
    }

    /// The bytes. Never held across a scheduling point.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The locks. Never held across a scheduling point.
    pub fn locks(&self) -> MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Copies what stands from `position` on; tells how many bytes.
    pub fn read(&self, buf: &mut [u8], position: usize) -> usize {
        let held = self.bytes.get(position..).unwrap_or_default();
        let count = held.len().min(buf.len());
        buf[..count].copy_from_slice(&held[..count]);
        count
    }

    /// Writes; a gap before `position` becomes zeros (M-3).
    pub fn write(&mut self, buf: &[u8], position: usize) {
        let range = position..position + buf.len();
        if self.bytes.len() < range.end {
            self.bytes.resize(range.end, 0);
        }
        self.bytes[range.clone()].copy_from_slice(buf);
        self.dirty.push(range);
    }

    /// Cuts or extends.
    pub fn set_len(&mut self, len: usize) {
        self.bytes.resize(len, 0);
    }

    /// Puts what is dirty on the disk, and the length (M-5).
    pub fn sync(&mut self) {
        self.disk.resize(self.bytes.len(), 0);
        for range in std::mem::take(&mut self.dirty) {
            let range = range.start.min(self.bytes.len())..range.end.min(self.bytes.len());
            self.disk[range.clone()].copy_from_slice(&self.bytes[range]);
        }
    }

    /// A sync that fails: what was dirty is forgotten, not written (M-6).
    pub fn fail_to_sync(&mut self) {
        self.dirty.clear();
        self.failed_syncs += 1;
    }
}

impl Locks {
    /// Takes the lock, if no other owner is in the way.
    pub fn take(&mut self, kind: LockKind, owner: Owner) -> bool {
        let others_share = self.shared.iter().any(|holder| *holder != owner);
        let other_excludes = self.exclusive.is_some_and(|holder| holder != owner);
        match kind {
            LockKind::Shared if !other_excludes => {
                self.exclusive = None;
                self.shared.insert(owner);
                true
            }
            LockKind::Exclusive if !other_excludes && !others_share => {
                self.shared.clear();
                self.exclusive = Some(owner);
                true
            }
            _ => false,
        }
    }

    /// Whether `owner` holds it in some way.
    pub fn held_by(&self, owner: Owner) -> bool {
        self.exclusive == Some(owner) || self.shared.contains(&owner)
    }

    /// Whether some file of `actor` holds it.
    pub fn held_by_actor(&self, actor: u32) -> bool {
        self.exclusive.iter().chain(&self.shared).any(|holder| holder.actor == actor)
    }

    /// Takes the lock from all owners that are meant.
    pub fn release(&mut self, meant: impl Fn(Owner) -> bool) {
        self.exclusive = self.exclusive.filter(|holder| !meant(*holder));
        self.shared.retain(|holder| !meant(*holder));
    }
}
