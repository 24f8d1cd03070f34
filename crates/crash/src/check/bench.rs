//! A worker's place: a directory in which one image after another is made and checked.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::checker::{Checker, Verdict};
use super::kept::Kept;
use crate::error::{At, Result};
use crate::model::disk::Disk;

/// A place for one image at a time.
pub struct Bench {
    dir: TempDir,
    kept: RefCell<Kept>,
}

impl Bench {
    /// A new place below `scratch`.
    pub fn new(scratch: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("puro-crash-").tempdir_in(scratch);
        let dir = dir.at("make a directory in", scratch)?;
        let kept = Kept::new(dir.path().join("before"), dir.path().join("aside"));
        Ok(Self { dir, kept: RefCell::new(kept) })
    }

    /// Where the image is.
    pub fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Where the acknowledgements are.
    pub fn acknowledged(&self) -> PathBuf {
        self.dir.path().join("acknowledged")
    }

    /// Where else something can be put.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Makes an image, and removes the one before.
    pub fn put(&self, disk: &Disk, acknowledged: &[u8]) -> Result<()> {
        let (image, before) = (self.image(), self.dir.path().join("before"));
        let mut kept = self.kept.borrow_mut();
        if image.symlink_metadata().is_ok() {
            fs::rename(&image, &before).at("move", &image)?;
        }
        kept.look(&image);
        fs::create_dir(&image).at("make", &image)?;
        disk.write_by(&image, |node, content, mode, path| kept.write(node, content, mode, path))?;
        kept.set_aside();
        remove(&before).at("remove", &before)?;
        kept.begin();
        let path = self.acknowledged();
        fs::write(&path, acknowledged).at("write", &path)
    }

    /// Makes an image and checks it.
    pub fn check(&self, checker: &Checker, disk: &Disk, acknowledged: &[u8]) -> Result<Verdict> {
        self.put(disk, acknowledged)?;
        checker.check(&self.image(), &self.acknowledged(), self.scratch())
    }
}

/// Removes an image, or what a checker has put in its place.
fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Where images are made unless the user says: in memory, if that can be.
#[must_use]
pub fn default_scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let is_writable = tempfile::tempdir_in(&memory).is_ok();
    if is_writable { memory } else { std::env::temp_dir() }
}
