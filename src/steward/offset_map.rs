//! The keys of a compaction: for each key its latest offset, in memory of a fixed size.
//!
//! A key is kept as a hash of 128 bits, so that a key of a kilobyte takes no more than one of a
//! byte: 25 bytes for a slot, of which seven in eight are used at most. Two keys with the same
//! hash would make a record look superseded that is not. With 2^33 keys in one run the odds of
//! that are 2^-63; and since the hash is seeded anew for each run, nobody can choose keys
//! that meet.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

/// The hash of topic and key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct KeyHash(u64, u64);

/// Hands on what is a good hash already.
#[derive(Default)]
struct Through(u64);

impl Hasher for Through {
    fn write_u64(&mut self, half: u64) {
        self.0 ^= half;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte).rotate_left(8));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Latest offsets by key.
pub struct OffsetMap {
    seed: [u8; 16],
    latest: HashMap<KeyHash, u64, BuildHasherDefault<Through>>,
    most_keys: usize,
}

/// Bytes of a slot: key, offset, and one of the table's own.
const SLOT_BYTES: usize = 25;

/// How many keys fit into so many bytes. The table has a power of two of slots, and fills
/// seven in eight of them.
pub fn keys_in(bytes: usize) -> usize {
    let slots = (bytes / SLOT_BYTES).max(8);
    let slots = 1 << slots.ilog2();
    slots / 8 * 7
}

impl OffsetMap {
    /// An empty map that never takes more than `most_bytes`, nor room for more than
    /// `most_keys`.
    pub fn new(seed: [u8; 16], most_bytes: usize, most_keys: u64) -> Self {
        let wanted = usize::try_from(most_keys).unwrap_or(usize::MAX);
        let most_keys = keys_in(most_bytes).min(wanted);
        // All at once: a table that grows holds the old one and the new one for a while.
        // Memory that is never touched costs nothing.
        let latest = HashMap::with_capacity_and_hasher(most_keys, BuildHasherDefault::default());
        Self { seed, latest, most_keys }
    }

    fn hash(&self, topic: &[u8], key: &[u8]) -> KeyHash {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write_u64(topic.len() as u64);
        hasher.write(topic);
        hasher.write(key);
        let hash = hasher.finish128();
        KeyHash(hash.h1, hash.h2)
    }

    /// Takes note of a record; `false` if there is no room for its key.
    pub fn note(&mut self, topic: &[u8], key: &[u8], offset: u64) -> bool {
        let hash = self.hash(topic, key);
        if let Some(latest) = self.latest.get_mut(&hash) {
            *latest = offset.max(*latest);
            return true;
        }
        if self.latest.len() >= self.most_keys {
            return false;
        }
        self.latest.insert(hash, offset);
        true
    }

    /// The latest offset noted for a key.
    pub fn latest(&self, topic: &[u8], key: &[u8]) -> Option<u64> {
        self.latest.get(&self.hash(topic, key)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_and_key_are_told_apart() {
        let mut map = OffsetMap::new([7; 16], 1 << 20, 100);
        assert!(map.note(b"ab", b"c", 1) && map.note(b"a", b"bc", 2) && map.note(b"ab", b"c", 9));
        assert_eq!(map.latest(b"ab", b"c"), Some(9));
        assert_eq!(map.latest(b"a", b"bc"), Some(2));
        assert_eq!(map.latest(b"abc", b""), None);
    }

    #[test]
    fn a_full_map_takes_no_new_key_and_does_not_grow() {
        let mut map = OffsetMap::new([7; 16], 32 * SLOT_BYTES, u64::MAX);
        let capacity = map.latest.capacity();
        let taken = (0..100u64).filter(|key| map.note(b"t", &key.to_le_bytes(), *key)).count();
        assert_eq!(taken, keys_in(32 * SLOT_BYTES));
        assert_eq!(map.latest.capacity(), capacity);
        assert!(map.note(b"t", &0u64.to_le_bytes(), 1000), "a known key needs no room");
    }

    #[test]
    fn the_default_memory_is_enough_for_seven_million_keys() {
        let slots = keys_in(256 << 20) / 7 * 8;
        assert_eq!(keys_in(256 << 20), 7_340_032);
        assert!(slots * SLOT_BYTES <= 256 << 20);
    }
}
