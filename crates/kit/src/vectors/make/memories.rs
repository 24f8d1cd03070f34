//! What a handle remembers, and others changed meanwhile.

use serde_json::json;

use super::directories::append;
use super::scripts::held;
use super::tails::FILE;
use super::{Edit, Maker, trees};
use crate::vectors::forge::NEXT_BOOT;

/// Where a segment's blocks end: zeros behind them are none.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| (at + 1).next_multiple_of(64))
}

/// What a handle remembers, and others changed meanwhile.
pub fn make(maker: &mut Maker<'_>) {
    let clauses = &["A-2", "A-3", "A-4", "A-20", "A-22"];
    let begun = |maker: &mut Maker<'_>, id: &str| -> (Vec<u8>, usize) {
        let scene = maker.scene(&format!("script/memory/{id}/probe"), clauses, Some("three"));
        let scene = scene.change(held("mine"));
        let bytes = scene.snapshot().0[FILE].clone();
        let end = used(&bytes);
        scene.fine();
        (bytes[..end].to_vec(), end)
    };
    let (bytes, end) = begun(maker, "cut");
    let three = trees::three().bytes.len();
    // Cut behind its back: by a repair that raised nothing, as in X-6.
    let scene = maker.scene("script/memory/cut", clauses, Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::len(FILE, three));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    // Cut, and grown over by another.
    let scene = maker.scene("script/memory/grown", clauses, Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::len(FILE, three)).change(append("other"));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/memory/grown-more", clauses, Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::len(FILE, three)).change(append("other"));
    scene.change(append("and another")).change(held("again")).ask(json!({"do": "read"})).fine();
    // A dead writer left half a block.
    let scene = maker.scene("script/memory/tail", &["A-5", "X-3"], Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::put(FILE, end, &[0, 1, 2, 3]));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/memory/garbage", &["A-5", "X-4", "X-6"], Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::put(FILE, end, &[9; 70]));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    // The last block is damaged: what its writer knows of it is not what stands there.
    let scene = maker.scene("script/memory/turned", clauses, Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::xor(FILE, bytes.len() - 1, 1));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/memory/known", &["A-20", "X-2"], Some("three"));
    let mut first = held("mine");
    first["durable"] = true.into();
    let scene = scene.change(first).edit(Edit::len(FILE, three));
    scene.change(held("again")).breaks("A-20");
    // What it knew to be on disk was cut off, and others have grown beyond it: it knows that no more.
    let scene = maker.scene(
        "script/memory/grown-over-what-was-known",
        &["A-20", "A-4", "F-23"],
        Some("three"),
    );
    let mut first = held("mine");
    first["durable"] = true.into();
    let scene = scene.change(first).edit(Edit::len(FILE, three)).change(append("other"));
    scene.change(append("and another")).change(held("again")).ask(json!({"do": "read"})).fine();
    // Others rolled, once and more often; or removed all.
    let long = || append(&"o".repeat(3000));
    let scene = maker.scene("script/memory/rolled", clauses, Some("small"));
    scene.change(held("mine")).change(long()).change(held("again")).fine();
    let scene = maker.scene("script/memory/rolled-twice", clauses, Some("small"));
    let scene = scene.change(held("mine")).change(long()).change(long());
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    // Sealed by others, and what is remembered of it is damaged since: it is left alone.
    let scene = maker.scene("script/memory/sealed-and-turned", &["A-5", "A-4"], Some("small"));
    let scene = scene.change(held("mine"));
    let end = used(&scene.snapshot().0[FILE]);
    let scene = scene.change(long()).edit(Edit::xor(FILE, end - 1, 1));
    scene.change(held("again")).fine();
    let scene = maker.scene("script/memory/rolled-and-deleted", clauses, Some("small"));
    let scene = scene.change(held("mine")).change(long()).change(long()).edit(Edit::gone(FILE));
    scene.change(held("again")).ask(json!({"do": "read"})).fine();
    let scene = maker.scene("script/memory/removed", &["A-2", "A-22"], Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::gone(FILE));
    scene.change(held("again")).breaks("A-2");
    let scene = maker.scene("script/memory/second-name", &["A-19"], Some("three"));
    let scene = scene.change(held("mine")).edit(Edit::hard("other-name", FILE));
    let scene = scene.change(held("again")).edit(Edit::gone("other-name"));
    scene.change(held("at last")).breaks("A-19");
    // Sealed by another while it had a second name: sealed ones may have many.
    let scene =
        maker.scene("script/memory/sealed-with-two-names", &["A-22", "A-19"], Some("small"));
    let scene = scene.change(held("mine")).change(long()).edit(Edit::hard("other-name", FILE));
    scene.change(held("again")).fine();
    let scene = maker.scene("script/memory/epoch", &["E-2", "E-4"], Some("three"));
    let scene = scene.boot(NEXT_BOOT).change(held("mine")).change(append("other"));
    scene.change(held("again")).ask(json!({"do": "info"})).fine();
}
