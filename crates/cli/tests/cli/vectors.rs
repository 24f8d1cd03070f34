//! What `puro inspect` says of the golden streams of `spec/vectors/`, for authors of ports to compare.

use std::path::{Path, PathBuf};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

fn inspect(dir: &Path) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_puro"));
    let output = command.args(["inspect", "--records", "--json"]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// With `PURO_WRITE_VECTORS` it is written; the streams themselves are made by the library's tests.
#[test]
fn inspect_says_of_the_golden_streams_what_stands_beside_them() {
    let write = std::env::var_os("PURO_WRITE_VECTORS").is_some();
    let entries = std::fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut compared = 0;
    // `kit` holds no stream, but what `puro-kit` asks of ports.
    for dir in entries.filter(|path| path.is_dir() && !path.ends_with("kit")) {
        let beside = dir.with_extension("jsonl");
        let said = inspect(&dir);
        if write {
            std::fs::write(&beside, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap();
        for (said, expected) in said.lines().zip(expected.lines()) {
            let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
            assert_eq!(parse(said), parse(expected), "{}", dir.display());
        }
        assert_eq!(said, expected, "{}", dir.display());
        compared += 1;
    }
    assert!(compared > 0);
}
