//! The inputs that the fuzzers keep, run as ordinary tests; and, so that the functions
//! are exercised where nobody fuzzes, inputs made up from a seed.
//!
//! `PURO_FUZZ_INPUTS` sets how many of those each function gets (2,000 if not set).

use std::path::Path;

use puro_model::fuzz;
use puro_model::generate::Rng;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 3] =
    [("decode", fuzz::decode), ("recover", fuzz::recover), ("operations", fuzz::operations)];

#[test]
fn kept_inputs_pass() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let entries =
            std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{error}: {corpus:?}"));
        let mut inputs = 0;
        for entry in entries {
            let path = entry.expect("a readable directory").path();
            let input = std::fs::read(&path).expect("a readable file");
            println!("{}", path.display()); // shown if it fails
            target(&input);
            inputs += 1;
        }
        assert!(inputs > 0, "no inputs for {name}");
        println!("{name}: {inputs} kept inputs");
    }
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
