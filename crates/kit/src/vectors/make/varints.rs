//! Varints and checksums (F-2, F-3).

use serde_json::json;

use super::{Dice, Maker};
use crate::driver::hex;
use crate::vectors::forge::{overlong, varint};

pub fn make(maker: &mut Maker<'_>) {
    let mut values = vec![0, 1, u64::MAX, u64::MAX - 1];
    for bits in 1..10u32 {
        let edge = 1u64 << (7 * bits);
        values.extend([edge - 1, edge, edge + 1]);
    }
    values.extend([1 << 63, (1 << 63) - 1, u64::from(u32::MAX), 1 << 32]);
    let mut dice = Dice(1);
    for _ in 0..24 {
        let shift = dice.below(64);
        values.push(dice.roll() >> shift);
    }
    values.sort_unstable();
    values.dedup();
    for value in &values {
        let bytes = varint(*value);
        let request = json!({"do": "to_varint", "value": value});
        maker.pure(&format!("varint/encode/{value}"), &["F-2"], None, request);
        let followed = [&bytes[..], &[0x80, 0x55]].concat();
        let request = json!({"do": "varint", "bytes": hex(&followed)});
        maker.pure(&format!("varint/decode/{value}"), &["F-2", "F-6"], None, request);
        let mut refuse = |name: String, bytes: &[u8]| {
            let request = json!({"do": "varint", "bytes": hex(bytes)});
            maker.pure(&format!("varint/{name}/{value}"), &["F-2", "F-6"], Some("F-2"), request);
        };
        refuse("cut".into(), &bytes.iter().map(|byte| byte | 0x80).collect::<Vec<_>>());
        for by in [1, 2] {
            if bytes.len() + by <= 10 {
                refuse(format!("overlong{by}"), &overlong(*value, by));
            }
        }
    }
    for last in [0x02, 0x03, 0x40, 0x7f, 0x80, 0x81, 0xff] {
        let bytes = [&[0xff; 9][..], &[last]].concat();
        let request = json!({"do": "varint", "bytes": hex(&bytes)});
        maker.pure(&format!("varint/beyond/{last}"), &["F-2"], Some("F-2"), request);
    }
    for length in [10, 11, 16] {
        let bytes = [&vec![0x80; length][..], &[1]].concat();
        let request = json!({"do": "varint", "bytes": hex(&bytes)});
        maker.pure(&format!("varint/long/{length}"), &["F-2"], Some("F-2"), request);
    }
    let request = json!({"do": "varint", "bytes": ""});
    maker.pure("varint/empty", &["F-2"], Some("F-2"), request);
    for (name, bytes) in [
        ("check", b"123456789".to_vec()),
        ("empty", Vec::new()),
        ("zeros", vec![0; 32]),
        ("ones", vec![0xff; 32]),
        ("ascending", (0..32).collect()),
        ("descending", (0..32).rev().collect()),
        ("every-byte", (0..=255).collect()),
    ] {
        let request = json!({"do": "crc", "bytes": hex(&bytes)});
        maker.pure(&format!("crc/{name}"), &["F-3"], None, request);
    }
}
