//! The bytes of a file, cheap to copy and cheap to compare.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use nix::sys::uio::pwritev;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// What is copied as one, and compared.
pub const PAGE: u64 = 4096;

/// A page, and its hash once somebody asked for it.
#[derive(Clone, Debug)]
struct Page {
    bytes: [u8; PAGE as usize],
    hash: OnceLock<u128>,
}

impl Page {
    /// Whether two pages of one number are known to be the same.
    fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || same_hash(&self.hash, &other.hash)
    }
}

fn same_hash(one: &OnceLock<u128>, other: &OnceLock<u128>) -> bool {
    one.get().is_some_and(|hash| other.get() == Some(hash))
}

/// Pages that are copied and compared as one, where nothing in them differs: files may be large.
#[derive(Clone, Debug, Default)]
struct Chunk {
    pages: BTreeMap<u64, Arc<Page>>,
    hash: OnceLock<u128>,
}

/// So many pages are a chunk.
const CHUNK: u64 = 64;

/// The bytes of a file. Pages of zeros and pages that are not there are the same.
#[derive(Clone, Debug, Default)]
pub struct Content {
    len: u64,
    chunks: BTreeMap<u64, Arc<Chunk>>,
}

impl Content {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(0, bytes);
        content
    }

    /// How long it is.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Equal for equal files.
    #[must_use]
    pub fn hash(&self) -> u128 {
        let hashes = self.chunks.values().map(|chunk| *chunk.hash.get_or_init(|| chunk.hash()));
        hashes.fold(u128::from(self.len), u128::wrapping_add)
    }

    /// Writes bytes, and makes the file longer if they end behind its end.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let position = at + done as u64;
            let within = (position % PAGE) as usize;
            let count = (PAGE as usize - within).min(bytes.len() - done);
            let from = &bytes[done..done + count];
            self.change(position / PAGE, |page| page[within..within + count].copy_from_slice(from));
            done += count;
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    /// Makes a range read as zeros; the length stays.
    pub fn zero(&mut self, at: u64, len: u64) {
        let end = at.saturating_add(len).min(self.len);
        if at >= end {
            return;
        }
        let pages = at / PAGE..end.div_ceil(PAGE);
        let chunks = self.chunks.range(pages.start / CHUNK..pages.end.div_ceil(CHUNK));
        let numbers: Vec<u64> = chunks
            .flat_map(|(_, chunk)| chunk.pages.keys().copied())
            .filter(|number| pages.contains(number))
            .collect();
        for number in numbers {
            let begin = number * PAGE;
            let from = at.saturating_sub(begin) as usize;
            let to = (end - begin).min(PAGE) as usize;
            self.change(number, |page| page[from..to].fill(0));
        }
    }

    /// Makes it longer, with zeros, or shorter.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.zero(len, self.len - len);
        }
        self.len = len;
    }

    /// Makes some pages those of another file; the length stays.
    pub fn take_pages(&mut self, other: &Self, pages: Range<u64>) {
        for number in pages.start / CHUNK..pages.end.div_ceil(CHUNK) {
            let first = number * CHUNK;
            if pages.start <= first && first + CHUNK <= pages.end {
                match other.chunks.get(&number) {
                    Some(chunk) => self.chunks.insert(number, Arc::clone(chunk)),
                    None => self.chunks.remove(&number),
                };
                continue;
            }
            let some = pages.start.max(first)..pages.end.min(first + CHUNK);
            let taken = other.chunks.get(&number);
            let taken = taken.into_iter().flat_map(|chunk| chunk.pages.range(some.clone()));
            let chunk = Arc::make_mut(self.chunks.entry(number).or_default());
            chunk.hash = OnceLock::new();
            some.clone().for_each(|page| _ = chunk.pages.remove(&page));
            chunk.pages.extend(taken.map(|(page, bytes)| (*page, Arc::clone(bytes))));
        }
    }

    /// Some of its bytes, those that are there.
    #[must_use]
    pub fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let end = at.saturating_add(len).min(self.len);
        let byte = |position: u64| {
            self.page(position / PAGE).map_or(0, |page| page.bytes[(position % PAGE) as usize])
        };
        (at..end).map(byte).collect()
    }

    /// Whether two files are known to be the same: true only if they are.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let mut pairs = self.chunks.iter().zip(&other.chunks);
        self.len == other.len
            && self.chunks.len() == other.chunks.len()
            && pairs.all(|((number, one), (as_number, two))| number == as_number && one.is(two))
    }

    /// Makes a file of it.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        self.write_over(&Self::default(), &File::create(path)?)
    }

    /// Makes a file that holds `before` one that holds this.
    pub fn write_over(&self, before: &Self, file: &File) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; PAGE as usize];
        let differs = |(number, chunk): &(&u64, &Arc<Chunk>)| {
            before.chunks.get(number).is_none_or(|other| !chunk.is(other))
        };
        let written = self.chunks.iter().filter(differs).flat_map(|(_, chunk)| {
            let is_other = |(number, page): &(&u64, &Arc<Page>)| {
                before.page(**number).is_none_or(|other| !page.is(other))
            };
            chunk.pages.iter().filter(is_other).map(|(number, page)| (*number, &page.bytes[..]))
        });
        let changed = |(number, chunk): &(&u64, &Arc<Chunk>)| {
            self.chunks.get(number).is_none_or(|other| !chunk.is(other))
        };
        let gone = before.chunks.iter().filter(changed).flat_map(|(_, chunk)| chunk.pages.keys());
        let gone = gone.filter(|number| self.page(**number).is_none());
        let mut reached = before.len;
        let mut run = Run { file, begin: 0, slices: Vec::new(), length: 0 };
        for (number, bytes) in written.chain(gone.map(|number| (*number, ZEROS))) {
            let begin = number * PAGE;
            let count = self.len.saturating_sub(begin).min(PAGE) as usize;
            run.add(begin, &bytes[..count])?;
            reached = reached.max(begin + count as u64);
        }
        run.write()?;
        // Most files are as long as what was written to them.
        if reached == self.len { Ok(()) } else { file.set_len(self.len) }
    }

    fn page(&self, number: u64) -> Option<&Arc<Page>> {
        self.chunks.get(&(number / CHUNK))?.pages.get(&number)
    }

    fn change(&mut self, number: u64, how: impl FnOnce(&mut [u8; PAGE as usize])) {
        let new = || Arc::new(Page { bytes: [0; PAGE as usize], hash: OnceLock::new() });
        let chunk = Arc::make_mut(self.chunks.entry(number / CHUNK).or_default());
        chunk.hash = OnceLock::new();
        let page = Arc::make_mut(chunk.pages.entry(number).or_insert_with(new));
        page.hash = OnceLock::new();
        how(&mut page.bytes);
    }
}

impl Chunk {
    /// Whether two chunks of one number are known to be the same.
    fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || same_hash(&self.hash, &other.hash)
    }

    fn hash(&self) -> u128 {
        let hashes = self
            .pages
            .iter()
            .map(|(number, page)| *page.hash.get_or_init(|| hash_of(*number, &page.bytes)));
        hashes.fold(0, u128::wrapping_add)
    }
}

/// Pages that follow each other, written by one call.
struct Run<'a> {
    file: &'a File,
    begin: u64,
    slices: Vec<IoSlice<'a>>,
    length: u64,
}

impl<'a> Run<'a> {
    fn add(&mut self, at: u64, bytes: &'a [u8]) -> io::Result<()> {
        const MOST: usize = 256;
        if self.slices.len() == MOST || at != self.begin + self.length {
            self.write()?;
            (self.begin, self.length) = (at, 0);
        }
        self.slices.push(IoSlice::new(bytes));
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let mut slices = &mut self.slices[..];
        let mut at = self.begin as i64;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match pwritev(self.file, slices, at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => {
                    at += written as i64;
                    IoSlice::advance_slices(&mut slices, written);
                }
            }
        }
        self.slices.clear();
        Ok(())
    }
}

fn hash_of(number: u64, page: &[u8]) -> u128 {
    if page.iter().all(|byte| *byte == 0) { 0 } else { xxh3_128_with_seed(page, number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_holes_are_the_same() {
        let mut holes = Content::default();
        holes.set_len(10_000);
        let zeros = Content::new(&[0; 10_000]);
        assert_eq!(holes.hash(), zeros.hash());
        assert_ne!(holes.hash(), Content::new(&[0; 9_999]).hash());
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut content = Content::new(&[7; 10_000]);
        content.set_len(5_000);
        content.set_len(10_000);
        let mut expected = vec![7; 5_000];
        expected.resize(10_000, 0);
        assert_eq!(content.read(0, 20_000), expected);
        assert_eq!(content.hash(), Content::new(&expected).hash());
    }

    #[test]
    fn a_file_that_is_written_over_is_as_if_it_was_new() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut before = Content::new(&[7; 30_000]);
        before.write(2_000_000, b"far");
        let mut after = before.clone();
        after.write(9_000, &[8; 10]);
        let mut shorter = after.clone();
        shorter.set_len(20_001);
        let mut longer = shorter.clone();
        longer.set_len(40_000);
        let mut of_holes = Content::default();
        of_holes.write(25_000, b"behind a hole");
        let all = [before, after, shorter, longer, of_holes];
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            one.write_to(&path).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            other.write_over(one, &file).unwrap();
            assert!(std::fs::read(&path).unwrap() == other.read(0, u64::MAX));
        }
    }

    #[test]
    fn the_order_of_writes_does_not_change_the_hash() {
        let mut forwards = Content::default();
        let mut backwards = Content::default();
        for at in [0, 4_000, 8_192] {
            forwards.write(at, &[1; 300]);
        }
        for at in [8_192, 4_000, 0] {
            backwards.write(at, &[1; 300]);
        }
        assert_eq!(forwards.hash(), backwards.hash());
        forwards.zero(20_000, 10);
        assert_eq!(forwards.hash(), backwards.hash());
        forwards.zero(4_050, 10);
        assert_ne!(forwards.hash(), backwards.hash());
    }
}
