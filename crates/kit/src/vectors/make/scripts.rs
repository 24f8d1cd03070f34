//! Scripts: clock, boot and calls, and the bytes that must be there behind each.

use serde_json::{Value, json};

use super::directories::append;
use super::tails::FILE;
use super::{Edit, Maker, trees};
use crate::driver::hex;
use crate::vectors::forge::{BEGINNING_MS, BOOT, Block, NEXT_BOOT, STREAM_ID, UNKNOWN_BOOT, plain};

const ID: &str = "101112131415161718191a1b1c1d1e1f";

fn create(settings: Value) -> Value {
    json!({"do": "create", "settings": settings, "random": hex(&STREAM_ID)})
}

pub fn held(value: &str) -> Value {
    let mut request = append(value);
    request["handle"] = "a".into();
    request
}

fn durable(value: &str) -> Value {
    let mut request = append(value);
    request["durable"] = true.into();
    request
}

fn consume(name: &str, take: u64) -> Value {
    json!({"do": "consume", "name": name, "take": take, "commit": true})
}

pub fn make(maker: &mut Maker<'_>) {
    creation(maker);
    appends(maker);
    records(maker);
    epochs(maker);
    rolls(maker);
    finishing(maker);
    super::memories::make(maker);
    consumers(maker);
    identities(maker);
    settings(maker);
    blocks_within(maker);
}

fn creation(maker: &mut Maker<'_>) {
    let clauses = &["O-1", "F-12", "F-23", "F-36", "E-1", "V-4", "F-5", "M-9"];
    maker.scene("script/create", clauses, None).change(create(json!({}))).fine();
    let small = json!({"segment_bytes": "4096"});
    maker.scene("script/create/setting", clauses, None).change(create(small)).fine();
    let boot: [u8; 16] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8];
    let scene = maker.scene("script/create/boot", clauses, None).boot(boot);
    scene.change(create(json!({}))).change(append("v")).fine();
    let scene = maker.scene("script/create/no-boot", clauses, None).boot(UNKNOWN_BOOT);
    scene.change(create(json!({}))).fine();
    let scene = maker.scene("script/create/again", clauses, None);
    scene.change(create(json!({}))).change(append("v")).change(create(json!({}))).fine();
    for name in ["notes.txt", ".hidden", "writer.lock.bak", "consumer", "0000000000.puro.bak"] {
        let scene = maker.scene(&format!("script/create/beside/{name}"), &["O-2", "F-10"], None);
        let scene = scene.edit(Edit::put(name, 0, b"whatever"));
        scene.change(create(json!({}))).breaks("O-2");
    }
    for name in ["0000000000.puro.new", "0000000003.puro.compact", "lost/old.tail"] {
        let scene = maker.scene(&format!("script/create/beside/{name}"), &["O-2", "F-45"], None);
        scene.edit(Edit::put(name, 0, b"left")).change(create(json!({}))).fine();
    }
    let scene = maker.scene("script/append/no-stream", &["O-2"], None);
    scene.change(append("v")).breaks("O-2");
}

fn appends(maker: &mut Maker<'_>) {
    let clauses = &["A-8", "A-9", "F-15", "F-19", "F-21", "F-22", "E-5", "A-15", "F-29"];
    for tree in ["created", "three", "durable", "state", "checkpoints", "rolled", "compacted"] {
        let scene = maker.scene(&format!("script/append/{tree}"), clauses, Some(tree));
        scene.change(append("one")).change(append("two")).ask(json!({"do": "read"})).fine();
        let scene = maker.scene(&format!("script/append/held/{tree}"), clauses, Some(tree));
        scene
            .change(held("one"))
            .change(held("two"))
            .change(append("other"))
            .change(held("three"))
            .fine();
        let durables = &["A-11", "F-23", "M-5"];
        let scene = maker.scene(&format!("script/append/durable/{tree}"), durables, Some(tree));
        let mut third = held("three");
        third["durable"] = true.into();
        scene
            .change(durable("one"))
            .change(append("two"))
            .change(third)
            .change(held("four"))
            .fine();
    }
    // A clock that goes back, and one that stands far ahead.
    let mut back = append("two");
    back["clock"] = BEGINNING_MS.into();
    let mut ahead = append("three");
    ahead["clock"] = (BEGINNING_MS * 3).into();
    let scene = maker.scene("script/append/clocks", &["F-5", "F-22"], Some("three"));
    scene.change(append("one")).change(back).change(ahead).change(append("four")).fine();
    for (id, value) in [("none", json!([])), ("topic", json!([{"topic": "", "value": "76"}]))] {
        let scene =
            maker.scene(&format!("script/append/refused/{id}"), &["F-30", "A-12"], Some("three"));
        scene.change(json!({"do": "append", "records": value})).breaks("F-30");
    }
    let long = json!([{"topic": "74", "key": "6b".repeat(1025), "value": "76"}]);
    let scene = maker.scene("script/append/refused/key", &["F-30", "A-12"], Some("three"));
    scene.change(json!({"do": "append", "records": long})).breaks("F-30");
    let marker = json!([{"topic": "74", "value": "76"}, {"topic": "74"}]);
    let scene = maker.scene("script/append/refused/marker", &["F-27", "A-12"], Some("three"));
    scene.change(json!({"do": "append", "records": marker})).breaks("F-27");
}

fn records(maker: &mut Maker<'_>) {
    let batches = [
        (
            "keys",
            json!([{"topic": "61", "key": "6b", "value": "31"}, {"topic": "61", "key": "", "value": ""}]),
        ),
        ("marker", json!([{"topic": "61", "key": "6b"}])),
        ("headers", json!([{"topic": "61", "value": "31", "headers": [["6e", "76"], ["6e", ""]]}])),
        (
            "topics",
            json!([{"topic": "61", "value": "31"}, {"topic": "62", "value": "32"}, {"topic": "61", "value": "33"}]),
        ),
        (
            "no-text",
            json!([{"topic": "ff00", "key": "80", "value": "a5", "headers": [["fe", "00"]]}]),
        ),
        ("long", json!([{"topic": "61", "value": "78".repeat(700)}])),
    ];
    for (name, batch) in batches {
        let clauses = &["F-6", "F-26", "F-28", "A-15", "F-18"];
        let scene = maker.scene(&format!("script/records/{name}"), clauses, Some("three"));
        scene.change(json!({"do": "append", "records": batch})).ask(json!({"do": "read"})).fine();
    }
}

fn epochs(maker: &mut Maker<'_>) {
    let clauses = &["E-1", "E-2", "E-3", "E-4", "E-5", "F-35", "A-7"];
    for tree in ["created", "three", "durable", "epochs", "rolled", "state", "checkpoints"] {
        let scene =
            maker.scene(&format!("script/epoch/{tree}"), clauses, Some(tree)).boot([0xc7; 16]);
        scene.change(append("one")).change(append("two")).ask(json!({"do": "info"})).fine();
        let scene = maker.scene(&format!("script/epoch/unknown/{tree}"), clauses, Some(tree));
        let scene = scene.boot(UNKNOWN_BOOT).change(held("one")).change(held("two"));
        scene.change(append("three")).ask(json!({"do": "info"})).fine();
    }
    let scene = maker.scene("script/epoch/back-and-forth", clauses, Some("three"));
    let scene = scene.boot(NEXT_BOOT).change(append("one")).boot(BOOT).change(append("two"));
    scene.boot(NEXT_BOOT).change(append("three")).ask(json!({"do": "read"})).fine();
    // Nothing is appended: nothing is raised.
    let scene = maker.scene("script/epoch/repair-clean", &["E-2", "O-9"], Some("three"));
    scene.boot(NEXT_BOOT).change(json!({"do": "repair"})).fine();
    // Somebody died between the raise and its sync: it is synced before a record follows.
    let mut segment = trees::three();
    let time = BEGINNING_MS + 50_000;
    let raise = crate::vectors::forge::epoch(2, 3, NEXT_BOOT, time);
    let block = Block { timestamp: time, ..Block::control(1, &[raise]) };
    let (prev_crc, first_offset) = (segment.prev_crc, segment.next_offset);
    segment.put(&Block { prev_crc, first_offset, epoch: 2, ..block });
    let scene =
        maker.scene("script/epoch/raised-and-died", &["E-4"], Some("three")).boot(NEXT_BOOT);
    let scene = scene.edit(Edit::put(FILE, 0, &segment.bytes));
    scene.change(append("one")).change(append("two")).fine();
    // The last epoch that there can be.
    let header =
        crate::vectors::forge::Header { epoch: u32::MAX, ..crate::vectors::forge::Header::new() };
    let last = crate::vectors::forge::epoch(u32::MAX, 0, BOOT, time);
    let mut segment = crate::vectors::forge::Segment::opened(header, &[last], 0);
    segment.letters(&["a"]);
    let scene = maker.scene("script/epoch/exhausted", &["E-3"], Some("created")).boot(NEXT_BOOT);
    let scene = scene.edit(Edit::put(FILE, 0, &segment.bytes));
    scene.change(append("one")).breaks("E-3");
    let scene = maker.scene("script/epoch/last", &["E-3", "F-35"], Some("created"));
    scene.edit(Edit::put(FILE, 0, &segment.bytes)).change(append("one")).fine();
    // Epoch 256 stands before epoch 1 in the order of keys (F-35).
    let entries = [
        crate::vectors::forge::epoch(256, 0, BOOT, time),
        crate::vectors::forge::epoch(1, 0, NEXT_BOOT, time),
    ];
    let header =
        crate::vectors::forge::Header { epoch: 256, ..crate::vectors::forge::Header::new() };
    let segment = crate::vectors::forge::Segment::opened(header, &entries, 0);
    let scene = maker.scene("script/epoch/256", &["F-35"], Some("created"));
    let scene = scene.edit(Edit::put(FILE, 0, &segment.bytes)).ask(json!({"do": "info"}));
    scene
        .change(append("one"))
        .boot(NEXT_BOOT)
        .change(append("two"))
        .ask(json!({"do": "info"}))
        .fine();
}

/// `small` has 4,096 bytes for blocks behind its opening checkpoint; 3,712 are used.
fn rolls(maker: &mut Maker<'_>) {
    let clauses = &["V-1", "V-3", "V-4", "V-5", "F-25", "F-37", "F-49", "F-22", "F-23"];
    for length in [1, 200, 240, 250, 260, 270, 280, 300, 400, 1000, 5000] {
        let scene = maker.scene(&format!("script/roll/{length}"), clauses, Some("small"));
        scene
            .change(append(&"v".repeat(length)))
            .change(append("w"))
            .ask(json!({"do": "read"}))
            .fine();
    }
    // A block larger than segment_bytes, where none stands behind the opening checkpoint yet.
    let scene = maker.scene("script/roll/first-of-all", &["V-1"], None);
    let scene = scene.change(create(json!({"segment_bytes": "4096"})));
    scene.change(append(&"v".repeat(5000))).change(append("w")).fine();
    let scene = maker.scene("script/roll/held", clauses, Some("small"));
    let scene = scene.change(held("v")).change(held(&"w".repeat(1000))).change(held("x"));
    scene.change(append(&"y".repeat(3900))).change(held("z")).ask(json!({"do": "read"})).fine();
    // A raise goes in wherever the end is; the records behind it roll.
    let scene = maker.scene("script/roll/raise", &["V-1", "E-3"], Some("small")).boot(NEXT_BOOT);
    scene.change(append(&"v".repeat(400))).ask(json!({"do": "info"})).fine();
    let scene = maker.scene("script/roll/state", &["F-37", "F-32", "V-4"], Some("state"));
    let scene = scene.change(append(&"v".repeat(4800))).ask(json!({"do": "info"}));
    scene.fine();
    let left = [("0000000001.puro.new", "left"), ("0000000001.puro.compact", "left, too")];
    for (name, bytes) in left {
        let scene =
            maker.scene(&format!("script/roll/beside/{name}"), &["F-45", "V-4"], Some("small"));
        let scene = scene.edit(Edit::put(name, 0, bytes.as_bytes()));
        scene.change(append(&"v".repeat(1000))).fine();
    }
    // What has the temporary name has another one: nothing may be written through it.
    let scene = maker.scene("script/roll/temporary-second-name", &["F-45"], Some("small"));
    let scene = scene.edit(Edit::put("victim", 0, b"of somebody else"));
    let scene = scene.edit(Edit::hard("0000000001.puro.new", "victim"));
    scene.change(append(&"v".repeat(1000))).fine();
    let scene = maker.scene("script/roll/temporary-link", &["F-45"], Some("small"));
    let scene = scene.edit(Edit::put("0000000001.puro.new", 0, b"x"));
    let scene = scene.edit(Edit::make("0000000001.puro.new", "link"));
    scene.change(append(&"v".repeat(1000))).fine();
}

fn finishing(maker: &mut Maker<'_>) {
    let clauses = &["V-6", "A-6", "V-4", "V-5"];
    let scene = maker.scene("script/finish/append", clauses, Some("sealed"));
    scene.change(append("v")).change(append("w")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/finish/other-boot", clauses, Some("sealed")).boot(NEXT_BOOT);
    scene.change(append("v")).ask(json!({"do": "info"})).fine();
    let scene = maker.scene("script/finish/half-made", &["V-6", "F-45"], Some("sealed"));
    let scene = scene.edit(Edit::put("0000000001.puro.new", 0, &trees::rolled()[1].bytes[..100]));
    scene.change(append("v")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/finish/held", &["A-3", "V-6"], Some("three"));
    let mut segment = trees::three();
    let whole = segment.bytes.len();
    segment.add(Block::segment_end());
    let scene = scene.change(held("v")).ask(json!({"do": "close", "handle": "none"}));
    let _ = whole;
    scene.change(held("w")).fine();
}

fn consumers(maker: &mut Maker<'_>) {
    let clauses = &["C-1", "C-2", "F-36", "L-10", "C-5"];
    for tree in ["three", "rolled", "compacted", "epochs", "state"] {
        let scene = maker.scene(&format!("script/consumer/{tree}"), clauses, Some(tree));
        let scene = scene.change(consume("billing", 1)).change(consume("billing", 1));
        scene
            .change(consume("billing", 99))
            .change(append("more"))
            .change(consume("billing", 99))
            .fine();
    }
    let scene = maker.scene("script/consumer/two", clauses, Some("three"));
    let scene = scene.change(consume("a", 1)).change(consume("b", 2)).change(consume("a", 1));
    scene.ask(json!({"do": "info"})).fine();
    // At the end, and on when there is more; over a rollover, too.
    for (id, tree, value) in
        [("on", "three", "v".to_owned()), ("over-a-rollover", "small", "v".repeat(3000))]
    {
        let scene =
            maker.scene(&format!("script/consumer/{id}"), &["R-4", "V-8", "R-3"], Some(tree));
        let mut all = consume("billing", 99);
        (all["handle"], all["commit"]) = ("c".into(), false.into());
        let scene = scene.change(all.clone()).change(append(&value)).change(all.clone());
        scene.change(append(&value)).change(append(&value)).change(all).fine();
    }
    // In the middle of a block, by a handle and without.
    let batch: Vec<_> = (0..5).map(|n| json!({"topic": "74", "value": format!("0{n}")})).collect();
    let batch = json!({"do": "append", "records": batch});
    for (id, handle) in [("held", Some("c")), ("anew", None)] {
        let scene =
            maker.scene(&format!("script/consumer/middle/{id}"), &["C-2", "E-7"], Some("three"));
        let take = |take: u64| {
            let mut request = consume("billing", take);
            request["handle"] = handle.into();
            request
        };
        let scene = scene.change(batch.clone()).change(take(4)).change(take(1)).change(take(2));
        scene.change(batch.clone()).change(take(3)).change(take(99)).fine();
    }
    let mut outputs = consume("billing", 2);
    outputs["records"] =
        json!([{"topic": "62", "value": "31"}, {"topic": "62", "key": "6b", "value": "32"}]);
    let scene = maker.scene("script/consumer/outputs", &["C-3", "A-15"], Some("three"));
    scene.change(outputs).ask(json!({"do": "read"})).change(consume("billing", 99)).fine();
    let mut none = consume("billing", 2);
    none["commit"] = false.into();
    let scene = maker.scene("script/consumer/uncommitted", &["C-2"], Some("three"));
    scene.change(none.clone()).change(none).change(consume("billing", 1)).fine();
    for name in ["", ".a", "a/b", "../up", "a b"] {
        let scene =
            maker.scene(&format!("script/consumer/name/{name:?}"), &["F-11"], Some("three"));
        scene.change(consume(name, 1)).breaks("F-11");
    }
    // The time of a position is not before the active segment began (C-5).
    let mut early = consume("billing", 1);
    early["clock"] = 1000.into();
    maker.scene("script/consumer/early-clock", &["C-5"], Some("rolled")).change(early).fine();
    // What it is to read next was deleted.
    let scene = maker.scene("script/consumer/lost", &["C-9"], Some("rolled"));
    let scene = scene.change(consume("billing", 1)).edit(Edit::gone(FILE));
    scene.change(consume("billing", 1)).breaks("C-9");
    // Its history is gone: the position is of an epoch whose end was taken back.
    let scene = maker.scene("script/consumer/diverged", &["E-7", "C-2"], Some("epochs"));
    let mut segment = trees::epochs();
    let value = [3u32.to_le_bytes().to_vec(), 99u64.to_le_bytes().to_vec(), vec![0; 8]].concat();
    let entry = crate::vectors::forge::entry("position", b"billing", &value);
    segment.add(Block { timestamp: BEGINNING_MS + 40_000, ..Block::control(1, &[entry]) });
    let scene = scene.edit(Edit::put(FILE, 0, &segment.bytes));
    scene.change(consume("billing", 1)).breaks("E-7");
    // A malformed position counts as none.
    let scene = maker.scene("script/consumer/malformed", &["C-2", "F-32"], Some("state"));
    scene.change(consume("malformed", 1)).change(consume("malformed", 1)).fine();
    // Somebody set the position by hand, in between.
    let scene = maker.scene("script/consumer/changed", &["C-2"], Some("three"));
    let mut first = consume("billing", 1);
    first["handle"] = "c".into();
    let scene = scene.change(first.clone());
    let position = crate::vectors::forge::position("billing", 1, 3, BEGINNING_MS + 70_000);
    let mut longer = {
        let bytes = scene.snapshot().0[FILE].clone();
        let used =
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| (at + 1).next_multiple_of(64));
        bytes[..used].to_vec()
    };
    let end = longer.len();
    let crc =
        u32::from_le_bytes([longer[end - 4], longer[end - 3], longer[end - 2], longer[end - 1]]);
    let block = Block {
        prev_crc: crc,
        first_offset: 3,
        timestamp: BEGINNING_MS + 70_000,
        ..Block::control(1, &[position])
    };
    longer.extend(block.bytes(trees::three().header.crc(), end as u64));
    let scene = scene.edit(Edit::put(FILE, end, &longer[end..]));
    scene.change(first).breaks("C-2");
    // Two at once under one name.
    let scene = maker.scene("script/consumer/busy", &["L-10", "L-1"], Some("three"));
    let mut held = consume("billing", 1);
    held["handle"] = "c".into();
    let scene = scene.change(held).change(consume("other", 1));
    scene.change(consume("billing", 1)).breaks("L-1");
}

fn identities(maker: &mut Maker<'_>) {
    let once = |identity: &str, sequence: u64, value: &str| {
        let mut request = append(value);
        request["identity"] = identity.into();
        request["sequence"] = sequence.into();
        request
    };
    let clauses = &["C-4", "F-36"];
    let scene = maker.scene("script/once/again", clauses, Some("three"));
    let scene = scene.change(once("shop", 1, "a")).change(once("shop", 1, "a"));
    scene.change(once("shop", 2, "b")).change(once("till", 1, "c")).fine();
    let scene = maker.scene("script/once/zero", clauses, Some("three"));
    scene
        .change(once("shop", 0, "a"))
        .change(once("shop", 0, "a"))
        .change(once("shop", u64::MAX, "b"))
        .fine();
    let scene = maker.scene("script/once/old", clauses, Some("three"));
    scene.change(once("shop", 7, "a")).change(once("shop", 6, "b")).breaks("C-4");
    let scene = maker.scene("script/once/other-content", clauses, Some("three"));
    scene.change(once("shop", 7, "a")).change(once("shop", 7, "b")).breaks("C-4");
    let scene = maker.scene("script/once/name", &["F-11"], Some("three"));
    scene.change(once("a b", 1, "a")).breaks("F-11");
    let scene = maker.scene("script/once/rolled", &["C-4", "F-37"], Some("small"));
    let scene = scene.change(once("shop", 1, "a")).change(append(&"v".repeat(1000)));
    scene.change(once("shop", 1, "a")).ask(json!({"do": "info"})).fine();
    let token = format!("{ID}:1:3");
    let mut both = once("shop", 1, "a");
    both["if_end"] = token.into();
    let scene = maker.scene("script/once/if-end", &["C-4", "A-16"], Some("three"));
    scene.change(both.clone()).change(both).fine();
}

fn settings(maker: &mut Maker<'_>) {
    let set = |name: &str, value: Option<&str>| json!({"do": "set", "name": name, "value": value});
    let clauses = &["C-6", "F-34", "F-53", "V-1"];
    let scene = maker.scene("script/set/segment-bytes", clauses, Some("three"));
    let scene = scene.change(set("segment_bytes", Some("4096"))).change(append(&"v".repeat(3800)));
    scene.change(append("w")).change(append(&"x".repeat(1000))).fine();
    let scene = maker.scene("script/set/unset", clauses, Some("small"));
    let scene = scene.change(set("segment_bytes", None)).change(append(&"v".repeat(3800)));
    scene.ask(json!({"do": "info"})).fine();
    let scene = maker.scene("script/set/held", clauses, Some("three"));
    let scene = scene.change(held("a")).change(set("segment_bytes", Some("4096")));
    scene.change(held(&"v".repeat(3800))).change(held(&"w".repeat(1000))).fine();
    let scene = maker.scene("script/set/durable", &["F-34", "A-11"], Some("three"));
    let scene = scene.change(set("durable", Some("true"))).change(held("a")).change(held("b"));
    scene.change(append("c")).fine();
    // What cannot be a setting, though it stands there, counts as not set: nothing rolls at 100.
    let wrong = crate::vectors::forge::entry("setting", b"segment_bytes", b"100");
    let mut segment = trees::three();
    segment.add(Block { timestamp: BEGINNING_MS + 9000, ..Block::control(1, &[wrong]) });
    let scene = maker.scene("script/set/impossible", &["F-53"], Some("three"));
    let scene = scene.edit(Edit::put(FILE, 0, &segment.bytes));
    scene.change(append("a")).change(append(&"v".repeat(500))).fine();
}

/// A value that looks like a block must not stand as one (F-43): whatever shift is taken.
fn blocks_within(maker: &mut Maker<'_>) {
    let segment = trees::three();
    let end = segment.bytes.len();
    for (name, behind) in [("first", 128), ("second", 192), ("third", 256)] {
        let inner =
            Block { prev_crc: 5, first_offset: 3, ..Block::records(&[plain("evil", "evil")]) };
        let inner = inner.bytes(segment.header.crc(), (end + behind) as u64);
        // Behind the start stand crc, length (two bytes), attributes and topic.
        let before = behind - 48 - (4 + 2 + 1 + 2);
        let mut value = vec![b'p'; before];
        value.extend(&inner);
        // Where the length takes one byte more or less: every alignment is tried.
        for shift in 0..3 {
            let value = &value[shift..];
            let request =
                json!({"do": "append", "records": [{"topic": "74", "value": hex(value)}]});
            let id = format!("script/pad/{name}/{shift}");
            let scene = maker.scene(&id, &["F-43", "F-46"], Some("three"));
            scene.change(request).ask(json!({"do": "read"})).fine();
        }
    }
}
