//! What the kernel tells about a stopped process: its memory, its descriptors, its paths.
//!
//! Nothing is remembered about descriptors. `dup`, `fork`, `exec`, and passing them through a
//! socket would each need a rule of our own; the kernel knows all that, and asking costs little.

use std::fs::{self, File};
use std::io::{IoSliceMut, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// Whom a descriptor leads to. In one mount a number of an inode is one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
}

impl From<&fs::Metadata> for Identity {
    fn from(meta: &fs::Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }
}

/// A stopped thread.
#[derive(Clone, Copy, Debug)]
pub struct Thread(pub i32);

impl Thread {
    /// Where the kernel shows a descriptor.
    pub fn fd_path(self, fd: i32) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{fd}", self.0))
    }

    /// The file behind a descriptor.
    pub fn stat(self, fd: i32) -> Option<fs::Metadata> {
        fs::metadata(self.fd_path(fd)).ok()
    }

    /// A descriptor's position and flags.
    pub fn position(self, fd: i32) -> Option<(u64, i32)> {
        let mut buffer = [0; 256];
        let mut file = File::open(format!("/proc/{}/fdinfo/{fd}", self.0)).ok()?;
        let length = file.read(&mut buffer).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let position = field("pos:")?.trim().parse().ok()?;
        let flags = i32::from_str_radix(field("flags:")?.trim(), 8).ok()?;
        Some((position, flags))
    }

    /// The path of an open file, as the kernel knows it now.
    pub fn path_of(self, fd: i32) -> Option<PathBuf> {
        fs::read_link(self.fd_path(fd)).ok()
    }

    /// Bytes of an open file, read through a descriptor of our own.
    pub fn file_bytes(self, fd: i32, at: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        File::open(self.fd_path(fd)).ok()?.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    /// Bytes of its memory.
    pub fn memory(self, at: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let remote = [RemoteIoVec { base: at as usize + done, len: length - done }];
            let mut local = [IoSliceMut::new(&mut bytes[done..])];
            match process_vm_readv(Pid::from_raw(self.0), &mut local, &remote) {
                Ok(0) | Err(_) => return None,
                Ok(read) => done += read,
            }
        }
        Some(bytes)
    }

    /// A number of its memory.
    pub fn number(self, at: u64) -> Option<u64> {
        Some(u64::from_ne_bytes(self.memory(at, 8)?.try_into().ok()?))
    }

    /// A string of its memory. No page is touched that the string does not reach.
    pub fn string(self, at: u64) -> Option<Vec<u8>> {
        const PAGE: u64 = 4096;
        let mut text = Vec::new();
        while text.len() <= libc::PATH_MAX as usize {
            let from = at + text.len() as u64;
            let piece = self.memory(from, (PAGE - from % PAGE) as usize)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&piece[..end]);
                return Some(text);
            }
            text.extend(piece);
        }
        None
    }

    /// The first `length` bytes of a vector of buffers.
    pub fn vector(self, at: u64, count: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        for index in 0..count as u64 {
            let wanted = length - bytes.len();
            let base = self.number(at + 16 * index)?;
            let len = self.number(at + 16 * index + 8)? as usize;
            bytes.extend(self.memory(base, len.min(wanted))?);
        }
        (bytes.len() == length).then_some(bytes)
    }

    /// A shared map of a file that holds this address: the file, and whether it can be stored to.
    pub fn shared_map(self, address: u64) -> Option<(Identity, bool)> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0)).ok()?;
        maps.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (from, to) = fields.next()?.split_once('-')?;
            let number = |text: &str| u64::from_str_radix(text, 16).ok();
            let access = fields.next()?.as_bytes();
            let (_offset, device) = (fields.next()?, fields.next()?);
            let (major, minor) = device.split_once(':')?;
            let dev = libc::makedev(number(major)? as u32, number(minor)? as u32);
            let ino = fields.next()?.parse().ok()?;
            let is_here = (number(from)?..number(to)?).contains(&address);
            (is_here && access.get(3) == Some(&b's'))
                .then_some((Identity { dev, ino }, access.get(1) == Some(&b'w')))
        })
    }
}
