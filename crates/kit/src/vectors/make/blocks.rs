//! Starts and whole blocks (F-15 to F-24, F-43).

use serde_json::{Value, json};

use super::Maker;
use crate::driver::hex;
use crate::vectors::forge::{BEGINNING_MS, BOOT, Block, Header, entry, epoch, gap, keyed, plain};

/// Where the samples stand.
const AT: u64 = 64;

fn samples() -> Vec<(&'static str, Block)> {
    let some = vec![plain("letters", "a"), keyed("orders", "k", "3 apples")];
    let first = Block::records(&some);
    let far = Block {
        durable_to: AT,
        epoch: 0x0102_0304,
        timestamp: 0x0203_0405_0607_0809,
        ..first.clone()
    };
    let exact =
        Block::records(&[plain("letters", "0123456789012345678901234567890123456789012345678901")]);
    let mixed = Block {
        flags: 1,
        record_count: 1,
        ..Block::records(&[plain("a", "b"), entry("position", b"c", &[0; 20])])
    };
    let raise = Block::control(1, &[epoch(2, 2, BOOT, BEGINNING_MS)]);
    let gaps = Block { flags: 1, record_count: 7, ..Block::records(&[gap(6), plain("a", "b")]) };
    let long = Block::records(&[plain("letters", &"x".repeat(300))]);
    vec![
        ("records", first),
        ("far", far),
        ("exact", exact),
        ("mixed", mixed),
        ("raise", raise),
        ("gaps", gaps),
        ("long", long),
        ("checkpoint", Block::checkpoint(&[epoch(1, 0, BOOT, BEGINNING_MS)])),
        ("empty-checkpoint", Block::checkpoint(&[])),
        ("end", Block::segment_end()),
    ]
}

/// The request that asks for a block that continues this.
fn request(bytes: &[u8], position: u64, previous: (u32, u64), generation: u32) -> Value {
    json!({
        "do": "block", "bytes": hex(bytes), "header_crc": Header::new().crc(),
        "position": position, "prev_crc": previous.0, "next_offset": previous.1,
        "generation": generation,
    })
}

pub fn make(maker: &mut Maker<'_>) {
    let crc = Header::new().crc();
    for (name, mut block) in samples() {
        block.prev_crc = 0x1234_5678;
        block.first_offset = 2;
        accepted(maker, name, &block);
        refused(maker, name, &block);
        chained(maker, name, &block);
        let to_block = json!({
            "do": "to_block", "header_crc": crc, "position": AT, "kind": block.kind,
            "body": hex(&block.body), "prev_crc": block.prev_crc,
            "first_offset": block.first_offset, "record_count": block.record_count,
            "control": block.flags == 1, "timestamp": block.timestamp,
            "durable_to": block.durable_to, "epoch": block.epoch, "signal": block.signal,
        });
        maker.pure(&format!("block/encode/{name}"), &["F-15", "F-19"], None, to_block);
    }
    starts(maker);
    fields(maker);
}

fn accepted(maker: &mut Maker<'_>, name: &str, block: &Block) {
    for position in [64, 128, 1 << 20, 1 << 40] {
        let bytes = block.bytes(Header::new().crc(), position);
        let request = request(&bytes, position, (block.prev_crc, block.first_offset), 0);
        let clauses = &["F-15", "F-19", "F-21", "F-24"];
        maker.pure(&format!("block/{name}/at/{position}"), clauses, None, request);
    }
    let mut more = block.bytes(Header::new().crc(), AT);
    more.extend([0xee; 70]);
    let request = request(&more, AT, (block.prev_crc, block.first_offset), 3);
    maker.pure(&format!("block/{name}/followed"), &["F-24", "F-39"], None, request);
}

fn refused(maker: &mut Maker<'_>, name: &str, block: &Block) {
    let bytes = block.bytes(Header::new().crc(), AT);
    let previous = (block.prev_crc, block.first_offset);
    let mut refuse = |id: String, clauses: &[&str], bytes: &[u8], position: u64| {
        let request = request(bytes, position, previous, 0);
        maker.pure(&format!("block/{name}/{id}"), clauses, Some(clauses[0]), request);
    };
    let step = (bytes.len() / 24).max(1);
    for at in (0..bytes.len()).step_by(step) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1 << (at % 8);
        refuse(format!("bit/{at}"), &["F-19", "F-24"], &wrong, AT);
    }
    for cut in [0, 1, 44, 47, 48, 49, bytes.len() - 8, bytes.len() - 4, bytes.len() - 1] {
        refuse(format!("cut/{cut}"), &["F-24"], &bytes[..cut.min(bytes.len() - 1)], AT);
    }
    refuse("moved".into(), &["F-19"], &bytes, 128);
    let other = block.bytes(0xdead_beef, AT);
    refuse("other-header".into(), &["F-19"], &other, AT);
    let make = |change: &dyn Fn(&mut Block)| {
        let mut changed = block.clone();
        change(&mut changed);
        changed.bytes(Header::new().crc(), AT)
    };
    for signal in [0x01, 0xa4, 0xa7, 0x5a, 0xff] {
        refuse(format!("signal/{signal}"), &["F-17"], &make(&|b| b.signal = signal), AT);
    }
    refuse("low".into(), &["F-24"], &make(&|b| b.signal = 0), AT);
    if block.length() > 48 + block.body.len() + 8 {
        refuse("pad".into(), &["F-15"], &make(&|b| b.pad = 1), AT);
    }
    let wrong_end = block.body.len() as u32 + 1;
    refuse("end-length".into(), &["F-19"], &make(&|b| b.end_body_len = Some(wrong_end)), AT);
    refuse("flags".into(), &["F-17"], &make(&|b| b.flags = 2), AT);
    refuse("flags-high".into(), &["F-17"], &make(&|b| b.flags |= 0x8000), AT);
}

fn chained(maker: &mut Maker<'_>, name: &str, block: &Block) {
    let bytes = block.bytes(Header::new().crc(), AT);
    let (crc, next) = (block.prev_crc, block.first_offset);
    let mut refuse = |id: &str, previous: (u32, u64), generation: u32| {
        let request = request(&bytes, AT, previous, generation);
        let id = format!("block/{name}/chain/{id}/{generation}");
        maker.pure(&id, &["F-21", "F-24"], Some("F-21"), request);
    };
    for generation in [0, 1] {
        refuse("crc", (crc ^ 1, next), generation);
        refuse("back", (crc, next + 1), generation);
    }
    refuse("gap", (crc, next - 1), 0);
    let request = request(&bytes, AT, (crc, next - 1), 1);
    maker.pure(&format!("block/{name}/chain/jump"), &["F-21", "F-39"], None, request);
}

fn start_request(block: &Block, position: u64) -> Value {
    let bytes = block.bytes(Header::new().crc(), position);
    let header_crc = Header::new().crc();
    json!({"do": "start", "bytes": hex(&bytes[..48]), "header_crc": header_crc, "position": position})
}

/// A start stands, or not (F-43).
fn starts(maker: &mut Maker<'_>) {
    for (name, block) in samples() {
        for signal in [0x00, 0xa5, 0x77] {
            let block = Block { signal, ..block.clone() };
            let id = format!("start/{name}/signal/{signal}");
            maker.pure(&id, &["F-43", "F-19"], None, start_request(&block, 640));
        }
    }
    let block = Block::records(&[plain("a", "b")]);
    let bytes = block.bytes(Header::new().crc(), AT);
    for at in 1..48 {
        let mut wrong = bytes[..48].to_vec();
        wrong[at] ^= 0x10;
        let header_crc = Header::new().crc();
        let request =
            json!({"do": "start", "bytes": hex(&wrong), "header_crc": header_crc, "position": AT});
        maker.pure(&format!("start/bit/{at}"), &["F-19", "F-43"], Some("F-19"), request);
    }
}

/// Fields that cannot be, all checksums right; and such that only just can.
fn fields(maker: &mut Maker<'_>) {
    let records = Block::records(&[plain("a", "b")]);
    let checkpoint = Block::checkpoint(&[]);
    let mut judge = |id: &str, clause: &str, block: &Block, fine: bool| {
        let breaks = (!fine).then_some(clause);
        maker.pure(
            &format!("start/field/{id}"),
            &[clause, "F-43"],
            breaks,
            start_request(block, AT),
        );
    };
    for kind in [0, 4, 5, 0x7f, 0x80, 0xff] {
        judge(&format!("kind/{kind}"), "F-17", &Block { kind, ..records.clone() }, false);
    }
    for bit in 1..16 {
        let flags = 1 << bit;
        judge(&format!("flag/{bit}"), "F-17", &Block { flags, ..records.clone() }, false);
    }
    let of_length = |block: &Block, length: u32| Block { body_len: Some(length), ..block.clone() };
    for (length, fine) in
        [(0, false), (1, true), (16_777_216, true), (16_777_217, false), (u32::MAX, false)]
    {
        judge(&format!("length/records/{length}"), "F-16", &of_length(&records, length), fine);
    }
    for (length, fine) in [(0, true), (1, true), (16_777_216, true), (16_777_217, false)] {
        judge(
            &format!("length/checkpoint/{length}"),
            "F-16",
            &of_length(&checkpoint, length),
            fine,
        );
        let end = Block { kind: 3, ..of_length(&checkpoint, length) };
        judge(&format!("length/end/{length}"), "F-16", &end, fine);
    }
    for kind in [2, 3] {
        let block = Block { kind, record_count: 1, ..checkpoint.clone() };
        judge(&format!("count/{kind}"), "F-18", &block, false);
    }
    for (first_offset, record_count, fine) in [
        (u64::MAX, 0, true),
        (u64::MAX, 1, false),
        (u64::MAX - 1, 1, true),
        (u64::MAX - u64::from(u32::MAX), u32::MAX, true),
        (u64::MAX - u64::from(u32::MAX) + 1, u32::MAX, false),
    ] {
        let block = Block { first_offset, record_count, ..records.clone() };
        judge(&format!("offsets/{first_offset}/{record_count}"), "F-18", &block, fine);
    }
}
