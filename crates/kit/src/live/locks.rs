//! Locks and the names of lock files (chapter 2).

use std::fs::File;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int, c_short};
use serde_json::json;

use super::{Found, Live, append, want, write};
use crate::check::port::Port;
use crate::vectors::Snapshot;
use crate::vectors::make::trees;

/// The cases.
pub const CASES: &[Live] = &[
    Live {
        id: "lock/writer/ofd",
        clauses: &["L-1", "A-1", "L-8"],
        needs: &["append"],
        run: writer_ofd,
    },
    Live {
        id: "lock/writer/posix",
        clauses: &["L-1", "A-1"],
        needs: &["append"],
        run: writer_posix,
    },
    Live { id: "lock/repair", clauses: &["L-1", "A-5", "L-8"], needs: &["repair"], run: repair },
    Live { id: "lock/create", clauses: &["L-1", "O-1"], needs: &["create"], run: create },
    Live { id: "lock/reading", clauses: &["R-1", "L-7"], needs: &["read"], run: reading },
    Live {
        id: "lock/name/busy",
        clauses: &["L-1", "L-10", "L-8"],
        needs: &["consume"],
        run: name_busy,
    },
    Live { id: "lock/name/held", clauses: &["L-1", "L-10"], needs: &["consume"], run: name_held },
    Live { id: "lock/pin", clauses: &["R-2", "L-1"], needs: &["consume"], run: pin },
    Live { id: "lock/pin/hop", clauses: &["R-2", "V-8"], needs: &["consume"], run: pin_hop },
    Live { id: "lock/given-back", clauses: &["A-10", "L-8"], needs: &["append"], run: given_back },
    Live { id: "lock/lost-name", clauses: &["L-4"], needs: &["append"], run: lost_name },
    Live { id: "lock/other-file", clauses: &["L-4"], needs: &["append"], run: other_file },
    Live { id: "lock/kept-names", clauses: &["L-4", "F-40"], needs: &["append"], run: kept_names },
];

fn io<T>(result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn open(path: &Path) -> Result<File, String> {
    let mut options = File::options();
    io(options.read(true).write(true).create(true).truncate(false).open(path))
}

fn whole(kind: c_int) -> libc::flock {
    libc::flock {
        l_type: kind as c_short,
        l_whence: libc::SEEK_SET as c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn lock(file: &File, kind: c_int) -> bool {
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole(kind))).is_ok()
}

/// A stream, and its `writer.lock` in the hands of the kit.
fn three(dir: &Path) -> Result<File, String> {
    write(dir, &[trees::three()])?;
    open(&dir.join("writer.lock"))
}

fn unchanged(dir: &Path, before: &Snapshot) -> Result<(), String> {
    let now = io(Snapshot::of(dir))?;
    if now == *before {
        Ok(())
    } else {
        Err("it changed something while others had the lock".to_owned())
    }
}

fn busy_then_free(
    port: &mut Port,
    dir: &Path,
    request: &serde_json::Value,
    take: impl FnOnce(&File) -> bool,
    give: impl FnOnce(&File),
) -> Found {
    let file = open(&dir.join("writer.lock"))?;
    let before = io(Snapshot::of(dir))?;
    if !take(&file) {
        return Ok(None);
    }
    want(port, request, Some("busy"))?;
    unchanged(dir, &before)?;
    give(&file);
    want(port, request, None)?;
    Ok(Some(()))
}

fn writer_ofd(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    let take = |file: &File| lock(file, libc::F_WRLCK);
    busy_then_free(port, dir, &append(dir, "v"), take, |file| _ = lock(file, libc::F_UNLCK))
}

fn writer_posix(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    let set = |file: &File, kind| fcntl(file, FcntlArg::F_SETLK(&whole(kind))).is_ok();
    let take = |file: &File| set(file, libc::F_WRLCK);
    busy_then_free(port, dir, &append(dir, "v"), take, |file| _ = set(file, libc::F_UNLCK))
}

fn repair(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    let mut bytes = trees::three().bytes;
    bytes.extend([9; 70]);
    io(std::fs::write(dir.join("0000000000.puro"), bytes))?;
    let request = json!({"do": "repair", "dir": dir, "lock_ms": 300});
    let take = |file: &File| lock(file, libc::F_WRLCK);
    busy_then_free(port, dir, &request, take, |file| _ = lock(file, libc::F_UNLCK))
}

fn create(port: &mut Port, dir: &Path) -> Found {
    let request = json!({"do": "create", "dir": dir, "settings": {}, "lock_ms": 300});
    let take = |file: &File| lock(file, libc::F_WRLCK);
    busy_then_free(port, dir, &request, take, |file| _ = lock(file, libc::F_UNLCK))
}

/// Reading needs no lock file, and makes none.
fn reading(port: &mut Port, dir: &Path) -> Found {
    let file = three(dir)?;
    lock(&file, libc::F_WRLCK);
    let answer = want(port, &json!({"do": "read", "dir": dir}), None)?;
    let three = answer["records"].as_array().is_some_and(|records| records.len() == 3);
    if three { Ok(Some(())) } else { Err(format!("three records expected: {answer}")) }
}

fn consume(dir: &Path, take: u64) -> serde_json::Value {
    json!({"do": "consume", "dir": dir, "name": "billing", "take": take, "commit": false,
        "handle": "c"})
}

fn name_busy(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    io(std::fs::create_dir(dir.join("consumers")))?;
    let file = open(&dir.join("consumers/billing.lock"))?;
    lock(&file, libc::F_WRLCK);
    want(port, &consume(dir, 1), Some("busy"))?;
    lock(&file, libc::F_UNLCK);
    want(port, &consume(dir, 1), None)?;
    Ok(Some(()))
}

fn name_held(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    want(port, &consume(dir, 1), None)?;
    let file = open(&dir.join("consumers/billing.lock"))?;
    if lock(&file, libc::F_WRLCK) {
        return Err("consumers/billing.lock is free while its consumer runs".to_owned());
    }
    want(port, &json!({"do": "close", "handle": "c"}), None)?;
    let free = lock(&file, libc::F_WRLCK);
    if free { Ok(Some(())) } else { Err("the lock was not given back".to_owned()) }
}

/// Whether a segment is locked shared: not to be had alone, but by others who share it.
fn is_pinned(dir: &Path, number: u32) -> Result<bool, String> {
    let file = open(&dir.join(format!("{number:010}.puro")))?;
    if !lock(&file, libc::F_RDLCK) {
        return Err(format!("segment {number} is locked by one alone"));
    }
    lock(&file, libc::F_UNLCK);
    let free = lock(&file, libc::F_WRLCK);
    lock(&file, libc::F_UNLCK);
    Ok(!free)
}

fn pin(port: &mut Port, dir: &Path) -> Found {
    write(dir, &trees::rolled())?;
    want(port, &consume(dir, 1), None)?;
    if is_pinned(dir, 0)? { Ok(Some(())) } else { Err("segment 0 is not locked shared".to_owned()) }
}

fn pin_hop(port: &mut Port, dir: &Path) -> Found {
    write(dir, &trees::rolled())?;
    want(port, &consume(dir, 3), None)?;
    if !is_pinned(dir, 1)? {
        return Err("segment 1 is not locked shared".to_owned());
    }
    if is_pinned(dir, 0)? {
        Err("segment 0 was left, and is still locked".to_owned())
    } else {
        Ok(Some(()))
    }
}

fn given_back(port: &mut Port, dir: &Path) -> Found {
    let file = three(dir)?;
    let mut request = append(dir, "v");
    request["handle"] = "a".into();
    want(port, &request, None)?;
    if !lock(&file, libc::F_WRLCK) {
        return Err("writer.lock was not given back between two requests".to_owned());
    }
    Ok(Some(()))
}

/// Somebody removed the name; somebody else made it anew and has that file locked.
fn lost_name(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    let mut request = append(dir, "v");
    request["handle"] = "a".into();
    want(port, &request, None)?;
    io(std::fs::remove_file(dir.join("writer.lock")))?;
    let anew = open(&dir.join("writer.lock"))?;
    lock(&anew, libc::F_WRLCK);
    want(port, &request, Some("busy"))?;
    lock(&anew, libc::F_UNLCK);
    want(port, &request, None)?;
    Ok(Some(()))
}

/// The name was removed and nobody made it anew: the next writer makes it.
fn other_file(port: &mut Port, dir: &Path) -> Found {
    three(dir)?;
    let mut request = append(dir, "v");
    request["handle"] = "a".into();
    want(port, &request, None)?;
    io(std::fs::remove_file(dir.join("writer.lock")))?;
    want(port, &request, None)?;
    let there = dir.join("writer.lock").exists();
    if there { Ok(Some(())) } else { Err("it works by a lock file that has no name".to_owned()) }
}

/// Lock files are never removed, nor replaced; `writer.lock` stays empty (F-40).
fn kept_names(port: &mut Port, dir: &Path) -> Found {
    use std::os::unix::fs::MetadataExt;
    let before = io(three(dir)?.metadata())?;
    for value in ["v", "w"] {
        want(port, &append(dir, value), None)?;
    }
    let now = io(std::fs::metadata(dir.join("writer.lock")))?;
    if (now.ino(), now.len()) == (before.ino(), 0) {
        return Ok(Some(()));
    }
    Err("writer.lock is another file, or holds something".to_owned())
}
