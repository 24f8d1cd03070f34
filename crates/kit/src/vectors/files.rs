//! What a directory holds, and changes of it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::driver::{hex, unhex};

/// A change of a directory; see `spec/kit.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    /// The file.
    pub file: String,
    /// The place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Bytes that are written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put: Option<String>,
    /// Bits that are turned there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xor: Option<u8>,
    /// Its new length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub len: Option<u64>,
    /// It is removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// It is made as something else than a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    /// What a second name is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it is made a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

impl Edit {
    fn of(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    /// Writes bytes.
    #[must_use]
    pub fn put(file: &str, at: usize, bytes: &[u8]) -> Self {
        Self { at: Some(at as u64), put: Some(hex(bytes)), ..Self::of(file) }
    }

    /// Turns bits of one byte.
    #[must_use]
    pub fn xor(file: &str, at: usize, mask: u8) -> Self {
        Self { at: Some(at as u64), xor: Some(mask), ..Self::of(file) }
    }

    /// Cuts or extends.
    #[must_use]
    pub fn len(file: &str, len: usize) -> Self {
        Self { len: Some(len as u64), ..Self::of(file) }
    }

    /// Removes.
    #[must_use]
    pub fn gone(file: &str) -> Self {
        Self { gone: true, ..Self::of(file) }
    }

    /// Makes something else than a file.
    #[must_use]
    pub fn make(file: &str, what: &str) -> Self {
        Self { make: Some(what.to_owned()), ..Self::of(file) }
    }

    /// Makes a second name.
    #[must_use]
    pub fn hard(file: &str, of: &str) -> Self {
        Self { of: Some(of.to_owned()), ..Self::make(file, "hard") }
    }

    /// Makes a copy.
    #[must_use]
    pub fn copy(file: &str, of: &str) -> Self {
        Self { copy: Some(of.to_owned()), ..Self::of(file) }
    }

    /// Does it.
    ///
    /// # Errors
    /// What the system says.
    pub fn apply(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(&self.file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if self.gone {
            return if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
        }
        if let Some(from) = &self.copy {
            return std::fs::copy(dir.join(from), &path).map(drop);
        }
        match self.make.as_deref() {
            Some("fifo") => return Ok(nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?),
            Some("directory") => return std::fs::create_dir(&path),
            Some("hard") => {
                return std::fs::hard_link(dir.join(self.of.as_deref().unwrap_or("")), &path);
            }
            Some("link") => {
                let led_to = dir.join("led-to");
                std::fs::rename(&path, &led_to).or_else(|_| std::fs::write(&led_to, b""))?;
                return symlink("led-to", &path);
            }
            _ => {}
        }
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
        if let Some(len) = self.len {
            file.set_len(len)?;
        }
        let at = self.at.unwrap_or_default();
        if let Some(mask) = self.xor {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ mask], at)?;
        }
        if let Some(bytes) = self.put.as_deref().and_then(unhex) {
            file.write_all_at(&bytes, at)?;
        }
        Ok(())
    }
}

/// Names and bytes of the files of a directory, those in `lost/` too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<String, Vec<u8>>);

/// What does not count: locks, and what has no name of its own yet.
fn counts(name: &str) -> bool {
    !name.ends_with(".lock") && !name.ends_with(".new") && !name.ends_with(".compact")
}

impl Snapshot {
    /// What a directory holds.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for (folder, prefix) in [(dir.to_owned(), ""), (dir.join("lost"), "lost/")] {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_file() && counts(&name) {
                    files.insert(format!("{prefix}{name}"), std::fs::read(entry.path())?);
                }
            }
        }
        Ok(Self(files))
    }

    /// Puts it into a directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for (name, bytes) in &self.0 {
            let path = dir.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// Without the zeros at the end of the segment with the highest number.
    #[must_use]
    pub fn without_zeros(mut self) -> Self {
        let is_segment = |name: &&String| name.len() == 15 && name.ends_with(".puro");
        let highest = self.0.keys().rfind(is_segment).cloned();
        if let Some(bytes) = highest.and_then(|name| self.0.get_mut(&name)) {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used.next_multiple_of(64).min(bytes.len()));
        }
        self
    }

    /// The edits that lead from this to another.
    #[must_use]
    pub fn edits_to(&self, other: &Self) -> Vec<Edit> {
        let mut edits: Vec<_> = self
            .0
            .keys()
            .filter(|name| !other.0.contains_key(*name))
            .map(|name| Edit::gone(name))
            .collect();
        for (name, now) in &other.0 {
            let before = self.0.get(name).map_or(&[][..], Vec::as_slice);
            let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
            if before.len() > now.len() {
                edits.push(Edit::len(name, now.len()));
            }
            if same < now.len() || !self.0.contains_key(name) {
                edits.push(Edit::put(name, same, &now[same..]));
            }
        }
        edits
    }

    /// This, changed by edits of bytes.
    #[must_use]
    pub fn edited(mut self, edits: &[Edit]) -> Self {
        for edit in edits {
            if edit.gone {
                self.0.remove(&edit.file);
                continue;
            }
            let bytes = self.0.entry(edit.file.clone()).or_default();
            if let Some(len) = edit.len {
                bytes.resize(len as usize, 0);
            }
            if let Some(put) = edit.put.as_deref().and_then(unhex) {
                let at = edit.at.unwrap_or_default() as usize;
                bytes.resize(bytes.len().max(at + put.len()), 0);
                bytes[at..at + put.len()].copy_from_slice(&put);
            }
        }
        self
    }
}
