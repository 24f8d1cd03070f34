//! Bytes made by hand, with all checksums right, be they as the specification wants them or not.
//! Shares nothing with the encoder of the code but the checksum.

use puro::internals::codec::{crc, crc_continue};

/// What a fixed world begins with: 2026-01-01T00:00:00Z.
pub const BEGINNING_MS: u64 = 1_767_225_600_000;
/// The stream's id in a fixed world.
pub const STREAM_ID: [u8; 16] = [
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
];
/// The boot that everything is written in.
pub const BOOT: [u8; 16] = [0xb1; 16];
/// The next one.
pub const NEXT_BOOT: [u8; 16] = [0xb2; 16];
/// No boot is known.
pub const UNKNOWN_BOOT: [u8; 16] = [0; 16];

/// Attributes: the record has a key.
pub const KEY: u8 = 1;
/// It has a value.
pub const VALUE: u8 = 2;
/// It has headers.
pub const HEADERS: u8 = 4;
/// It is a control record.
pub const CONTROL: u8 = 8;

/// A varint, in its shortest form.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The same, longer by so many bytes than it must be.
pub fn overlong(value: u64, by: usize) -> Vec<u8> {
    let mut bytes = varint(value);
    if let Some(last) = bytes.last_mut() {
        *last |= 0x80;
    }
    bytes.extend(std::iter::repeat_n(0x80, by - 1));
    bytes.push(0);
    bytes
}

/// A field with its length before it.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut all = varint(bytes.len() as u64);
    all.extend(bytes);
    all
}

/// A record of these bytes behind its length: length and crc are right.
pub fn framed(fields: &[u8]) -> Vec<u8> {
    let rest = sized(fields);
    let mut all = crc(&rest).to_le_bytes().to_vec();
    all.extend(rest);
    all
}

/// A record.
pub fn record(
    control: bool,
    topic: &[u8],
    key: Option<&[u8]>,
    headers: &[(&[u8], &[u8])],
    value: Option<&[u8]>,
) -> Vec<u8> {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    let attributes = bit(key.is_some(), KEY)
        | bit(value.is_some(), VALUE)
        | bit(!headers.is_empty(), HEADERS)
        | bit(control, CONTROL);
    let mut fields = vec![attributes];
    fields.extend(sized(topic));
    fields.extend(key.map(sized).unwrap_or_default());
    if !headers.is_empty() {
        fields.extend(varint(headers.len() as u64));
        for (name, value) in headers {
            fields.extend(sized(name));
            fields.extend(sized(value));
        }
    }
    fields.extend(value.unwrap_or_default());
    framed(&fields)
}

/// A record of a user, without key and headers.
pub fn plain(topic: &str, value: &str) -> Vec<u8> {
    record(false, topic.as_bytes(), None, &[], Some(value.as_bytes()))
}

/// A record of a user with a key.
pub fn keyed(topic: &str, key: &str, value: &str) -> Vec<u8> {
    record(false, topic.as_bytes(), Some(key.as_bytes()), &[], Some(value.as_bytes()))
}

/// An entry of the state.
pub fn entry(kind: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    record(true, kind.as_bytes(), Some(key), &[], Some(value))
}

/// The entry of an epoch.
pub fn epoch(number: u32, first_offset: u64, boot: [u8; 16], time: u64) -> Vec<u8> {
    let mut value = first_offset.to_le_bytes().to_vec();
    value.extend(boot);
    value.extend(time.to_le_bytes());
    entry("epoch", &number.to_le_bytes(), &value)
}

/// The entry of a position.
pub fn position(name: &str, epoch: u32, offset: u64, time: u64) -> Vec<u8> {
    let mut value = epoch.to_le_bytes().to_vec();
    value.extend(offset.to_le_bytes());
    value.extend(time.to_le_bytes());
    entry("position", name.as_bytes(), &value)
}

/// A gap of so many offsets.
pub fn gap(offsets: u64) -> Vec<u8> {
    record(true, b"gap", None, &[], Some(&varint(offsets)))
}

/// A segment's header. Fields may be changed before its bytes are asked for.
#[derive(Clone, Debug)]
pub struct Header {
    pub magic: [u8; 8],
    pub version: u16,
    pub features: [u16; 3],
    pub stream_id: [u8; 16],
    pub base_offset: u64,
    pub created: u64,
    pub sequence: u32,
    pub generation: u32,
    pub epoch: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self::new()
    }
}

impl Header {
    /// That of segment 0.
    pub fn new() -> Self {
        Self {
            magic: *b"\x8bPURO\r\n\x1a",
            version: 1,
            features: [0; 3],
            stream_id: STREAM_ID,
            base_offset: 0,
            created: BEGINNING_MS,
            sequence: 0,
            generation: 0,
            epoch: 1,
        }
    }

    /// Its bytes, the crc right.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.features.iter().flat_map(|bits| bits.to_le_bytes()));
        bytes.extend(self.stream_id);
        bytes.extend(self.base_offset.to_le_bytes());
        bytes.extend(self.created.to_le_bytes());
        for field in [self.sequence, self.generation, self.epoch] {
            bytes.extend(field.to_le_bytes());
        }
        let crc = crc(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    /// Its crc.
    pub fn crc(&self) -> u32 {
        crc(&self.bytes()[..60])
    }
}

/// A block. What stands in it is as it says, right or wrong; its checksums are right.
#[derive(Clone, Debug)]
pub struct Block {
    pub signal: u8,
    pub kind: u8,
    pub flags: u16,
    pub body: Vec<u8>,
    /// What the start says; the body's length if `None`.
    pub body_len: Option<u32>,
    pub record_count: u32,
    pub prev_crc: u32,
    pub first_offset: u64,
    pub timestamp: u64,
    pub durable_to: u64,
    pub epoch: u32,
    /// What the pad is made of.
    pub pad: u8,
    /// What the end says; the body's length if `None`.
    pub end_body_len: Option<u32>,
}

impl Block {
    /// A committed block of records.
    pub fn records(records: &[Vec<u8>]) -> Self {
        Self {
            signal: 0xa5,
            kind: 1,
            flags: 0,
            body: records.concat(),
            body_len: None,
            record_count: records.len() as u32,
            prev_crc: 0,
            first_offset: 0,
            timestamp: BEGINNING_MS,
            durable_to: 0,
            epoch: 1,
            pad: 0,
            end_body_len: None,
        }
    }

    /// A committed block of control records alone.
    pub fn control(kind: u8, entries: &[Vec<u8>]) -> Self {
        let flags = u16::from(!entries.is_empty());
        Self { kind, flags, record_count: 0, ..Self::records(entries) }
    }

    /// A checkpoint.
    pub fn checkpoint(entries: &[Vec<u8>]) -> Self {
        Self::control(2, entries)
    }

    /// A segment end without an index.
    pub fn segment_end() -> Self {
        Self::control(3, &[])
    }

    /// Its length.
    pub fn length(&self) -> usize {
        (48 + self.body.len() + 8).next_multiple_of(64)
    }

    /// Its bytes at a place.
    pub fn bytes(&self, header_crc: u32, position: u64) -> Vec<u8> {
        let body_len = self.body.len() as u32;
        let mut bytes = vec![self.signal, self.kind];
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.body_len.unwrap_or(body_len).to_le_bytes());
        bytes.extend(self.record_count.to_le_bytes());
        bytes.extend(self.prev_crc.to_le_bytes());
        for field in [self.first_offset, self.timestamp, self.durable_to] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.epoch.to_le_bytes());
        let mut seed = header_crc.to_le_bytes().to_vec();
        seed.extend(position.to_le_bytes());
        let start_crc = crc_continue(crc(&seed), &bytes[1..]);
        bytes.extend(start_crc.to_le_bytes());
        bytes.extend(&self.body);
        bytes.resize(self.length() - 8, self.pad);
        bytes.extend(self.end_body_len.unwrap_or(body_len).to_le_bytes());
        let crc = crc_continue(start_crc, &bytes[48..]);
        bytes.extend(crc.to_le_bytes());
        bytes
    }
}

/// A segment that is made block by block.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its header.
    pub header: Header,
    /// Its bytes so far.
    pub bytes: Vec<u8>,
    /// Where its blocks begin.
    pub starts: Vec<usize>,
    /// What the next block continues.
    pub prev_crc: u32,
    /// The next offset.
    pub next_offset: u64,
    /// The newest epoch.
    pub epoch: u32,
    /// The highest time of a records block.
    pub highest: u64,
}

impl Segment {
    /// A header and nothing more.
    pub fn bare(header: Header) -> Self {
        let (prev_crc, next_offset, epoch) = (header.crc(), header.base_offset, header.epoch);
        let bytes = header.bytes();
        Self { header, bytes, starts: Vec::new(), prev_crc, next_offset, epoch, highest: 0 }
    }

    /// With an opening checkpoint of these entries, synced.
    pub fn opened(header: Header, entries: &[Vec<u8>], highest: u64) -> Self {
        let mut segment = Self::bare(header);
        segment.highest = highest;
        let mut block = Block::checkpoint(entries);
        block.durable_to = (64 + block.length()) as u64;
        segment.add(block);
        segment
    }

    /// Segment 0 as it is created.
    pub fn first() -> Self {
        Self::opened(Header::new(), &[epoch(1, 0, BOOT, BEGINNING_MS)], 0)
    }

    /// Adds a block that continues the chain; its time is that of F-22.
    pub fn add(&mut self, mut block: Block) -> &mut Self {
        if block.kind == 1 {
            self.highest = self.highest.max(block.timestamp);
        } else {
            block.timestamp = self.highest;
        }
        (block.prev_crc, block.first_offset, block.epoch) =
            (self.prev_crc, self.next_offset, self.epoch);
        self.put(&block)
    }

    /// Adds a block as it is.
    pub fn put(&mut self, block: &Block) -> &mut Self {
        self.starts.push(self.bytes.len());
        let bytes = block.bytes(self.header.crc(), self.bytes.len() as u64);
        let crc = &bytes[bytes.len() - 4..];
        self.prev_crc = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
        self.next_offset = block.first_offset.wrapping_add(u64::from(block.record_count));
        self.epoch = block.epoch;
        self.bytes.extend(bytes);
        self
    }

    /// Adds a block of one record each.
    pub fn letters(&mut self, values: &[&str]) -> &mut Self {
        for value in values {
            let time = self.highest.max(BEGINNING_MS) + 1000;
            self.add(Block { timestamp: time, ..Block::records(&[plain("letters", value)]) });
        }
        self
    }

    /// What its block `number` begins at.
    pub fn start(&self, number: usize) -> usize {
        self.starts[number]
    }

    /// The segment behind this one, which is sealed by it: opened with these entries.
    pub fn next(&mut self, entries: &[Vec<u8>]) -> Self {
        self.add(Block::segment_end());
        let header = Header {
            base_offset: self.next_offset,
            created: self.highest.max(BEGINNING_MS),
            sequence: self.header.sequence + 1,
            generation: 0,
            epoch: self.epoch,
            ..self.header.clone()
        };
        Self::opened(header, entries, self.highest)
    }

    /// The name that its header says.
    pub fn name(&self) -> String {
        format!("{:010}.puro", self.header.sequence)
    }
}
