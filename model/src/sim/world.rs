//! The machine: a disk, locks, processes, and what is to go wrong at which step.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::{Disk, FileNumber, Node};
use crate::locks::{Descriptor, Family, LockTable, ProcessId};

/// What the wall clock shows until it is set.
pub const NOW_MS: u64 = 1_700_000_000_000;

/// How one call is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ENOSPC`; a write stores half of its bytes before.
    NoSpace,
    /// `EIO`; a write stores half of its bytes before, a sync leaves the pages clean (M-6).
    Io,
    /// `EINTR`, nothing done.
    Interrupted,
    /// A read or a write does half of what was asked, and says so.
    Short,
}

/// The death of a process: at which of its calls, and how many bytes of it are done.
/// A call that is no write is done if `bytes` is not 0.
#[derive(Clone, Copy, Debug)]
pub struct Fuse {
    /// Who dies.
    pub process: ProcessId,
    /// After how many more calls.
    pub calls: u64,
    /// How much of the call it dies in is done.
    pub bytes: usize,
}

/// A moment of a run: the disk before a call that changes it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The disk before.
    pub disk: Disk,
    /// Where, if the call is a write, and what it writes.
    pub write: Option<(FileNumber, usize, Vec<u8>)>,
    /// What the driver of the run said last.
    pub mark: usize,
}

type Interruption = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(super) struct Machine {
    pub disk: Disk,
    pub locks: LockTable,
    pub family: Family,
    pub dead: BTreeSet<ProcessId>,
    pub recorded: Option<Vec<Step>>,
    mark: usize,
    calls: u64,
    call_limit: u64,
    fuse: Option<Fuse>,
    /// After how many calls, what.
    fault: Option<(u64, Fault)>,
    interruption: Option<(ProcessId, u64, Interruption)>,
    pub slept: Duration,
    pub now_ms: u64,
    pub random: u64,
    pub free_bytes: u64,
    /// Names that listings do not show, though they are there.
    pub hidden: BTreeSet<String>,
    /// No file can be made: the disk has no room for one more name.
    pub full: bool,
    pub fork: Option<Fork>,
}

/// A process has forked, and it is the child that runs what was the parent's.
pub(super) struct Fork {
    parent: ProcessId,
    child: ProcessId,
    descriptors: BTreeMap<Descriptor, Descriptor>,
}

/// A machine that others hold too.
#[derive(Clone)]
pub struct World {
    machine: Arc<Mutex<Machine>>,
}

/// What is to become of a call.
pub(super) enum Verdict {
    Go,
    Fail(Fault),
    /// Do so much of it, then the process is dead.
    Die(usize),
}

/// Calls that one world allows: a loop without end ends with an error.
const CALL_LIMIT: u64 = 200_000;

impl World {
    /// A machine with this disk, just started.
    pub fn new(disk: Disk) -> Self {
        Self::with_locks(disk, Family::Ofd)
    }

    /// The same with another way of locking.
    pub fn with_locks(disk: Disk, family: Family) -> Self {
        let machine = Machine {
            disk,
            family,
            call_limit: CALL_LIMIT,
            free_bytes: 1 << 40,
            now_ms: NOW_MS,
            ..Machine::default()
        };
        Self { machine: Arc::new(Mutex::new(machine)) }
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Snapshot of the disk.
    pub fn disk(&self) -> Disk {
        self.machine().disk.clone()
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.machine().calls
    }

    /// From now on keeps the disk before each call that changes it.
    pub fn record(&self) {
        self.machine().recorded = Some(Vec::new());
    }

    /// What was recorded, and the disk as it is now at the end.
    pub fn recorded(&self) -> Vec<Step> {
        let mut machine = self.machine();
        let mut steps = machine.recorded.take().unwrap_or_default();
        steps.push(Step { disk: machine.disk.clone(), write: None, mark: machine.mark });
        steps
    }

    /// Allows so many calls, for a long run.
    pub fn allow_calls(&self, calls: u64) {
        self.machine().call_limit = calls;
    }

    /// What the wall clock shows.
    pub fn now_ms(&self) -> u64 {
        self.machine().now_ms
    }

    /// Time goes by, for both clocks.
    pub fn tick(&self, ms: u64) {
        let mut machine = self.machine();
        machine.now_ms += ms;
        machine.slept += std::time::Duration::from_millis(ms);
    }

    /// Sets the wall clock, which moves only so.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.machine().now_ms = now_ms;
    }

    /// Random bytes come from this number on.
    pub fn set_random(&self, random: u64) {
        self.machine().random = random;
    }

    /// Notes in what is recorded from now on.
    pub fn mark(&self, mark: usize) {
        self.machine().mark = mark;
    }

    /// Sets a process's death.
    pub fn set_fuse(&self, fuse: Fuse) {
        self.machine().fuse = Some(fuse);
    }

    /// Takes back a death that has not happened.
    pub fn defuse(&self) {
        self.machine().fuse = None;
    }

    /// Lets a call fail: the one after so many more.
    pub fn set_fault(&self, calls: u64, fault: Fault) {
        self.machine().fault = Some((calls, fault));
    }

    /// Takes a fault back that has not happened, to be set again later.
    pub fn hold_fault(&self) -> Option<(u64, Fault)> {
        self.machine().fault.take()
    }

    /// Sets a fault again.
    pub fn resume_fault(&self, fault: Option<(u64, Fault)>) {
        self.machine().fault = fault;
    }

    /// Whether a fault was set that has not happened.
    pub fn has_fault(&self) -> bool {
        self.machine().fault.is_some()
    }

    /// Whether an interruption was set that has not happened.
    pub fn has_interruption(&self) -> bool {
        self.machine().interruption.is_some()
    }

    /// Takes back what was set and has not happened.
    pub fn calm(&self) {
        let mut machine = self.machine();
        (machine.fuse, machine.fault) = (None, None);
        let interruption = machine.interruption.take();
        // It may own files, whose closing needs the machine.
        drop(machine);
        drop(interruption);
    }

    /// Runs something else before one of a process's calls: the one after so many more.
    pub fn interrupt(&self, process: ProcessId, calls: u64, with: impl FnOnce() + Send + 'static) {
        self.machine().interruption = Some((process, calls, Box::new(with)));
    }

    /// Kills a process: its locks go, what it wrote stays (M-3).
    pub fn kill(&self, process: ProcessId) {
        let mut machine = self.machine();
        machine.dead.insert(process);
        machine.locks.exit(process);
    }

    /// Whether a process was killed.
    pub fn is_dead(&self, process: ProcessId) -> bool {
        self.machine().dead.contains(&process)
    }

    /// The process that has a file locked exclusively.
    pub fn holder(&self, path: &Path) -> Option<ProcessId> {
        let machine = self.machine();
        let Some(Node::File(file)) = machine.disk.look_up(path) else { return None };
        machine.locks.holder(file)
    }

    /// Removes a name, as people and cleaners of old files do.
    pub fn remove(&self, path: &Path) -> bool {
        self.machine().disk.remove(path)
    }

    /// Gives a file or a directory another name, as people do.
    pub fn rename(&self, from: &Path, to: &Path) -> bool {
        self.machine().disk.rename(from, to)
    }

    /// Gives a file a second name, or copies a directory so (`cp -al`), as people do.
    pub fn link(&self, from: &Path, to: &Path) -> bool {
        self.machine().disk.link(from, to)
    }

    /// Flips the bits of a byte, in the cache and on the disk (M-8).
    pub fn harm(&self, path: &Path, position: usize) {
        let mut machine = self.machine();
        let Some(Node::File(file)) = machine.disk.look_up(path) else { return };
        if let Some(byte) = machine.disk.file(file).cache.get(position).map(|byte| !byte) {
            machine.disk.write(file, position, &[byte]);
            machine.disk.sync(file);
        }
    }

    /// From now on listings do not show a name that is there: it came while the directory was
    /// read (V-11).
    pub fn hide_from_listings(&self, name: &str) {
        self.machine().hidden.insert(name.to_owned());
    }

    /// From now on the disk has no room for one more name, or has it again.
    pub fn set_full(&self, full: bool) {
        self.machine().full = full;
    }

    /// From now on it is a child that runs what belongs to this process, with duplicates of all
    /// its descriptors (L-3).
    pub fn enter_child(&self, parent: ProcessId, child: ProcessId) {
        let mut machine = self.machine();
        let descriptors = machine.locks.fork(parent, child);
        machine.fork = Some(Fork { parent, child, descriptors });
    }

    /// From now on it is the parent again.
    pub fn leave_child(&self) {
        self.machine().fork = None;
    }

    /// Starts the machine again with what a loss of power left of its disk. All that ran
    /// before is dead.
    pub fn restart(&self, disk: Disk, last_process: ProcessId) {
        let mut machine = self.machine();
        machine.dead.extend(0..=last_process);
        machine.locks = LockTable::default();
        machine.disk = disk;
    }

    /// A page could not be written back, unasked: whoever has the file open will be told.
    pub fn fail_write_back(&self, file: FileNumber) {
        self.machine().disk.fail_sync(file);
    }

    /// Runs what is to come before this call, and says what becomes of the call.
    pub(super) fn before(&self, process: ProcessId) -> io::Result<Verdict> {
        self.run_interruption(process);
        let mut machine = self.machine();
        if machine.dead.contains(&process) {
            return Err(io::Error::other("this process was killed"));
        }
        machine.calls += 1;
        if machine.calls > machine.call_limit {
            return Err(io::Error::other("this run makes calls without end"));
        }
        machine.slept += Duration::from_millis(1);
        Ok(machine.verdict(process))
    }

    fn run_interruption(&self, process: ProcessId) {
        let mut machine = self.machine();
        let due = match &mut machine.interruption {
            Some((whom, calls, _)) if *whom == process && *calls == 0 => true,
            Some((whom, calls, _)) if *whom == process => {
                *calls -= 1;
                false
            }
            _ => false,
        };
        let interruption = if due { machine.interruption.take() } else { None };
        drop(machine);
        if let Some((_, _, run)) = interruption {
            run();
        }
    }
}

impl Machine {
    fn verdict(&mut self, process: ProcessId) -> Verdict {
        if let Some(fuse) = self.fuse.as_mut().filter(|fuse| fuse.process == process) {
            if fuse.calls == 0 {
                let bytes = fuse.bytes;
                self.fuse = None;
                // Where that call was to fail too, no other need.
                self.fault.take_if(|(calls, _)| *calls == 0);
                return Verdict::Die(bytes);
            }
            fuse.calls -= 1;
        }
        match &mut self.fault {
            Some((0, fault)) => {
                let fault = *fault;
                self.fault = None;
                Verdict::Fail(fault)
            }
            Some((calls, _)) => {
                *calls -= 1;
                Verdict::Go
            }
            None => Verdict::Go,
        }
    }

    /// The process that runs what belongs to this one.
    pub fn running(&self, process: ProcessId) -> ProcessId {
        let fork = self.fork.as_ref().filter(|fork| fork.parent == process);
        fork.map_or(process, |fork| fork.child)
    }

    /// The descriptor that whoever runs uses for this one.
    pub fn descriptor(&self, descriptor: Descriptor) -> Descriptor {
        let duplicate = self.fork.as_ref().and_then(|fork| fork.descriptors.get(&descriptor));
        duplicate.copied().unwrap_or(descriptor)
    }

    /// Keeps the disk as it is before a change, if that is asked for.
    pub fn note_step(&mut self, write: Option<(FileNumber, usize, &[u8])>) {
        let Some(recorded) = &mut self.recorded else { return };
        let write = write.map(|(file, at, bytes)| (file, at, bytes.to_vec()));
        recorded.push(Step { disk: self.disk.clone(), write, mark: self.mark });
    }
}

impl Step {
    /// The disk if the process dies in this step with so many bytes of its write done.
    pub fn cut_at(&self, bytes: usize) -> Disk {
        let mut disk = self.disk.clone();
        if let Some((file, at, written)) = self.write.as_ref().filter(|_| bytes > 0) {
            disk.write(*file, *at, &written[..bytes]);
        }
        disk
    }

    /// How many bytes the write of this step has.
    pub fn bytes(&self) -> usize {
        self.write.as_ref().map_or(0, |(_, _, bytes)| bytes.len())
    }
}
