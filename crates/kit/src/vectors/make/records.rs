//! Records, and bodies of blocks (chapter 6, F-17, F-18, F-31, F-33).

use serde_json::{Value, json};

use super::{Dice, Maker};
use crate::driver::hex;
use crate::vectors::forge::{
    CONTROL, HEADERS, KEY, VALUE, entry, framed, gap, keyed, overlong, plain, record, sized, varint,
};

/// What a block of records says of its body.
struct Body {
    bytes: Vec<u8>,
    kind: u8,
    control: bool,
    count: u32,
    generation: u32,
}

fn body(records: &[Vec<u8>]) -> Body {
    let count = records.len() as u32;
    Body { bytes: records.concat(), kind: 1, control: false, count, generation: 0 }
}

impl Body {
    fn request(&self) -> Value {
        json!({
            "do": "records", "body": hex(&self.bytes), "kind": self.kind, "control": self.control,
            "record_count": self.count, "first_offset": 100, "generation": self.generation,
        })
    }
}

fn refuse(maker: &mut Maker<'_>, id: &str, clauses: &[&str], body: &Body) {
    maker.pure(&format!("record/refuse/{id}"), clauses, Some(clauses[0]), body.request());
}

fn accept(maker: &mut Maker<'_>, id: &str, clauses: &[&str], body: &Body) {
    maker.pure(&format!("record/accept/{id}"), clauses, None, body.request());
}

pub fn make(maker: &mut Maker<'_>) {
    encoded(maker);
    accepted(maker);
    fields(maker);
    limits(maker);
    lengths(maker);
    controls(maker);
    turned(maker);
}

type Sample<'a> = (&'a [u8], Option<&'a [u8]>, Vec<(&'a [u8], &'a [u8])>, Option<&'a [u8]>);

/// What users append, and what of it is refused (F-26, F-27, F-30).
fn encoded(maker: &mut Maker<'_>) {
    let (k1024, k1025) = (vec![b'k'; 1024], vec![b'k'; 1025]);
    let samples: Vec<(&str, Sample<'_>, Option<&str>)> = vec![
        ("plain", (b"t", None, vec![], Some(b"v")), None),
        ("empty-value", (b"t", None, vec![], Some(b"")), None),
        ("empty-key", (b"t", Some(b""), vec![], Some(b"v")), None),
        ("marker", (b"t", Some(b"k"), vec![], None), None),
        ("marker-empty-key", (b"t", Some(b""), vec![], None), None),
        ("marker-headers", (b"t", Some(b"k"), vec![(b"n", b"v")], None), None),
        ("headers", (b"t", None, vec![(b"n", b"v"), (b"n", b""), (b"m", b"w")], Some(b"v")), None),
        ("no-text", (&[0xff, 0x00], Some(&[0x80]), vec![(&[0xfe], &[0])], Some(&[0xa5])), None),
        ("topic-1024", (&k1024, None, vec![], Some(b"")), None),
        ("key-1024", (b"t", Some(&k1024), vec![], Some(b"")), None),
        ("topic-0", (b"", None, vec![], Some(b"v")), Some("F-30")),
        ("topic-1025", (&k1025, None, vec![], Some(b"v")), Some("F-30")),
        ("key-1025", (b"t", Some(&k1025), vec![], Some(b"v")), Some("F-30")),
        ("marker-without-key", (b"t", None, vec![], None), Some("F-27")),
        ("header-without-name", (b"t", None, vec![(b"", b"v")], Some(b"v")), Some("F-26")),
        (
            "second-header-without-name",
            (b"t", None, vec![(b"n", b"v"), (b"", b"")], Some(b"v")),
            Some("F-26"),
        ),
    ];
    for (name, (topic, key, headers, value), breaks) in samples {
        let headers: Vec<_> = headers.iter().map(|(n, v)| json!([hex(n), hex(v)])).collect();
        let request = json!({
            "do": "to_record", "topic": hex(topic), "key": key.map(hex), "headers": headers,
            "value": value.map(hex),
        });
        maker.pure(
            &format!("record/encode/{name}"),
            &[breaks.unwrap_or("F-6"), "F-28"],
            breaks,
            request,
        );
    }
    // A header's length counts its name's, its value's, and the count (F-30, max_headers_bytes).
    for (name, bytes, breaks) in [("most", 65_531, None), ("more", 65_532, Some("F-30"))] {
        let request = json!({
            "do": "to_record", "topic": "74", "value": "",
            "headers": [[hex(b"n"), hex(&vec![0x61; bytes - 1])]],
        });
        maker.pure(&format!("record/encode/headers-{name}"), &["F-30"], breaks, request);
    }
}

fn accepted(maker: &mut Maker<'_>) {
    let empty = record(false, b"t", Some(b""), &[], Some(b""));
    let marker = record(false, b"t", Some(b"k"), &[], None);
    let headers = record(false, b"t", None, &[(b"n", b"v"), (b"n", b"")], Some(b"v"));
    let all = record(false, b"t", Some(b"k"), &[(b"n", b"v")], Some(b"v"));
    let one = |record: &Vec<u8>| body(std::slice::from_ref(record));
    accept(maker, "plain", &["F-29"], &one(&plain("t", "v")));
    accept(maker, "empty", &["F-28"], &one(&empty));
    accept(maker, "marker", &["F-27"], &one(&marker));
    accept(maker, "headers", &["F-26"], &one(&headers));
    accept(maker, "all", &["F-28"], &one(&all));
    let several = [plain("a", "1"), keyed("b", "k", "2"), marker, headers, all, empty];
    accept(maker, "several", &["F-29", "F-18"], &body(&several));
    for length in [0, 1, 126, 127, 128, 129, 1000, 16_383, 16_384] {
        let value = "v".repeat(length);
        accept(maker, &format!("value/{length}"), &["F-28"], &one(&plain("t", &value)));
    }
    for length in [1, 127, 128, 1023, 1024] {
        let name = "n".repeat(length);
        accept(maker, &format!("topic/{length}"), &["F-30"], &one(&plain(&name, "v")));
        accept(maker, &format!("key/{length}"), &["F-30"], &one(&keyed("t", &name, "v")));
    }
    for count in [2, 60, 127, 128, 200] {
        let records: Vec<_> = (0..count).map(|n| plain("t", &n.to_string())).collect();
        accept(maker, &format!("many/{count}"), &["F-29"], &body(&records));
    }
}

/// Fields that are there or not, in each combination of attributes.
fn fields(maker: &mut Maker<'_>) {
    for attributes in 0..=255u8 {
        let mut fields = vec![attributes];
        fields.extend(sized(b"topic"));
        if attributes & KEY != 0 {
            fields.extend(sized(b"key"));
        }
        if attributes & HEADERS != 0 {
            fields.extend(varint(1));
            fields.extend(sized(b"n"));
            fields.extend(sized(b"v"));
        }
        if attributes & VALUE != 0 {
            fields.extend(b"value");
        }
        let control = attributes & CONTROL != 0;
        let made = Body { control, count: u32::from(!control), ..body(&[framed(&fields)]) };
        let broken = match attributes {
            bits if bits & 0xf0 != 0 => Some("F-27"),
            bits if bits & (KEY | VALUE) == 0 => Some("F-27"),
            bits if bits & CONTROL != 0 && bits & HEADERS != 0 => Some("F-31"),
            _ => None,
        };
        // Of those with undefined bits a few will do.
        if attributes >= 16
            && ![0x12, 0x22, 0x42, 0x82, 0xf2, 0x13, 0x80, 0x1a].contains(&attributes)
        {
            continue;
        }
        let id = format!("record/attributes/{attributes}");
        maker.pure(&id, &[broken.unwrap_or("F-27"), "F-31"], broken, made.request());
    }
}

fn limits(maker: &mut Maker<'_>) {
    let one = |record: Vec<u8>| body(&[record]);
    refuse(maker, "topic/0", &["F-30"], &one(record(false, b"", None, &[], Some(b"v"))));
    for length in [1025, 2000] {
        let long = vec![b'x'; length];
        let topic = record(false, &long, None, &[], Some(b"v"));
        refuse(maker, &format!("topic/{length}"), &["F-30"], &one(topic));
        let key = record(false, b"t", Some(&long), &[], Some(b"v"));
        refuse(maker, &format!("key/{length}"), &["F-30"], &one(key));
    }
    let nameless = record(false, b"t", None, &[(b"", b"v")], Some(b"v"));
    refuse(maker, "header/nameless", &["F-26"], &one(nameless));
    let long = vec![b'x'; 65_531];
    let most = record(false, b"t", None, &[(b"n", &long[..65_530])], Some(b""));
    accept(maker, "headers/65536", &["F-30"], &one(most));
    let more = record(false, b"t", None, &[(b"n", &long)], Some(b""));
    refuse(maker, "headers/65537", &["F-30"], &one(more));
    // Lengths that nothing can have, before anything is allocated for them.
    for length in [1 << 20, 1 << 31, 1 << 32, 1 << 40, u64::MAX] {
        for (name, attributes) in
            [("topic", VALUE), ("key", KEY | VALUE), ("headers", HEADERS | VALUE)]
        {
            let mut fields = vec![attributes];
            if name != "topic" {
                fields.extend(sized(b"t"));
            }
            fields.extend(varint(length));
            fields.extend(b"abc");
            let id = format!("huge/{name}/{length}");
            refuse(maker, &id, &["F-30", "F-28"], &one(framed(&fields)));
        }
        let mut bytes = varint(length);
        bytes.extend([VALUE, 1, b't']);
        let mut whole = puro::internals::codec::crc(&bytes).to_le_bytes().to_vec();
        whole.extend(bytes);
        refuse(maker, &format!("huge/length/{length}"), &["F-28"], &one(whole));
    }
    let no_headers = [vec![HEADERS | VALUE], sized(b"t"), vec![0], b"v".to_vec()].concat();
    refuse(maker, "headers/none", &["F-6"], &one(framed(&no_headers)));
    let too_few = [vec![HEADERS | VALUE], sized(b"t"), vec![2], sized(b"n"), sized(b"v")].concat();
    refuse(maker, "headers/too-few", &["F-28"], &one(framed(&too_few)));
}

/// Lengths that do not fit, and such that are not in their shortest form.
fn lengths(maker: &mut Maker<'_>) {
    let with_length = |length: &[u8], fields: &[u8]| {
        let rest = [length, fields].concat();
        let mut all = puro::internals::codec::crc(&rest).to_le_bytes().to_vec();
        all.extend(rest);
        body(&[all])
    };
    let fields = [vec![KEY], sized(b"t"), sized(b"k")].concat();
    let own = fields.len() as u64;
    for (name, length) in [
        ("short", own - 1),
        ("shorter", own - 2),
        ("none", 0),
        ("long", own + 1),
        ("longer", own + 100),
    ] {
        refuse(maker, &format!("length/{name}"), &["F-28"], &with_length(&varint(length), &fields));
    }
    for by in [1, 2, 5] {
        refuse(
            maker,
            &format!("length/overlong/{by}"),
            &["F-2"],
            &with_length(&overlong(own, by), &fields),
        );
    }
    let parts: [(&str, Vec<u8>); 4] = [
        ("topic", [vec![VALUE], overlong(1, 1), b"tv".to_vec()].concat()),
        ("key", [vec![KEY], sized(b"t"), overlong(1, 1), b"k".to_vec()].concat()),
        (
            "count",
            [vec![HEADERS | VALUE], sized(b"t"), overlong(1, 1), sized(b"n"), sized(b"v")].concat(),
        ),
        (
            "header",
            [
                vec![HEADERS | VALUE],
                sized(b"t"),
                vec![1],
                overlong(1, 1),
                b"n".to_vec(),
                sized(b"v"),
            ]
            .concat(),
        ),
    ];
    for (name, fields) in parts {
        refuse(maker, &format!("overlong/{name}"), &["F-2", "F-6"], &body(&[framed(&fields)]));
    }
    let behind_marker = [vec![KEY], sized(b"t"), sized(b"k"), b"more".to_vec()].concat();
    refuse(maker, "marker/value", &["F-27"], &body(&[framed(&behind_marker)]));
    let whole = plain("topic", "value");
    for cut in 1..whole.len() {
        refuse(
            maker,
            &format!("cut/{cut}"),
            &["F-28"],
            &Body { count: 1, ..body(&[whole[..cut].to_vec()]) },
        );
    }
    for more in [1, 3, 4, 20] {
        let body = Body { count: 1, ..body(&[whole.clone(), vec![0; more]]) };
        refuse(maker, &format!("followed/{more}"), &["F-28"], &body);
    }
}

/// Control records, their counts and flags.
fn controls(maker: &mut Maker<'_>) {
    let position = entry("position", b"c", &[0; 20]);
    let one = plain("t", "v");
    let controlled = |records: &[Vec<u8>], count: u32, generation: u32| Body {
        control: true,
        count,
        generation,
        ..body(records)
    };
    accept(
        maker,
        "control/alone",
        &["F-31", "F-18"],
        &controlled(std::slice::from_ref(&position), 0, 0),
    );
    accept(
        maker,
        "control/behind",
        &["F-31", "C-3"],
        &controlled(&[one.clone(), position.clone()], 1, 0),
    );
    accept(
        maker,
        "control/before",
        &["F-31", "C-3"],
        &controlled(&[position.clone(), one.clone()], 1, 0),
    );
    let unknown = entry("a-kind-to-come", b"k", b"v");
    accept(maker, "control/unknown", &["F-32"], &controlled(std::slice::from_ref(&unknown), 0, 0));
    let keyless = record(true, b"a-kind-to-come", None, &[], Some(b"v"));
    accept(maker, "control/keyless", &["F-32"], &controlled(&[keyless, one.clone()], 1, 0));
    let removal = record(true, b"position", Some(b"c"), &[], None);
    accept(maker, "control/removal", &["F-31"], &controlled(&[removal], 0, 0));
    let pad = record(true, b"pad", None, &[], Some(&[0; 9]));
    accept(maker, "control/pad", &["F-46"], &controlled(&[pad, one.clone()], 1, 0));
    for count in [1, 2, 127, 128, 1 << 20] {
        let made = controlled(&[gap(count), one.clone()], count as u32 + 1, 1);
        accept(maker, &format!("gap/{count}"), &["F-33", "F-29"], &made);
    }
    accept(maker, "gap/two", &["F-33"], &controlled(&[gap(3), one.clone(), gap(4)], 8, 1));
    refuse(maker, "gap/side-by-side", &["F-33"], &controlled(&[gap(3), gap(4), one.clone()], 8, 1));
    refuse(maker, "gap/none", &["F-33"], &controlled(&[gap(0), one.clone()], 1, 1));
    let long = record(true, b"gap", None, &[], Some(&[3, 0]));
    refuse(maker, "gap/followed", &["F-33"], &controlled(&[long, one.clone()], 4, 1));
    let overlong = record(true, b"gap", None, &[], Some(&overlong(3, 1)));
    refuse(maker, "gap/overlong", &["F-33", "F-2"], &controlled(&[overlong, one.clone()], 4, 1));
    let empty = record(true, b"gap", None, &[], Some(b""));
    refuse(maker, "gap/empty", &["F-33"], &controlled(&[empty, one.clone()], 1, 1));
    let named = entry("gap", b"k", &[3]);
    accept(maker, "gap/keyed", &["F-31"], &controlled(&[named, one.clone()], 1, 1));
    for count in [0, 2, 100] {
        let made = Body { count, ..body(std::slice::from_ref(&one)) };
        refuse(maker, &format!("count/{count}"), &["F-18"], &made);
        let made = controlled(&[position.clone(), one.clone()], count, 0);
        refuse(maker, &format!("count/control/{count}"), &["F-18"], &made);
    }
    let unflagged = Body { control: false, count: 1, ..body(&[position, one.clone()]) };
    refuse(maker, "flag/missing", &["F-17"], &unflagged);
    refuse(maker, "flag/without", &["F-17"], &controlled(&[one], 1, 0));
    let headed = record(true, b"position", Some(b"c"), &[(b"n", b"v")], Some(&[0; 20]));
    refuse(maker, "control/headers", &["F-31"], &controlled(&[headed], 0, 0));
}

/// A body with one bit turned: the record's own crc tells, whatever it is.
fn turned(maker: &mut Maker<'_>) {
    let records = [plain("letters", "abc"), keyed("orders", "k", "3"), plain("letters", "d")];
    let whole = body(&records);
    let mut dice = Dice(2);
    for at in 0..whole.bytes.len() {
        let mut bytes = whole.bytes.clone();
        bytes[at] ^= 1 << dice.below(8);
        let made = Body { bytes, count: 3, ..body(&[]) };
        refuse(maker, &format!("turned/{at}"), &["F-28", "F-20"], &made);
    }
}
