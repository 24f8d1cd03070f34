//! The calls of the kernel for which there is no safe wrapper that would do. Nothing else is `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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

/// A handle of one thread, with the descriptors that it has itself: threads need not share theirs.
/// Needs Linux 6.9.
pub fn thread_handle(thread: pid_t) -> io::Result<OwnedFd> {
    // `PIDFD_THREAD` of `linux/pidfd.h`.
    const OF_THREAD: libc::c_int = libc::O_EXCL;
    // SAFETY: this call reads no memory of ours.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, thread, OF_THREAD) })
}

/// The open file behind a thread's descriptor: not the same file opened again, but what it has open,
/// with its position and flags.
pub fn open_file_of(handle: &OwnedFd, fd: i32) -> io::Result<File> {
    // SAFETY: this call reads no memory of ours.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), fd, 0) })
        .map(File::from)
}

fn owned(returned: c_long) -> io::Result<OwnedFd> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(returned as i32) })
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

/// A call before which a tracee stands.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub args: [u64; 6],
    /// What the filter says of it.
    pub mark: u32,
}

/// What a tracee asks for that stands before a call; `None` if it was killed meanwhile.
pub fn asked(pid: pid_t) -> Option<Asked> {
    let [kind, _, _, number, a, b, c, d, e, f, mark] = call_of(pid)?;
    const BEFORE: u8 = 3;
    (kind as u8 == BEFORE).then_some(Asked {
        number: number as i64,
        args: [a, b, c, d, e, f],
        mark: mark as u32,
    })
}

/// What a call returned behind which a tracee stands; `None` if it was killed meanwhile.
pub fn returned(pid: pid_t) -> Option<i64> {
    let [kind, _, _, value, ..] = call_of(pid)?;
    const BEHIND: u8 = 2;
    (kind as u8 == BEHIND).then_some(value as i64)
}

/// `struct ptrace_syscall_info`: what it is (of `op` the lowest byte), two pointers, and what is
/// known of the call. (`libc` has it for one C library only.)
fn call_of(pid: pid_t) -> Option<[u64; 11]> {
    const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    let mut words = [0_u64; 11];
    let size: *mut c_void = std::ptr::without_provenance_mut(size_of_val(&words));
    // SAFETY: the kernel writes no more bytes than it was told there are, and any bytes are numbers.
    let known = unsafe { libc::ptrace(GET_SYSCALL_INFO as _, pid, size, words.as_mut_ptr()) };
    (known > 0).then_some(words)
}

/// Answers the call before which a tracee stands; the kernel is not asked. Whether that could be done.
pub fn answer(pid: pid_t, value: i64) -> bool {
    // No call at all, and its result.
    set(pid, libc::ORIG_RAX, -1) && set(pid, libc::RAX, value)
}

/// Makes the third argument of a call, before which a tracee stands, a smaller one.
pub fn shorten(pid: pid_t, bytes: u64) -> bool {
    set(pid, libc::RDX, bytes as i64)
}

fn set(pid: pid_t, register: libc::c_int, value: i64) -> bool {
    let at: *mut c_void = std::ptr::without_provenance_mut(size_of::<u64>() * register as usize);
    // SAFETY: this request reads no memory of ours; both arguments are numbers.
    unsafe { libc::ptrace(libc::PTRACE_POKEUSER, pid, at, value) == 0 }
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
