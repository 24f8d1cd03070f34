//! Writes that we do in the program's place.
//!
//! A stop costs more than a write. Who writes through the very open file of the program, and tells it
//! how many bytes that were, saves the second stop; and no signal can come in between. Only
//! what is sure to be the same is done so. Where our write fails nothing was done: the kernel is
//! to do it, and to say what is wrong itself.

use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::descriptors::Opened;
use super::enter::Entry;

/// A write that was done.
#[derive(Debug)]
pub struct Done {
    /// Where it begins.
    pub at: u64,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// What is longer takes so long that a second stop does not matter.
const LONGEST: usize = 1 << 20;

/// Who may write in a program's place.
#[derive(Debug)]
pub struct Deputy {
    /// Whether the program may write as much as we may.
    is_like_us: bool,
    /// Whether it is the turn of the call that is looked at.
    pub has_turn: bool,
}

impl Deputy {
    /// Looks whether that can be.
    pub fn new() -> Self {
        let limit = getrlimit(Resource::RLIMIT_FSIZE);
        Self { is_like_us: limit.is_ok_and(|(soft, _)| soft == RLIM_INFINITY), has_turn: false }
    }

    /// The program gets a limit of its own for the length of files.
    pub fn resign(&mut self) {
        self.is_like_us = false;
    }
}

impl super::watch::Watch {
    /// Does what `write` or `pwrite` of some bytes to a watched file asks for, if that is the same.
    pub fn write_for(&self, entry: &Entry, opened: &Opened, at: Option<u64>) -> Option<Done> {
        let is_plain = matches!(entry.number, libc::SYS_write | libc::SYS_pwrite64);
        let length = entry.args[2] as usize;
        let deputy = &self.deputy;
        if !is_plain || !deputy.is_like_us || !deputy.has_turn || !(1..=LONGEST).contains(&length) {
            return None;
        }
        // Buffers of such writes must lie where ours need not.
        if opened.flags & libc::O_DIRECT != 0 {
            return None;
        }
        let mut file = opened.lent.as_ref()?;
        let mut bytes = entry.thread.memory(entry.args[1], length)?;
        let written = match at {
            Some(at) if entry.number == libc::SYS_pwrite64 => file.write_at(&bytes, at),
            _ => file.write(&bytes),
        };
        let written = written.ok().filter(|written| *written > 0)?;
        bytes.truncate(written);
        let at = match at {
            Some(at) => at,
            // Where the end of the file decides, the file ends with what was written.
            None => file.metadata().ok()?.size().checked_sub(written as u64)?,
        };
        Some(Done { at, bytes })
    }
}
