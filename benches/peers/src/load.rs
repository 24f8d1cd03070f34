//! What is written: the same records for every contestant, and the check that they came back.

/// The topic of all records, where a contestant has topics (elsewhere a table or a queue).
pub const TOPIC: &str = "events";
/// Bytes of a key.
pub const KEY_LEN: usize = 16;

/// Random bytes that values are cut from; small enough to stay in a core's cache.
const POOL_LEN: usize = 256 << 10;

/// One record to be written.
#[derive(Clone, Copy)]
pub struct Rec<'a> {
    pub key: [u8; KEY_LEN],
    pub value: &'a [u8],
}

/// An endless sequence of records of one size.
pub struct Load {
    pool: Vec<u8>,
    value_len: usize,
}

impl Load {
    pub fn new(value_len: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut pool = Vec::with_capacity(POOL_LEN);
        while pool.len() < POOL_LEN {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            pool.extend_from_slice(&state.to_le_bytes());
        }
        Self { pool, value_len }
    }

    /// Record number `index`; its key is the number in hexadecimal.
    pub fn record(&self, index: u64) -> Rec<'_> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut key = [b'0'; KEY_LEN];
        for (place, digit) in key.iter_mut().rev().enumerate() {
            *digit = DIGITS[(index >> (4 * place)) as usize & 15];
        }
        let start = index.wrapping_mul(4_099) as usize % (POOL_LEN - self.value_len);
        Rec { key, value: &self.pool[start..start + self.value_len] }
    }

    /// What a reader of the first `count` records must have seen.
    pub fn expected(&self, count: u64) -> Tally {
        let mut tally = Tally::checking();
        self.add(&mut tally, 0..count);
        tally
    }

    /// Adds these records to a tally.
    pub fn add(&self, tally: &mut Tally, indices: std::ops::Range<u64>) {
        for index in indices {
            let record = self.record(index);
            tally.record(&record.key, record.value);
        }
    }
}

/// What a reader has seen: counted when timed, and in a second pass digested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub records: u64,
    digest: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digest {
    /// Of all of them, one after the other.
    InOrder(u32),
    /// The sum of that of each.
    InAnyOrder(u64),
}

impl Tally {
    /// Counts, and adds up all bytes, no more: for a reading that is timed. So whoever
    /// hands out bytes that it has not looked at yet (a mapped file) pays for them.
    pub fn counting() -> Self {
        Self::default()
    }

    /// Takes the checksum of all keys and values, in their order.
    pub fn checking() -> Self {
        Self { records: 0, digest: Some(Digest::InOrder(0)) }
    }

    /// The same, whatever their order: for what several have written at once.
    pub fn checking_in_any_order() -> Self {
        Self { records: 0, digest: Some(Digest::InAnyOrder(0)) }
    }

    #[inline]
    pub fn record(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        match &mut self.digest {
            Some(Digest::InOrder(digest)) => *digest = crc(*digest, key, value),
            Some(Digest::InAnyOrder(sum)) => *sum = sum.wrapping_add(u64::from(crc(0, key, value))),
            None => {
                std::hint::black_box(sum(key) ^ sum(value));
            }
        }
    }

    /// Counts records that nobody looks into: the limit of a mere `pread`.
    pub fn skip(&mut self, records: u64) {
        self.records += records;
    }

    pub fn is_checking(&self) -> bool {
        self.digest.is_some()
    }
}

fn crc(digest: u32, key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(digest, key), value)
}

/// Looks at all bytes, eight at a time.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder().iter().fold(0, |sum, byte| sum + u64::from(*byte));
    words.fold(rest, |sum, word| {
        sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap_or_default()))
    })
}
