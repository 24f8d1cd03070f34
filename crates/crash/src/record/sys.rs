//! The calls of the kernel for which there is no safe wrapper that would do. Nothing else is `unsafe`.
#![allow(unsafe_code)]

use std::io;

use libc::{c_long, c_void, pid_t, sock_filter, sock_fprog};

/// What happened to a tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It ended, with this status as shells count it.
    Ended(i32),
    /// It stands before a call that the filter chose.
    Entry,
    /// It stands behind a call.
    Exit,
    /// It made a process or thread, or executed a program.
    Event(i32),
    /// A signal is about to be delivered.
    Signal(i32),
}

/// How a tracee goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until the filter chooses a call.
    Freely,
    /// Until the call is completed.
    ToExit,
}

/// Makes the filter the law for this process and all that come from it.
pub fn install_filter(filter: &[sock_filter]) -> io::Result<()> {
    let program = sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        // The kernel copies the program and never writes to it.
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` points to `len` initialised instructions, and both outlive the call.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for the next stop of a tracee *of this thread*; `None` when there are no more.
///
/// `nix` cannot say that a real-time signal came, and programs use those.
pub fn wait() -> io::Result<Option<(pid_t, Stop)>> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for an int.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        if pid > 0 {
            return Ok(Some((pid, stop_of(status))));
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// Waits until one child stops or ends.
pub fn wait_for_stop(pid: pid_t) -> io::Result<Stop> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for an int.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } == pid {
            return Ok(stop_of(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn stop_of(status: i32) -> Stop {
    if libc::WIFEXITED(status) {
        return Stop::Ended(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Stop::Ended(128 + libc::WTERMSIG(status));
    }
    match (libc::WSTOPSIG(status), status >> 16) {
        (_, libc::PTRACE_EVENT_SECCOMP) => Stop::Entry,
        (signal, 0) if signal == libc::SIGTRAP | 0x80 => Stop::Exit,
        (signal, 0) => Stop::Signal(signal),
        (_, event) => Stop::Event(event),
    }
}

/// Lets a tracee go on, and delivers a signal to it, unless that is 0.
pub fn resume(pid: pid_t, how: Resume, signal: i32) -> io::Result<()> {
    let request = match how {
        Resume::Freely => libc::PTRACE_CONT,
        Resume::ToExit => libc::PTRACE_SYSCALL,
    };
    let nothing: *mut c_void = std::ptr::null_mut();
    // SAFETY: these requests read no memory of ours; the last argument is a number.
    let done = unsafe { libc::ptrace(request, pid, nothing, c_long::from(signal)) };
    match io::Error::last_os_error() {
        _ if done == 0 => Ok(()),
        // It was killed meanwhile; `wait` is going to say so.
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}
