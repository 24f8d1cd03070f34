//! A disk that can be filled.

#![allow(dead_code)] // Each test takes what it needs.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory, gone with the value.
pub struct Mounted(TempDir);

impl Mounted {
    /// `None` where that is not allowed.
    pub fn new(kibibytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "puro-test"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all that is free: not one byte is left.
    pub fn fill(&self, ballast: &Path) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(ballast).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Gives back what a file takes of the disk. Removing it would not do: a child that another test
/// has forked, and that did not come to its exec yet, may hold it open, and then its bytes stay.
pub fn make_room(ballast: &Path) {
    std::fs::write(ballast, "").unwrap();
}
