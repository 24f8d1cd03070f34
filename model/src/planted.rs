//! Planted bugs: a seam in between that sabotages exactly one mechanism, so that it is seen
//! whether the checks bite. Nothing of it is in `src/`.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use puro::internals::block::BlockStart;
use puro::internals::codec::{crc_continue, get_u32, put};
use puro::internals::layout::{SIGNAL_HIGH, block_bytes, end, header, start};
use puro::internals::os::OsMonitor;
use puro::internals::segment::SegmentHeader;
use puro::internals::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

use crate::sim::vfs::{NoWatch, SimDir};
use crate::sim::{SimFile, SimVfs};

macro_rules! plants {
    ($($name:ident: $clause:literal, $what:literal;)*) => {
        /// One sabotaged mechanism.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant { $(#[doc = $what] $name,)* }

        impl Plant {
            /// All of them.
            pub const ALL: &[Plant] = &[$(Plant::$name,)*];

            /// The clause that is broken.
            pub fn clause(self) -> &'static str {
                match self { $(Plant::$name => $clause,)* }
            }

            /// What the sabotage does.
            pub fn what(self) -> &'static str {
                match self { $(Plant::$name => $what,)* }
            }
        }
    };
}

plants! {
    SegmentSyncDropped: "A-11", "syncs of segments do nothing";
    SealSyncDropped: "V-3", "the sync behind a segment end does nothing";
    EpochSyncDropped: "E-3", "the sync behind a block that raises the epoch does nothing";
    NewSegmentSyncDropped: "V-4", "a segment is named without having been synced";
    RenameBeforeSync: "V-5", "a segment is named first and synced then";
    DirectorySyncDropped: "V-5, V-7", "the stream's directory is never synced";
    AppenderDirectorySyncDropped: "V-7", "only who renames syncs the directory";
    ParentSyncDropped: "O-1", "the parent directory is not synced";
    LengthNotSynced: "M-5", "growth without sync: fdatasync leaves the length behind";
    AcknowledgedBeforeSync: "A-11", "each sync happens at the next call of its kind";
    FailedSyncRetried: "A-14", "a failed sync is tried again, and that one believed";
    OwnWritesOnlySynced: "M-5", "a descriptor that wrote nothing syncs nothing";
    ReaderSyncDropped: "R-7", "a durable consumer does not sync";
    CutDropped: "X-5", "nothing is cut off";
    CutLeavesRest: "X-5", "a cut leaves 32 bytes, fewer than a block's start";
    CutNotSynced: "X-5", "a cut is not synced";
    CutTooMuch: "X-5", "a cut takes the last committed block along";
    SaveDropped: "X-4", "saved tails stay empty";
    SaveNotSynced: "X-4", "neither saved tails nor their directory are synced";
    SignalWithBody: "A-8", "blocks are written high at once";
    SignalBeforeBody: "A-9", "the signal is written before the block";
    CommitDropped: "A-9", "the signal is never written";
    LockExcludesNobody: "A-1", "every lock is granted to everyone";
    LockGivenUpEarly: "A-10", "the lock is given up before the signal is written";
    StaleLength: "A-2", "the length that is told is that at the first look";
    StaleRead: "A-3", "a file is read as it was at the first read";
    BootIdConstant: "M-7", "the boot id is the same after a loss of power";
    ErrorSwallowed: "A-12", "a failed write counts as done";
    ShortWriteBelieved: "vfs", "a write that did less counts as done";
    ChecksumRecomputed: "F-20", "readers make the checksums of a high block right";
    LeftoverKept: "V-4", "a temporary segment is not emptied before it is written";
}

/// The simulated machine with a planted bug.
#[derive(Clone)]
pub struct PlantedVfs {
    inner: SimVfs,
    plant: Option<Plant>,
    /// Whether this process renamed something.
    renamed: Arc<Mutex<bool>>,
    told: Told,
}

/// What this process was told of the lengths of files, by their paths.
type Told = Arc<Mutex<HashMap<PathBuf, ToldLength>>>;

#[derive(Default)]
struct ToldLength {
    wrote: bool,
    length: Option<u64>,
}

/// A file seen through a planted bug.
pub struct PlantedFile {
    inner: SimFile,
    path: PathBuf,
    mode: OpenMode,
    plant: Option<Plant>,
    state: Mutex<FileState>,
    told: Told,
}

#[derive(Default)]
struct FileState {
    /// What was written last: kind and record count of a block, if it was one.
    last_block: Option<(u8, u32)>,
    cut: bool,
    wrote: bool,
    owed: bool,
    content: Option<Vec<u8>>,
    held_back: VecDeque<(u64, Vec<u8>)>,
}

impl PlantedVfs {
    /// Puts a bug, or none, before a machine.
    pub fn new(inner: SimVfs, plant: Option<Plant>) -> Self {
        Self { inner, plant, renamed: Arc::default(), told: Arc::default() }
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "puro")
}

fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

fn is_saved_tail(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tail")
}

/// What a file is like, but for a length that is told as it was at the first look.
fn as_told(plant: Option<Plant>, told: &Told, path: &Path, status: FileStatus) -> FileStatus {
    if plant != Some(Plant::StaleLength) || !is_segment(path) {
        return status;
    }
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    let told = told.entry(path.to_owned()).or_default();
    // What this process wrote itself, it knows.
    let wrote = std::mem::take(&mut told.wrote);
    let len = if wrote { status.len } else { told.length.unwrap_or(status.len) };
    told.length = Some(len);
    FileStatus { len, ..status }
}

impl PlantedFile {
    fn state(&self) -> MutexGuard<'_, FileState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// Whether a sync is to do nothing.
    fn sync_is_dropped(&self) -> bool {
        let Some(plant) = self.plant else { return false };
        let state = self.state();
        let last = state.last_block;
        match plant {
            Plant::SegmentSyncDropped => is_segment(&self.path),
            Plant::SealSyncDropped => last.is_some_and(|(kind, _)| kind == 3),
            Plant::EpochSyncDropped => is_segment(&self.path) && last == Some((1, 0)),
            Plant::NewSegmentSyncDropped | Plant::RenameBeforeSync => is_temporary(&self.path),
            Plant::OwnWritesOnlySynced => !state.wrote && self.mode != OpenMode::Read,
            Plant::ReaderSyncDropped => self.mode == OpenMode::Read,
            Plant::CutNotSynced => state.cut,
            Plant::SaveNotSynced => is_saved_tail(&self.path),
            _ => false,
        }
    }

    fn sync(&self) -> io::Result<()> {
        if self.sync_is_dropped() {
            self.state().cut = false;
            return Ok(());
        }
        match self.plant {
            Some(Plant::LengthNotSynced) if is_segment(&self.path) => {
                self.inner.sync_without_length()
            }
            Some(Plant::FailedSyncRetried) => {
                self.inner.sync_data().or_else(|_| self.inner.sync_data())
            }
            Some(Plant::AcknowledgedBeforeSync) => {
                let owed = std::mem::replace(&mut self.state().owed, true);
                if owed { self.inner.sync_data() } else { Ok(()) }
            }
            _ => self.inner.sync_data(),
        }
    }

    fn note_write(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.wrote = true;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.entry(self.path.clone()).or_default().wrote = true;
        drop(told);
        if bytes.len() >= start::LEN {
            let kind = bytes[start::KIND];
            state.last_block = Some((kind, get_u32(bytes, start::RECORD_COUNT).unwrap_or(0)));
        }
    }

    fn is_signal(&self, bytes: &[u8]) -> bool {
        is_segment(&self.path) && bytes == [SIGNAL_HIGH]
    }

    fn is_block(&self, bytes: &[u8]) -> bool {
        is_segment(&self.path) && bytes.len() > 1
    }

    /// Makes the checksums of every high block in what was read right.
    fn recompute(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        let mut first = [0; header::LEN];
        self.inner.read_at(&mut first, 0)?;
        let Ok(segment) = SegmentHeader::decode(&first, false) else { return Ok(()) };
        let mut at = (position.next_multiple_of(64) - position) as usize;
        if position == 0 {
            at = header::LEN;
        }
        while at + 64 <= bytes.len() {
            let high = bytes[at] == SIGNAL_HIGH && (1..=3).contains(&bytes[at + start::KIND]);
            let body = get_u32(&bytes[at..], start::BODY_LEN).unwrap_or(0) as usize;
            let length = if body < 1 << 20 { block_bytes(body) as usize } else { usize::MAX };
            if !high || bytes.len() - at < length {
                at += 64;
                continue;
            }
            let place = segment.place(position + at as u64);
            let block = &mut bytes[at..at + length];
            let mut seed = place.header_crc.to_le_bytes().to_vec();
            seed.extend_from_slice(&place.position.to_le_bytes());
            let start_crc = crc_continue(crc_continue(0, &seed), &block[1..start::START_CRC]);
            put(block, start::START_CRC, &start_crc.to_le_bytes());
            if BlockStart::decode(block, place).is_ok() {
                let crc = crc_continue(start_crc, &block[start::LEN..length - end::CRC]);
                put(block, length - end::CRC, &crc.to_le_bytes());
            }
            at += length;
        }
        Ok(())
    }
}

impl VfsFile for PlantedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        if self.has(Plant::StaleRead) && is_segment(&self.path) {
            let mut state = self.state();
            if state.content.is_none() {
                let mut all = vec![0; self.inner.status()?.len as usize];
                let count = self.inner.read_at(&mut all, 0)?;
                all.truncate(count);
                state.content = Some(all);
            }
            let content = state.content.as_deref().unwrap_or_default();
            let there = content.get(position as usize..).unwrap_or_default();
            let count = there.len().min(buf.len());
            buf[..count].copy_from_slice(&there[..count]);
            return Ok(count);
        }
        let count = self.inner.read_at(buf, position)?;
        if self.has(Plant::ChecksumRecomputed) && is_segment(&self.path) {
            self.recompute(&mut buf[..count], position)?;
        }
        Ok(count)
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        self.note_write(buf);
        match self.plant {
            Some(Plant::SaveDropped) if is_saved_tail(&self.path) => return Ok(buf.len()),
            Some(Plant::CommitDropped) if self.is_signal(buf) => return Ok(buf.len()),
            Some(Plant::LockGivenUpEarly) if self.is_signal(buf) => {
                return self.inner.write_at(buf, position);
            }
            Some(Plant::SignalWithBody) if self.is_block(buf) => {
                let mut high = buf.to_vec();
                high[0] = SIGNAL_HIGH;
                return self.inner.write_at(&high, position);
            }
            Some(Plant::SignalBeforeBody) if self.is_block(buf) => {
                self.state().held_back.push_back((position, buf.to_vec()));
                return Ok(buf.len());
            }
            Some(Plant::SignalBeforeBody) if self.is_signal(buf) => {
                self.inner.write_at(buf, position)?;
                while let Some((at, mut block)) = self.state().held_back.pop_front() {
                    block[0] = SIGNAL_HIGH;
                    self.inner.write_at(&block, at)?;
                }
                return Ok(1);
            }
            _ => {}
        }
        let written = self.inner.write_at(buf, position);
        match (self.plant, written) {
            (Some(Plant::ErrorSwallowed), Err(_)) => Ok(buf.len()),
            (Some(Plant::ShortWriteBelieved), Ok(_)) => Ok(buf.len()),
            (_, written) => written,
        }
    }

    fn status(&self) -> io::Result<FileStatus> {
        let status = self.inner.status()?;
        Ok(as_told(self.plant, &self.told, &self.path, status))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.inner.status()?.len;
        let cuts = is_segment(&self.path) && len < now;
        self.state().cut = cuts;
        match self.plant {
            Some(Plant::CutDropped) if cuts => Ok(()),
            Some(Plant::CutLeavesRest) if cuts => self.inner.set_len(now.min(len + 32)),
            Some(Plant::CutTooMuch) if cuts => self.inner.set_len(len.saturating_sub(64)),
            _ => self.inner.set_len(len),
        }
    }

    fn reserve(&self, begin: u64, end: u64) -> io::Result<()> {
        self.inner.reserve(begin, end)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        let locked = self.inner.lock(kind, wait)?;
        match self.plant {
            Some(Plant::LockExcludesNobody) => Ok(true),
            Some(Plant::LockGivenUpEarly) => {
                self.inner.unlock()?;
                Ok(locked)
            }
            _ => Ok(locked),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}

/// An open directory, and the path by which it was opened.
#[derive(Clone, Debug)]
pub struct PlantedDir {
    inner: SimDir,
    path: PathBuf,
}

impl PlantedVfs {
    fn file(&self, dir: &PlantedDir, name: &str, mode: OpenMode, inner: SimFile) -> PlantedFile {
        let state = Mutex::default();
        let told = Arc::clone(&self.told);
        PlantedFile { inner, path: dir.path.join(name), mode, plant: self.plant, state, told }
    }
}

impl Vfs for PlantedVfs {
    type File = PlantedFile;
    type Dir = PlantedDir;
    type Watch = NoWatch;
    type Monitor<T: Send + 'static> = OsMonitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<PlantedDir> {
        Ok(PlantedDir { inner: self.inner.open_dir(path)?, path: path.to_owned() })
    }

    fn is_still_there(&self, dir: &PlantedDir) -> io::Result<bool> {
        self.inner.is_still_there(&dir.inner)
    }

    fn create_subdir(&self, dir: &PlantedDir, name: &str, alike: bool) -> io::Result<()> {
        self.inner.create_subdir(&dir.inner, name, alike)
    }

    fn open_subdir(&self, dir: &PlantedDir, name: &str) -> io::Result<PlantedDir> {
        let inner = self.inner.open_subdir(&dir.inner, name)?;
        Ok(PlantedDir { inner, path: dir.path.join(name) })
    }

    fn create(
        &self,
        dir: &PlantedDir,
        name: &str,
        like: Option<&PlantedFile>,
    ) -> io::Result<PlantedFile> {
        let temporary = name.ends_with(".new") || name.ends_with(".compact");
        if self.plant == Some(Plant::LeftoverKept)
            && temporary
            && let Ok(left) = self.open(dir, name, OpenMode::Write)
        {
            return Ok(left);
        }
        let inner = self.inner.create(&dir.inner, name, like.map(|like| &like.inner))?;
        Ok(self.file(dir, name, OpenMode::Write, inner))
    }

    fn open(&self, dir: &PlantedDir, name: &str, mode: OpenMode) -> io::Result<PlantedFile> {
        let inner = self.inner.open(&dir.inner, name, mode)?;
        Ok(self.file(dir, name, mode, inner))
    }

    fn status_of(&self, dir: &PlantedDir, name: &str) -> io::Result<Option<FileStatus>> {
        let status = self.inner.status_of(&dir.inner, name)?;
        Ok(status.map(|status| as_told(self.plant, &self.told, &dir.path.join(name), status)))
    }

    fn list(&self, dir: &PlantedDir) -> io::Result<Vec<String>> {
        self.inner.list(&dir.inner)
    }

    fn rename(&self, dir: &PlantedDir, from: &str, to: &str) -> io::Result<()> {
        *self.renamed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.rename(&dir.inner, from, to)?;
        if self.plant == Some(Plant::RenameBeforeSync) {
            self.inner.open(&dir.inner, to, OpenMode::Write)?.sync_data()?;
        }
        Ok(())
    }

    fn remove(&self, dir: &PlantedDir, name: &str) -> io::Result<()> {
        self.inner.remove(&dir.inner, name)
    }

    fn sync_dir(&self, dir: &PlantedDir) -> io::Result<()> {
        let stream = dir.path.ends_with("stream");
        let renamed = *self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = match self.plant {
            Some(Plant::DirectorySyncDropped) => stream,
            Some(Plant::AppenderDirectorySyncDropped) => stream && !renamed,
            Some(Plant::ParentSyncDropped) => dir.path == Path::new("/"),
            Some(Plant::SaveNotSynced) => dir.path.ends_with("lost"),
            _ => false,
        };
        if dropped { Ok(()) } else { self.inner.sync_dir(&dir.inner) }
    }

    fn free_bytes(&self, dir: &PlantedDir) -> io::Result<u64> {
        self.inner.free_bytes(&dir.inner)
    }

    fn file_system(&self, dir: &PlantedDir) -> io::Result<FileSystem> {
        self.inner.file_system(&dir.inner)
    }

    fn watch(&self, dir: &PlantedDir) -> io::Result<NoWatch> {
        self.inner.watch(&dir.inner)
    }

    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        if self.plant == Some(Plant::BootIdConstant) { Some([1; 16]) } else { self.inner.boot_id() }
    }

    fn pid(&self) -> u32 {
        self.inner.pid()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        self.inner.random()
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> OsMonitor<T> {
        self.inner.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.inner.spawn(work)
    }

    fn yield_now(&self) {
        self.inner.yield_now();
    }
}
