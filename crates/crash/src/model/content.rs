//! The bytes of a file, cheap to copy and cheap to compare.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_128_with_seed;

const PAGE: u64 = 4096;

/// A page, and its hash once somebody asked for it.
#[derive(Clone, Debug)]
struct Page {
    bytes: [u8; PAGE as usize],
    hash: OnceLock<u128>,
}

/// The bytes of a file. Pages of zeros and pages that are not there are the same.
#[derive(Clone, Debug, Default)]
pub struct Content {
    len: u64,
    pages: BTreeMap<u64, Arc<Page>>,
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
        let hash = |(number, page): (&u64, &Arc<Page>)| {
            *page.hash.get_or_init(|| hash_of(*number, &page.bytes))
        };
        self.pages.iter().map(hash).fold(u128::from(self.len), u128::wrapping_add)
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
        let numbers: Vec<u64> =
            self.pages.range(at / PAGE..end.div_ceil(PAGE)).map(|(number, _)| *number).collect();
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

    /// Some of its bytes, those that are there.
    #[must_use]
    pub fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let end = at.saturating_add(len).min(self.len);
        let byte = |position: u64| {
            self.pages
                .get(&(position / PAGE))
                .map_or(0, |page| page.bytes[(position % PAGE) as usize])
        };
        (at..end).map(byte).collect()
    }

    /// Makes a file of it.
    pub fn write_to(&self, path: &Path) -> io::Result<File> {
        let file = File::create(path)?;
        for (number, page) in &self.pages {
            let begin = number * PAGE;
            let count = self.len.saturating_sub(begin).min(PAGE) as usize;
            file.write_all_at(&page.bytes[..count], begin)?;
        }
        file.set_len(self.len)?;
        Ok(file)
    }

    fn change(&mut self, number: u64, how: impl FnOnce(&mut [u8; PAGE as usize])) {
        let new = || Arc::new(Page { bytes: [0; PAGE as usize], hash: OnceLock::new() });
        let page = Arc::make_mut(self.pages.entry(number).or_insert_with(new));
        page.hash = OnceLock::new();
        how(&mut page.bytes);
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
        forwards.zero(4_050, 10);
        assert_ne!(forwards.hash(), backwards.hash());
    }
}
