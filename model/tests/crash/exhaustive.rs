//! Short histories, cut everywhere: every byte of every write, every subset of up to three
//! unsynced chunks, then a recovery, a crash inside it, an append and a read.
//!
//! `PURO_CRASH_IMAGES` sets how many distinct crash images to look at (50,000 if not set;
//! a history for every 5,000 in any case). `PURO_HISTORY=n` replays one history.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use puro_model::crash::{Bounds, Examiner, Finding, Tally};
use puro_model::generate::history;
use puro_model::report::publish;

const BOUNDS: Bounds = Bounds { decisions: 8, together: 3 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_cut_of_short_histories() {
    let tally = Tally::new();
    let begun = Instant::now();
    if let Some(one) = number("PURO_HISTORY") {
        Examiner::examine(history(one), |vfs| vfs, BOUNDS, &tally)
            .unwrap_or_else(|f| panic!("{f:#?}"));
        return;
    }
    let images = number("PURO_CRASH_IMAGES").unwrap_or(50_000);
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<Box<Finding>>));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while found.lock().unwrap().is_none() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= images / 5_000 && tally.images() as u64 >= images {
                        break;
                    }
                    if let Err(finding) =
                        Examiner::examine(history(number), |vfs| vfs, BOUNDS, &tally)
                    {
                        *found.lock().unwrap() = Some(finding);
                    }
                }
            });
        }
    });
    let section = match images {
        0..1_000_000 => "crash images, short",
        1_000_000 => "crash images",
        _ => "crash images, long",
    };
    publish(
        section,
        &format!(
            "| histories | steps cut | distinct crash images | recoveries judged | seconds |\n\
             |---|---|---|---|---|\n| {} | {} | {} | {} | {:.0} |",
            tally.histories.load(Ordering::Relaxed),
            tally.steps.load(Ordering::Relaxed),
            tally.images(),
            tally.recoveries.load(Ordering::Relaxed),
            begun.elapsed().as_secs_f64()
        ),
    );
    if let Some(finding) = found.into_inner().unwrap() {
        panic!(
            "PURO_HISTORY={} cargo test -p puro-model --test crash exhaustive::\n{finding:#?}",
            finding.history.number
        );
    }
}
