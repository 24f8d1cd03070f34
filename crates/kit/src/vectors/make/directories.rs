//! Whole directories: read, looked at, verified.

use serde_json::json;

use super::{Edit, Maker, Scene, trees};
use crate::vectors::forge::{BOOT, Block, Header, Segment, entry, epoch, plain, position, record};

const NAMES: [&str; 4] =
    ["0000000000.puro", "0000000001.puro", "0000000002.puro", "0000000003.puro"];

/// What everybody may be asked of a directory.
fn look<'m, 't>(scene: Scene<'m, 't>) -> Scene<'m, 't> {
    scene
        .ask(json!({"do": "info"}))
        .ask(json!({"do": "read"}))
        .ask(json!({"do": "verify", "deep": true}))
}

pub fn make(maker: &mut Maker<'_>) {
    sound(maker);
    seeks(maker);
    names(maker);
    kinds(maker);
    strays(maker);
    newer(maker);
    hops(maker);
    turned(maker);
    bodies(maker);
    states(maker);
}

fn sound(maker: &mut Maker<'_>) {
    for tree in [
        "created",
        "three",
        "durable",
        "epochs",
        "rolled",
        "compacted",
        "state",
        "checkpoints",
        "small",
        "other",
    ] {
        let clauses = &["O-3", "F-7", "F-9", "F-21", "F-37", "F-39", "F-51", "F-32", "R-3"];
        look(maker.scene(&format!("directory/{tree}"), clauses, Some(tree))).fine();
    }
    // Zeros behind a segment end are nothing, also where durable_to counts to there (F-23, K-9).
    let clauses = &["F-23", "F-25", "K-9", "K-11"];
    let scene = maker.scene("directory/compacted/zeros", clauses, Some("compacted"));
    look(scene.edit(Edit::put(NAMES[1], trees::compacted()[1].bytes.len(), &[0; 128]))).fine();
    let scene = maker.scene("directory/compacted/durable-to", &["F-23", "K-9"], Some("compacted"));
    let wrong = trees::compacted_that_says(64);
    let scene = scene.edit(Edit::put(NAMES[1], 0, &wrong[1].bytes));
    scene.ask(json!({"do": "verify", "deep": true})).breaks("K-9");
    let scene = maker.scene("directory/sealed", &["V-6", "K-13", "R-6"], Some("sealed"));
    look(scene).breaks("V-6");
    maker.scene("directory/empty", &["O-2", "K-3"], None).ask(json!({"do": "read"})).breaks("O-2");
}

fn seeks(maker: &mut Maker<'_>) {
    for (tree, lowest, end) in
        [("rolled", 0, 6), ("compacted", 0, 12), ("three", 0, 3), ("epochs", 0, 3)]
    {
        for offset in 0..=end + 2 {
            let scene = maker.scene(&format!("seek/{tree}/{offset}"), &["R-9"], Some(tree));
            let scene = scene.ask(json!({"do": "read", "from": offset}));
            let within = (lowest..=end).contains(&offset);
            if within { scene.fine() } else { scene.breaks("R-9") }
        }
        let scene = maker.scene(&format!("seek/{tree}/end"), &["R-9"], Some(tree));
        scene.ask(json!({"do": "read", "from": "end"})).fine();
    }
    // The lowest segment was deleted by retention.
    for offset in 0..=6 {
        let scene = maker.scene(&format!("seek/deleted/{offset}"), &["R-9", "V-8"], Some("rolled"));
        let scene = scene.edit(Edit::gone(NAMES[0])).ask(json!({"do": "read", "from": offset}));
        if offset >= 2 { scene.fine() } else { scene.breaks("R-9") }
    }
    let beginning = crate::vectors::forge::BEGINNING_MS;
    for tree in ["rolled", "compacted", "epochs"] {
        for time in [
            0, 1000, 1001, 2000, 3000, 3500, 4000, 5000, 6000, 7000, 20_000, 20_001, 30_000, 99_999,
        ] {
            let from = format!("@{}", beginning + time);
            let scene =
                maker.scene(&format!("seek/{tree}/time/{time}"), &["R-10", "F-22"], Some(tree));
            scene.ask(json!({"do": "read", "from": from})).fine();
        }
    }
}

/// Names that have no place, and such that are missing.
fn names(maker: &mut Maker<'_>) {
    for name in [
        "notes.txt",
        "0000000003.puro.bak",
        "000000003.puro",
        "00000000003.puro",
        "0000000003.PURO",
        "0000000001.puro.new",
        "0000000001.puro.compact",
        "lost/0000000000-00000000000000000064-00000000.tail",
        "9999999999.puro",
        "4294967296.puro",
        ".hidden",
        "+000000003.puro",
        "0000000003.puro~",
    ] {
        let id = format!("name/stray/{name}");
        let scene = maker.scene(&id, &["F-7", "F-10", "K-5"], Some("rolled"));
        look(scene.edit(Edit::put(name, 0, b"whatever"))).fine();
    }
    let scene = maker.scene("name/lost-and-found", &["F-10"], Some("rolled"));
    look(scene.edit(Edit::make("lost+found", "directory"))).fine();
    let scene = maker.scene("name/missing/1", &["V-9", "V-11", "K-5"], Some("rolled"));
    look(scene.edit(Edit::gone(NAMES[1]))).breaks("V-9");
    let scene = maker.scene("name/missing/0", &["F-9", "R-9"], Some("rolled"));
    look(scene.edit(Edit::gone(NAMES[0]))).fine();
    let scene = maker.scene("name/missing/0-and-1", &["F-9", "R-9"], Some("rolled"));
    look(scene.edit(Edit::gone(NAMES[0])).edit(Edit::gone(NAMES[1]))).fine();
    let scene = maker.scene("name/missing/2", &["V-6", "K-13"], Some("rolled"));
    look(scene.edit(Edit::gone(NAMES[2]))).breaks("V-6");
}

/// What is no regular file under a segment's name (F-8, O-5, F-54). A FIFO must not be waited for.
fn kinds(maker: &mut Maker<'_>) {
    for (number, name) in NAMES[..3].iter().enumerate() {
        for kind in ["fifo", "link", "directory"] {
            let id = format!("kind/{kind}/{number}");
            let mut scene = maker.scene(&id, &["F-8", "O-5", "F-54"], Some("rolled"));
            if kind != "link" {
                scene = scene.edit(Edit::gone(name));
            }
            let scene = scene.edit(Edit::make(name, kind)).ask(json!({"do": "read"}));
            let scene = scene.without(&["records", "token"]).or(json!({"error": "refused"}));
            scene.breaks("F-8");
        }
    }
    let scene = maker.scene("kind/consumers", &["O-5", "L-10"], Some("three"));
    let scene =
        scene.edit(Edit::make("elsewhere", "directory")).edit(Edit::make("consumers", "link"));
    scene.ask(json!({"do": "consume", "name": "a"})).breaks("O-5");
    for kind in ["fifo", "link", "directory"] {
        let scene = maker.scene(&format!("kind/lock/{kind}"), &["F-44", "O-5"], Some("three"));
        let scene = scene.edit(Edit::make("writer.lock", kind));
        scene.change(append("v")).breaks("F-44");
    }
    let scene = maker.scene("kind/lock/hard", &["F-44"], Some("three"));
    let scene =
        scene.edit(Edit::put("writer.lock", 0, b"")).edit(Edit::hard("other-name", "writer.lock"));
    scene.change(append("v")).breaks("F-44");
    let scene = maker.scene("kind/hard/active", &["A-19"], Some("three"));
    let scene = scene.edit(Edit::hard("other-name", NAMES[0]));
    scene.change(append("v")).breaks("A-19");
    let scene = maker.scene("kind/hard/new", &["A-19", "V-4"], Some("three"));
    scene.edit(Edit::hard("0000000000.puro.new", NAMES[0])).change(append("v")).fine();
    let scene = maker.scene("kind/hard/sealed", &["A-19"], Some("rolled"));
    scene.edit(Edit::hard("other-name", NAMES[0])).change(append("v")).fine();
    let scene = maker.scene("kind/hard/tail", &["A-19", "A-5"], Some("three"));
    let end = trees::three().bytes.len();
    let scene =
        scene.edit(Edit::put(NAMES[0], end, &[1; 9])).edit(Edit::hard("other-name", NAMES[0]));
    scene.change(json!({"do": "repair"})).breaks("A-19");
}

pub fn append(value: &str) -> serde_json::Value {
    json!({"do": "append", "records": [{"topic": "74", "value": crate::driver::hex(value.as_bytes())}]})
}

/// Segments of other streams, or under other numbers (F-9).
fn strays(maker: &mut Maker<'_>) {
    let other = trees::other();
    let put = |name: &str, segment: &Segment| Edit::put(name, 0, &segment.bytes);
    let clauses = &["F-9", "K-6", "V-5", "V-8"];
    let scene = maker.scene("stray/behind", clauses, Some("rolled"));
    look(scene.edit(put(NAMES[3], &other[0]))).fine();
    let scene = maker.scene("stray/behind/wrong-number", clauses, Some("rolled"));
    look(scene.edit(Edit::copy(NAMES[3], NAMES[0]))).fine();
    let scene = maker.scene("stray/behind/append", clauses, Some("rolled"));
    scene.edit(Edit::copy(NAMES[3], NAMES[0])).change(append("v")).fine();
    let scene = maker.scene("stray/far-behind", clauses, Some("rolled"));
    look(scene.edit(Edit::copy("0000000009.puro", NAMES[0]))).fine();
    let scene = maker.scene("stray/two-of-each", clauses, Some("rolled"));
    let scene = scene.edit(Edit::gone(NAMES[2])).edit(Edit::gone(NAMES[1]));
    scene.edit(put(NAMES[1], &other[1])).ask(json!({"do": "read"})).breaks("F-9");
    let scene = maker.scene("stray/all", clauses, Some("rolled"));
    let scene =
        (0..3).fold(scene, |scene, at| scene.edit(Edit::put(NAMES[at], 0, b"no magic here")));
    scene.ask(json!({"do": "read"})).breaks("F-9");
    for at in 0..3 {
        let scene = maker.scene(&format!("stray/one/{at}"), clauses, Some("rolled"));
        let scene = scene.edit(Edit::gone(NAMES[at])).edit(put(NAMES[at], &other[at]));
        let scene = look(scene);
        if at == 0 { scene.fine() } else { scene.breaks(if at == 2 { "K-13" } else { "V-9" }) }
    }
    // Sealed, and a stray has the next one's name: readers stop, and no writer can go on (K-13).
    let scene = maker.scene("stray/next", &["K-13", "V-5", "V-10"], Some("rolled"));
    let scene = scene.edit(Edit::gone(NAMES[2])).edit(put(NAMES[2], &other[2]));
    let scene = look(scene.ask(json!({"do": "classify"})));
    scene.ask(append("v")).or(json!({"error": "refused"})).breaks("K-13");
    // Before a rollover, too, nothing is sealed.
    let scene = maker.scene("stray/before-roll", &["V-10", "V-5"], Some("small"));
    let scene = scene.edit(put(NAMES[1], &other[1])).edit(put("0000000005.puro", &other[1]));
    let scene = scene.edit(Edit::gone("0000000005.puro"));
    scene.change(append(&"v".repeat(2000))).breaks("V-10");
}

/// Headers from a newer Puro (F-12, F-50).
fn newer(maker: &mut Maker<'_>) {
    let segments = trees::rolled();
    type Change = fn(&mut Header);
    let changes: [(&str, Change, bool, bool); 4] = [
        ("version", |header| header.version = 2, false, false),
        ("incompatible", |header| header.features[2] = 4, false, false),
        ("read-compatible", |header| header.features[1] = 4, true, false),
        ("compatible", |header| header.features[0] = 4, true, true),
    ];
    for (name, change, reads, writes) in changes {
        // The whole segment is of that header: all its checksums fit.
        let mut segment = trees::three();
        change(&mut segment.header);
        let mut newer = Segment::opened(segment.header.clone(), &[first_epoch()], 0);
        newer.letters(&["a", "b", "c"]);
        let replaced = |maker: &mut Maker<'_>, id: String, request| {
            let scene = maker.scene(&id, &["F-12", "F-13", "F-50", "K-3"], Some("created"));
            let scene = scene.edit(Edit::put(NAMES[0], 0, &newer.bytes)).change(request);
            if scene.negative { scene.breaks("F-12") } else { scene.fine() }
        };
        let _ = (reads, writes);
        replaced(maker, format!("newer/{name}/read"), json!({"do": "read"}));
        replaced(maker, format!("newer/{name}/append"), append("v"));
        replaced(maker, format!("newer/{name}/verify"), json!({"do": "verify"}));
        replaced(maker, format!("newer/{name}/info"), json!({"do": "info"}));
    }
    // The last one of three.
    let header = Header { version: 2, ..segments[2].header.clone() };
    let scene = maker.scene("newer/last/append", &["F-50"], Some("rolled"));
    scene.edit(Edit::put(NAMES[2], 0, &header.bytes())).change(append("v")).breaks("F-50");
    let scene = maker.scene("newer/last/verify", &["F-50", "K-3"], Some("rolled"));
    scene.edit(Edit::put(NAMES[2], 0, &header.bytes())).ask(json!({"do": "verify"})).breaks("F-50");
}

fn first_epoch() -> Vec<u8> {
    epoch(1, 0, crate::vectors::forge::BOOT, crate::vectors::forge::BEGINNING_MS)
}

/// Segments that do not continue those before them (V-8, F-49).
fn hops(maker: &mut Maker<'_>) {
    let segments = trees::rolled();
    let last = |change: &dyn Fn(&mut Header)| {
        let mut header = segments[2].header.clone();
        change(&mut header);
        let mut made = Segment::opened(header, &[first_epoch()], segments[1].highest);
        made.letters(&["e"]);
        made.bytes
    };
    let mut refuse = |id: &str, clause: &str, bytes: &[u8]| {
        let scene = maker.scene(&format!("hop/{id}"), &[clause, "V-8", "K-7"], Some("rolled"));
        let scene = scene.edit(Edit::gone(NAMES[2])).edit(Edit::put(NAMES[2], 0, bytes));
        let mut scene = scene.ask(json!({"do": "read"}));
        if ["epoch", "no-checkpoint"].contains(&id) {
            // Whether a reader looks at this, too, is its own affair (F-49, R-6).
            scene = scene.without(&["records", "token", "then"]);
        }
        scene.ask(json!({"do": "verify", "deep": true})).breaks(clause);
    };
    refuse("base/less", "F-49", &last(&|header| header.base_offset -= 1));
    refuse("base/more", "F-49", &last(&|header| header.base_offset += 1));
    refuse("epoch", "F-49", &last(&|header| header.epoch += 1));
    refuse("stream", "F-9", &last(&|header| header.stream_id = [9; 16]));
    refuse("bare", "F-25", &segments[2].header.bytes());
    refuse("cut", "F-12", &segments[2].bytes[..40]);
    let mut no_checkpoint = Segment::bare(segments[2].header.clone());
    no_checkpoint.letters(&["e"]);
    refuse("no-checkpoint", "F-25", &no_checkpoint.bytes);
    // A sealed segment whose end is not there, low, or followed by something.
    let end = segments[1].start(3);
    for (id, clause, edit) in [
        ("no-end", "R-5", Edit::len(NAMES[1], end)),
        ("low-end", "R-5", Edit::xor(NAMES[1], end, 0xa5)),
        ("cut-end", "R-5", Edit::len(NAMES[1], end + 30)),
        ("wrong-end", "R-5", Edit::xor(NAMES[1], end + 20, 1)),
    ] {
        let scene = maker.scene(&format!("hop/{id}"), &[clause, "K-11"], Some("rolled"));
        look(scene.edit(edit)).breaks(clause);
    }
    let scene = maker.scene("hop/followed-end", &["K-11", "F-25"], Some("rolled"));
    let length = segments[1].bytes.len();
    look(scene.edit(Edit::put(NAMES[1], length, &[1; 80]))).breaks("K-11");
}

/// One bit is turned, anywhere in three segments, and in a compacted one.
fn turned(maker: &mut Maker<'_>) {
    for (tree, step) in [("rolled", 29), ("compacted", 31)] {
        let segments = if tree == "rolled" { trees::rolled() } else { trees::compacted() };
        for (number, segment) in segments.iter().enumerate() {
            for at in (0..segment.bytes.len()).step_by(step) {
                let id = format!("turned/{tree}/{number}/{at}");
                let scene = maker.scene(&id, &["F-19", "R-5", "K-8", "K-11", "K-12"], Some(tree));
                let scene = scene.edit(Edit::xor(NAMES[number], at, 1 << (at % 8)));
                let scene = scene.ask(json!({"do": "read"})).ask(json!({"do": "verify"}));
                scene.breaks("F-19");
            }
        }
    }
}

/// Valid blocks whose records do not fit them, or their place (F-24, R-3, K-9, K-14).
fn bodies(maker: &mut Maker<'_>) {
    let mut judge = |id: &str, clause: &str, change: &dyn Fn(&mut Segment)| {
        let mut segment = Segment::first();
        segment.letters(&["a"]);
        change(&mut segment);
        segment.letters(&["z"]);
        let clauses = &[clause, "R-3", "K-14", "K-10", "R-15"];
        let scene = maker.scene(&format!("body/{id}"), clauses, Some("created"));
        let scene = scene.edit(Edit::put(NAMES[0], 0, &segment.bytes));
        let scene = scene
            .ask(json!({"do": "read"}))
            .without(if id == "record-crc" {
                &["records", "token", "then"]
            } else {
                &["records", "token"]
            })
            .ask(json!({"do": "verify", "deep": true}));
        scene.breaks(clause);
        // A writer that would have to raise the epoch refuses before it writes.
        if id.starts_with("epoch") {
            let scene =
                maker.scene(&format!("body/{id}/append"), &[clause, "A-12"], Some("created"));
            let scene = scene.edit(Edit::put(NAMES[0], 0, &segment.bytes)).boot([0xb2; 16]);
            scene.change(append("b")).breaks(clause);
        }
    };
    let one = || Block { timestamp: 1, ..Block::records(&[plain("t", "v")]) };
    judge("count", "F-18", &|segment| _ = segment.add(Block { record_count: 2, ..one() }));
    judge("flag", "F-17", &|segment| _ = segment.add(Block { flags: 1, ..one() }));
    let entries = Block::control(1, &[position("a", 1, 0, 0)]);
    judge("unflagged", "F-17", &|segment| _ = segment.add(Block { flags: 0, ..entries.clone() }));
    judge("garbage", "F-28", &|segment| {
        segment.add(Block { body: vec![7; 30], ..one() });
    });
    judge("record-crc", "F-28", &|segment| {
        let mut block = one();
        block.body[2] ^= 1;
        segment.add(block);
    });
    judge("epoch-entry", "F-32", &|segment| {
        segment.add(Block::control(1, &[entry("epoch", &[1, 2, 3], &[0; 32])]));
    });
    judge("epoch-value", "F-32", &|segment| {
        segment.add(Block::control(1, &[entry("epoch", &2u32.to_le_bytes(), &[0; 31])]));
    });
    judge("epoch-marker", "F-32", &|segment| {
        let marker = record(true, b"epoch", Some(&[1, 2, 3]), &[], None);
        segment.add(Block::control(1, &[marker]));
    });
    judge("epoch-ahead", "F-35", &|segment| {
        let first_offset = segment.next_offset + 1;
        segment.epoch = 2;
        segment.add(Block::control(1, &[epoch(2, first_offset, BOOT, 1)]));
    });
    judge("epoch-back", "F-35", &|segment| {
        for first_offset in [segment.next_offset, 0] {
            segment.epoch += 1;
            segment.add(Block::control(1, &[epoch(segment.epoch, first_offset, BOOT, 1)]));
        }
    });
}

/// Fields that depend on the place (K-9), and states that are not what stands before (K-14).
fn states(maker: &mut Maker<'_>) {
    let mut judge = |id: &str, clauses: &[&str], segment: &Segment| {
        let scene = maker.scene(&format!("state/{id}"), clauses, Some("created"));
        let scene = scene.edit(Edit::put(NAMES[0], 0, &segment.bytes));
        scene.ask(json!({"do": "verify", "deep": true})).breaks(clauses[0]);
    };
    let durable = {
        let mut segment = Segment::first();
        segment.letters(&["a"]);
        let durable_to = segment.bytes.len() as u64 + 64;
        segment.add(Block { durable_to, ..Block::records(&[plain("t", "v")]) });
        segment
    };
    judge("durable-ahead", &["F-23", "K-9"], &durable);
    let opening = |durable_to: u64| {
        let mut segment = Segment::bare(Header::new());
        segment.add(Block { durable_to, ..Block::checkpoint(&[first_epoch()]) });
        segment
    };
    judge("opening-durable/0", &["F-23", "K-9"], &opening(0));
    judge("opening-durable/64", &["F-23", "K-9"], &opening(64));
    let middle = |entries: &[Vec<u8>], time: u64| {
        let mut segment = Segment::first();
        segment.letters(&["a", "b"]);
        let mut block = Block { timestamp: time, ..Block::checkpoint(entries) };
        (block.prev_crc, block.first_offset) = (segment.prev_crc, segment.next_offset);
        segment.put(&block);
        segment
    };
    let highest = trees::three().highest - 1000;
    judge("checkpoint/time-less", &["F-22", "K-9"], &middle(&[first_epoch()], highest - 1));
    judge("checkpoint/time-more", &["F-22", "K-9"], &middle(&[first_epoch()], highest + 1));
    judge("checkpoint/empty", &["F-37", "K-14"], &middle(&[], highest));
    let more = [first_epoch(), position("a", 1, 0, 0)];
    judge("checkpoint/more", &["F-37", "K-14"], &middle(&more, highest));
    let twice = [first_epoch(), first_epoch()];
    judge("checkpoint/twice", &["F-37", "K-14"], &middle(&twice, highest));
    let wrong_epoch = {
        let mut segment = Segment::first();
        segment.letters(&["a"]);
        let mut block =
            Block { epoch: 2, timestamp: highest, ..Block::records(&[plain("t", "v")]) };
        (block.prev_crc, block.first_offset) = (segment.prev_crc, segment.next_offset);
        segment.put(&block);
        segment
    };
    judge("epoch-of-a-block", &["E-5", "K-9"], &wrong_epoch);
    judge("opening/time", &["F-22", "K-9"], &Segment::opened(Header::new(), &[first_epoch()], 1));
    let unsorted = {
        let entries = [position("b", 1, 0, 0), position("a", 1, 0, 0), first_epoch()];
        let mut segment = Segment::opened(Header::new(), &entries, 0);
        segment.letters(&["a"]);
        segment
    };
    judge("opening/unsorted", &["F-37", "K-14"], &unsorted);
    let indexed = |value: Vec<u8>| {
        let mut segment = Segment::first();
        segment.letters(&["a"]);
        let topics = crate::vectors::forge::record(true, b"topics", None, &[], Some(&value));
        segment.add(Block::control(3, &[topics]));
        segment
    };
    let from = trees::three().start(1) as u64;
    let index = |from: u64, topic: &[u8], places: &[u8]| {
        let mut value = from.to_le_bytes().to_vec();
        value.extend(crate::vectors::forge::sized(topic));
        value.push(places.len() as u8);
        value.extend(places);
        value
    };
    for (id, value) in [
        ("other-topic", index(from, b"numbers", &[0])),
        ("other-place", index(from, b"letters", &[1])),
        ("too-many", index(from, b"letters", &[0, 1])),
        ("from", index(64, b"letters", &[2])),
        ("cut", vec![1, 2, 3]),
    ] {
        judge(&format!("index/{id}"), &["F-42", "F-47", "K-14"], &indexed(value));
    }
}
