//! Bytes of a stream, made by hand: each field may be set to what no encoder would write.
//! Shares no code with the crate, so that what it makes is what the spec says.

/// 2026-01-01T00:00:00Z.
pub const BEGINNING_MS: u64 = 1_767_225_600_000;
/// The id of the stream that most cases are about.
pub const STREAM_ID: [u8; 16] = *b"a hostile stream";

pub fn crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// This boot (M-9).
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap().to_be_bytes()
}

/// A segment header (F-12).
#[derive(Clone)]
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
    /// What the right checksum is mixed with.
    pub crc_mask: u32,
}

impl Header {
    pub fn new(sequence: u32, base_offset: u64) -> Self {
        Self {
            magic: [0x8B, b'P', b'U', b'R', b'O', 0x0D, 0x0A, 0x1A],
            version: 1,
            features: [0; 3],
            stream_id: STREAM_ID,
            base_offset,
            created: BEGINNING_MS,
            sequence,
            generation: 0,
            epoch: 1,
            crc_mask: 0,
        }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.features.iter().flat_map(|bits| bits.to_le_bytes()));
        bytes.extend(self.stream_id);
        bytes.extend(self.base_offset.to_le_bytes());
        bytes.extend(self.created.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend((crc(&bytes) ^ self.crc_mask).to_le_bytes());
        bytes
    }
}

pub const RECORDS: u8 = 1;
pub const CHECKPOINT: u8 = 2;
pub const END: u8 = 3;

/// A block; `None` is what an encoder would write.
#[derive(Clone)]
pub struct Block {
    pub signal: u8,
    pub kind: u8,
    pub flags: Option<u16>,
    pub body: Body,
    pub body_len: Option<u32>,
    pub record_count: Option<u32>,
    pub prev_crc: Option<u32>,
    pub first_offset: Option<u64>,
    pub timestamp: u64,
    pub durable_to: u64,
    pub epoch: Option<u32>,
    pub pad: u8,
    pub end_body_len: Option<u32>,
    /// What the right checksums are mixed with.
    pub start_crc_mask: u32,
    pub crc_mask: u32,
}

impl Block {
    pub fn new(kind: u8, body: Body) -> Self {
        Self {
            signal: 0xA5,
            kind,
            flags: None,
            body,
            body_len: None,
            record_count: None,
            prev_crc: None,
            first_offset: None,
            timestamp: BEGINNING_MS,
            durable_to: 0,
            epoch: None,
            pad: 0,
            end_body_len: None,
            start_crc_mask: 0,
            crc_mask: 0,
        }
    }

    /// An opening checkpoint: in segment 0 no records block was before it (F-22).
    pub fn opening(header: &Header, state: Body) -> Self {
        let timestamp = if header.sequence == 0 { 0 } else { BEGINNING_MS };
        Self { timestamp, ..Self::new(CHECKPOINT, state) }
    }

    pub fn records(body: Body) -> Self {
        Self::new(RECORDS, body)
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Its length as its body makes it, whatever its start says.
    pub fn len(&self) -> usize {
        (48 + self.body.bytes.len() + 8).next_multiple_of(64)
    }

    /// Bytes 1 to 44 of the start.
    fn fields(&self, prev_crc: u32, first_offset: u64, epoch: u32) -> Vec<u8> {
        let flags = self.flags.unwrap_or(u16::from(self.body.control));
        let body_len = self.body_len.unwrap_or(self.body.bytes.len() as u32);
        let count = if self.kind == RECORDS { self.body.count } else { 0 };
        let mut fields = vec![self.kind];
        fields.extend(flags.to_le_bytes());
        fields.extend(body_len.to_le_bytes());
        fields.extend(self.record_count.unwrap_or(count).to_le_bytes());
        fields.extend(self.prev_crc.unwrap_or(prev_crc).to_le_bytes());
        fields.extend(self.first_offset.unwrap_or(first_offset).to_le_bytes());
        fields.extend(self.timestamp.to_le_bytes());
        fields.extend(self.durable_to.to_le_bytes());
        fields.extend(self.epoch.unwrap_or(epoch).to_le_bytes());
        fields
    }

    /// The block's bytes at a place (F-15, F-19).
    pub fn bytes(&self, header_crc: u32, position: u64, link: &Link) -> Vec<u8> {
        let mut seed = header_crc.to_le_bytes().to_vec();
        seed.extend(position.to_le_bytes());
        let fields = self.fields(link.prev_crc, link.next_offset, link.epoch);
        let start_crc = crc32c::crc32c_append(crc(&seed), &fields);
        let mut bytes = vec![self.signal];
        bytes.extend(&fields);
        bytes.extend((start_crc ^ self.start_crc_mask).to_le_bytes());
        bytes.extend(&self.body.bytes);
        bytes.resize(self.len() - 8, self.pad);
        let body_len = self.body_len.unwrap_or(self.body.bytes.len() as u32);
        bytes.extend(self.end_body_len.unwrap_or(body_len).to_le_bytes());
        let crc = crc32c::crc32c_append(start_crc, &bytes[48..]);
        bytes.extend((crc ^ self.crc_mask).to_le_bytes());
        bytes
    }
}

/// What the next block continues (F-21).
#[derive(Clone, Copy)]
pub struct Link {
    pub prev_crc: u32,
    pub next_offset: u64,
    pub epoch: u32,
}

/// Records of a block, and what a right start says of them.
#[derive(Clone, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub count: u32,
    pub control: bool,
}

impl Body {
    pub fn new() -> Self {
        Self::default()
    }

    /// One record of topic `t`.
    pub fn of(value: &str) -> Self {
        Self::new().record("t", value)
    }

    /// A record with a topic and a value.
    pub fn record(self, topic: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.raw(&Record::new(topic, value).bytes())
    }

    /// A record of a user in whatever bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self.count += 1;
        self
    }

    /// Bytes that count as nothing.
    pub fn junk(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// A control record (F-31).
    pub fn control(mut self, kind: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let record = Record {
            attributes: 8 | if key.is_some() { 1 } else { 0 } | if value.is_some() { 2 } else { 0 },
            topic: kind.into(),
            key: key.map(<[u8]>::to_vec),
            value: value.unwrap_or_default().to_vec(),
            ..Record::new("", "")
        };
        self.bytes.extend(record.bytes());
        self.control = true;
        self
    }

    /// An entry of the state.
    pub fn entry(self, kind: &str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.control(kind, Some(key.as_ref()), Some(value.as_ref()))
    }

    pub fn epoch(self, number: u32, first_offset: u64, boot_id: [u8; 16]) -> Self {
        self.entry("epoch", number.to_le_bytes(), epoch_value(first_offset, boot_id))
    }

    /// An index of topics (F-42).
    pub fn topics(self, from: u64, rest: &[u8]) -> Self {
        let mut value = from.to_le_bytes().to_vec();
        value.extend(rest);
        self.control("topics", None, Some(&value))
    }
}

pub fn epoch_value(first_offset: u64, boot_id: [u8; 16]) -> Vec<u8> {
    let mut value = first_offset.to_le_bytes().to_vec();
    value.extend(boot_id);
    value.extend(BEGINNING_MS.to_le_bytes());
    value
}

/// The value of an entry `position`.
pub fn position_value(epoch: u32, offset: u64, time_ms: u64) -> Vec<u8> {
    let mut value = epoch.to_le_bytes().to_vec();
    value.extend(offset.to_le_bytes());
    value.extend(time_ms.to_le_bytes());
    value
}

/// A record: each field as it stands, whatever the attributes say.
#[derive(Clone)]
pub struct Record {
    pub attributes: u8,
    pub topic: Vec<u8>,
    pub key: Option<Vec<u8>>,
    /// Header count and headers, as encoded.
    pub headers: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

impl Record {
    pub fn new(topic: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (topic, value) = (topic.as_ref().to_vec(), value.as_ref().to_vec());
        Self { attributes: 2, topic, key: None, headers: None, value }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn fields(&self) -> Vec<u8> {
        let mut fields = vec![self.attributes];
        sized(&mut fields, &self.topic);
        if let Some(key) = &self.key {
            sized(&mut fields, key);
        }
        fields.extend(self.headers.iter().flatten());
        fields.extend(&self.value);
        fields
    }

    pub fn bytes(&self) -> Vec<u8> {
        let fields = self.fields();
        sealed(&varint(fields.len() as u64), &fields)
    }
}

/// A record of a length field and what is behind it, with the right checksum.
pub fn sealed(length: &[u8], fields: &[u8]) -> Vec<u8> {
    let covered = [length, fields].concat();
    [&crc(&covered).to_le_bytes()[..], &covered].concat()
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Length and bytes of a field.
pub fn sized(out: &mut Vec<u8>, field: &[u8]) {
    out.extend(varint(field.len() as u64));
    out.extend(field);
}

/// A segment that grows block by block.
#[derive(Clone)]
pub struct Segment {
    pub bytes: Vec<u8>,
    pub header_crc: u32,
    pub link: Link,
}

impl Segment {
    /// A header alone.
    pub fn bare(header: &Header) -> Self {
        let bytes = header.bytes();
        let header_crc = crc(&bytes[..60]) ^ header.crc_mask;
        let (next_offset, epoch) = (header.base_offset, header.epoch);
        let link = Link { prev_crc: header_crc, next_offset, epoch };
        Self { bytes, header_crc, link }
    }

    /// A header and an opening checkpoint with this state.
    pub fn with_state(header: &Header, state: Body) -> Self {
        let mut segment = Self::bare(header);
        let mut checkpoint = Block::opening(header, state);
        checkpoint.durable_to = 64 + checkpoint.len() as u64;
        segment.push(&checkpoint);
        segment
    }

    /// A header and an opening checkpoint that says that epoch 1 is of this boot.
    pub fn new(header: &Header) -> Self {
        Self::with_state(header, Body::new().epoch(1, 0, boot_id()))
    }

    /// A sealed segment as a writer leaves it.
    pub fn sealed(header: &Header, fill: impl Fn(&mut Self)) -> Self {
        let mut segment = Self::new(header);
        fill(&mut segment);
        segment.seal();
        segment
    }

    /// A sealed segment of another generation: its opening checkpoint says where all of it ends (F-38).
    pub fn compacted(header: &Header, fill: impl Fn(&mut Self)) -> Self {
        let made = |durable_to| {
            let mut segment = Self::bare(header);
            let mut checkpoint = Block::opening(header, Body::new().epoch(1, 0, boot_id()));
            checkpoint.durable_to = durable_to;
            segment.push(&checkpoint);
            fill(&mut segment);
            segment.seal();
            segment
        };
        made(made(0).end())
    }

    /// Where the next block begins.
    pub fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a block that continues the one before, but for what it says otherwise itself.
    pub fn push(&mut self, block: &Block) -> &mut Self {
        let bytes = block.bytes(self.header_crc, self.end(), &self.link);
        let count = if block.kind == RECORDS { block.body.count } else { 0 };
        let first = block.first_offset.unwrap_or(self.link.next_offset);
        self.link.next_offset = first.wrapping_add(u64::from(block.record_count.unwrap_or(count)));
        self.link.prev_crc = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
        self.bytes.extend(bytes);
        self
    }

    /// Adds a block with one record of topic `t`.
    pub fn record(&mut self, value: &str) -> &mut Self {
        self.push(&Block::records(Body::of(value)))
    }

    /// Seals it.
    pub fn seal(&mut self) -> &mut Self {
        self.push(&Block::new(END, Body::new()))
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }
}
