//! Before a call: does it concern the watched directory, and what is it about to do?

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::deputy::Done;
use super::intent::{Intent, Source};
use super::proc::{Identity, Thread};
use super::watch::{Watch, outside_message};
use crate::trace::{Kind, Node, Place};

/// Of Linux 6.9: as if the file had not been opened with `O_APPEND`.
const RWF_NOAPPEND: i32 = 0x20;

/// What is to be done at the entry of a call.
#[derive(Debug)]
pub enum Decision {
    /// It does not concern us.
    Pass,
    /// Its exit is to be seen.
    Follow(Intent),
    /// The same, but it waits for what somebody else does: nobody may wait for it.
    Beside(Intent),
    /// It was done in the program's place, and has only to be answered.
    Done(Intent, Done),
    /// It does something that the recorder cannot see.
    Hidden(String),
}

/// A call as the kernel is about to see it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Who makes it.
    pub thread: Thread,
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub args: [u64; 6],
}

impl Entry {
    fn fd(&self, index: usize) -> i32 {
        self.args[index] as i32
    }

    /// Where a path argument leads, as *we* can open it.
    fn path(&self, dir: Option<usize>, path: usize) -> Option<PathBuf> {
        let text = self.thread.string(self.args[path])?;
        let pid = self.thread.0;
        let base = match dir.map(|dir| self.fd(dir)) {
            _ if text.first() == Some(&b'/') => format!("/proc/{pid}/root"),
            None | Some(libc::AT_FDCWD) => format!("/proc/{pid}/cwd"),
            Some(fd) => format!("/proc/{pid}/fd/{fd}"),
        };
        let mut whole = base.into_bytes();
        whole.push(b'/');
        whole.extend(of_the_program(text, pid));
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(&whole)))
    }
}

/// Names by which a program speaks of itself, which would lead to the recorder.
fn of_the_program(path: Vec<u8>, pid: i32) -> Vec<u8> {
    let own = format!("/proc/{pid}");
    for (name, below) in [("/proc/self", ""), ("/proc/thread-self", ""), ("/dev/fd", "/fd")] {
        if let Some(rest) = path.strip_prefix(name.as_bytes())
            && matches!(rest.first(), None | Some(b'/'))
        {
            return [own.as_bytes(), below.as_bytes(), rest].concat();
        }
    }
    path
}

impl Watch {
    /// Decides about a call.
    pub fn enter(&mut self, entry: &Entry) -> Decision {
        // What cannot be read is going to fail with EFAULT, or the thread is gone.
        self.decide(entry).unwrap_or(Decision::Pass)
    }

    fn decide(&mut self, entry: &Entry) -> Option<Decision> {
        let args = entry.args;
        let buffer = Source::Buffer(args[1]);
        let vector = Source::Vector(args[1], args[2] as usize);
        let offset = Some(args[3]);
        match entry.number {
            libc::SYS_write => self.write(entry, 0, None, buffer, 0),
            libc::SYS_writev => self.write(entry, 0, None, vector, 0),
            libc::SYS_pwrite64 => self.write(entry, 0, offset, buffer, 0),
            libc::SYS_pwritev => self.write(entry, 0, offset, vector, 0),
            libc::SYS_pwritev2 => {
                let offset = offset.filter(|at| *at != u64::MAX);
                self.write(entry, 0, offset, vector, args[5] as i32)
            }
            libc::SYS_sendfile => self.write(entry, 0, None, Source::File, 0),
            libc::SYS_copy_file_range | libc::SYS_splice => {
                let at = if args[3] == 0 { None } else { Some(entry.thread.number(args[3])?) };
                match self.write(entry, 2, at, Source::File, 0)? {
                    // A pipe may be empty until another program has done what it does before.
                    Decision::Follow(intent) if entry.number == libc::SYS_splice => {
                        Some(Decision::Beside(intent))
                    }
                    other => Some(other),
                }
            }
            libc::SYS_open => self.open(entry, None, 0, args[1] as i32),
            libc::SYS_creat => {
                self.open(entry, None, 0, libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY)
            }
            libc::SYS_openat => self.open(entry, Some(0), 1, args[2] as i32),
            libc::SYS_openat2 => {
                let flags = entry.thread.number(args[2])? as i32;
                self.open(entry, Some(0), 1, flags)
            }
            libc::SYS_mmap | libc::SYS_mprotect | libc::SYS_msync => self.map(entry),
            libc::SYS_fsync => self.sync(entry, false),
            libc::SYS_fdatasync => self.sync(entry, true),
            libc::SYS_sync => Some(Decision::Follow(Intent::SyncAll)),
            libc::SYS_syncfs => {
                let ours = entry.thread.stat(entry.fd(0))?.dev() == self.tree.device();
                Some(if ours { Decision::Follow(Intent::SyncAll) } else { Decision::Pass })
            }
            libc::SYS_ftruncate => {
                let node = self.node_of(entry, 0)?;
                Some(Decision::Follow(Intent::Truncate { node, len: args[1] }))
            }
            libc::SYS_fallocate => {
                let (fd, mode) = (entry.fd(0), args[1] as i32);
                let node = self.node_of(entry, 0)?;
                let (at, len) = (args[2], args[3]);
                Some(Decision::Follow(Intent::Allocate { fd, node, mode, at, len }))
            }
            libc::SYS_fchmod => {
                let node = self.node_of(entry, 0)?;
                Some(Decision::Follow(Intent::Mode { node, mode: args[1] as u32 & 0o7777 }))
            }
            libc::SYS_ioctl => self.ioctl(entry),
            libc::SYS_io_uring_setup => hidden("writes through io_uring"),
            libc::SYS_io_submit => hidden("writes through io_submit"),
            libc::SYS_setrlimit => self.limit(args[0], args[1]),
            libc::SYS_prlimit64 => self.limit(args[1], args[2]),
            _ => self.names(entry),
        }
    }

    fn limit(&mut self, resource: u64, new: u64) -> Option<Decision> {
        if resource == u64::from(libc::RLIMIT_FSIZE) && new != 0 {
            self.deputy.resign();
        }
        None
    }

    /// Calls that take paths.
    fn names(&mut self, entry: &Entry) -> Option<Decision> {
        let args = entry.args;
        match entry.number {
            libc::SYS_rename => self.rename(entry, (None, 0), (None, 1), 0),
            libc::SYS_renameat => self.rename(entry, (Some(0), 1), (Some(2), 3), 0),
            libc::SYS_renameat2 => self.rename(entry, (Some(0), 1), (Some(2), 3), args[4]),
            libc::SYS_link => self.link(entry, None, 1),
            libc::SYS_linkat => self.link(entry, Some(2), 3),
            libc::SYS_unlink | libc::SYS_rmdir => self.unlink(entry, None, 0),
            libc::SYS_unlinkat => self.unlink(entry, Some(0), 1),
            libc::SYS_symlink => self.make(entry, None, 1, Some(0)),
            libc::SYS_symlinkat => self.make(entry, Some(1), 2, Some(0)),
            libc::SYS_mkdir | libc::SYS_mknod => self.make(entry, None, 0, None),
            libc::SYS_mkdirat | libc::SYS_mknodat => self.make(entry, Some(0), 1, None),
            libc::SYS_truncate | libc::SYS_chmod => {
                let path = entry.path(None, 0)?;
                let node = self.tree.find(Identity::from(&fs::metadata(&path).ok()?));
                let Some(node) = node else { return self.outside(entry, &path) };
                Some(Decision::Follow(match entry.number {
                    libc::SYS_chmod => Intent::Mode { node, mode: args[1] as u32 & 0o7777 },
                    _ => Intent::Truncate { node, len: args[1] },
                }))
            }
            libc::SYS_fchmodat | libc::SYS_fchmodat2 => {
                let path = entry.path(Some(0), 1)?;
                let node = self.tree.find(Identity::from(&fs::metadata(&path).ok()?));
                let mode = args[2] as u32 & 0o7777;
                node.map(|node| Decision::Follow(Intent::Mode { node, mode }))
            }
            _ => None,
        }
    }

    fn write(
        &mut self,
        entry: &Entry,
        fd: usize,
        at: Option<u64>,
        from: Source,
        call_flags: i32,
    ) -> Option<Decision> {
        let fd = entry.fd(fd);
        let opened = self.descriptors.look(entry.thread, fd)?;
        let meta = &opened.meta;
        let identity = Identity::from(meta);
        if identity == self.stdout {
            return Some(Decision::Follow(Intent::Said { from }));
        }
        if !meta.is_file() {
            return None;
        }
        let Some(node) = self.tree.find(identity) else {
            return self.outside_file(entry.thread, fd, meta);
        };
        let by_flags = opened.flags & libc::O_APPEND != 0 && call_flags & RWF_NOAPPEND == 0;
        let appends = by_flags || call_flags & libc::RWF_APPEND != 0;
        let at = match at {
            _ if appends => None,
            None => Some(opened.position()?),
            at => at,
        };
        let durable = opened.flags & libc::O_DSYNC != 0
            || call_flags & (libc::RWF_DSYNC | libc::RWF_SYNC) != 0;
        let intent = Intent::Write { fd, node, at, from, durable };
        Some(match self.write_for(entry, &opened, at) {
            Some(done) => Decision::Done(intent, done),
            None => Decision::Follow(intent),
        })
    }

    fn open(
        &mut self,
        entry: &Entry,
        dir: Option<usize>,
        path: usize,
        flags: i32,
    ) -> Option<Decision> {
        let path = entry.path(dir, path)?;
        let meta = fs::metadata(&path).ok();
        // Opening a FIFO waits for somebody else, and makes nothing.
        if meta.as_ref().is_some_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return None;
        }
        let existed = meta.is_some() && flags & libc::O_TMPFILE != libc::O_TMPFILE;
        Some(Decision::Follow(Intent::Open { flags, existed, shown: shown(&path) }))
    }

    fn map(&mut self, entry: &Entry) -> Option<Decision> {
        let args = entry.args;
        if entry.number != libc::SYS_mmap {
            if !self.maps_shared {
                return None;
            }
            let (identity, _) = entry.thread.shared_map(args[0])?;
            let node = self.tree.find(identity)?;
            return match entry.number {
                libc::SYS_mprotect => self.stores(node),
                _ if args[2] as i32 & libc::MS_SYNC == 0 => None,
                _ => Some(Decision::Follow(Intent::Sync { node, data_only: true })),
            };
        }
        let meta = entry.thread.stat(entry.fd(4))?;
        let writable = args[2] as i32 & libc::PROT_WRITE != 0;
        match self.tree.find(Identity::from(&meta)) {
            Some(node) => {
                self.maps_shared = true;
                if writable { self.stores(node) } else { None }
            }
            None if writable && meta.is_file() => {
                self.outside_file(entry.thread, entry.fd(4), &meta)
            }
            None => None,
        }
    }

    fn stores(&self, node: Node) -> Option<Decision> {
        let path = self.tree.path(node);
        if self.is_ignored(Path::new(&path)) {
            return None;
        }
        hidden(&format!(
            "stores into a shared map of {path} (--ignore {path} if it need not survive a crash)"
        ))
    }

    fn sync(&mut self, entry: &Entry, data_only: bool) -> Option<Decision> {
        let node = self.node_of(entry, 0)?;
        Some(Decision::Follow(Intent::Sync { node, data_only }))
    }

    fn ioctl(&mut self, entry: &Entry) -> Option<Decision> {
        const FICLONE: u64 = 0x4004_9409;
        const FICLONERANGE: u64 = 0x4020_940d;
        if !matches!(entry.args[1], FICLONE | FICLONERANGE) {
            return None;
        }
        let node = self.node_of(entry, 0)?;
        Some(Decision::Follow(Intent::Clone { fd: entry.fd(0), node }))
    }

    fn rename(
        &mut self,
        entry: &Entry,
        from: (Option<usize>, usize),
        to: (Option<usize>, usize),
        flags: u64,
    ) -> Option<Decision> {
        let from = entry.path(from.0, from.1)?;
        let to = entry.path(to.0, to.1)?;
        match (self.place(&from), self.place(&to)) {
            (Some(from), Some(to)) => Some(Decision::Follow(Intent::Rename { from, to, flags })),
            (None, Some(_)) => self.outside(entry, &from),
            (_, None) => self.outside(entry, &to),
        }
    }

    fn link(&mut self, entry: &Entry, dir: Option<usize>, path: usize) -> Option<Decision> {
        let path = entry.path(dir, path)?;
        match self.place(&path) {
            Some(to) => Some(Decision::Follow(Intent::Link { to, path })),
            None => self.outside(entry, &path),
        }
    }

    fn unlink(&mut self, entry: &Entry, dir: Option<usize>, path: usize) -> Option<Decision> {
        let path = entry.path(dir, path)?;
        // A socket holds nothing, and the call that made it was none of ours.
        if fs::symlink_metadata(&path).ok()?.file_type().is_socket() {
            return None;
        }
        match self.place(&path) {
            Some(place) => Some(Decision::Follow(Intent::Unlink { place })),
            None => self.outside(entry, &path),
        }
    }

    fn make(
        &mut self,
        entry: &Entry,
        dir: Option<usize>,
        path: usize,
        target: Option<usize>,
    ) -> Option<Decision> {
        let path = entry.path(dir, path)?;
        let target = match target {
            Some(target) => {
                Some(String::from_utf8_lossy(&entry.thread.string(entry.args[target])?).into())
            }
            None => None,
        };
        match self.place(&path) {
            Some(place) => Some(Decision::Follow(Intent::Make { place, path, target })),
            None => self.outside(entry, &path),
        }
    }

    fn node_of(&self, entry: &Entry, fd: usize) -> Option<Node> {
        self.tree.find(Identity::from(&entry.thread.stat(entry.fd(fd))?))
    }

    /// The name that a path means, if its directory is watched.
    pub fn place(&self, path: &Path) -> Option<Place> {
        let dir = self.tree.find_dir(Identity::from(&fs::metadata(path.parent()?).ok()?))?;
        Some(Place { dir, name: path.file_name()?.to_string_lossy().into_owned() })
    }

    /// A change by path of something that is not watched.
    fn outside(&self, entry: &Entry, path: &Path) -> Option<Decision> {
        let shown = shown(path);
        if self.is_ignored(Path::new(&shown)) {
            return None;
        }
        let what = format!("{} of {shown}", super::syscalls::name_of(entry.number));
        Some(Decision::Follow(Intent::Outside { what }))
    }

    /// A change of an open file that is not watched.
    fn outside_file(&self, thread: Thread, fd: i32, meta: &fs::Metadata) -> Option<Decision> {
        // Without a name it cannot survive; what we inherited is where messages go.
        if meta.nlink() == 0 || self.inherited.contains(&Identity::from(meta)) {
            return None;
        }
        let path = thread.path_of(fd)?;
        if self.is_ignored(&path) {
            return None;
        }
        hidden(&outside_message(&format!("writes to {}", path.display())))
    }
}

/// What the kernel made of a call that made something.
pub fn made(path: &Path) -> Option<(Identity, Kind, u32)> {
    let meta = fs::symlink_metadata(path).ok()?;
    Some((Identity::from(&meta), super::tree::kind_of(&meta, path), meta.mode() & 0o7777))
}

fn hidden(what: &str) -> Option<Decision> {
    Some(Decision::Hidden(what.to_owned()))
}

/// A path as the program sees it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut parts = text.splitn(5, '/').skip(2);
    let (pid, through, rest) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    if through == Some("root") {
        // `/proc/PID/fd/N/name` is a file of anywhere.
        if let (true, Some(dir), Some(name)) =
            (rest.trim_start_matches('/').starts_with("proc/"), path.parent(), path.file_name())
            && let Ok(dir) = fs::canonicalize(dir)
        {
            return dir.join(name).display().to_string();
        }
        return format!("/{}", rest.trim_start_matches('/'));
    }
    let through = through.unwrap_or_default();
    let base = match through {
        "cwd" => fs::read_link(format!("/proc/{}/cwd", pid.unwrap_or_default())),
        _ => return rest.split_once('/').map_or(rest, |(_, name)| name).to_owned(),
    };
    base.map_or_else(|_| rest.to_owned(), |base| base.join(rest).display().to_string())
}
