//! What a loss of power may leave (M-4).
//!
//! Everything that was not synced is cut into *decisions*, each on its own: how long a
//! file is, what each chunk of it holds, what each name leads to. [`PowerLoss::apply`]
//! makes the disk that follows from one choice for every decision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::generate::Rng;

use super::disk::{Change, Disk, FileNumber, FileState, Names, Node};

/// Sizes of the units that a disk writes whole, the finest first (M-4).
pub const GRAINS: [usize; 3] = [64, 512, 4096];

/// A decision that a loss of power makes.
#[derive(Debug)]
enum Decision {
    Length {
        file: FileNumber,
        lengths: Vec<usize>,
    },
    /// The first is what is on the disk; then each version since; then, apart, zeros and
    /// garbage in the bytes that were written.
    Chunk {
        file: FileNumber,
        at: usize,
        versions: Vec<Vec<u8>>,
        newest: usize,
    },
    Name {
        dir: PathBuf,
        name: String,
        nodes: Vec<Option<Node>>,
    },
}

impl Decision {
    fn options(&self) -> usize {
        match self {
            Self::Length { lengths, .. } => lengths.len(),
            Self::Chunk { versions, .. } => versions.len(),
            Self::Name { nodes, .. } => nodes.len(),
        }
    }

    fn newest(&self) -> usize {
        match self {
            Self::Chunk { newest, .. } => *newest,
            _ => self.options() - 1,
        }
    }
}

/// All that a loss of power decides at one moment.
#[derive(Debug)]
pub struct PowerLoss<'d> {
    disk: &'d Disk,
    decisions: Vec<Decision>,
}

impl<'d> PowerLoss<'d> {
    /// Cuts what is unsynced into decisions, contents in chunks of `grain` bytes.
    pub fn new(disk: &'d Disk, grain: usize) -> Self {
        let mut decisions = Vec::new();
        for (dir, names) in disk.pending_names() {
            decide_names(&mut decisions, dir, names);
        }
        for (number, file) in disk.pending_files() {
            if disk.links(number) > 0 || is_pending_name(disk, number) {
                decide_file(&mut decisions, number, file, grain);
            }
        }
        Self { disk, decisions }
    }

    /// The same at the finest grain that leaves at most `most` decisions, or the coarsest.
    pub fn at_most(disk: &'d Disk, most: usize) -> Self {
        let mut loss = Self::new(disk, GRAINS[0]);
        for grain in &GRAINS[1..] {
            if loss.decisions.len() <= most {
                break;
            }
            loss = Self::new(disk, *grain);
        }
        loss
    }

    /// For each decision, how many ways it may go.
    pub fn options(&self) -> Vec<usize> {
        self.decisions.iter().map(Decision::options).collect()
    }

    /// The choice by which nothing is lost.
    pub fn newest(&self) -> Vec<usize> {
        self.decisions.iter().map(Decision::newest).collect()
    }

    /// The choice by which all is lost.
    pub fn oldest(&self) -> Vec<usize> {
        vec![0; self.decisions.len()]
    }

    /// The choice by which contents are lost, but lengths and names are kept.
    pub fn hollow(&self) -> Vec<usize> {
        let choice = |decision: &Decision| match decision {
            Decision::Chunk { .. } => 0,
            _ => decision.newest(),
        };
        self.decisions.iter().map(choice).collect()
    }

    /// Each decision at random, or, by `sides` (0 to 2), mostly one way.
    pub fn at_random(&self, sides: u64, rng: &mut Rng) -> Vec<usize> {
        let base = if sides == 0 { self.newest() } else { self.hollow() };
        let choice = |(at, options): (usize, usize)| {
            if sides == 2 || rng.one_in(4) { rng.below(options as u64) as usize } else { base[at] }
        };
        self.options().into_iter().enumerate().map(choice).collect()
    }

    /// The disk that is left after one choice for each decision.
    pub fn apply(&self, choices: &[usize]) -> Disk {
        let mut contents: BTreeMap<FileNumber, (Option<usize>, Vec<u8>)> = BTreeMap::new();
        let mut names: BTreeMap<PathBuf, BTreeMap<String, Node>> = BTreeMap::new();
        for (dir, pending) in self.disk.pending_names() {
            names.insert(dir.clone(), pending.disk.clone());
        }
        for (decision, choice) in self.decisions.iter().zip(choices) {
            match decision {
                Decision::Length { file, lengths } => {
                    let content = contents.entry(*file).or_insert_with(|| self.base(*file));
                    content.0 = Some(lengths[*choice]);
                }
                Decision::Chunk { file, at, versions, .. } => {
                    let content = contents.entry(*file).or_insert_with(|| self.base(*file));
                    put(&mut content.1, *at, &versions[*choice]);
                }
                Decision::Name { dir, name, nodes } => {
                    let names = names.entry(dir.clone()).or_default();
                    match nodes[*choice] {
                        Some(node) => names.insert(name.clone(), node),
                        None => names.remove(name),
                    };
                }
            }
        }
        let cut = |(length, mut bytes): (Option<usize>, Vec<u8>)| {
            bytes.resize(length.unwrap_or(bytes.len()), 0);
            bytes
        };
        let contents = contents.into_iter().map(|(file, content)| (file, cut(content))).collect();
        self.disk.restarted(contents, names)
    }

    /// The disk if of one file exactly these bytes are left, and of everything else only what
    /// was synced.
    pub fn leaving(&self, file: FileNumber, bytes: Vec<u8>) -> Disk {
        let mut disk = self.apply(&self.oldest());
        disk.put_content(file, bytes);
        disk
    }

    /// What is on the disk of a file; its length, unless decided on.
    fn base(&self, file: FileNumber) -> (Option<usize>, Vec<u8>) {
        let bytes = self.disk.file(file).disk.clone();
        (Some(bytes.len()), bytes)
    }
}

fn is_pending_name(disk: &Disk, number: FileNumber) -> bool {
    let mut nodes = disk.pending_names().flat_map(|(_, names)| {
        names.pending.values().flatten().flatten().chain(names.disk.values())
    });
    nodes.any(|node| *node == Node::File(number))
}

fn decide_names(decisions: &mut Vec<Decision>, dir: &Path, names: &Names) {
    for (name, later) in &names.pending {
        let mut nodes = vec![names.disk.get(name).copied()];
        nodes.extend(later.iter().copied());
        nodes.dedup();
        if nodes.len() > 1 {
            decisions.push(Decision::Name { dir: dir.to_owned(), name: name.clone(), nodes });
        }
    }
}

fn decide_file(decisions: &mut Vec<Decision>, number: FileNumber, file: &FileState, grain: usize) {
    let mut lengths = vec![file.disk.len()];
    let mut chunks: BTreeMap<usize, Chunk> = BTreeMap::new();
    let mut now = file.disk.clone();
    for change in &file.pending {
        change.apply(&mut now);
        lengths.push(now.len());
        let Change::Write { at, bytes, .. } = change else { continue };
        for index in at / grain..=(at + bytes.len() - 1) / grain {
            let chunk = chunks.entry(index).or_insert_with(|| Chunk::new(&file.disk, index, grain));
            chunk.note(&now, index * grain, *at, at + bytes.len());
        }
    }
    lengths.dedup();
    if lengths.len() > 1 {
        decisions.push(Decision::Length { file: number, lengths });
    }
    for (index, chunk) in chunks {
        decisions.push(chunk.decide(number, index * grain));
    }
}

/// A chunk of a file with unsynced writes in it.
struct Chunk {
    versions: Vec<Vec<u8>>,
    written: Vec<bool>,
    disk_len: usize,
}

impl Chunk {
    fn new(disk: &[u8], index: usize, grain: usize) -> Self {
        let (versions, written) = (Vec::new(), vec![false; grain]);
        let mut chunk = Self { versions, written, disk_len: disk.len() };
        chunk.push_version(disk, index * grain);
        chunk
    }

    fn push_version(&mut self, file: &[u8], at: usize) {
        let grain = self.written.len();
        let there = file.get(at..).unwrap_or_default();
        let mut version = there[..there.len().min(grain)].to_vec();
        version.resize(grain, 0);
        if self.versions.last() != Some(&version) {
            self.versions.push(version);
        }
    }

    fn note(&mut self, now: &[u8], at: usize, begin: usize, end: usize) {
        self.push_version(now, at);
        let grain = self.written.len();
        let (from, to) = (begin.saturating_sub(at), (end - at).min(grain));
        self.written[from..to].fill(true);
    }

    fn decide(mut self, file: FileNumber, at: usize) -> Decision {
        let newest = self.versions.len() - 1;
        let latest = self.versions[newest].clone();
        // Bytes that are on the disk and were only ever written the same again are not harmed:
        // what A-14 relies on.
        let on_disk = &self.versions[0];
        let harmed = |i: usize| {
            let changed = self.versions.iter().any(|version| version[i] != on_disk[i]);
            self.written[i] && (changed || at + i >= self.disk_len)
        };
        let replaced = |with: &dyn Fn(usize) -> u8| -> Vec<u8> {
            let bytes = latest.iter().enumerate();
            bytes.map(|(i, byte)| if harmed(i) { with(i) } else { *byte }).collect()
        };
        for version in [replaced(&|_| 0), replaced(&|i| garbage(at + i))] {
            if !self.versions.contains(&version) {
                self.versions.push(version);
            }
        }
        Decision::Chunk { file, at, versions: self.versions, newest }
    }
}

/// A byte that nobody wrote.
fn garbage(at: usize) -> u8 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 40) as u8) | 1
}

fn put(bytes: &mut Vec<u8>, at: usize, chunk: &[u8]) {
    let end = at + chunk.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(chunk);
}
