//! Recorder and program on one processor, while the program is a single thread.
//!
//! They take turns anyway. On one processor a turn is a change of context; between two it is also an
//! interrupt of the other one, which in a virtual machine takes several times as long. A program that
//! asks which processors it has, or has a second thread, gets all of them back before it goes on.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// Who shares the recorder's processor.
pub struct Company {
    /// The recorder's processors, and so the program's.
    all: Option<CpuSet>,
    /// Who shares one of them now.
    close: Option<i32>,
    /// Stops of a thread that was alone.
    stops: u32,
}

/// So many stops are worth two calls.
const WORTH_IT: u32 = 16;

impl Company {
    /// Nobody yet.
    pub fn new() -> Self {
        Self { all: sched_getaffinity(Pid::from_raw(0)).ok(), close: None, stops: 0 }
    }

    /// A thread stopped before a call.
    pub fn stopped(&mut self, pid: i32, is_alone: bool) {
        if self.close.is_some() || !is_alone {
            return;
        }
        self.stops += 1;
        if self.stops < WORTH_IT || self.all.is_none() {
            return;
        }
        self.close = Some(pid);
        let mut one = CpuSet::new();
        let chosen = sched_getcpu().is_ok_and(|cpu| one.set(cpu).is_ok());
        let is_close = chosen
            && sched_setaffinity(Pid::from_raw(0), &one).is_ok()
            && sched_setaffinity(Pid::from_raw(pid), &one).is_ok();
        if !is_close {
            self.never_again();
        }
    }

    /// There is a new process or thread, or one is gone.
    pub fn changed(&mut self, new: Option<i32>) {
        self.stops = 0;
        let (Some(all), Some(pid)) = (&self.all, self.close.take()) else { return };
        // Who is gone needs none.
        for pid in [0, pid].into_iter().chain(new) {
            let _ = sched_setaffinity(Pid::from_raw(pid), all);
        }
    }

    /// The program wants to know its processors, or chooses some.
    pub fn never_again(&mut self) {
        self.changed(None);
        self.all = None;
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.changed(None);
    }
}
