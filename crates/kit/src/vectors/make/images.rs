//! What a loss of power may leave (M-4): of everything behind the last sync each unit of 64 bytes
//! old, new, zero or garbage, the length whatever it was. A sample, by a fixed seed.

use serde_json::json;

use super::tails::FILE;
use super::{Dice, Edit, Maker, trees};
use crate::vectors::forge::{BEGINNING_MS, Block, NEXT_BOOT, Segment, plain};

const IMAGES: u64 = 160;

pub fn make(maker: &mut Maker<'_>) {
    let base = trees::durable();
    let mut longer = base.clone();
    for (number, value) in ["d", "e", "f"].into_iter().enumerate() {
        let timestamp = BEGINNING_MS + 30_000 + number as u64;
        let value = value.repeat(40 * (number + 1));
        longer.add(Block { timestamp, ..Block::records(&[plain("letters", &value)]) });
    }
    let mut dice = Dice(4);
    for number in 0..IMAGES {
        image(maker, number, &base, &longer, &mut dice);
    }
}

fn image(maker: &mut Maker<'_>, number: u64, base: &Segment, longer: &Segment, dice: &mut Dice) {
    let synced = base.bytes.len();
    let mut tail = longer.bytes[synced..].to_vec();
    let (mut kept, units) = (true, tail.len() / 64);
    for unit in 0..units {
        let bytes = &mut tail[unit * 64..(unit + 1) * 64];
        match dice.below(10) {
            0..=5 => continue,
            6..=8 => bytes.fill(0),
            _ => bytes.iter_mut().for_each(|byte| *byte = dice.roll() as u8),
        }
        kept = false;
    }
    match dice.below(3) {
        0 => tail.truncate(64 * dice.below(units as u64 + 1) as usize),
        1 => tail.resize(tail.len() + 64 * dice.below(3) as usize, 0),
        _ => {}
    }
    let _ = kept;
    // In the boot of a lost power nothing goes on; in this one the same bytes are of a death.
    let boot = if number.is_multiple_of(4) { crate::vectors::forge::BOOT } else { NEXT_BOOT };
    let clauses = &["M-4", "X-1", "X-4", "X-5", "X-6", "E-2", "E-3"];
    let record = json!([{"topic": "74", "value": "61667465"}]);
    let scene = maker
        .scene(&format!("image/{number}"), clauses, Some("durable"))
        .boot(boot)
        .edit(Edit::put(FILE, synced, &tail))
        .ask(json!({"do": "classify"}))
        .change(json!({"do": "append", "records": record}))
        .ask(json!({"do": "read"}));
    scene.as_found("F-24");
}
