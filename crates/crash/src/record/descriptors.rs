//! What is behind a descriptor of a stopped thread, asked for as cheaply as can be.
//!
//! Nothing is remembered about descriptors. `dup`, `fork`, `exec`, and passing them through a
//! socket would each need a rule of our own; the kernel knows all that. It lends us the open file
//! itself, where it can; else it is asked through `/proc`, which takes three times as long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, Metadata};
use std::io::Seek;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, fcntl};

use super::proc::Thread;
use super::sys;

/// Handles of threads, by which the kernel lends their open files.
#[derive(Default)]
pub struct Descriptors {
    handles: HashMap<i32, OwnedFd>,
    is_refused: bool,
}

/// An open file of a thread.
pub struct Opened {
    /// What it is.
    pub meta: Metadata,
    position: Option<u64>,
    /// As `open` was told.
    pub flags: i32,
    /// The open file itself, if the kernel lends it. It must not outlive the stop of its thread:
    /// locks of `flock` end with the last descriptor.
    pub lent: Option<File>,
}

impl Opened {
    /// Where the next write goes.
    pub fn position(&self) -> Option<u64> {
        self.position.or_else(|| (&mut self.lent.as_ref()?).stream_position().ok())
    }
}

impl Descriptors {
    /// What is behind a descriptor.
    pub fn look(&mut self, thread: Thread, fd: i32) -> Option<Opened> {
        let Some(file) = self.lend(thread, fd) else {
            let meta = thread.stat(fd)?;
            let (position, flags) = thread.position(fd)?;
            return Some(Opened { meta, position: Some(position), flags, lent: None });
        };
        let meta = file.metadata().ok()?;
        let flags = fcntl(&file, FcntlArg::F_GETFL).ok()?;
        Some(Opened { meta, position: None, flags, lent: Some(file) })
    }

    /// The open file itself.
    fn lend(&mut self, thread: Thread, fd: i32) -> Option<File> {
        if self.is_refused {
            return None;
        }
        let handle = match self.handles.entry(thread.0) {
            Entry::Occupied(handle) => handle.into_mut(),
            Entry::Vacant(place) => match sys::thread_handle(thread.0) {
                Ok(handle) => place.insert(handle),
                Err(error) => {
                    // One that was killed in this moment says nothing about the others.
                    self.is_refused = error.raw_os_error() != Some(libc::ESRCH);
                    return None;
                }
            },
        };
        sys::open_file_of(handle, fd).ok()
    }

    /// A thread is gone, or its number is somebody else's now.
    pub fn forget(&mut self, thread: i32) {
        self.handles.remove(&thread);
    }
}
