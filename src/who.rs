//! Who holds what: the processes that have files of a stream open or locked.
//!
//! A lock says that it is held, not by whom. Lock files carry a hint (F-40); for the
//! segments there is none, because a consumer needs no permission to write. Linux tells both
//! in `/proc`: which files a process has open, and which of them it has locked. Elsewhere
//! only the hints remain. All of this is for people to read; no decision hangs on it.
//!
//! Not behind the seam: it asks the system about other processes, not about the stream.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::engine::dir::{CONSUMERS, STEWARD_LOCK, WRITER_LOCK, parse_segment_name};
use crate::engine::hint::{Hint, MOST_BYTES};
use crate::engine::os::{process_start, stat_field};
pub use crate::engine::vfs::{FileId, LockKind};

/// A file of a stream in the hands of a process.
///
/// ```
/// use puro::Stream;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let _consumer = stream.consumer()?;
/// for holder in stream.who()?.holders {
///     println!("process {:?} has {}", holder.pid, holder.file);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process; `None` where only the lock is known, because the process belongs to
    /// somebody else.
    pub pid: Option<u32>,
    /// The name of its program.
    pub process: Option<String>,
    /// Whether it is stopped, by Ctrl-Z or a debugger say, so that it cannot let go.
    pub stopped: bool,
    /// The file, named from the stream's directory.
    pub file: String,
    /// Which file that is.
    pub id: FileId,
    /// The lock it has on it; `None` if it only has it open.
    pub lock: Option<LockKind>,
    /// Whether the file was deleted meanwhile.
    pub deleted: bool,
    /// Since when, in ms since 1970, if the lock file says so.
    pub since_ms: Option<u64>,
}

/// What can be told of who uses a stream.
///
/// ```
/// use puro::Stream;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let _consumer = stream.consumer()?;
/// let report = stream.who()?;
/// assert!(!report.complete || !report.holders.is_empty()); // this process
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhoReport {
    /// Who holds what, by file and process.
    pub holders: Vec<Holder>,
    /// How many processes could not be looked into.
    pub hidden_processes: usize,
    /// Whether this system tells at all which process has a file open. If not, `holders` is
    /// what the lock files hint at, and nothing is known of the segments.
    pub complete: bool,
}

/// Tells who holds files of the stream in `dir`.
///
/// # Errors
/// Where the directory cannot be read.
///
/// ```
/// use puro::Stream;
/// use puro::who::who;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let _consumer = stream.consumer()?;
/// # let _ = stream;
/// let report = who(&dir)?;
/// assert!(!report.complete || !report.holders.is_empty());
/// # Ok(())
/// # }
/// ```
pub fn who(dir: &Path) -> io::Result<WhoReport> {
    let files = StreamFiles::of(dir)?;
    let mut report =
        WhoReport { complete: Path::new("/proc/self/fdinfo").exists(), ..WhoReport::default() };
    if report.complete {
        files.scan_processes(&mut report)?;
        files.add_unattributed(&mut report);
    } else {
        files.add_hinted(&mut report);
    }
    report.holders.sort_by(|a, b| (&a.file, a.pid).cmp(&(&b.file, b.pid)));
    Ok(report)
}

/// The files that a stream consists of.
struct StreamFiles {
    dir: PathBuf,
    names: BTreeMap<(u64, u64), String>,
}

impl StreamFiles {
    fn of(dir: &Path) -> io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let mut files = Self { names: BTreeMap::new(), dir };
        files.add_from("")?;
        // Without named consumers there is no such directory.
        match files.add_from(CONSUMERS) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(files),
        }
    }

    fn add_from(&mut self, below: &str) -> io::Result<()> {
        for entry in fs::read_dir(self.dir.join(below))? {
            let path = Path::new(below).join(entry?.file_name());
            let name = path.to_string_lossy().into_owned();
            // What vanishes meanwhile is held by nobody, or found by its old name.
            let Ok(metadata) = fs::symlink_metadata(self.dir.join(&path)) else { continue };
            if metadata.is_file() && Self::belongs(&name) {
                self.names.insert((metadata.dev(), metadata.ino()), name);
            }
        }
        Ok(())
    }

    fn belongs(name: &str) -> bool {
        let of_consumer = name.starts_with(CONSUMERS) && name.ends_with(".lock");
        name == WRITER_LOCK
            || name == STEWARD_LOCK
            || of_consumer
            || parse_segment_name(name).is_some()
    }

    /// Looks through all processes for files of the stream.
    fn scan_processes(&self, report: &mut WhoReport) -> io::Result<()> {
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            match self.files_of(pid) {
                Ok(holders) => report.holders.extend(holders),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    report.hidden_processes += 1;
                }
                // It ended meanwhile.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The files of the stream that a process has open, each once with its strongest lock.
    fn files_of(&self, pid: u32) -> io::Result<Vec<Holder>> {
        let mut found: BTreeMap<(u64, u64), Holder> = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let number = entry?.file_name();
            let Some(number) = number.to_str() else { continue };
            let link = format!("/proc/{pid}/fd/{number}");
            let Some((id, file, deleted)) = self.name_of(Path::new(&link)) else { continue };
            let fdinfo = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"));
            let lock = lock_in(&fdinfo.unwrap_or_default());
            let holder = found
                .entry((id.device, id.inode))
                .or_insert_with(|| self.holder(pid, file, id, deleted));
            holder.lock = stronger(holder.lock, lock);
        }
        let mut holders: Vec<Holder> = found.into_values().collect();
        for holder in holders.iter_mut().filter(|holder| holder.lock.is_some()) {
            holder.since_ms = self.since(holder);
        }
        Ok(holders)
    }

    /// Which file of the stream an open file is, and whether it was deleted.
    fn name_of(&self, link: &Path) -> Option<(FileId, String, bool)> {
        let metadata = fs::metadata(link).ok()?;
        let id = FileId { device: metadata.dev(), inode: metadata.ino() };
        if let Some(name) = self.names.get(&(id.device, id.inode)) {
            return Some((id, name.clone(), false));
        }
        let target = fs::read_link(link).ok()?;
        let target = target.to_str()?.strip_suffix(" (deleted)")?;
        let name = Path::new(target).strip_prefix(&self.dir).ok()?.to_str()?;
        Self::belongs(name).then(|| (id, name.to_owned(), true))
    }

    fn holder(&self, pid: u32, file: String, id: FileId, deleted: bool) -> Holder {
        let process = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        let process = process.map(|name| name.trim_end().to_owned());
        let stopped = stat_field(pid, 3).is_some_and(|state| state == "T" || state == "t");
        Holder { pid: Some(pid), process, stopped, file, id, lock: None, deleted, since_ms: None }
    }

    fn hint(&self, file: &str) -> Option<Hint> {
        let path = Some(self.dir.join(file)).filter(|_| file.ends_with(".lock"))?;
        let mut bytes = Vec::new();
        // A byte more than a hint may have, and it is none; whatever else was put there stays there.
        let mut file = fs::File::open(path).ok()?.take(MOST_BYTES as u64 + 1);
        file.read_to_end(&mut bytes).ok()?;
        Hint::parse(&bytes)
    }

    /// Since when a lock is held, if the hint is about this very process.
    fn since(&self, holder: &Holder) -> Option<u64> {
        let hint = self.hint(&holder.file)?;
        let same = Some(hint.pid) == holder.pid && process_start(hint.pid) == Some(hint.start);
        same.then_some(hint.time_ms)
    }

    /// Adds the locks that the kernel lists but no process that could be looked into has.
    fn add_unattributed(&self, report: &mut WhoReport) {
        let Ok(locks) = fs::read_to_string("/proc/locks") else { return };
        for line in locks.lines() {
            let Some((id, lock)) = parse_lock_line(line) else { continue };
            let name = self.names.iter().find(|((device, inode), _)| {
                *inode == id.inode && major_minor(*device) == major_minor(id.device)
            });
            let Some((&(device, inode), name)) = name else { continue };
            let id = FileId { device, inode };
            if !report.holders.iter().any(|holder| holder.id == id && holder.lock.is_some()) {
                report.holders.push(self.unknown_holder(name, id, Some(lock)));
            }
        }
    }

    /// Adds what the lock files say of their last owners.
    fn add_hinted(&self, report: &mut WhoReport) {
        for (&(device, inode), name) in &self.names {
            let holder = self.unknown_holder(name, FileId { device, inode }, None);
            report.holders.extend(holder.pid.is_some().then_some(holder));
        }
    }

    fn unknown_holder(&self, name: &str, id: FileId, lock: Option<LockKind>) -> Holder {
        let hint = self.hint(name);
        Holder {
            pid: hint.map(|hint| hint.pid),
            process: None,
            stopped: false,
            file: name.to_owned(),
            id,
            lock,
            deleted: false,
            since_ms: hint.map(|hint| hint.time_ms),
        }
    }
}

fn stronger(a: Option<LockKind>, b: Option<LockKind>) -> Option<LockKind> {
    if a == Some(LockKind::Exclusive) { a } else { b.or(a) }
}

/// The lock that a process has on a file, by its `fdinfo`.
fn lock_in(fdinfo: &str) -> Option<LockKind> {
    let locks = fdinfo.lines().filter_map(|line| line.strip_prefix("lock:"));
    locks.filter_map(|line| Some(parse_lock_line(line)?.1)).fold(None, |a, b| stronger(a, Some(b)))
}

/// A line such as `1: OFDLCK ADVISORY WRITE -1 08:01:4711 0 EOF`: which file, which lock.
fn parse_lock_line(line: &str) -> Option<(FileId, LockKind)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, "OFDLCK" | "POSIX", _, kind, _, place, ..] = fields.as_slice() else { return None };
    let kind = match *kind {
        "READ" => LockKind::Shared,
        "WRITE" => LockKind::Exclusive,
        _ => return None,
    };
    let mut place = place.split(':');
    let major = u64::from_str_radix(place.next()?, 16).ok()?;
    let minor = u64::from_str_radix(place.next()?, 16).ok()?;
    let inode = place.next()?.parse().ok()?;
    Some((FileId { device: device_number(major, minor), inode }, kind))
}

/// The number of a device as `stat` gives it.
fn device_number(major: u64, minor: u64) -> u64 {
    (major & 0xFFF) << 8 | (minor & 0xFF) | (minor & !0xFF) << 12
}

/// The part of a device number that `/proc/locks` shows.
fn major_minor(device: u64) -> (u64, u64) {
    ((device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xF_FF00))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_lines_are_read_and_waiting_ones_are_not() {
        let held = parse_lock_line("1: OFDLCK ADVISORY  WRITE -1 fd:100:4711 0 EOF").unwrap();
        assert_eq!(held.1, LockKind::Exclusive);
        assert_eq!((major_minor(held.0.device), held.0.inode), ((0xFD, 0x100), 4711));
        let info = "pos:\t0\nflags:\t02\nlock:\t1: POSIX  ADVISORY  READ 77 08:01:5 0 EOF\n";
        assert_eq!(lock_in(info), Some(LockKind::Shared));
        assert_eq!(lock_in("pos:\t0\n"), None);
        let waiting = "1: -> OFDLCK ADVISORY WRITE -1 fd:00:4711 0 EOF";
        assert_eq!(parse_lock_line(waiting), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_started() {
        assert!(process_start(std::process::id()).unwrap() > 0);
        assert_eq!(process_start(u32::MAX), None);
    }
}
