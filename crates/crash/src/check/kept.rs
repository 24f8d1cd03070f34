//! Files that are kept from one image to the next, so that only what differs is written.
//!
//! Each image is a new directory: whoever still stands in the one before does nothing to it. Its files
//! are moved there from the one before. A checker may have written to those, so a file is moved only if
//! nobody can have changed it:
//!
//! - nothing was written to it, its attributes were not changed, and no writer closed it: the kernel
//!   tells each of these, by whatever name it was done;
//! - if anybody opened it, ourselves included, nobody has it open for writing now. Of stores into a map
//!   the kernel tells nothing until the map is gone, but a map has its file open;
//! - it still stands where it was made.
//!
//! Where the kernel cannot tell, the file is made anew.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::lease::has_no_writer;
use crate::model::content::Content;
use crate::trace::Node;

/// So many files wait at most while no image has them.
const MOST_ASIDE: usize = 4096;
/// After so many files of an image the kernel's reports of our own doing are thrown away: its queue is
/// not endless.
const REPORTS_FROM: usize = 1024;

/// Files that the last images had.
pub struct Kept {
    reports: Option<Inotify>,
    /// Where the image before is.
    before: PathBuf,
    /// Where files wait while no image has them.
    aside: PathBuf,
    files: HashMap<Node, KeptFile>,
    made: usize,
}

struct KeptFile {
    stands: Stands,
    inode: u64,
    mode: u32,
    content: Content,
    watch: WatchDescriptor,
    /// We changed it ourselves, and could not tell somebody else who did so at that time.
    is_doubtful: bool,
}

/// Where a file is.
enum Stands {
    /// In the image that is made, or was.
    Now(PathBuf),
    /// In the image before: by this name, and untouched so far as is known.
    Before(PathBuf),
    /// In none.
    Aside,
}

impl Kept {
    /// None yet. Images that are over are at `before`, what no image has at `aside`.
    pub fn new(before: PathBuf, aside: PathBuf) -> Self {
        let reports = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        let reports = reports.filter(|_| fs::create_dir(&aside).is_ok());
        Self { reports, before, aside, files: HashMap::new(), made: 0 }
    }

    /// The image that was at `image` is over, and has been moved: forgets what is not as it was made.
    pub fn look(&mut self, image: &Path) {
        let Some(reports) = self.reports() else { return self.files.clear() };
        let before = &self.before;
        self.files.retain(|_, kept| {
            if reports.changed.contains(&kept.watch) {
                return false;
            }
            kept.is_doubtful |= reports.opened.contains(&kept.watch);
            let Stands::Now(path) = &kept.stands else { return true };
            let Ok(name) = path.strip_prefix(image) else { return false };
            let path = before.join(name);
            let is_there = path.symlink_metadata().is_ok_and(|meta| meta.ino() == kept.inode);
            let is_same = is_there && (!kept.is_doubtful || is_left_alone(&path));
            kept.stands = Stands::Before(path);
            is_same
        });
        // Those were opened by us just now.
        self.begin();
        self.files.values_mut().for_each(|kept| kept.is_doubtful = false);
    }

    /// Makes a file of the image.
    pub fn write(
        &mut self,
        node: Node,
        content: &Content,
        mode: u32,
        path: &Path,
    ) -> io::Result<()> {
        self.made += 1;
        if self.made.is_multiple_of(REPORTS_FROM) {
            self.begin();
        }
        if let Some(kept) = self.files.get_mut(&node)
            && kept.move_to(path, &self.aside.join(node.to_string()))
        {
            if kept.change(content, mode, path)? {
                return Ok(());
            }
            // It may be written by nobody, as the program wanted.
            fs::remove_file(path)?;
        }
        self.files.remove(&node);
        content.write_to(path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let inode = path.symlink_metadata()?.ino();
        let signs = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_OPEN;
        if let Some(reports) = &self.reports
            && let Ok(watch) = reports.add_watch(path, signs)
        {
            let (stands, content) = (Stands::Now(path.to_owned()), content.clone());
            let kept = KeptFile { stands, inode, mode, content, watch, is_doubtful: true };
            self.files.insert(node, kept);
        }
        Ok(())
    }

    /// The image has all its files: what else there is waits.
    pub fn set_aside(&mut self) {
        let aside = &self.aside;
        let mut waiting = 0;
        self.files.retain(|node, kept| {
            if !matches!(kept.stands, Stands::Now(_)) {
                waiting += 1;
            }
            match &kept.stands {
                Stands::Before(path) if waiting <= MOST_ASIDE => {
                    let is_moved = fs::rename(path, aside.join(node.to_string())).is_ok();
                    kept.stands = Stands::Aside;
                    is_moved
                }
                Stands::Before(_) => false,
                Stands::Aside | Stands::Now(_) => true,
            }
        });
    }

    /// The image is made: whatever is reported from now on is not our doing.
    pub fn begin(&mut self) {
        let Some(reports) = self.reports() else { return self.files.clear() };
        // What we did not touch somebody else has, who is still there.
        self.files.retain(|_, kept| {
            kept.is_doubtful
                || !reports.changed.contains(&kept.watch) && !reports.opened.contains(&kept.watch)
        });
    }

    /// What somebody did since this was asked last; `None` if that is not known.
    fn reports(&self) -> Option<Reports> {
        let mut reports = Reports::default();
        loop {
            match self.reports.as_ref()?.read_events() {
                Ok(events) => {
                    for event in events {
                        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                            return None;
                        }
                        let is_open = event.mask == AddWatchFlags::IN_OPEN;
                        let who = if is_open { &mut reports.opened } else { &mut reports.changed };
                        who.insert(event.wd);
                    }
                }
                Err(nix::Error::EAGAIN) => return Some(reports),
                Err(_) => return None,
            }
        }
    }
}

/// What the kernel tells about files.
#[derive(Default)]
struct Reports {
    opened: HashSet<WatchDescriptor>,
    changed: HashSet<WatchDescriptor>,
}

/// Whether nobody has a file open for writing.
fn is_left_alone(path: &Path) -> bool {
    // (What stands there is a file of ours: opening it waits for nobody.)
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .is_ok_and(|file: File| has_no_writer(&file))
}

impl KeptFile {
    /// Moves it to where the image wants it, if that can be.
    fn move_to(&mut self, path: &Path, aside: &Path) -> bool {
        let from = match &self.stands {
            Stands::Before(before) => before,
            Stands::Aside => aside,
            Stands::Now(_) => return false,
        };
        let is_moved = fs::rename(from, path).is_ok();
        self.stands = Stands::Now(path.to_owned());
        is_moved
    }

    /// Makes it what the image wants; whether that can be.
    fn change(&mut self, content: &Content, mode: u32, path: &Path) -> io::Result<bool> {
        if content.is(&self.content) && mode == self.mode {
            return Ok(true);
        }
        self.is_doubtful = true;
        if !content.is(&self.content) {
            let Ok(file) = OpenOptions::new().write(true).open(path) else { return Ok(false) };
            content.write_over(&self.content, &file)?;
            self.content = content.clone();
        }
        if mode != self.mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            self.mode = mode;
        }
        Ok(true)
    }
}
