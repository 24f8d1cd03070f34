//! The inputs that the fuzzers keep, run as ordinary tests; and, so that the functions
//! are exercised where nobody fuzzes, inputs made up from a seed.
//!
//! `PURO_FUZZ_INPUTS` sets how many of those each function gets (2,000 if not set).

use std::path::{Path, PathBuf};

use puro_model::fuzz::{self, Play};
use puro_model::generate::Rng;
use puro_model::history::Op;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 3] =
    [("decode", fuzz::decode), ("recover", fuzz::recover), ("operations", operations)];

/// As `fuzz/fuzz_targets/operations.rs` does.
fn operations(input: &[u8]) {
    let play = Play::decode(input);
    if let Some(play) = &play {
        fuzz::operations(play);
    }
}

/// So many operations are in the kept inputs of `operations`.
const STEPS: usize = 614;

#[test]
fn kept_inputs_pass() {
    for (name, target) in TARGETS {
        let inputs = kept(name);
        for (path, input) in &inputs {
            println!("{}", path.display()); // shown if it fails
            target(input);
        }
        println!("{name}: {} kept inputs", inputs.len());
    }
}

/// The inputs that a fuzzer keeps.
fn kept(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{error}: {corpus:?}"));
    let paths = entries.map(|entry| entry.expect("a readable directory").path());
    let inputs: Vec<_> = paths
        .map(|path| {
            let input = std::fs::read(&path).expect("a readable file");
            (path, input)
        })
        .collect();
    assert!(!inputs.is_empty(), "no inputs for {name}");
    inputs
}

/// Were operations read out of bytes in another way, the kept inputs would be others, and pass
/// without testing what they were kept for.
#[test]
fn kept_operations_are_those_that_were_kept() {
    let plays: Vec<_> = kept("operations")
        .iter()
        .map(|(path, input)| {
            let play = Play::decode(input).unwrap_or_else(|| panic!("{path:?} says nothing"));
            assert_eq!(play.encode(), *input, "{path:?}");
            (path.file_name().expect("a file").to_owned(), play)
        })
        .collect();
    let steps: usize = plays.iter().map(|(_, play)| play.steps.len()).sum();
    assert_eq!(steps, STEPS);
    let power = plays.iter().find(|(name, _)| name == "power").expect("it is kept");
    let append = |durable| Op::Append { who: 0, records: 2, bytes: 0, durable };
    let power_of = |keep| Op::Power { keep };
    let ops = [append(true), power_of(false), append(false), power_of(true)];
    assert_eq!(power.1.steps.iter().map(|step| step.op).collect::<Vec<_>>(), ops);
}

#[test]
fn made_up_inputs_pass() {
    let count =
        std::env::var("PURO_FUZZ_INPUTS").map_or(2_000, |text| text.parse().expect("a number"));
    for (name, target) in TARGETS {
        let mut rng = Rng::new(7);
        for number in 0..count {
            let input = made_up(&mut rng);
            println!("{name} {number}: {input:02x?}"); // shown if it fails
            target(&input);
        }
        println!("{name}: {count} inputs made up");
    }
}

fn made_up(rng: &mut Rng) -> Vec<u8> {
    let length = rng.below(200) as usize;
    // Small numbers are what lengths, kinds and flags are made of.
    (0..length).map(|_| if rng.one_in(2) { rng.below(4) } else { rng.below(256) } as u8).collect()
}
