//! Three ways in which systems lock whole files, as small models (L-1 to L-3).
//!
//! A *description* is what `open` makes; a *descriptor* is a process's handle of one.
//! `dup` and `fork` make further descriptors of the same description. The three ways
//! differ in who owns a lock, and in what takes it away:
//!
//! | way | owner | goes when |
//! |---|---|---|
//! | [`Family::Ofd`] | the description | unlocked through any descriptor of it, or the last one is closed |
//! | [`Family::Posix`] | the process | the process unlocks, or closes *any* descriptor of the file |
//! | [`Family::Flock`] | the description | as OFD; but it excludes only other `flock` locks |
//!
//! Threads own nothing in any of them.

use std::collections::BTreeMap;

use puro::internals::vfs::LockKind;

/// A way of locking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Linux's open-file-description locks: `F_OFD_SETLK`.
    #[default]
    Ofd,
    /// Traditional record locks: `F_SETLK`.
    Posix,
    /// `flock`.
    Flock,
}

/// A process.
pub type ProcessId = u32;
/// What tells one file from another.
pub type FileNumber = u32;
/// A descriptor, numbered over all processes.
pub type Descriptor = u32;

#[derive(Clone, Copy, Debug)]
struct Open {
    process: ProcessId,
    description: u32,
    file: FileNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Description(u32),
    Process(ProcessId),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    file: FileNumber,
    family: Family,
    owner: Owner,
    kind: LockKind,
}

impl Held {
    /// `flock` and the locks of `fcntl` do not see each other.
    fn excludes(&self, file: FileNumber, family: Family, owner: Owner, kind: LockKind) -> bool {
        let same_space = (self.family == Family::Flock) == (family == Family::Flock);
        let exclusive = self.kind == LockKind::Exclusive || kind == LockKind::Exclusive;
        self.file == file && same_space && self.owner != owner && exclusive
    }
}

/// All descriptors and locks of a machine.
#[derive(Clone, Debug, Default)]
pub struct LockTable {
    open: BTreeMap<Descriptor, Open>,
    held: Vec<Held>,
    made: u32,
}

impl LockTable {
    /// A new description of a file, and the first descriptor of it.
    pub fn open(&mut self, process: ProcessId, file: FileNumber) -> Descriptor {
        self.made += 1;
        self.open.insert(self.made, Open { process, description: self.made, file });
        self.made
    }

    /// Another descriptor of the same description, in the same process or (by `fork`)
    /// in another.
    pub fn duplicate(&mut self, descriptor: Descriptor, process: ProcessId) -> Option<Descriptor> {
        let open = *self.open.get(&descriptor)?;
        self.made += 1;
        self.open.insert(self.made, Open { process, ..open });
        Some(self.made)
    }

    /// Gives a child all descriptors of its parent; tells which became which.
    pub fn fork(
        &mut self,
        parent: ProcessId,
        child: ProcessId,
    ) -> BTreeMap<Descriptor, Descriptor> {
        let of_parent = self.open.iter().filter(|(_, open)| open.process == parent);
        let of_parent: Vec<_> = of_parent.map(|(descriptor, _)| *descriptor).collect();
        let pairs =
            of_parent.into_iter().filter_map(|old| Some((old, self.duplicate(old, child)?)));
        pairs.collect()
    }

    fn owner(open: &Open, family: Family) -> Owner {
        match family {
            Family::Posix => Owner::Process(open.process),
            Family::Ofd | Family::Flock => Owner::Description(open.description),
        }
    }

    /// Tries to take a lock; `false` if another owner's is in the way.
    pub fn try_lock(&mut self, descriptor: Descriptor, family: Family, kind: LockKind) -> bool {
        let Some(open) = self.open.get(&descriptor).copied() else { return false };
        let owner = Self::owner(&open, family);
        if family == Family::Flock {
            // Changing the kind of a `flock` lock gives the old one up first.
            self.release(open.file, family, owner);
        }
        if self.held.iter().any(|held| held.excludes(open.file, family, owner, kind)) {
            return false;
        }
        self.release(open.file, family, owner);
        self.held.push(Held { file: open.file, family, owner, kind });
        true
    }

    /// The process that has a file locked exclusively.
    pub fn holder(&self, file: FileNumber) -> Option<ProcessId> {
        let exclusive = |held: &&Held| held.file == file && held.kind == LockKind::Exclusive;
        match self.held.iter().find(exclusive)?.owner {
            Owner::Process(process) => Some(process),
            Owner::Description(number) => {
                let mut opens = self.open.values();
                opens.find(|open| open.description == number).map(|open| open.process)
            }
        }
    }

    /// Gives a lock back, whoever of the owner's descriptors took it.
    pub fn unlock(&mut self, descriptor: Descriptor, family: Family) {
        if let Some(open) = self.open.get(&descriptor).copied() {
            self.release(open.file, family, Self::owner(&open, family));
        }
    }

    fn release(&mut self, file: FileNumber, family: Family, owner: Owner) {
        self.held
            .retain(|held| !(held.file == file && held.family == family && held.owner == owner));
    }

    /// Closes a descriptor, with what goes with it.
    pub fn close(&mut self, descriptor: Descriptor) {
        let Some(closed) = self.open.remove(&descriptor) else { return };
        self.release(closed.file, Family::Posix, Owner::Process(closed.process));
        if !self.open.values().any(|open| open.description == closed.description) {
            let owner = Owner::Description(closed.description);
            self.held.retain(|held| held.owner != owner);
        }
    }

    /// Ends a process: closes all it has.
    pub fn exit(&mut self, process: ProcessId) {
        let of_process = self.open.iter().filter(|(_, open)| open.process == process);
        let of_process: Vec<_> = of_process.map(|(descriptor, _)| *descriptor).collect();
        of_process.into_iter().for_each(|descriptor| self.close(descriptor));
    }
}
