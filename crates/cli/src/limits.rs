//! Limits of the process: what is to be an error must not be its death, and what may be raised
//! need not stop it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

use crate::common::message;

/// From here on a file that would exceed `ulimit -f` is an error of the write (EFBIG), which is
/// told with what was done until then. The signal that comes with it would kill without a word.
pub fn survive_large_files() {
    let signalled = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, signalled) {
        message(format_args!("a limit of the size of files will end this without a word: {error}"));
    }
}

/// Raises the limit of open files as far as anybody may. If that fails, it may suffice as it is.
pub fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
