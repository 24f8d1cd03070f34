//! Tokens: their text (E-9), and whether the stream's history is theirs (E-7, E-8).

use serde_json::json;

use super::Maker;

const ID: &str = "101112131415161718191a1b1c1d1e1f";

pub fn make(maker: &mut Maker<'_>) {
    texts(maker);
    presented(maker);
    conditions(maker);
}

fn texts(maker: &mut Maker<'_>) {
    let mut judge = |id: &str, text: &str, fine: bool| {
        let request = json!({"do": "token", "text": text});
        maker.pure(&format!("token/text/{id}"), &["E-9"], (!fine).then_some("E-9"), request);
    };
    for (epoch, offset) in
        [(0, 0), (1, 5), (3, 3), (u32::MAX, u64::MAX), (10, 100), (1, 9_007_199_254_740_993)]
    {
        judge(&format!("{epoch}/{offset}"), &format!("{ID}:{epoch}:{offset}"), true);
    }
    judge("upper", &format!("{}:1:5", ID.to_uppercase()), true);
    judge("leading-zeros", &format!("{ID}:001:0005"), true);
    judge("zero-id", &format!("{}:1:5", "0".repeat(32)), true);
    let long = format!("{ID}:1:18446744073709551616");
    for (id, text) in [
        ("empty", ""),
        ("id-alone", ID),
        ("two", &format!("{ID}:1")),
        ("four", &format!("{ID}:1:5:0")),
        ("no-epoch", &format!("{ID}::5")),
        ("no-offset", &format!("{ID}:1:")),
        ("no-id", ":1:5"),
        ("short-id", &format!("{}:1:5", &ID[2..])),
        ("odd-id", &format!("{}:1:5", &ID[1..])),
        ("long-id", &format!("{ID}00:1:5")),
        ("wrong-digit", &format!("g{}:1:5", &ID[1..])),
        ("hyphens", "10111213-1415-1617-1819-1a1b1c1d1e1f:1:5"),
        ("negative", &format!("{ID}:1:-5")),
        ("plus", &format!("{ID}:1:+5")),
        ("plus-epoch", &format!("{ID}:+1:5")),
        ("hex-offset", &format!("{ID}:1:0x5")),
        ("space", &format!("{ID}:1: 5")),
        ("space-behind", &format!("{ID}:1:5 ")),
        ("line", &format!("{ID}:1:5\n")),
        ("large-epoch", &format!("{ID}:4294967296:5")),
        ("large-offset", &long),
        ("fraction", &format!("{ID}:1:5.0")),
        ("underscore", &format!("{ID}:1:1_0")),
        ("dots", &format!("{ID}.1.5")),
        ("other-digits", &format!("{ID}:1:\u{0665}")),
    ] {
        judge(id, text, false);
    }
}

/// `epochs` has records at 0, 1 and 2; epoch 2 begins at 1, epoch 3 at 2; its end is 3.
fn presented(maker: &mut Maker<'_>) {
    for epoch in 0..=5u32 {
        for offset in 0..=5u64 {
            let lost = match epoch {
                0 => offset > 3,
                1 => offset > 1,
                2 => offset > 2,
                3 => offset > 3,
                _ => true,
            };
            let id = format!("token/read/{epoch}/{offset}");
            let scene = maker.scene(&id, &["E-7", "R-9"], Some("epochs"));
            let from = format!("{ID}:{epoch}:{offset}");
            let scene = scene.ask(json!({"do": "read", "from": from}));
            if lost { scene.breaks("E-7") } else { scene.fine() }
        }
    }
    for (id, from) in [
        ("other", "ff1112131415161718191a1b1c1d1e1f:1:0"),
        ("other-0", "ff1112131415161718191a1b1c1d1e1f:0:0"),
        ("zeros", "00000000000000000000000000000000:0:0"),
    ] {
        let scene = maker.scene(&format!("token/stream/{id}"), &["E-8"], Some("epochs"));
        scene.ask(json!({"do": "read", "from": from})).breaks("E-8");
    }
}

/// Compare and append.
fn conditions(maker: &mut Maker<'_>) {
    let records = json!([{"topic": "74", "value": "76"}]);
    for epoch in 0..=4u32 {
        for offset in 1..=4u64 {
            let id = format!("token/append-if/{epoch}/{offset}");
            let scene = maker.scene(&id, &["A-16", "E-7"], Some("epochs"));
            let token = format!("{ID}:{epoch}:{offset}");
            let request = json!({"do": "append", "if_end": token, "records": records});
            let scene = scene.boot([0xb3; 16]).change(request);
            if (epoch == 0 || epoch == 3) && offset == 3 {
                scene.fine();
            } else {
                scene.breaks(if epoch == 3 && offset < 3 { "A-16" } else { "E-7" });
            }
        }
    }
}
