//! The vectors in `spec/vectors/kit/` are what the generator makes, byte for byte; and they are
//! what their page says of them. To write them anew after a change that is meant:
//! `cargo run -p puro-kit -- vectors --write`, then look at the difference.

use std::collections::BTreeSet;

use puro_kit::vectors::{self, make};

#[test]
fn vectors_are_those_that_are_kept_byte_for_byte() {
    let mut kept = BTreeSet::new();
    for (name, made) in make::all() {
        let path = vectors::folder().join(format!("{name}.jsonl"));
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (made, kept)) in made.lines().zip(file.lines()).enumerate() {
            assert_eq!(made, kept, "{name}.jsonl, line {}", number + 1);
        }
        assert_eq!(made.len(), file.len(), "{name}.jsonl");
        kept.insert(path);
    }
    let found = std::fs::read_dir(vectors::folder()).unwrap();
    let found: BTreeSet<_> = found.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found, kept, "a file that nothing makes");
}

/// There are enough of them, enough are negative, and they are not too large for a repository.
#[test]
fn vectors_are_many_and_often_negative_and_small() {
    let vectors = vectors::read(&vectors::folder()).unwrap();
    let negative = vectors.cases.iter().filter(|case| case.breaks.is_some()).count();
    assert!(vectors.cases.len() >= 2000, "{}", vectors.cases.len());
    assert!(negative * 10 >= vectors.cases.len() * 4, "{negative} of {}", vectors.cases.len());
    let ids: BTreeSet<_> = vectors.cases.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), vectors.cases.len(), "an id stands twice");
    let files = std::fs::read_dir(vectors::folder()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 6 << 20, "{bytes} bytes");
}
