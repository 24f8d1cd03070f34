//! What the core tests share: directories to work in, a look at a whole stream, and hooks
//! that let calls fail.

#![allow(dead_code)] // Each test takes what it needs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use puro::internals::block::BlockStart;
use puro::internals::cursor::Scan;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::tail::open_tail;
use puro::internals::vfs::OpenMode;
use puro::{Consumer, ConsumerOptions, NewRecord, Producer, ProducerOptions};
use tempfile::TempDir;

/// A directory that goes with the value; in memory where there is room, for tests that sync
/// thousands of times. `PURO_SCRATCH` sets another place, for who kills tests.
pub fn scratch() -> TempDir {
    let memory = std::env::var_os("PURO_SCRATCH").unwrap_or_else(|| "/dev/shm".into());
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn segment(dir: &Path, sequence: u32) -> PathBuf {
    dir.join(format!("{sequence:010}.puro"))
}

/// A consumer that looks again after a millisecond.
pub fn fast_consumer() -> ConsumerOptions {
    ConsumerOptions::new().poll_interval(Duration::from_millis(1))
}

pub fn record(value: &str) -> NewRecord<'_> {
    NewRecord::new("t", value)
}

pub fn append<V: puro::internals::vfs::Vfs>(producer: &mut Producer<V>, value: &str) -> u64 {
    producer.append(&record(value)).unwrap().first_offset
}

/// The values of all records there are now, after a check that offsets have no gap.
pub fn drain<V: puro::internals::vfs::Vfs>(consumer: &mut Consumer<V>) -> Vec<String> {
    let mut values = Vec::new();
    let mut next = None;
    while let Some(record) = consumer.try_next().unwrap() {
        assert_eq!(record.offset, *next.get_or_insert(record.offset), "a gap in the offsets");
        next = Some(record.offset + 1);
        values.push(String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap());
    }
    values
}

/// The values of the whole stream, read by a consumer of its own.
pub fn values(dir: &Path) -> Vec<String> {
    drain(&mut fast_consumer().open(dir).unwrap())
}

/// Positions and starts of the committed blocks of a segment.
pub fn blocks(path: &Path) -> Vec<(u64, BlockStart)> {
    let directory = Directory::new(OsVfs::new(), path.parent().unwrap());
    let name = path.file_name().unwrap().to_str().unwrap();
    let sequence = puro::internals::dir::parse_segment_name(name).unwrap();
    let segment = directory.open_segment(sequence, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&segment);
    let mut blocks = Vec::new();
    while let Some((position, block)) = scan.next().unwrap().block() {
        blocks.push((position, block.start));
    }
    blocks
}

/// The newest epoch of a stream.
pub fn epoch(dir: &Path) -> u32 {
    let directory = Directory::new(OsVfs::new(), dir);
    open_tail(&directory, OpenMode::Read).unwrap().unwrap().0.epoch()
}

/// Names and content of what is in `lost/`.
pub fn lost(dir: &Path) -> Vec<(String, Vec<u8>)> {
    files(&dir.join("lost"))
}

/// Names and content of the regular files of a directory, by name; none if it is missing.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> = paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A directory of its own with the same files.
pub fn copy(dir: &Path) -> TempDir {
    let copy = scratch();
    for (name, bytes) in files(dir) {
        std::fs::write(copy.path().join(name), bytes).unwrap();
    }
    copy
}

/// Lets the bits of `mask` flip in one byte of a file.
pub fn flip(path: &Path, position: u64, mask: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    byte[0] ^= mask;
    file.write_all_at(&byte, position).unwrap();
}

pub fn set_len(path: &Path, len: u64) {
    std::fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// A stream with smallest segments.
pub fn small_segments() -> ProducerOptions {
    ProducerOptions::new().segment_bytes(4096)
}

/// Real files, with a closure asked before each call.
pub fn interpose(hook: impl Fn(&Call<'_>) -> Answer + Send + Sync + 'static) -> Interpose<OsVfs> {
    Interpose::new(OsVfs::new(), hook)
}

/// An error with the number of a system's own.
pub fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
pub const EIO: i32 = 5;
pub const ENOSPC: i32 = 28;

/// Counts calls and does what is asked from the n-th on.
#[derive(Clone, Default)]
pub struct Calls(Arc<AtomicU64>);

impl Calls {
    /// The number of this call, from 0.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A world that does nothing any more from the n-th call on; of that call itself, if it is a
/// write, the first `part` bytes. To the files it is as if the process had died there.
pub fn dead_from(n: u64, part: usize) -> (Interpose<OsVfs>, Calls) {
    let calls = Calls::default();
    let counter = calls.clone();
    let world = interpose(move |call| {
        let number = counter.next();
        if number < n {
            return Answer::Proceed;
        }
        if number == n && call.operation == Operation::Write && part > 0 {
            return Answer::Then(part, Box::new(|| errno(EIO)));
        }
        Answer::Fail(errno(EIO))
    });
    (world, calls)
}

/// This test program again, to run nothing but one test with `variables` set. Its name is that
/// which `--list` tells, with the module that it is in.
pub fn again(name: &str, variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What a child printed in lines that begin with `mark`, without it.
pub fn marked(output: &[u8], mark: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    // The test harness may have put words of its own before the first mark of a line.
    let lines = text.lines().filter_map(|line| Some(line[line.find(mark)? + mark.len()..].into()));
    lines.collect()
}

/// A child that dies with the value.
pub struct Reaped(pub Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Random numbers from a seed that is printed (xorshift64*).
pub struct Random(u64);

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed | 1)
    }
}

impl Random {
    /// From the variable `PURO_SEED`, or the clock.
    pub fn seeded(test: &str) -> Self {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = number("PURO_SEED", clock.as_nanos() as u64 | 1);
        println!("{test}: again with PURO_SEED={seed}");
        Self(seed)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

/// A number from the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

/// Dies by SIGKILL at this very place, as if the call that is under way never returned.
pub fn die() -> io::Error {
    let pid = std::process::id().to_string();
    Command::new("kill").args(["-KILL", &pid]).status().unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Says that this is another boot.
pub struct OtherBoot(pub Option<[u8; 16]>);

impl Hook for OtherBoot {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }
    fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        self.0
    }
}

/// Real files in a boot of that id.
pub fn boot(id: Option<[u8; 16]>) -> Interpose<OsVfs> {
    Interpose::new(OsVfs::new(), OtherBoot(id))
}
