//! Large files that are kept from one image to the next, so that only pages are written that differ.
//!
//! A checker may write to its image. So a file is kept only if nobody can have changed it: nobody had
//! it open for writing since it was written, which the kernel tells when it is closed, and nobody
//! has it so now. Where the kernel cannot tell, the file is made anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::lease::has_no_writer;
use crate::model::content::Content;
use crate::trace::Node;

/// What is smaller is made anew faster than it is asked about.
const SMALLEST: u64 = 128 << 10;

/// Files that the last images had.
pub struct Kept {
    changes: Option<Inotify>,
    /// Where they wait while no image has them.
    aside: PathBuf,
    files: HashMap<Node, KeptFile>,
}

struct KeptFile {
    /// In the image; `None` while it waits.
    path: Option<PathBuf>,
    inode: u64,
    content: Content,
    watch: WatchDescriptor,
}

impl Kept {
    /// None yet.
    pub fn new(aside: PathBuf) -> Self {
        let changes = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        let changes = changes.filter(|_| fs::create_dir(&aside).is_ok());
        Self { changes, aside, files: HashMap::new() }
    }

    /// Saves what is as it was written, before the image is removed.
    pub fn set_aside(&mut self) {
        let Some(changed) = self.changed() else { return self.files.clear() };
        let aside = &self.aside;
        self.files.retain(|node, kept| {
            if changed.contains(&kept.watch) {
                return false;
            }
            let Some(path) = kept.path.take() else { return true };
            let is_there = path.symlink_metadata().is_ok_and(|meta| meta.ino() == kept.inode);
            is_there
                && File::open(&path).is_ok_and(|file| has_no_writer(&file))
                && fs::rename(path, aside.join(node.to_string())).is_ok()
        });
    }

    /// Makes a file of the image.
    pub fn write(&mut self, node: Node, content: &Content, path: &Path) -> io::Result<()> {
        if content.len() < SMALLEST || self.changes.is_none() {
            return content.write_to(path);
        }
        if let Some(kept) = self.files.get_mut(&node)
            && kept.path.is_none()
            && fs::rename(self.aside.join(node.to_string()), path).is_ok()
        {
            if let Ok(file) = OpenOptions::new().write(true).open(path) {
                content.write_over(&kept.content, &file)?;
                kept.content = content.clone();
                kept.path = Some(path.to_owned());
                return Ok(());
            }
            // It may be written by nobody, as the program wanted.
            fs::remove_file(path)?;
        }
        self.files.remove(&node);
        content.write_to(path)?;
        let inode = path.symlink_metadata()?.ino();
        let signs = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        if let Some(changes) = &self.changes
            && let Ok(watch) = changes.add_watch(path, signs)
        {
            let (path, content) = (Some(path.to_owned()), content.clone());
            self.files.insert(node, KeptFile { path, inode, content, watch });
        }
        Ok(())
    }

    /// The image is made: whatever changes from now on is not our doing.
    pub fn begin(&mut self) {
        if self.changed().is_none() {
            self.files.clear();
        }
    }

    /// Which files somebody may have changed since this was asked last; `None` if that is not known.
    fn changed(&self) -> Option<Vec<WatchDescriptor>> {
        let mut changed = Vec::new();
        loop {
            match self.changes.as_ref()?.read_events() {
                Ok(events) => {
                    for event in events {
                        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                            return None;
                        }
                        changed.push(event.wd);
                    }
                }
                Err(nix::Error::EAGAIN) => return Some(changed),
                Err(_) => return None,
            }
        }
    }
}
