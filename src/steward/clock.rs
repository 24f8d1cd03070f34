//! How far a steward believes its own clock (S-12).
//!
//! What is deleted by age is gone, and a clock may be decades ahead: after a restart without a
//! battery, or by a slip of a hand. Two things are looked at.
//!
//! A steward that runs on has a second clock, which never jumps. Where its wall clock is ahead of
//! what that expects, the pass believes what was expected. The pass after begins with what the
//! wall clock says then: a machine that slept loses one pass by it.
//!
//! A steward that has just begun has the stream. Where its clock is further ahead of the times in
//! there than a stream in use leaves it, it deletes what was old by those times, says so,
//! and asks. Who wrote them may have had the same wrong clock. So the latest but one of the
//! moments at which segments were made is believed, and other times as far as they go on from
//! there.

use std::time::Duration;

use crate::engine::vfs::{Vfs, millis};
use crate::format::settings::Settings;
use crate::steward::survey::Survey;

/// How far both clocks may differ from one pass to the next: more than any clock drifts.
const TOLERANCE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// How long after a segment became due somebody looks, in a stream that is looked after at all.
const SLACK_MS: u64 = 30 * DAY_MS;
/// For how long a stream may have rested between two appends. A clock that is wrong is wrong by
/// more: it says 1970, or 2099.
const GAP_MS: u64 = 365 * DAY_MS;

/// Why a steward does not believe its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It has jumped since the last pass.
    Jumped {
        /// By how much.
        by_ms: u64,
    },
    /// It is far ahead of all that is in the stream.
    Ahead {
        /// The newest time in there that can be believed.
        newest_ms: u64,
    },
}

/// What both clocks showed when a pass ended.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    wall_ms: u64,
    monotonic: Duration,
}

impl Clocks {
    pub fn of<V: Vfs>(vfs: &V) -> Self {
        Self { wall_ms: vfs.now_ms(), monotonic: vfs.monotonic() }
    }

    /// The latest that the wall clock can show now if it has not jumped.
    pub fn expected_ms<V: Vfs>(&self, vfs: &V) -> u64 {
        let passed = vfs.monotonic().saturating_sub(self.monotonic);
        self.wall_ms.saturating_add(millis(passed)).saturating_add(TOLERANCE_MS)
    }
}

impl Survey {
    /// Lets the survey believe no more than what is expected, and what the stream says.
    pub fn doubt_own_clock(&mut self, expected_ms: Option<u64>) {
        let newest_ms = self.newest_ms();
        let bound_ms = longest_limit_ms(&self.settings).saturating_add(SLACK_MS);
        if let Some(expected_ms) = expected_ms.filter(|expected_ms| *expected_ms < self.now_ms) {
            self.believed_ms = expected_ms;
            self.doubt = Some(Doubt::Jumped { by_ms: self.now_ms - expected_ms });
        }
        if newest_ms.saturating_add(bound_ms) < self.believed_ms {
            self.believed_ms = newest_ms;
            self.doubt = Some(Doubt::Ahead { newest_ms });
        }
        self.trusted_ms = self.trusted_ms.min(self.believed_ms);
    }

    /// The newest time in the stream that can be believed.
    fn newest_ms(&self) -> u64 {
        let sealed = self.sealed.iter().map(|segment| segment.header.created_ms);
        let mut begun: Vec<u64> = sealed.chain([self.active.created_ms]).collect();
        begun.sort_unstable();
        let second = begun.iter().rev().nth(1).copied();
        let newest_ms = begun.iter().copied().fold(second.unwrap_or(self.now_ms), go_on);
        let newest_ms = go_on(newest_ms, self.active.opening_ms);
        let all_of_run = |newest_ms: u64, run: &[u64; 2]| {
            let [lowest_ms, highest_ms] = *run;
            if is_near(newest_ms, lowest_ms) { newest_ms.max(highest_ms) } else { newest_ms }
        };
        self.active.runs.iter().fold(newest_ms, all_of_run)
    }
}

fn is_near(newest_ms: u64, time_ms: u64) -> bool {
    time_ms <= newest_ms.saturating_add(GAP_MS)
}

fn go_on(newest_ms: u64, time_ms: u64) -> u64 {
    if is_near(newest_ms, time_ms) { newest_ms.max(time_ms) } else { newest_ms }
}

/// Adds a time to those of the blocks before; such as go on from each other are kept as one run,
/// its lowest and its highest.
pub fn note_run(runs: &mut Vec<[u64; 2]>, time_ms: u64) {
    match runs.last_mut() {
        Some([lowest_ms, highest_ms])
            if is_near(time_ms, *lowest_ms) && is_near(*highest_ms, time_ms) =>
        {
            *lowest_ms = time_ms.min(*lowest_ms);
            *highest_ms = time_ms.max(*highest_ms);
        }
        _ => runs.push([time_ms, time_ms]),
    }
}

/// The longest time after which something goes by age.
fn longest_limit_ms(settings: &Settings) -> u64 {
    let limits = [settings.retention, settings.keep_unconsumed_limit, Some(settings.marker_grace)];
    limits.into_iter().flatten().map(millis).max().unwrap_or(0)
}
