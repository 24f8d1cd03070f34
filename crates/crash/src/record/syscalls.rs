//! The calls that change files, make them durable, or tell somebody: the recorder's whole world.

/// A call that stops the program.
pub struct Watched {
    /// Its number.
    pub number: i64,
    /// Its name, as people know it.
    pub name: &'static str,
    /// Stops only if one of these bits of this argument is set.
    pub only_if: Option<(u32, u32)>,
}

/// What the filter says of calls of another interface (32 bits, x32).
pub struct Foreign;

impl Foreign {
    /// The data of the event.
    pub const MARK: u32 = 1;
}

const fn call(number: i64, name: &'static str) -> Watched {
    Watched { number, name, only_if: None }
}

const fn only_if(number: i64, name: &'static str, argument: u32, bits: i32) -> Watched {
    Watched { number, name, only_if: Some((argument, bits as u32)) }
}

/// Bits of `open` that make a file or change one. `O_TMPFILE` shares a bit with `O_DIRECTORY`.
const MAKES: i32 = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// All of them, the most frequent first: the filter asks in this order.
pub const WATCHED: &[Watched] = &[
    call(libc::SYS_write, "write"),
    call(libc::SYS_pwrite64, "pwrite"),
    call(libc::SYS_fdatasync, "fdatasync"),
    call(libc::SYS_fsync, "fsync"),
    only_if(libc::SYS_mmap, "mmap", 3, libc::MAP_SHARED),
    only_if(libc::SYS_openat, "open", 2, MAKES),
    only_if(libc::SYS_open, "open", 1, MAKES),
    only_if(libc::SYS_mprotect, "mprotect", 2, libc::PROT_WRITE),
    call(libc::SYS_writev, "writev"),
    call(libc::SYS_pwritev, "pwritev"),
    call(libc::SYS_pwritev2, "pwritev2"),
    call(libc::SYS_creat, "creat"),
    call(libc::SYS_openat2, "open"),
    call(libc::SYS_rename, "rename"),
    call(libc::SYS_renameat, "rename"),
    call(libc::SYS_renameat2, "rename"),
    call(libc::SYS_link, "link"),
    call(libc::SYS_linkat, "link"),
    call(libc::SYS_symlink, "symlink"),
    call(libc::SYS_symlinkat, "symlink"),
    call(libc::SYS_unlink, "unlink"),
    call(libc::SYS_unlinkat, "unlink"),
    call(libc::SYS_rmdir, "rmdir"),
    call(libc::SYS_mkdir, "mkdir"),
    call(libc::SYS_mkdirat, "mkdir"),
    call(libc::SYS_mknod, "mknod"),
    call(libc::SYS_mknodat, "mknod"),
    call(libc::SYS_chmod, "chmod"),
    call(libc::SYS_fchmod, "chmod"),
    call(libc::SYS_fchmodat, "chmod"),
    call(libc::SYS_fchmodat2, "chmod"),
    call(libc::SYS_truncate, "truncate"),
    call(libc::SYS_ftruncate, "ftruncate"),
    call(libc::SYS_fallocate, "fallocate"),
    call(libc::SYS_sync, "sync"),
    call(libc::SYS_syncfs, "syncfs"),
    call(libc::SYS_msync, "msync"),
    call(libc::SYS_sendfile, "sendfile"),
    call(libc::SYS_copy_file_range, "copy_file_range"),
    call(libc::SYS_splice, "splice"),
    // `FICLONE` and `FICLONERANGE` are the only requests that are looked at.
    only_if(libc::SYS_ioctl, "ioctl", 1, 0x4000_0000),
    call(libc::SYS_io_uring_setup, "io_uring_setup"),
    call(libc::SYS_io_submit, "io_submit"),
    // Who limits the length of files may write less than the recorder may.
    only_if(libc::SYS_prlimit64, "prlimit", 1, libc::RLIMIT_FSIZE as i32),
    only_if(libc::SYS_setrlimit, "setrlimit", 0, libc::RLIMIT_FSIZE as i32),
    // Who looks for its processors must not see that it shares the recorder's.
    call(libc::SYS_sched_getaffinity, "sched_getaffinity"),
    call(libc::SYS_sched_setaffinity, "sched_setaffinity"),
];

/// The name of a call.
pub fn name_of(number: i64) -> &'static str {
    WATCHED.iter().find(|call| call.number == number).map_or("?", |call| call.name)
}
