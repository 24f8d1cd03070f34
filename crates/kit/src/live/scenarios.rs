//! What is recorded, call by call, to be cut off at each of them.

use serde_json::{Value, json};

use crate::driver::hex;
use crate::vectors::forge::{BEGINNING_MS, BOOT, Block, NEXT_BOOT, Segment, plain};
use crate::vectors::make::trees;

/// One request, and the stream that it is asked of.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The clauses that its deaths are about.
    pub clauses: &'static [&'static str],
    /// What the directory holds; no directory if `None`.
    pub segments: Option<Vec<Segment>>,
    /// The request, without `dir`.
    pub request: Value,
    /// The boot that it is asked in.
    pub boot: [u8; 16],
    /// What must stand in order in what it does: rules of `order.rs`.
    pub rules: &'static [Rule],
    /// Whether its answer promises that a loss of power takes nothing back.
    pub durable: bool,
    /// Bytes that nothing may lose: a tail that may have been seen.
    pub kept: Option<Vec<u8>>,
}

/// An order of calls that a clause wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// each block low first, its signal alone and last.
    SignalLast,
    /// the sync behind the signal, before the answer.
    SyncBeforeAnswer,
    /// V-3: a segment end is synced before the next segment gets its name.
    SealSynced,
    /// V-4, F-45: the next segment is written under a temporary name that is made anew, and synced.
    MadeAside,
    /// V-5: the directory is synced behind the rename, before anything stands in the segment.
    NameSynced,
    /// the tail is saved and synced, with its names, before the cut.
    SavedFirst,
    /// the cut is synced before anything is written.
    CutSynced,
    /// E-3: the block that raises an epoch is synced before the next one.
    RaiseSynced,
    /// V-7: the directory is synced before the first block in a segment that others made.
    NamesFirst,
    /// O-1: the parent is synced.
    ParentSynced,
}

fn append(value: &str, durable: bool) -> Value {
    json!({
        "do": "append", "durable": durable, "clock": BEGINNING_MS + 90_000,
        "records": [{"topic": "74", "value": hex(value.as_bytes())}],
    })
}

fn scenario(name: &'static str, segments: Option<Vec<Segment>>, request: Value) -> Scenario {
    let (clauses, rules) = (&["M-3", "A-8", "A-9", "A-12"][..], &[Rule::SignalLast][..]);
    Scenario { name, clauses, segments, request, boot: BOOT, rules, durable: false, kept: None }
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    use Rule::*;
    let long = "v".repeat(1000);
    let mut garbage = trees::three();
    let tail: Vec<u8> = (0..150u32).map(|number| (number * 7 + 1) as u8).collect();
    garbage.bytes.extend(&tail);
    let mut low = trees::three();
    let time = BEGINNING_MS + 20_000;
    low.add(Block { signal: 0, timestamp: time, ..Block::records(&[plain("letters", "d")]) });
    let batch = json!([
        {"topic": "61", "value": "31"}, {"topic": "62", "key": "6b", "value": hex(&[7; 300])},
        {"topic": "61", "value": "33"},
    ]);
    let mut many = append("", true);
    many["records"] = batch;
    let repair = json!({"do": "repair", "clock": BEGINNING_MS + 90_000});
    let create = json!({"do": "create", "settings": {}, "clock": BEGINNING_MS});
    let commit = json!({
        "do": "consume", "name": "billing", "take": 2, "commit": true, "clock": BEGINNING_MS + 90_000,
    });
    let three = || Some(vec![trees::three()]);
    vec![
        Scenario {
            rules: &[SignalLast, SyncBeforeAnswer, NamesFirst],
            durable: true,
            clauses: &["M-3", "M-4", "A-8", "A-9", "A-11", "A-12"],
            ..scenario("append", three(), append("v", true))
        },
        scenario("append-not-durable", three(), append("v", false)),
        Scenario {
            rules: &[SignalLast, SyncBeforeAnswer],
            durable: true,
            clauses: &["A-15", "A-8", "A-9", "A-11"],
            ..scenario("batch", three(), many)
        },
        Scenario {
            rules: &[SignalLast, SyncBeforeAnswer, SealSynced, MadeAside, NameSynced],
            durable: true,
            clauses: &["V-3", "V-4", "V-5", "V-6", "F-45"],
            ..scenario("roll", Some(vec![trees::small()]), append(&long, true))
        },
        Scenario {
            rules: &[SignalLast, SealSynced, MadeAside, NameSynced],
            clauses: &["V-3", "V-4", "V-5", "V-6"],
            ..scenario("roll-not-durable", Some(vec![trees::small()]), append(&long, false))
        },
        Scenario {
            rules: &[SignalLast, SyncBeforeAnswer, SealSynced, MadeAside, NameSynced],
            durable: true,
            clauses: &["V-6", "A-6"],
            ..scenario("finish", Some(trees::sealed()), append("v", true))
        },
        Scenario {
            rules: &[MadeAside, NameSynced, ParentSynced],
            clauses: &["O-1", "V-4", "V-5"],
            ..scenario("create", None, create)
        },
        Scenario {
            rules: &[SignalLast, SavedFirst, CutSynced, RaiseSynced],
            clauses: &["X-4", "X-5", "X-6", "X-7", "F-41"],
            kept: Some(tail.clone()),
            ..scenario("repair-lost", Some(vec![garbage.clone()]), repair.clone())
        },
        Scenario {
            rules: &[SignalLast, SavedFirst, CutSynced, RaiseSynced, SyncBeforeAnswer],
            clauses: &["X-4", "X-5", "X-6", "X-7", "F-41"],
            kept: Some(tail),
            durable: true,
            ..scenario("append-over-lost", Some(vec![garbage]), append("v", true))
        },
        Scenario {
            rules: &[CutSynced],
            clauses: &["X-3", "X-5", "X-7"],
            ..scenario("repair-unseen", Some(vec![low]), repair)
        },
        Scenario {
            rules: &[SignalLast, RaiseSynced, NamesFirst, SyncBeforeAnswer],
            clauses: &["E-2", "E-3", "E-4", "A-7"],
            boot: NEXT_BOOT,
            durable: true,
            ..scenario("raise", three(), append("v", true))
        },
        Scenario { clauses: &["C-2", "A-8", "A-9"], ..scenario("commit", three(), commit) },
    ]
}
