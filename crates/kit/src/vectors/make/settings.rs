//! Settings and names (F-11, F-34, F-53).

use serde_json::json;

use super::Maker;
use crate::driver::hex;

const NUMBERS: [&str; 9] = [
    "segment_bytes",
    "retention_ms",
    "retention_bytes",
    "roll_ms",
    "marker_grace_ms",
    "pin_grace_ms",
    "expiry_ms",
    "keep_unconsumed_limit_bytes",
    "keep_unconsumed_limit_ms",
];

pub fn make(maker: &mut Maker<'_>) {
    let mut judge = |name: &str, value: &[u8]| {
        let id = format!("setting/{name}/{}", value.escape_ascii());
        let request = json!({"do": "setting", "name": hex(name.as_bytes()), "value": hex(value)});
        maker.pure(&id, &["F-34", "F-53"], None, request);
    };
    for name in NUMBERS {
        for value in [
            "0",
            "1",
            "4095",
            "4096",
            "4097",
            "1099511627776",
            "1099511627777",
            "18446744073709551615",
            "18446744073709551616",
            "007",
            "+5000",
            "-5000",
            " 5000",
            "5000 ",
            "5e3",
            "5_000",
            "0x2000",
            "",
        ] {
            judge(name, value.as_bytes());
        }
        judge(name, b"\xff5000");
        judge(name, "\u{0665}000".as_bytes());
    }
    for name in ["keep_unconsumed", "durable"] {
        for value in ["true", "false", "True", "TRUE", "1", "0", "yes", "", "true ", "truefalse"] {
            judge(name, value.as_bytes());
        }
    }
    for name in ["cleanup", "cleanup:orders", "cleanup:", "cleanup:a:b"] {
        for value in [
            "delete",
            "compact",
            "compact,delete",
            "delete,compact",
            "compact, delete",
            "",
            "Delete",
            "none",
        ] {
            judge(name, value.as_bytes());
        }
    }
    for name in ["", "segment_byte", "Segment_bytes", "a-setting-to-come", "cleanup.orders"] {
        judge(name, b"5000");
    }
    let mut name = |id: &str, name: &str, fine: bool| {
        let request = json!({"do": "name", "name": name});
        maker.pure(&format!("name/{id}"), &["F-11"], (!fine).then_some("F-11"), request);
    };
    for fine in ["a", "A", "0", "_", "-", "billing", "a.b", "a..", "-a", "A-Z_0.9"] {
        name(fine, fine, true);
    }
    name("200", &"n".repeat(200), true);
    name("201", &"n".repeat(201), false);
    for (id, wrong) in [
        ("empty", ""),
        ("dot", "."),
        ("dots", ".."),
        ("hidden", ".a"),
        ("slash", "a/b"),
        ("up", "../a"),
        ("space", "a b"),
        ("line", "a\n"),
        ("zero", "a\0"),
        ("umlaut", "ä"),
        ("colon", "a:b"),
        ("star", "*"),
        ("plus", "a+b"),
        ("at", "a@b"),
        ("backslash", "a\\b"),
        ("tilde", "~"),
    ] {
        name(id, wrong, false);
    }
}
