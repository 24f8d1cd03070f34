//! Round trips of records, blocks and segments, and the refusal of every encoding that no
//! encoder makes (F-6). What is refused is built here by the words of the format alone.

use crate::real::*;
use proptest::prelude::*;
use puro::internals::block::{
    Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Cause, Link, Place,
};
use puro::internals::cursor::Scan;
use puro::internals::dir::Directory;
use puro::internals::os::OsFile;
use puro::internals::os::OsVfs;
use puro::internals::record::{Fields, RecordCause};
use puro::internals::segment::{OpenSegment, SegmentHeader};
use puro::internals::vfs::OpenMode;
use puro::{Batch, NewRecord, OwnedRecord};

/// F-3, by another hand than the library's.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

fn sized(field: &[u8]) -> Vec<u8> {
    [varint(field.len() as u64), field.to_vec()].concat()
}

/// A record with a right checksum around whatever fields, whose length is encoded as given.
fn sealed_with(length: &[u8], fields: &[u8]) -> Vec<u8> {
    let covered = [length, fields].concat();
    [CRC.checksum(&covered).to_le_bytes().to_vec(), covered].concat()
}

fn sealed(fields: &[u8]) -> Vec<u8> {
    sealed_with(&varint(fields.len() as u64), fields)
}

const KEY: u8 = 1;
const VALUE: u8 = 2;
const HEADERS: u8 = 4;
const CONTROL: u8 = 8;

/// Fields of a record: attributes, topic "t", and what follows.
fn fields(attributes: u8, rest: &[&[u8]]) -> Vec<u8> {
    [&[attributes], &b"\x01t"[..], &rest.concat()].concat()
}

// --- records

/// Everything that a record may have.
fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let bytes = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    let name = prop::collection::vec(any::<u8>(), 1..20);
    let topic = prop::collection::vec(any::<u8>(), 1..200);
    let key_and_value = prop_oneof![
        (bytes(300).prop_map(Some), prop::option::of(bytes(2000))),
        (Just(None), bytes(2000).prop_map(Some)),
    ];
    let headers = prop::collection::vec((name, bytes(200)), 0..5);
    (topic, key_and_value, headers).prop_map(|(topic, (key, value), headers)| OwnedRecord {
        offset: 0,
        timestamp_ms: 0,
        topic,
        key,
        value,
        headers,
    })
}

fn to_new(record: &OwnedRecord) -> NewRecord<'_> {
    let key = record.key.as_deref();
    let mut new = match &record.value {
        Some(value) => NewRecord::new(&record.topic, value),
        None => NewRecord::delete_marker(&record.topic, key.expect("a marker has a key")),
    };
    if let Some(key) = key {
        new = new.key(key);
    }
    record.headers.iter().fold(new, |new, (name, value)| new.header(name, value))
}

fn built(records: &[OwnedRecord], place: Place, link: Link) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for record in records {
        builder.push(&to_new(record)).unwrap();
    }
    let kind = BlockKind::Records;
    let meta = BlockMeta { kind, link, timestamp_ms: 5, durable_to: 6, epoch: 7, committed: true };
    builder.finish(&meta, place).unwrap().bytes.to_vec()
}

/// Decodes a whole block, records too.
fn decode(bytes: &[u8], place: Place) -> Result<Block<'_>, Cause> {
    let block = Block::verify(bytes, BlockStart::decode(bytes, place)?)?;
    block.check_records()?;
    Ok(block)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_and_encode_to_the_same_bytes(
        records in prop::collection::vec(any_record(), 1..6),
        header_crc: u32, unit in 1u64..1 << 50, next_offset in 0u64..1 << 60, prev_crc: u32,
    ) {
        let place = Place { header_crc, position: unit * 64 };
        let link = Link { prev_crc, next_offset, may_jump: false };
        let bytes = built(&records, place, link);
        prop_assert_eq!(bytes.len() % 64, 0);
        let block = decode(&bytes, place).unwrap();
        prop_assert!(link.leads_to(&block.start));
        let mut cursor = block.records();
        for (offset, record) in (next_offset..).zip(&records) {
            let read = cursor.next(block.body).unwrap();
            prop_assert_eq!(read.to_owned(), OwnedRecord { offset, timestamp_ms: 5, ..record.clone() });
            prop_assert_eq!(read.to_new(), to_new(record));
            prop_assert_eq!(read.headers.len(), record.headers.len());
            prop_assert_eq!(read.headers.is_empty(), record.headers.is_empty());
            for (name, _) in &record.headers {
                let first = record.headers.iter().find(|(found, _)| found == name).unwrap();
                prop_assert_eq!(read.headers.get(name), Some(&first.1[..]));
            }
            prop_assert_eq!(read.headers.get(b"no header has this name, nor one as long"), None);
            let (fields, rest) = Fields::split(block.body).unwrap();
            prop_assert_eq!(fields.to_new().encoded_bytes() as usize, block.body.len() - rest.len());
        }
        prop_assert!(cursor.next(block.body).is_none());
        // F-19: nowhere else, in no other file, and with no byte changed.
        for other in [Place { position: place.position + 64, ..place }, Place { header_crc: !header_crc, ..place }] {
            prop_assert_eq!(BlockStart::decode(&bytes, other), Err(Cause::StartCrc));
        }
    }

    /// The checksum of a block was that of its start's checksum and what follows that: a CRC over bytes that
    /// end in their own CRC, which is the same for all of them. So it said nothing of the start, and
    /// a start in front of the body of another block of its length was a valid block.
    #[test]
    fn a_start_before_the_body_of_another_block_is_no_block(
        value: [u8; 8], other: [u8; 8], next_offset in 0u64..1 << 60, field in 4usize..44, flip in 1u8..,
    ) {
        let place = Place { header_crc: 7, position: 64 };
        let block = |value: &[u8], next_offset| {
            let record = NewRecord::new("t", value);
            let mut builder = BlockBuilder::default();
            builder.push(&record).unwrap();
            let link = Link { prev_crc: 9, next_offset, may_jump: false };
            let kind = BlockKind::Records;
            let meta = BlockMeta { kind, link, timestamp_ms: 5, durable_to: 6, epoch: 7, committed: true };
            builder.finish(&meta, place).unwrap().bytes.to_vec()
        };
        let (old, new) = (block(&other, next_offset), block(&value, next_offset + 1));
        let mixed = [&new[..48], &old[48..]].concat();
        prop_assert_eq!(decode(&mixed, place).err(), Some(Cause::Crc));
        // No field can be another, with the start's own checksum made right for it (F-19).
        let mut forged = new;
        forged[field] ^= flip;
        let seed = [&7u32.to_le_bytes()[..], &64u64.to_le_bytes()].concat();
        let start_crc = CRC.checksum(&[&seed[..], &forged[1..44]].concat());
        forged[44..48].copy_from_slice(&start_crc.to_le_bytes());
        prop_assert!(decode(&forged, place).is_err());
    }

    /// F-6, F-28: whatever bytes are accepted as a record are those that its encoder makes.
    #[test]
    fn accepted_records_are_canonical(
        attributes in 0u8..32, body in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..40), tail: [u8; 3],
    ) {
        let bytes = [sealed(&[&[attributes][..], &body].concat()), tail.to_vec()].concat();
        if let Ok((fields, rest)) = Fields::split(&bytes) {
            prop_assert_eq!(rest, &tail[..]);
            let place = Place { header_crc: 0, position: 64 };
            let mut builder = BlockBuilder::default();
            prop_assert!(builder.push(&fields.to_new()).is_ok());
            let kind = BlockKind::Records;
            let link = Link { prev_crc: 0, next_offset: 0, may_jump: false };
            let meta = BlockMeta { kind, link, timestamp_ms: 0, durable_to: 0, epoch: 0, committed: false };
            let again = builder.finish(&meta, place).unwrap().block.body.to_vec();
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - 3]);
        }
    }

    /// No bytes make a decoder panic, right checksums or not.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let place = Place { header_crc: 1, position: 64 };
        let _ = Fields::split(&bytes);
        let _ = Fields::split(&sealed(&bytes));
        let _ = decode(&bytes, place);
        let _ = SegmentHeader::decode(&bytes, true);
    }

    /// Whole segments, through files: each block of them encodes back to the bytes it was read from.
    #[test]
    fn segments_come_back(batches in prop::collection::vec(prop::collection::vec(any_record(), 1..4), 1..12)) {
        let dir = scratch();
        let mut producer = small_segments().open(dir.path()).unwrap();
        for records in &batches {
            let mut batch = Batch::new();
            for record in records {
                batch.push(&to_new(record)).unwrap();
            }
            producer.append_batch(&mut batch).unwrap();
        }
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        let read: Vec<_> = reader.try_iter().map(Result::unwrap).collect();
        let expected: Vec<_> = batches.concat();
        prop_assert_eq!(read.len(), expected.len());
        for ((read, expected), offset) in read.iter().zip(&expected).zip(0..) {
            let timestamp_ms = read.timestamp_ms;
            prop_assert_eq!(read, &OwnedRecord { offset, timestamp_ms, ..expected.clone() });
        }
        for sequence in 0.. {
            let directory = Directory::new(OsVfs::new(), dir.path());
            let Some(segment) = directory.open_segment(sequence, OpenMode::Read).unwrap() else { break };
            encodes_back(&segment, &std::fs::read(&segment.path).unwrap());
        }
    }
}

fn encodes_back(segment: &OpenSegment<OsFile>, bytes: &[u8]) {
    let mut header = segment.header;
    assert_eq!(header.encode(), bytes[..64]);
    let mut scan = Scan::new(segment);
    let mut link = header.first_link();
    let mut end = 64;
    while let Some((position, block)) = scan.next().unwrap().block() {
        let mut builder = BlockBuilder::default();
        let mut rest = block.body;
        while let Ok((fields, after)) = Fields::split(rest) {
            builder.push(&fields.to_new()).unwrap();
            rest = after;
        }
        let BlockStart { kind, timestamp_ms, durable_to, epoch, committed, .. } = block.start;
        let meta = BlockMeta { kind, link, timestamp_ms, durable_to, epoch, committed };
        let again = builder.finish(&meta, header.place(position)).unwrap().bytes.to_vec();
        assert!(again == bytes[position as usize..][..again.len()], "at {position}");
        link = block.link(false);
        end = position as usize + again.len();
    }
    assert_eq!(end, bytes.len());
}

/// A longer form of the same number (F-2).
fn overlong(value: u8) -> Vec<u8> {
    vec![value | 0x80, 0]
}

#[test]
fn records_that_no_encoder_makes_are_refused() {
    use RecordCause::{Attributes, Crc, Field, Truncated};
    let good = sealed(&fields(VALUE, &[b"v"]));
    assert!(Fields::split(&good).is_ok(), "the hand-made form is right");
    let key_too_long = sized(&[b'k'; 1025]);
    let name = |name: &[u8]| [&[1][..], &sized(name), &[0]].concat();
    let many = vec![b'h'; 65_536];
    let cases: Vec<(&str, Vec<u8>, RecordCause)> = vec![
        ("F-2 length", sealed_with(&overlong(4), &fields(VALUE, &[b"v"])), Field("length")),
        ("F-2 topic", sealed(&[&[VALUE][..], &overlong(1), b"tv"].concat()), Field("topic")),
        ("F-2 key", sealed(&fields(KEY | VALUE, &[&overlong(1), b"k"])), Field("key")),
        (
            "F-2 count",
            sealed(&fields(HEADERS | VALUE, &[&overlong(1), b"\x01n\0"])),
            Field("header list"),
        ),
        (
            "F-2 name",
            sealed(&fields(HEADERS | VALUE, &[b"\x01", &overlong(1), b"n\0"])),
            Field("header list"),
        ),
        (
            "F-2 header value",
            sealed(&fields(HEADERS | VALUE, &[b"\x01\x01n", &overlong(0)])),
            Field("header list"),
        ),
        ("F-27 bit 4", sealed(&fields(VALUE | 16, &[b"v"])), Attributes),
        ("F-27 bit 7", sealed(&fields(VALUE | 128, &[b"v"])), Attributes),
        ("F-27 neither key nor value", sealed(&fields(0, &[])), Attributes),
        ("F-27 marker without key", sealed(&fields(HEADERS, &[&name(b"n")])), Attributes),
        ("F-27 marker with more", sealed(&fields(KEY, &[b"\x01k", b"v"])), Field("value")),
        (
            "F-31 control with headers",
            sealed(&fields(CONTROL | HEADERS | VALUE, &[&name(b"n")])),
            Attributes,
        ),
        ("F-30 empty topic", sealed(&[VALUE, 0, b'v']), Field("topic")),
        ("F-30 topic", sealed(&[&[VALUE][..], &sized(&[b't'; 1025])].concat()), Field("topic")),
        ("F-30 key", sealed(&fields(KEY, &[&key_too_long])), Field("key")),
        ("F-26 empty name", sealed(&fields(HEADERS | VALUE, &[&name(b"")])), Field("header list")),
        ("no header at all", sealed(&fields(HEADERS | VALUE, &[b"\0"])), Field("header list")),
        (
            "too few headers",
            sealed(&fields(HEADERS | VALUE, &[b"\x02\x01n\0"])),
            Field("header list"),
        ),
        (
            "F-30 headers",
            sealed(&fields(HEADERS | VALUE, &[b"\x01\x01n", &sized(&many)])),
            Field("header list"),
        ),
        (
            "a count beyond all bytes",
            sealed(&fields(HEADERS | VALUE, &[&varint(u64::MAX), b"\x01n\0"])),
            Field("header list"),
        ),
        ("F-30 value", sealed(&fields(VALUE, &[&vec![0; (10 << 20) + 1]])), Field("value")),
        ("topic beyond the record", sealed(&[VALUE, 9, b't']), Field("topic")),
        ("key beyond the record", sealed(&fields(KEY, &[b"\x09k"])), Field("key")),
        ("nothing at all", sealed(&[]), Field("attributes")),
        ("F-28 beyond the body", good[..good.len() - 1].to_vec(), Truncated),
        (
            "a length beyond all bytes",
            sealed_with(&varint(u64::MAX), &fields(VALUE, &[b"v"])),
            Truncated,
        ),
        ("three bytes", good[..3].to_vec(), Truncated),
    ];
    for (what, bytes, cause) in cases {
        assert_eq!(Fields::split(&bytes).unwrap_err(), cause, "{what}");
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Fields::split(&bad).is_err());
    }
    let mut bad = good;
    bad[0] ^= 1;
    assert_eq!(Fields::split(&bad).unwrap_err(), Crc);
}

/// Exactly at the limits, all is well: no check is one too strict.
#[test]
fn records_at_their_limits_are_accepted() {
    let header = sized(&vec![b'h'; 65_536 - 6]);
    for fields in [
        fields(KEY, &[&sized(&[b'k'; 1024])]),
        fields(KEY, &[b"\0"]),
        [&[VALUE][..], &sized(&[b't'; 1024])].concat(),
        fields(HEADERS | VALUE, &[b"\x01\x01n", &header]),
        fields(VALUE, &[&vec![0; 10 << 20]]),
        fields(CONTROL | VALUE, &[b"v"]),
    ] {
        assert!(Fields::split(&sealed(&fields)).is_ok());
    }
}

// --- blocks

/// F-21: offsets go on without a gap; in a compacted segment they may jump ahead, never back.
#[test]
fn a_chain_is_continued_by_crc_and_offset() {
    let bytes = Raw::of(user(), 1).bytes();
    let start = BlockStart::decode(&bytes, PLACE).unwrap();
    let leads =
        |prev_crc, next_offset, may_jump| Link { prev_crc, next_offset, may_jump }.leads_to(&start);
    assert_eq!((start.prev_crc, start.first_offset), (0, 9));
    assert!(leads(0, 9, false) && leads(0, 9, true) && leads(0, 8, true) && leads(0, 0, true));
    assert!(!leads(0, 8, false) && !leads(0, 10, false) && !leads(0, 10, true));
    assert!(!leads(1, 9, false) && !leads(1, 9, true) && !leads(1, 8, true));
    for (generation, may_jump) in [(0, false), (1, true), (2, true)] {
        let header = SegmentHeader { generation, ..SegmentHeader::default() };
        assert_eq!(header.first_link().may_jump, may_jump);
    }
}

/// A block as the tables say, of whatever fields, with right checksums.
struct Raw {
    signal: u8,
    kind: u8,
    flags: u16,
    body_len: u32,
    record_count: u32,
    first_offset: u64,
    body: Vec<u8>,
    pad: u8,
    end_body_len: u32,
}

const PLACE: Place = Place { header_crc: 0x1234_5678, position: 640 };

impl Raw {
    fn of(body: Vec<u8>, record_count: u32) -> Self {
        let body_len = body.len() as u32;
        let end_body_len = body_len;
        let (signal, kind, flags, first_offset, pad) = (0xA5, 1, 0, 9, 0);
        Self { signal, kind, flags, body_len, record_count, first_offset, body, pad, end_body_len }
    }

    fn bytes(&self) -> Vec<u8> {
        let seed = [&PLACE.header_crc.to_le_bytes()[..], &PLACE.position.to_le_bytes()].concat();
        let crc = |bytes: &[u8]| CRC.checksum(&[&seed, bytes].concat()).to_le_bytes();
        let mut bytes = vec![self.signal, self.kind];
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.body_len.to_le_bytes());
        bytes.extend(self.record_count.to_le_bytes());
        bytes.extend([0; 4]); // prev_crc
        bytes.extend(self.first_offset.to_le_bytes());
        bytes.extend([0; 8 + 8 + 4]); // timestamp, durable_to, epoch
        bytes.extend(crc(&bytes[1..44]));
        bytes.extend(&self.body);
        let length = (bytes.len() + 8).next_multiple_of(64);
        bytes.resize(length - 8, self.pad);
        bytes.extend(self.end_body_len.to_le_bytes());
        bytes.extend(crc(&[&bytes[1..44], &bytes[48..]].concat()));
        bytes
    }

    fn refused(self) -> Cause {
        decode(&self.bytes(), PLACE).expect_err("accepted")
    }
}

fn user() -> Vec<u8> {
    sealed(&fields(VALUE, &[b"v"]))
}

fn control(kind: &[u8], key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    let attributes = CONTROL | VALUE | if key.is_some() { KEY } else { 0 };
    let key = key.map(sized).unwrap_or_default();
    sealed(&[&[attributes], &sized(kind)[..], &key, value].concat())
}

fn gap(count: &[u8]) -> Vec<u8> {
    control(b"gap", None, count)
}

#[test]
fn blocks_that_no_encoder_makes_are_refused() {
    let raw = || Raw::of(user(), 1);
    assert!(decode(&raw().bytes(), PLACE).is_ok(), "the hand-made form is right");
    let empty = |kind| Raw { kind, ..Raw::of(vec![], 0) };
    assert!(decode(&empty(2).bytes(), PLACE).is_ok());
    assert!(decode(&empty(3).bytes(), PLACE).is_ok());

    // F-17
    for signal in (1..=255).filter(|signal| *signal != 0xA5) {
        assert_eq!(Raw { signal, ..raw() }.refused(), Cause::Signal(signal));
    }
    for kind in [0, 4, 255] {
        assert_eq!(Raw { kind, ..raw() }.refused(), Cause::Field("kind"));
    }
    for bit in 1..16 {
        assert_eq!(Raw { flags: 1 << bit, ..raw() }.refused(), Cause::Field("flag"));
    }
    assert_eq!(Raw { flags: 1, ..raw() }.refused(), Cause::Count, "no control record");
    let unflagged = Raw::of(control(b"kind", None, b""), 0);
    assert_eq!(unflagged.refused(), Cause::Count, "a control record without the flag");

    // F-16
    assert_eq!(empty(1).refused(), Cause::Field("body length"));
    let huge = Raw { body_len: (16 << 20) + 1, ..raw() };
    assert_eq!(huge.refused(), Cause::Field("body length"));

    // F-18
    for record_count in [0, 2, u32::MAX] {
        assert_eq!(Raw { record_count, ..raw() }.refused(), Cause::Count);
    }
    for kind in [2, 3] {
        let counted = Raw { kind, ..raw() };
        assert_eq!(counted.refused(), Cause::Field("record count"));
        let hidden = Raw { kind, record_count: 0, ..raw() };
        assert_eq!(hidden.refused(), Cause::Count, "a record in a checkpoint or an end");
    }
    let beyond = Raw { first_offset: u64::MAX, ..raw() };
    assert_eq!(beyond.refused(), Cause::Field("first offset"));

    // F-15
    assert_eq!(Raw { pad: 1, ..raw() }.refused(), Cause::Pad);
    assert_eq!(Raw { end_body_len: 0, ..raw() }.refused(), Cause::Pad);
    // A body_len that leads to the same block length, and to a record cut short, or to bytes
    // of the pad as records.
    let longer = || Raw::of(sealed(&fields(VALUE, &[b"a longer value"])), 1);
    let length = longer().body_len;
    for body_len in [length - 1, length + 1] {
        let refused = Raw { body_len, end_body_len: body_len, ..longer() }.refused();
        assert!(matches!(refused, Cause::Record(_) | Cause::Pad), "{refused:?}");
    }
    // F-28
    let trailing = Raw::of([user(), vec![0; 4]].concat(), 1);
    assert!(matches!(trailing.refused(), Cause::Record(_)));
    assert_eq!(decode(&raw().bytes()[..47], PLACE).unwrap_err(), Cause::Cut);
    assert_eq!(decode(&raw().bytes()[..127], PLACE).unwrap_err(), Cause::Cut);
    assert_eq!(decode(&[], PLACE).unwrap_err(), Cause::End);
    // F-20: nothing in a start is believed, or told, before its checksum is right.
    for wrong in [Raw { kind: 9, ..raw() }, Raw { body_len: u32::MAX, ..raw() }] {
        let mut bytes = wrong.bytes();
        bytes[44] ^= 1;
        assert_eq!(decode(&bytes, PLACE).unwrap_err(), Cause::StartCrc);
    }
}

/// F-33, F-18.
#[test]
fn gaps_span_their_offsets_and_malformed_ones_are_refused() {
    let with = |body: Vec<u8>, record_count| Raw { flags: 1, ..Raw::of(body, record_count) };
    let bytes = with([gap(&varint(300)), user(), gap(&varint(1))].concat(), 302).bytes();
    let block = decode(&bytes, PLACE).unwrap();
    let mut cursor = block.records();
    assert_eq!(cursor.next(block.body).unwrap().offset, 9 + 300);
    assert!(cursor.next(block.body).is_none());
    assert_eq!(block.link(true).next_offset, 9 + 302);

    for count in [&[][..], &[0], &overlong(1), b"\x01\x01", &[0xFF; 10]] {
        assert_eq!(with(gap(count), 1).refused(), Cause::Control("gap"), "{count:?}");
    }
    assert_eq!(with(gap(&varint(u64::MAX)), 1).refused(), Cause::Count);
    let twice = [gap(&varint(u64::MAX)), user(), gap(&varint(u64::MAX))].concat();
    assert_eq!(with(twice, 1).refused(), Cause::Count);
    let side_by_side = [gap(&varint(1)), gap(&varint(2))].concat();
    assert_eq!(with(side_by_side, 3).refused(), Cause::Control("gap"));
    // Other control records may stand side by side.
    let others = [control(b"a", None, b""), control(b"b", None, b""), user()].concat();
    assert!(decode(&with(others, 1).bytes(), PLACE).is_ok());
    // With a key it is an entry of a kind that happens to have that name.
    let entry = [control(b"gap", Some(b"k"), b""), user()].concat();
    assert!(decode(&with(entry, 1).bytes(), PLACE).is_ok());
}
