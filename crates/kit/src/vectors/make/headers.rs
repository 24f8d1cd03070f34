//! Headers of segments (F-1, F-12, F-13, F-50).

use serde_json::json;

use super::Maker;
use crate::driver::hex;
use crate::vectors::forge::Header;

fn samples() -> Vec<(&'static str, Header)> {
    let first = Header::new();
    let far = Header {
        base_offset: 0x0102_0304_0506_0708,
        created: 0x1112_1314_1516_1718,
        sequence: 0x2122_2324,
        generation: 0x3132_3334,
        epoch: 0x4142_4344,
        ..first.clone()
    };
    let most = Header {
        base_offset: u64::MAX,
        created: u64::MAX,
        sequence: u32::MAX,
        generation: u32::MAX,
        epoch: u32::MAX,
        stream_id: [0xff; 16],
        ..first.clone()
    };
    let least = Header { created: 0, epoch: 0, stream_id: [0; 16], ..first.clone() };
    vec![("first", first), ("far", far), ("most", most), ("least", least)]
}

pub fn make(maker: &mut Maker<'_>) {
    for (name, header) in samples() {
        for write in [false, true] {
            let request = json!({"do": "header", "bytes": hex(&header.bytes()), "write": write});
            maker.pure(&format!("header/{name}/{write}"), &["F-12", "F-1"], None, request);
        }
        let request = json!({
            "do": "to_header", "stream_id": hex(&header.stream_id),
            "base_offset": header.base_offset, "created": header.created,
            "sequence": header.sequence, "generation": header.generation, "epoch": header.epoch,
        });
        maker.pure(&format!("header/encode/{name}"), &["F-12", "F-13", "F-1"], None, request);
    }
    let bytes = Header::new().bytes();
    let mut refuse = |id: String, clauses: &[&str], bytes: &[u8], write: bool| {
        let request = json!({"do": "header", "bytes": hex(bytes), "write": write});
        maker.pure(&id, clauses, Some(clauses[0]), request);
    };
    for at in 0..64 {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1 << (at % 8);
        refuse(format!("header/bit/{at}"), &["F-12"], &wrong, at % 2 == 0);
    }
    // The crc is right: the magic is told first all the same.
    for at in 0..8 {
        let mut header = Header::new();
        header.magic[at] ^= 0x20;
        refuse(format!("header/magic/{at}"), &["F-12"], &header.bytes(), false);
    }
    for length in [0, 1, 7, 8, 9, 16, 48, 59, 60, 61, 63] {
        refuse(format!("header/cut/{length}"), &["F-12"], &bytes[..length], false);
    }
    for version in [0, 2, 3, 256, u16::MAX] {
        for write in [false, true] {
            let header = Header { version, ..Header::new() };
            let id = format!("header/version/{version}/{write}");
            refuse(id, &["F-12", "F-50"], &header.bytes(), write);
        }
    }
    let feature = |field: usize, bit: u16| {
        let mut header = Header::new();
        header.features[field] = 1 << bit;
        header.bytes()
    };
    for bit in [0, 1, 7, 8, 15] {
        for write in [false, true] {
            let id = format!("header/incompatible/{bit}/{write}");
            refuse(id, &["F-12", "F-13"], &feature(2, bit), write);
        }
        let id = format!("header/read-compatible/{bit}/true");
        refuse(id, &["F-12", "F-13"], &feature(1, bit), true);
    }
    // What is newer is damaged where its crc is wrong: crc comes before version.
    for version in [0, 2, 7] {
        let mut wrong = Header { version, ..Header::new() }.bytes();
        wrong[63] ^= 1;
        refuse(format!("header/newer-and-damaged/{version}"), &["F-12"], &wrong, false);
    }
    for bit in [0, 1, 7, 8, 15] {
        let request = |field, write| json!({"do": "header", "bytes": hex(&feature(field, bit)), "write": write});
        let clauses = &["F-12", "F-13"];
        maker.pure(&format!("header/compatible/{bit}/true"), clauses, None, request(0, true));
        maker.pure(&format!("header/compatible/{bit}/false"), clauses, None, request(0, false));
        let id = format!("header/read-compatible/{bit}/false");
        maker.pure(&id, clauses, None, request(1, false));
    }
}
