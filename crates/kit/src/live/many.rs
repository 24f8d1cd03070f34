//! Many segments, and listings (F-7, R-9, V-11).

use std::path::Path;

use serde_json::json;

use super::{Found, Live, append, want, write};
use crate::check::port::Port;
use crate::vectors::forge::{BEGINNING_MS, BOOT, Segment, epoch};

/// The cases.
pub const CASES: &[Live] = &[
    Live { id: "many/read", clauses: &["F-7", "V-8", "R-3"], needs: &["read"], run: read },
    Live { id: "many/seek", clauses: &["R-9", "F-7"], needs: &["read"], run: seek },
    Live {
        id: "many/append",
        clauses: &["F-7", "O-3"],
        needs: &["append", "info"],
        run: append_last,
    },
];

const SEGMENTS: usize = 1200;

fn made(dir: &Path) -> Result<(), String> {
    let first = epoch(1, 0, BOOT, BEGINNING_MS);
    let mut segment = Segment::first();
    for number in 0..SEGMENTS {
        segment.letters(&[&format!("{number}")]);
        if number + 1 < SEGMENTS {
            let next = segment.next(std::slice::from_ref(&first));
            write(dir, &[segment])?;
            segment = next;
        }
    }
    write(dir, &[segment])
}

fn offsets(answer: &serde_json::Value) -> Vec<u64> {
    let records = answer["records"].as_array().into_iter().flatten();
    records.filter_map(|record| record["offset"].as_u64()).collect()
}

fn read(port: &mut Port, dir: &Path) -> Found {
    made(dir)?;
    let answer = want(port, &json!({"do": "read", "dir": dir}), None)?;
    let all = offsets(&answer).into_iter().eq(0..SEGMENTS as u64);
    if all {
        Ok(Some(()))
    } else {
        Err(format!("not all of {SEGMENTS} records, once and in order"))
    }
}

fn seek(port: &mut Port, dir: &Path) -> Found {
    made(dir)?;
    for from in [0, 1, 999, 1000, 1001, 1199, 1200] {
        let answer = want(port, &json!({"do": "read", "dir": dir, "from": from}), None)?;
        if !offsets(&answer).into_iter().eq(from..SEGMENTS as u64) {
            return Err(format!("from {from} on: other records"));
        }
    }
    Ok(Some(()))
}

fn append_last(port: &mut Port, dir: &Path) -> Found {
    made(dir)?;
    let answer = want(port, &append(dir, "v"), None)?;
    if answer["first_offset"] != SEGMENTS {
        return Err(format!("appended elsewhere: {answer}"));
    }
    let info = want(port, &json!({"do": "info", "dir": dir}), None)?;
    let last = info["segment"] == SEGMENTS - 1;
    if last { Ok(Some(())) } else { Err(format!("another active segment: {info}")) }
}
