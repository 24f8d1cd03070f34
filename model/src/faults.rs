//! Calls that fail, and calls that others come in between.

use std::path::Path;
use std::sync::{Arc, Mutex};

use puro::internals::dir::open_path;
use puro::internals::vfs::{OpenMode, Vfs};
use puro::{Appended, Start};

use crate::crash::Finding;
use crate::generate::{History, SEGMENT_BYTES};
use crate::history::{Op, Player, STREAM, batch, options, read};
use crate::locks::Family;
use crate::oracle::{Crash, Oracle, Promise, Violation};
use crate::sim::{Disk, Fault, SimVfs, World};

/// All ways in which a call can fail.
pub const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::Short];

/// How a run with a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Death,
    PowerKeepsAll,
    PowerKeepsNames,
    PowerKeepsNothing,
}

const ENDINGS: [Ending; 4] =
    [Ending::Death, Ending::PowerKeepsAll, Ending::PowerKeepsNames, Ending::PowerKeepsNothing];

/// Runs a history once for every call of it and every way in which that call can fail; each
/// run ends with a death or a loss of power. Tells how many runs there were.
///
/// Calls of consumers do not fail: of a sync that only a consumer was told to have failed,
/// nothing is promised (M-6).
pub fn every_fault<V: Vfs, M: Fn(SimVfs) -> V + Copy>(
    history: &History,
    seam: M,
) -> Result<u64, Box<Finding>> {
    let mut runs = 0;
    for fault in FAULTS {
        for ending in ENDINGS {
            let mut calls = 0;
            while one_fault(history, seam, calls, fault, ending).map_err(|violation| {
                let place = format!("{fault:?} in call {calls}, then {ending:?}");
                Box::new(Finding { history: history.clone(), place, violation })
            })? {
                calls += 1;
                runs += 1;
            }
        }
    }
    Ok(runs)
}

/// One run; `false` if the history has no such call.
fn one_fault<V: Vfs, M: Fn(SimVfs) -> V + Copy>(
    history: &History,
    seam: M,
    calls: u64,
    fault: Fault,
    ending: Ending,
) -> Result<bool, Violation> {
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), seam, history.options());
    for op in &history.before {
        player.play(op)?;
    }
    world.set_fault(calls, fault);
    for op in &history.ops {
        let left = if matches!(op, Op::Read { .. }) { world.hold_fault() } else { None };
        player.play(op)?;
        if left.is_some() {
            world.resume_fault(left);
        }
    }
    let happened = !world.has_fault();
    world.calm();
    match ending {
        Ending::Death => player.settle(Crash::Death)?,
        Ending::PowerKeepsAll => player.power(|loss| loss.newest())?,
        Ending::PowerKeepsNames => player.power(|loss| loss.hollow())?,
        Ending::PowerKeepsNothing => player.power(|loss| loss.oldest())?,
    }
    Ok(happened)
}

/// What comes in between in [`every_interruption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A producer of another process appends.
    OtherProcess,
    /// Another producer of the same process appends.
    SameProcess,
    /// The same process opens the lock file once more and closes it again; then a producer of
    /// another process appends.
    CloseThenOther,
    /// The lock file lost its name before the append began; then as [`Between::OtherProcess`].
    OtherProcessLockLost,
}

type Answer = Arc<Mutex<Option<Appended>>>;

/// A producer appends; before each of its calls in turn, something else comes in between. Tells
/// at how many calls it did.
pub fn every_interruption<V: Vfs, M: Fn(SimVfs) -> V + Copy + Send + 'static>(
    family: Family,
    between: Between,
    seam: M,
) -> Result<u64, Violation> {
    for calls in 0.. {
        if !one_interruption(family, between, seam, calls)? {
            return Ok(calls);
        }
    }
    Ok(0)
}

fn one_interruption<V: Vfs, M: Fn(SimVfs) -> V + Copy + Send + 'static>(
    family: Family,
    between: Between,
    seam: M,
    calls: u64,
) -> Result<bool, Violation> {
    let world = World::with_locks(Disk::default(), family);
    let open = |process| {
        let vfs = seam(SimVfs::new(&world, process));
        options(SEGMENT_BYTES).open_in(vfs, STREAM)
    };
    let failed = |error: puro::OpenError| Violation::new(Promise::Progress, error.to_string());
    let mut first = open(1).map_err(failed)?;
    let mut other = open(if between == Between::SameProcess { 1 } else { 2 }).map_err(failed)?;
    if between == Between::OtherProcessLockLost {
        world.remove(Path::new(&format!("{STREAM}/writer.lock")));
    }
    let mut oracle = Oracle::default();
    let (mine, theirs) = (1, 2);
    let answer: Answer = Arc::default();
    let told = Arc::clone(&answer);
    let inner = world.clone();
    world.interrupt(1, calls, move || {
        if between == Between::CloseThenOther {
            let path = format!("{STREAM}/writer.lock");
            let opened = open_path(&SimVfs::new(&inner, 1), path.as_ref(), OpenMode::Write);
            drop(opened);
        }
        *told.lock().unwrap() = other.append_batch(&mut batch(theirs, 1, 200)).ok();
    });
    let appended = first.append_batch(&mut batch(mine, 2, 0)).ok();
    let happened = !world.has_interruption();
    world.calm();
    let theirs_answer = answer.lock().unwrap().take();
    let answers = [(mine, appended), (theirs, theirs_answer)].into_iter();
    let mut answers: Vec<_> = answers.filter_map(|(number, told)| Some((number, told?))).collect();
    answers.sort_by_key(|(_, told)| told.first_offset);
    for (number, told) in answers {
        oracle.attempt_as(number, told.record_count);
        oracle.appended(number, told.first_offset)?;
    }
    drop(open(3).map_err(failed)?);
    let (seen, _) = read(seam(SimVfs::new(&world, 4)), Start::Beginning, false)
        .map_err(|error| Violation::new(Promise::Progress, error.to_string()))?;
    oracle.judge(&seen, Crash::Death)?;
    Ok(happened)
}
