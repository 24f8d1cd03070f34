//! Where a case is tried: a stream `s`, and beside it a tree `outside` that nobody may touch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use tempfile::TempDir;

use crate::forge::Segment;

pub struct Place {
    scratch: TempDir,
}

/// What `outside/file` and the like hold.
pub const FOREIGN: &str = "4242 of another program\n";

impl Place {
    pub fn new() -> Self {
        // In memory where there is room; and a short path, for sockets.
        let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let place = Self { scratch: scratch.unwrap() };
        for dir in ["s", "io", "outside", "outside/dir", "outside/empty"] {
            fs::create_dir(place.path(dir)).unwrap();
        }
        for file in ["outside/file", "outside/dir/file", "outside/dir/n.lock"] {
            fs::write(place.path(file), FOREIGN).unwrap();
        }
        place
    }

    pub fn root(&self) -> &Path {
        self.scratch.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A name in the stream's directory.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.path("s").join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.inside(name), bytes).unwrap();
        self
    }

    pub fn segment(&self, sequence: u32, segment: &Segment) -> &Self {
        self.write(&format!("{sequence:010}.puro"), &segment.bytes)
    }

    pub fn dir(&self, name: &str) -> &Self {
        fs::create_dir(self.inside(name)).unwrap();
        self
    }

    /// A symbolic link in the stream, to a name of the place.
    pub fn link(&self, name: &str, to: &str) -> &Self {
        symlink(self.path(to), self.inside(name)).unwrap();
        self
    }

    /// A second name in the stream of the file `outside/file`.
    pub fn hard_link(&self, name: &str) -> &Self {
        fs::hard_link(self.path("outside/file"), self.inside(name)).unwrap();
        self
    }

    pub fn fifo(&self, name: &str) -> &Self {
        nix::unistd::mkfifo(&self.inside(name), Mode::S_IRWXU).unwrap();
        self
    }

    pub fn socket(&self, name: &str) -> &Self {
        drop(std::os::unix::net::UnixListener::bind(self.inside(name)).unwrap());
        self
    }

    /// A file of so many zeros that takes no room.
    pub fn sparse(&self, name: &str, bytes: u64) -> &Self {
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(self.inside(name));
        file.unwrap().set_len(bytes).unwrap();
        self
    }

    /// All that is outside the stream, but for what commands are told to write.
    pub fn outside(&self) -> Snapshot {
        let mut found = snapshot(&self.path("outside"));
        for entry in fs::read_dir(self.root()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !["s", "io", "outside"].contains(&name.as_str()) && !name.starts_with("out") {
                found.insert(name, "not there before".to_owned());
            }
        }
        found
    }

    /// All that is in the stream.
    pub fn stream(&self) -> Snapshot {
        snapshot(&self.path("s"))
    }
}

/// What stands under each name: kind, rights, length, time, and the content of what is short.
pub type Snapshot = BTreeMap<String, String>;

fn snapshot(dir: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    collect(dir, "", &mut found);
    found
}

fn collect(path: &Path, name: &str, found: &mut Snapshot) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let (kind, length) = (metadata.file_type(), metadata.len());
    let mut says = format!("{:o}", metadata.mode());
    if kind.is_file() {
        let content = if length < 100_000 { fs::read(path).unwrap() } else { Vec::new() };
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        says += &format!(" {length} {seconds}.{nanos} {:08x}", crate::forge::crc(&content));
    }
    found.insert(name.to_owned(), says);
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            collect(&entry.path(), &name, found);
        }
    }
}
