//! `puro serve`: another program, beside this one or in PATH.

use std::path::Path;
use std::process::Command;

use crate::cli::{Place, Ran};

/// Somebody has the program `puro` alone and wants to serve a stream; he is told what is missing. Then
/// he puts the other one beside it, and it is run with all that he says.
#[test]
fn what_serves_is_run_or_named() {
    let place = Place::new();
    let (own, other) = (place.path("puro"), place.path("puro-serve"));
    // Programs are written by other processes: what another test forks meanwhile would keep a file that this
    // one writes open, and it could not be run.
    let sh = |script: &str, from: &Path, to: &Path| {
        let done = Command::new("sh").args(["-c", script]).arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    sh(r#"cp "$0" "$1""#, Path::new(env!("CARGO_BIN_EXE_puro")), &own);
    let run = || {
        let mut command = Command::new(&own);
        command
            .args(["serve", "DIR", "--listen", "127.0.0.1:1"])
            .env("PATH", place.path("nothing"));
        Ran::new(command.output().unwrap())
    };
    run().fails(64, "puro-serve is not installed");
    sh(r#"printf '#!/bin/sh\necho "$@"\n' >"$1" && chmod +x "$1""#, &own, &other);
    assert_eq!(run().text(), "DIR --listen 127.0.0.1:1\n");
}
