//! Ctrl-C, and requests to terminate: they end the work between two blocks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on they are only noted; a second one ends the program at once.
pub fn watch() {
    let installed = ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(crate::trouble::INTERRUPTED));
        }
    });
    if let Err(error) = installed {
        eprintln!("puro mirror: cannot watch for Ctrl-C, which will end this at once: {error}");
    }
}

/// Whether somebody asked for the end.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Waits, unless somebody asks for the end.
pub fn wait(time: Duration) {
    let begun = Instant::now();
    while !asked() && begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(50));
    }
}
