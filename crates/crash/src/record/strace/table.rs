//! Positions of open files: who shares one with whom.

use std::collections::HashMap;

/// An open file. Descriptors that were duplicated or inherited share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenFile {
    /// Where the next `write` goes.
    pub position: u64,
    /// Whether it goes to the end instead.
    pub appends: bool,
    /// Whether what it writes is durable.
    pub durable: bool,
}

/// The descriptors of all processes.
#[derive(Default)]
pub struct Table {
    files: Vec<OpenFile>,
    /// Threads that share their descriptors have the same set.
    set_of: HashMap<i32, usize>,
    sets: Vec<HashMap<i64, usize>>,
}

impl Table {
    /// What a descriptor means. One that was inherited from us begins at 0.
    pub fn get(&mut self, pid: i32, fd: i64) -> &mut OpenFile {
        let set = self.set(pid);
        let file = match self.sets[set].get(&fd) {
            Some(file) => *file,
            None => self.put(set, fd, OpenFile::default()),
        };
        &mut self.files[file]
    }

    /// A file was opened.
    pub fn open(&mut self, pid: i32, fd: i64, file: OpenFile) {
        let set = self.set(pid);
        self.put(set, fd, file);
    }

    /// A descriptor was duplicated.
    pub fn duplicate(&mut self, pid: i32, from: i64, to: i64) {
        self.get(pid, from);
        let set = self.set(pid);
        let file = self.sets[set][&from];
        self.sets[set].insert(to, file);
    }

    /// A process or thread was made.
    pub fn fork(&mut self, parent: i32, child: i32, shares: bool) {
        let set = self.set(parent);
        if shares {
            self.set_of.insert(child, set);
        } else {
            self.sets.push(self.sets[set].clone());
            self.set_of.insert(child, self.sets.len() - 1);
        }
    }

    fn set(&mut self, pid: i32) -> usize {
        let next = self.sets.len();
        let set = *self.set_of.entry(pid).or_insert(next);
        if set == next {
            self.sets.push(HashMap::new());
        }
        set
    }

    fn put(&mut self, set: usize, fd: i64, file: OpenFile) -> usize {
        self.files.push(file);
        let index = self.files.len() - 1;
        self.sets[set].insert(fd, index);
        index
    }
}
