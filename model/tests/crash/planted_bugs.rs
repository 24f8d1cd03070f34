//! Do the checks bite? Every planted bug runs through the checks until one of them notices; a table
//! says which. With `PURO_README=write` the table is put into `model/README.md`.

use puro_model::crash::{Bounds, Examiner, Tally};
use puro_model::faults::{Between, every_fault, every_interruption};
use puro_model::generate::history;
use puro_model::locks::Family;
use puro_model::oracle::Promise;
use puro_model::planted::{Plant, PlantedVfs};
use puro_model::report::publish;
use puro_model::sim::SimVfs;

const BOUNDS: Bounds = Bounds { decisions: 6, together: 2 };
/// Histories that each bug gets; without a bug, they pass.
const HISTORIES: u64 = 16;
/// Histories whose calls fail one by one; cheaper, so there are more.
const FAULT_HISTORIES: u64 = 128;

/// The first check that notices, and which promise it says is broken.
fn killed_by(plant: Option<Plant>) -> Option<(String, Promise, String)> {
    let seam = move |vfs: SimVfs| PlantedVfs::new(vfs, plant);
    for between in [Between::OtherProcess, Between::SameProcess] {
        if let Err(violation) = every_interruption(Family::Ofd, between, seam) {
            return Some((
                format!("interruption ({between:?})"),
                violation.promise,
                violation.what,
            ));
        }
    }
    for number in 0..FAULT_HISTORIES {
        if let Err(finding) = every_fault(&history(number), seam) {
            let check = format!("faults in history {number}");
            return Some((check, finding.violation.promise, finding.violation.what));
        }
    }
    let tally = Tally::new();
    for number in 0..HISTORIES {
        if let Err(finding) = Examiner::examine(history(number), seam, BOUNDS, &tally) {
            let check = format!("cuts of history {number}");
            return Some((check, finding.violation.promise, finding.violation.what));
        }
    }
    None
}

/// Bugs that no check here can notice, and why that is right.
const SURVIVORS: &[(Plant, &str)] = &[
    (
        Plant::LeftoverKept,
        "a temporary segment is made again from the same sealed state, so it has the same length and \
         overwrites all that was left; emptying it matters only after damage from outside",
    ),
    (
        Plant::CutLeavesRest,
        "what is left is shorter than any block, and the block that is written next covers it; until \
         then the next look finds it and cuts again",
    ),
];

#[test]
fn without_a_planted_bug_nothing_is_noticed() {
    assert_eq!(killed_by(None), None);
}

#[test]
fn every_planted_bug_is_noticed() {
    let mut wrong = Vec::new();
    let mut table =
        "| planted bug | clause | killed by | promise |\n|---|---|---|---|\n".to_owned();
    for plant in Plant::ALL {
        let killed = killed_by(Some(*plant));
        let survivor = SURVIVORS.iter().find(|(survivor, _)| survivor == plant);
        let (check, promise) = match (&killed, survivor) {
            (Some((check, promise, _)), _) => (check.clone(), format!("{promise:?}")),
            (None, Some((_, why))) => ("*survives*".to_owned(), (*why).to_owned()),
            (None, None) => ("**nothing**".to_owned(), String::new()),
        };
        table += &format!(
            "| {plant:?}: {} | {} | {check} | {promise} |\n",
            plant.what(),
            plant.clause()
        );
        if killed.is_some() == survivor.is_some() {
            wrong.push(*plant);
        }
    }
    publish("planted bugs", &table);
    assert!(wrong.is_empty(), "not as expected: {wrong:?}");
}
