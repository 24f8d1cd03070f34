//! What may stand behind the committed end: each row of the recovery table, in the boot of the
//! newest epoch, in another, and in one that is not known (chapter 5).

use serde_json::json;

use super::{Dice, Edit, Maker, trees};
use crate::vectors::forge::{BEGINNING_MS, BOOT, Block, NEXT_BOOT, Segment, UNKNOWN_BOOT, plain};

/// The segment that everything stands in.
pub const FILE: &str = "0000000000.puro";

/// A tail by its name: what is done to the segment.
type Tail = (String, Vec<Edit>);

pub fn make(maker: &mut Maker<'_>) {
    let mut tails = behind(&trees::three());
    tails.extend(within(&trees::three()));
    for (name, edits) in tails {
        in_each_boot(maker, &format!("tail/three/{name}"), "three", &edits);
    }
    for (name, edits) in behind(&trees::durable()).into_iter().step_by(3) {
        in_each_boot(maker, &format!("tail/durable/{name}"), "durable", &edits);
    }
    for (name, edits) in known(&trees::durable()) {
        in_each_boot(maker, &format!("tail/known/{name}"), "durable", &edits);
    }
    let sealed = &trees::sealed()[0];
    // Whole, high, and continuing the chain: nothing follows a segment end all the same (F-25).
    let (_, follows) = blocks(sealed, vec![one("d")]);
    let edit = Edit::put(FILE, sealed.bytes.len(), &follows);
    in_each_boot(maker, "tail/sealed/followed", "sealed", &[edit]);
    for (name, edits) in behind(sealed).into_iter().step_by(2) {
        in_each_boot(maker, &format!("tail/sealed/{name}"), "sealed", &edits);
    }
    for (name, edits) in behind(&trees::epochs()).into_iter().step_by(5) {
        in_each_boot(maker, &format!("tail/epochs/{name}"), "epochs", &edits);
    }
}

fn in_each_boot(maker: &mut Maker<'_>, id: &str, tree: &str, edits: &[Edit]) {
    let current = if tree == "epochs" { [0xb3; 16] } else { BOOT };
    for (boot_name, boot) in [("same", current), ("other", NEXT_BOOT), ("unknown", UNKNOWN_BOOT)] {
        let mut clauses = vec!["F-24", "X-1", "X-4", "X-5", "X-6", "X-8", "A-5", "F-41", "M-7"];
        clauses.extend(id.contains("/body/").then_some("X-9"));
        let clauses = &clauses[..];
        let mut scene = maker.scene(&format!("{id}/{boot_name}"), clauses, Some(tree)).boot(boot);
        for edit in edits {
            scene = scene.edit(edit.clone());
        }
        let record = json!([{"topic": "74", "value": "61667465"}]);
        scene
            .ask(json!({"do": "classify"}))
            .ask(json!({"do": "read"}))
            .change(json!({"do": "repair"}))
            .change(json!({"do": "append", "records": record}))
            .as_found("F-24");
        let clauses = &["K-12", "K-2", "K-1", "X-1"];
        let id = format!("{id}/{boot_name}/verify");
        let mut scene = maker.scene(&id, clauses, Some(tree)).boot(boot);
        for edit in edits {
            scene = scene.edit(edit.clone());
        }
        scene.ask(json!({"do": "verify"})).as_found("K-12");
    }
}

/// The bytes of the blocks that would stand behind a segment's end.
fn blocks(segment: &Segment, blocks: Vec<Block>) -> (Segment, Vec<u8>) {
    let mut longer = segment.clone();
    for block in blocks {
        longer.add(block);
    }
    let bytes = longer.bytes[segment.bytes.len()..].to_vec();
    (longer, bytes)
}

fn one(value: &str) -> Block {
    let timestamp = BEGINNING_MS + 20_000;
    Block { timestamp, ..Block::records(&[plain("letters", value)]) }
}

fn low(value: &str) -> Block {
    Block { signal: 0, ..one(value) }
}

/// What stands behind all that is committed.
fn behind(segment: &Segment) -> Vec<Tail> {
    let end = segment.bytes.len();
    let mut tails = Vec::new();
    let mut add =
        |name: String, bytes: &[u8]| tails.push((name, vec![Edit::put(FILE, end, bytes)]));
    let mut dice = Dice(3);
    for length in [1, 8, 63, 64, 100, 128, 1000] {
        add(format!("zeros/{length}"), &vec![0; length]);
    }
    for length in [1, 7, 64, 70, 200] {
        let bytes: Vec<_> = (0..length).map(|_| dice.roll() as u8 | 1).collect();
        add(format!("garbage/{length}"), &bytes);
        let mut bytes = bytes;
        bytes[0] = 0;
        if length > 1 {
            add(format!("garbage-behind-zero/{length}"), &bytes);
        }
    }
    let (_, whole_low) = blocks(segment, vec![low("d")]);
    let (_, whole_high) = blocks(segment, vec![one("d")]);
    add("low".into(), &whole_low);
    add("low-and-zeros".into(), &[&whole_low[..], &[0; 64]].concat());
    add("low-and-garbage".into(), &[&whole_low[..], &[7; 64]].concat());
    for length in [1, 44, 47, 48, 49, 64, 100, whole_low.len() - 1] {
        add(format!("low-cut/{length}"), &whole_low[..length.min(whole_low.len() - 1)]);
        add(format!("high-cut/{length}"), &whole_high[..length.min(whole_high.len() - 1)]);
    }
    for (name, at) in
        [("signal", 0), ("start", 9), ("crc", 44), ("body", 60), ("end", whole_high.len() - 1)]
    {
        let mut wrong = whole_high.clone();
        wrong[at] ^= 0x40;
        add(format!("high-wrong/{name}"), &wrong);
        let mut wrong = whole_low.clone();
        wrong[at] ^= 0x40;
        add(format!("low-wrong/{name}"), &wrong);
    }
    let unchained =
        Block { prev_crc: 1, first_offset: segment.next_offset, epoch: segment.epoch, ..one("d") };
    let at = |block: &Block| block.bytes(segment.header.crc(), end as u64);
    add("unchained-high".into(), &at(&unchained));
    add("unchained-low".into(), &at(&Block { signal: 0, ..unchained.clone() }));
    let ahead =
        Block { prev_crc: segment.prev_crc, first_offset: segment.next_offset + 1, ..unchained };
    add("ahead-high".into(), &at(&ahead));
    holes(segment, &mut add);
    bodies(segment, &mut add);
    tails
}

/// Blocks behind a place where none stands.
fn holes(segment: &Segment, add: &mut dyn FnMut(String, &[u8])) {
    let (longer, first) = blocks(segment, vec![one("d")]);
    let known = longer.bytes.len() as u64;
    let seconds = [
        ("high", one("e")),
        ("low", low("e")),
        ("other-signal", Block { signal: 0x11, ..one("e") }),
        ("knows", Block { durable_to: known, ..one("e") }),
        ("knows-low", Block { durable_to: known, ..low("e") }),
        ("knows-no-more", Block { durable_to: segment.bytes.len() as u64, ..one("e") }),
    ];
    for (name, second) in seconds {
        let (_, both) = blocks(segment, vec![one("d"), second]);
        for (hole, byte) in [("zeros", 0), ("garbage", 0x55)] {
            let mut bytes = both.clone();
            bytes[..first.len()].fill(byte);
            add(format!("hole/{hole}/{name}"), &bytes);
            if byte == 0 {
                add(format!("hole/start-alone/{name}"), &bytes[..first.len() + 48]);
                add(format!("hole/start-cut/{name}"), &bytes[..first.len() + 47]);
            }
        }
        // Only a part of the first one is there.
        let mut torn = both.clone();
        torn[64..first.len()].fill(0);
        add(format!("hole/torn/{name}"), &torn);
        let mut torn = both;
        torn[..64].fill(0);
        add(format!("hole/headless/{name}"), &torn);
    }
}

/// A body that holds what looks like a block.
fn bodies(segment: &Segment, add: &mut dyn FnMut(String, &[u8])) {
    let end = segment.bytes.len();
    for (name, within) in
        [("high", one("evil")), ("knows", Block { durable_to: end as u64 + 64, ..one("evil") })]
    {
        // The inner block stands at a multiple of 64 behind the outer start.
        let within = Block { first_offset: segment.next_offset, epoch: 1, ..within };
        let inner = within.bytes(segment.header.crc(), end as u64 + 128);
        let outer = |signal: u8| {
            let before = plain("letters", &"p".repeat(128 - 48 - 16 - 15));
            let mut body = before;
            body.resize(128 - 48, b'p');
            body.extend(&inner);
            Block { signal, record_count: 1, body, ..one("") }
        };
        for signal in [0x00, 0xa5] {
            let (_, bytes) = blocks(segment, vec![outer(signal)]);
            let cut = bytes.len() - 8;
            add(format!("body/{name}/{signal}/torn"), &bytes[..cut]);
            let mut headless = bytes;
            headless[10] ^= 1;
            add(format!("body/{name}/{signal}/headless"), &headless);
        }
    }
}

/// Damage within what is committed, with committed blocks behind it, and none known to be on disk.
fn within(segment: &Segment) -> Vec<Tail> {
    let mut tails = Vec::new();
    for number in 1..segment.starts.len() {
        let start = segment.start(number);
        for (name, at) in [("signal", 0), ("kind", 1), ("crc", 45), ("body", 52), ("pad", 80)] {
            let edit = Edit::xor(FILE, start + at, 0x81);
            tails.push((format!("within/{number}/{name}"), vec![edit]));
        }
        for more in [0, 1, 50, 64] {
            let whole = start + more;
            if whole < segment.bytes.len() && !(more == 0 && number == 0) && more > 0 {
                tails.push((format!("within/{number}/cut/{more}"), vec![Edit::len(FILE, whole)]));
            }
        }
        let zeros = vec![0; 64];
        tails.push((format!("within/{number}/zeros"), vec![Edit::put(FILE, start, &zeros)]));
    }
    for at in [64, 65, 100, 110, 130] {
        tails.push((format!("within/0/byte/{at}"), vec![Edit::xor(FILE, at, 0x81)]));
    }
    tails.push(("within/0/gone".into(), vec![Edit::len(FILE, 64)]));
    tails
}

/// Bytes that a later block, or the opening checkpoint, says were on disk are not there.
fn known(segment: &Segment) -> Vec<Tail> {
    let mut tails = Vec::new();
    for number in 1..segment.starts.len() {
        let start = segment.start(number);
        tails.push((format!("turned/{number}"), vec![Edit::xor(FILE, start + 55, 4)]));
        tails.push((format!("zeros/{number}"), vec![Edit::put(FILE, start, &[0; 128])]));
        tails.push((format!("cut-within/{number}"), vec![Edit::len(FILE, start + 70)]));
    }
    tails
}
