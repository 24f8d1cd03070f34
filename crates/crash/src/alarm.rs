//! Ends a program that does not end by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills a process, or a group of them where the number is negative, after a time, unless it is
/// dropped before.
pub struct Alarm {
    rang: Arc<AtomicBool>,
    _drop_means_done: mpsc::Sender<()>,
}

impl Alarm {
    /// Begins to wait.
    pub fn set(pid: i32, after: Duration) -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        let rang = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&rang);
        thread::spawn(move || {
            if receiver.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout) {
                told.store(true, Ordering::Relaxed);
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        });
        Self { rang, _drop_means_done: sender }
    }

    /// Whether it had to.
    pub fn rang(&self) -> bool {
        self.rang.load(Ordering::Relaxed)
    }
}
