//! Whether somebody has a file open for writing. The kernel knows, and tells only whoever wants a lease.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

/// Whether nobody has this file open for writing, or mapped so. `file` is open for reading.
pub fn has_no_writer(file: &File) -> bool {
    // A lease for reading is refused while there is a writer.
    set(file, libc::F_RDLCK) && set(file, libc::F_UNLCK)
}

fn set(file: &File, lease: libc::c_int) -> bool {
    // SAFETY: this command reads no memory of ours; its argument is a number.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) == 0 }
}
