//! The tables of `spec/format.md` against the constants of the code: neither may change alone.

use std::collections::BTreeMap;

use puro::NewRecord;
use puro::internals::block::{BlockBuilder, BlockKind, BlockMeta, Link, Place};
use puro::internals::codec::{crc, get_u32, split_varint};
use puro::internals::layout::{self, attribute, end, header, start};
use puro::internals::record::{GAP, PAD};
use puro::internals::state::{self, Position, ProducerEntry};
use puro::internals::token::Epoch;
use puro::internals::topics::TOPICS;

/// A table: its rows, each a list of cells.
type Table = Vec<Vec<String>>;

/// All tables under lines `Table: NAME`, by name, without their heads.
fn tables(page: &str) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("Table: ") else { continue };
        // A sentence may follow the name.
        let name = name.split('.').next().unwrap();
        let rows = lines.by_ref().skip_while(|line| line.is_empty());
        let rows = rows.take_while(|line| line.starts_with('|')).map(cells);
        let rows: Table = rows.skip(2).collect();
        assert!(!rows.is_empty(), "table {name} has no rows");
        assert!(tables.insert(name.to_owned(), rows).is_none(), "table {name} stands twice");
    }
    tables
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn page() -> BTreeMap<String, Table> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/spec/format.md");
    tables(&std::fs::read_to_string(path).unwrap())
}

/// The columns of a table that hold a name and numbers.
fn numbers(table: &Table, columns: &[usize]) -> Vec<(String, Vec<u64>)> {
    let number = |cell: &String| cell.parse().unwrap_or_else(|_| panic!("`{cell}` is no number"));
    let row = |row: &Vec<String>| {
        (row[0].clone(), columns.iter().map(|column| number(&row[*column])).collect())
    };
    table.iter().map(row).collect()
}

fn expected<const N: usize>(rows: &[(&str, [usize; N])]) -> Vec<(String, Vec<u64>)> {
    let row = |(name, values): &(&str, [usize; N])| {
        ((*name).to_owned(), values.iter().map(|value| *value as u64).collect())
    };
    rows.iter().map(row).collect()
}

/// Offset and size of each field, from the place of each and of what is behind the last.
fn fields<'n>(names: &[&'n str], places: &[usize]) -> Vec<(&'n str, [usize; 2])> {
    assert_eq!(names.len() + 1, places.len());
    let sizes = places.windows(2).map(|pair| [pair[0], pair[1] - pair[0]]);
    names.iter().copied().zip(sizes).collect()
}

fn check_segment_header(page: &BTreeMap<String, Table>) {
    let names = [
        "magic",
        "version",
        "features_compatible",
        "features_read_compatible",
        "features_incompatible",
        "stream_id",
        "base_offset",
        "created",
        "sequence",
        "generation",
        "epoch",
        "crc",
    ];
    let places = [
        header::MAGIC,
        header::VERSION,
        header::FEATURES_COMPATIBLE,
        header::FEATURES_READ_COMPATIBLE,
        header::FEATURES_INCOMPATIBLE,
        header::STREAM_ID,
        header::BASE_OFFSET,
        header::CREATED,
        header::SEQUENCE,
        header::GENERATION,
        header::EPOCH,
        header::CRC,
        header::LEN,
    ];
    let table = &page["segment header"];
    assert_eq!(numbers(table, &[1, 2]), expected(&fields(&names, &places)));
    let magic: Vec<String> = layout::MAGIC.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(table[0][3].starts_with(&magic.join(" ")), "{}", table[0][3]);
    assert_eq!(table[1][3], layout::VERSION.to_string());
    assert_eq!(table[11][3], format!("CRC of bytes 0..{}", header::CRC));
}

fn check_block(page: &BTreeMap<String, Table>) {
    let names = [
        "signal",
        "kind",
        "flags",
        "body_len",
        "record_count",
        "prev_crc",
        "first_offset",
        "timestamp",
        "durable_to",
        "epoch",
        "start_crc",
    ];
    let places = [
        start::SIGNAL,
        start::KIND,
        start::FLAGS,
        start::BODY_LEN,
        start::RECORD_COUNT,
        start::PREV_CRC,
        start::FIRST_OFFSET,
        start::TIMESTAMP,
        start::DURABLE_TO,
        start::EPOCH,
        start::START_CRC,
        start::LEN,
    ];
    let table = &page["block start"];
    assert_eq!(numbers(table, &[1, 2]), expected(&fields(&names, &places)));
    let (low, high) = (layout::SIGNAL_LOW, layout::SIGNAL_HIGH);
    let signals = format!("0x{low:02X} low (not committed), 0x{high:02X} high (committed)");
    assert_eq!(table[0][3], signals);
    let kinds = [BlockKind::Records, BlockKind::Checkpoint, BlockKind::SegmentEnd];
    let [records, checkpoint, end_kind] = kinds.map(|kind| kind as u8);
    let kinds = format!("{records} records, {checkpoint} checkpoint, {end_kind} segment end");
    assert_eq!(table[1][3], kinds);
    let control = layout::FLAG_CONTROL.trailing_zeros();
    assert!(table[2][3].starts_with(&format!("bit {control}: ")), "{}", table[2][3]);
    // Counted from the block's end; the last field ends there.
    let ends = [
        ("end_body_len", [end::END_BODY_LEN, end::END_BODY_LEN - end::CRC]),
        ("crc", [end::CRC, end::CRC]),
    ];
    assert_eq!(numbers(&page["block end"], &[1, 2]), expected(&ends));
    assert_eq!(end::LEN, end::END_BODY_LEN);
}

fn check_attributes(page: &BTreeMap<String, Table>) {
    let bits = [
        ("key", attribute::KEY),
        ("value", attribute::VALUE),
        ("headers", attribute::HEADERS),
        ("control", attribute::CONTROL),
    ];
    let table = &page["attributes"];
    let found: Vec<(String, u8)> =
        table.iter().map(|row| (row[1].clone(), 1 << row[0].parse::<u8>().unwrap())).collect();
    let bits = bits.map(|(name, bit)| (name.to_owned(), bit));
    assert_eq!(found, bits);
    assert_eq!(bits.iter().fold(0, |all, (_, bit)| all | bit), attribute::ALL);
}

fn check_limits(page: &BTreeMap<String, Table>) {
    let limits = [
        ("max_topic_bytes", [layout::MAX_TOPIC_BYTES]),
        ("max_key_bytes", [layout::MAX_KEY_BYTES]),
        ("max_headers_bytes", [layout::MAX_HEADERS_BYTES]),
        ("max_value_bytes", [layout::MAX_VALUE_BYTES]),
        ("max_body_bytes", [layout::MAX_BODY_BYTES]),
        ("max_name_bytes", [layout::MAX_NAME_BYTES]),
        ("checkpoint_body_bytes", [layout::CHECKPOINT_BODY_BYTES]),
        ("zeros_ahead_bytes", [layout::ZEROS_AHEAD_BYTES as usize]),
        ("default_segment_bytes", [layout::DEFAULT_SEGMENT_BYTES as usize]),
        ("min_segment_bytes", [layout::MIN_SEGMENT_BYTES as usize]),
        ("max_segment_bytes", [layout::MAX_SEGMENT_BYTES as usize]),
    ];
    assert_eq!(numbers(&page["limits"], &[1]), expected(&limits));
}

/// Reads a record field by field as the table says, and compares each with what was put in.
fn check_record(page: &BTreeMap<String, Table>) {
    let table = &page["record"];
    let names = "crc length attributes topic_len topic key_len key header_count headers value";
    assert!(table.iter().map(|row| row[0].as_str()).eq(names.split(' ')), "{table:?}");
    assert_eq!(table[3][3], format!("1 to {}", thousands(layout::MAX_TOPIC_BYTES)));
    assert_eq!(table[5][3], format!("0 to {}", thousands(layout::MAX_KEY_BYTES)));
    assert_eq!(table[9][3], format!("0 to {} bytes", thousands(layout::MAX_VALUE_BYTES)));
    for bits in 0..8 {
        let [key, value, headers] = [0, 1, 2].map(|bit| bits >> bit & 1 == 1);
        let record = match (key, value) {
            (true, true) => NewRecord::new("topic", "the value").key("a key"),
            (true, false) => NewRecord::delete_marker("topic", "a key"),
            (false, true) => NewRecord::new("topic", "the value"),
            (false, false) => continue,
        };
        let record = if headers { record.header("name", "content") } else { record };
        let mut builder = BlockBuilder::default();
        builder.push(&record).unwrap();
        let place = Place { header_crc: 0, position: 64 };
        let link = Link { prev_crc: 0, next_offset: 0, may_jump: false };
        let meta = BlockMeta {
            kind: BlockKind::Records,
            link,
            timestamp_ms: 0,
            durable_to: 0,
            epoch: 1,
            committed: true,
        };
        let body = builder.finish(&meta, place).unwrap().block.body.to_vec();
        let read = read_by_table(table, &body);
        let mut expected = vec![("topic", &b"topic"[..])];
        expected.extend(key.then_some(("key", &b"a key"[..])));
        expected.extend(headers.then_some(("headers", &b"\x04name\x07content"[..])));
        expected.extend(value.then_some(("value", &b"the value"[..])));
        let expected: Vec<_> =
            expected.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        assert_eq!(read, expected);
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|group| str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(",")
}

/// The byte fields of an encoded record, each with its name in the table.
fn read_by_table(table: &Table, record: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut rest, mut attributes, mut number, mut fields) = (record, 0, 0, Vec::new());
    for row in table {
        let [name, encoding, present, _] = &row[..] else { panic!("{row:?}") };
        let bit = match present.strip_prefix("attribute ") {
            Some("key") => attribute::KEY,
            Some("value") => attribute::VALUE,
            Some("headers") => attribute::HEADERS,
            _ => {
                assert_eq!(present, "always");
                0
            }
        };
        if attributes & bit != bit {
            continue;
        }
        match encoding.as_str() {
            "u32" => {
                assert_eq!(get_u32(rest, 0), Some(crc(&rest[4..])), "{name}");
                rest = &rest[4..];
            }
            "u8" => (attributes, rest) = (rest[0], &rest[1..]),
            "varint" => {
                (number, rest) = split_varint(rest).unwrap();
                if name == "length" {
                    assert_eq!(number, rest.len() as u64);
                }
            }
            "bytes" | "the rest" => {
                let length = if encoding == "bytes" { number as usize } else { rest.len() };
                fields.push((name.clone(), rest[..length].to_vec()));
                rest = &rest[length..];
            }
            "(varint name_len, name, varint value_len, value)*" => {
                let begin = rest;
                for _ in 0..2 * number {
                    let (length, after) = split_varint(rest).unwrap();
                    rest = &after[length as usize..];
                }
                fields.push((name.clone(), begin[..begin.len() - rest.len()].to_vec()));
            }
            other => panic!("an encoding this test does not know: {other}"),
        }
    }
    assert!(rest.is_empty(), "the table does not reach the record's end");
    fields
}

/// Puts the values together as the table says, and compares them with what the code makes.
fn check_control_kinds(page: &BTreeMap<String, Table>) {
    let (number, epoch, offset, time) = (3u32, 4u32, 0x0506_0708_090A_0B0C, 0x1112_1314_1516_1718);
    let boot_id = [0xBB; 16];
    let known: BTreeMap<&str, Vec<u8>> = BTreeMap::from([
        ("sequence", 0x2122_2324_2526_2728u64.to_le_bytes().to_vec()),
        ("first_offset", u64::to_le_bytes(offset).to_vec()),
        ("offset", u64::to_le_bytes(offset).to_vec()),
        ("record_count", number.to_le_bytes().to_vec()),
        ("epoch", epoch.to_le_bytes().to_vec()),
        ("boot_id", boot_id.to_vec()),
        ("time", u64::to_le_bytes(time).to_vec()),
    ]);
    let by_table = |row: &[String]| -> Vec<u8> {
        let fields = row[2].split(", ").map(|field| field.split_once(' ').unwrap());
        let value: Vec<u8> = fields
            .flat_map(|(name, form)| {
                let size = match form {
                    "u64" => 8,
                    "u32" => 4,
                    bytes => bytes.parse().unwrap(),
                };
                assert_eq!(known[name].len(), size, "{name}");
                known[name].clone()
            })
            .collect();
        assert_eq!(row[3], value.len().to_string(), "{}", row[0]);
        value
    };
    let table = &page["control kinds"];
    let names: Vec<&[u8]> = table.iter().map(|row| row[0].as_bytes()).collect();
    let known = [
        state::SETTING,
        state::EPOCH,
        state::POSITION,
        state::PRODUCER,
        GAP,
        TOPICS,
        PAD,
        state::SOURCE,
    ];
    assert_eq!(names, known);
    let begun = Epoch { number, first_offset: offset, boot_id: Some(boot_id), time_ms: time };
    let (key, value) = state::encode_epoch(&begun);
    assert_eq!((table[1][1].as_str(), key), ("epoch u32", number.to_le_bytes()));
    assert_eq!(value, by_table(&table[1]));
    let position = Position { epoch, offset, time_ms: time };
    assert_eq!(position.encode(), by_table(&table[2]));
    let sequence = 0x2122_2324_2526_2728;
    let producer = ProducerEntry {
        sequence,
        first_offset: offset,
        record_count: number,
        epoch,
        time_ms: time,
    };
    assert_eq!(producer.encode(), by_table(&table[3]));
    assert_eq!(table[4][3], format!("1 to {}", layout::MAX_VARINT_BYTES));
}

fn check_settings(page: &BTreeMap<String, Table>) {
    let rows = page["settings"].iter().filter(|row| row[0] != "cleanup:TOPIC");
    let mut found: Vec<_> = rows.map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let defaults = puro::Setting::defaults().map(|it| (it.name(), it.value()));
    let mut expected: Vec<_> = defaults.iter().map(|(name, value)| (&**name, &**value)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let known = page["settings"].iter().any(|row| row[0] == "cleanup:TOPIC");
    assert!(known && puro::Setting::parse("cleanup:anything", "compact").is_ok());
}

fn check_all(page: &BTreeMap<String, Table>) {
    check_segment_header(page);
    check_block(page);
    check_attributes(page);
    check_limits(page);
    check_record(page);
    check_control_kinds(page);
    check_settings(page);
}

#[test]
fn the_tables_of_the_spec_are_the_constants_of_the_code() {
    check_all(&page());
}

/// Whether a cell says something that the code says too; the others are in words.
fn compared(table: &str, row: usize, column: usize) -> bool {
    match (table, row, column) {
        ("segment header", row, 3) => [0, 1, 11].contains(&row),
        ("block start", row, 3) => row < 3,
        ("block end", _, column) => column < 3,
        ("record", row, 3) => [3, 5, 9].contains(&row),
        ("control kinds", 1, _) => true,
        ("control kinds", 2 | 3, column) => column != 1,
        ("control kinds", 4, column) => [0, 3].contains(&column),
        ("control kinds", _, column) => column == 0,
        // The cell of the setting that stands for any topic has no default.
        ("settings", 5, 1) => false,
        ("attributes" | "limits" | "settings", _, column) => column < 2,
        _ => true,
    }
}

/// A test of the test: whatever cell of a table changes that holds a number, a name or an
/// encoding, is noticed; so is a row that is left out or stands twice.
#[test]
fn a_changed_cell_is_noticed() {
    let page = page();
    let (mut changes, mut missed) = (0, Vec::new());
    // The hundreds of panics to come are what is wanted; none needs to be printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for (name, table) in page.iter() {
        for (row, cells) in table.iter().enumerate() {
            for column in (0..cells.len()).filter(|column| compared(name, row, *column)) {
                let mut changed = page.clone();
                changed.get_mut(name).unwrap()[row][column].insert(0, '7');
                changes += 1;
                if std::panic::catch_unwind(|| check_all(&changed)).is_ok() {
                    missed.push(format!("{name}, row {row}, column {column}"));
                }
            }
            let mut shorter = page.clone();
            shorter.get_mut(name).unwrap().remove(row);
            changes += 1;
            if std::panic::catch_unwind(|| check_all(&shorter)).is_ok() {
                missed.push(format!("{name}, row {row} left out"));
            }
        }
    }
    std::panic::set_hook(hook);
    assert_eq!(missed, Vec::<String>::new());
    assert!(changes > 150, "only {changes} changes were tried");
}

#[test]
fn tables_are_parsed_with_their_names_and_cells() {
    let page = "text\n\nTable: one. A sentence.\n\n| a | b |\n|---|---|\n| x | 1 |\n| y | |\n\nTable: two\n\n| a |\n|---|\n| z |\n";
    let tables = tables(page);
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(tables["one"], [["x", "1"], ["y", ""]]);
    assert_eq!(tables["two"], [["z"]]);
}
