//! `puro serve`: another program, beside this one or in PATH.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::cli::{Place, Ran};

/// Somebody has the program `puro` alone and wants to serve a stream; he is told what is missing. Then
/// he puts the other one beside it, and it is run with all that he says.
#[test]
fn what_serves_is_run_or_named() {
    let place = Place::new();
    let (own, other) = (place.path("puro"), place.path("puro-serve"));
    std::fs::copy(env!("CARGO_BIN_EXE_puro"), &own).unwrap();
    let run = || {
        let mut command = Command::new(&own);
        command
            .args(["serve", "DIR", "--listen", "127.0.0.1:1"])
            .env("PATH", place.path("nothing"));
        Ran::new(command.output().unwrap())
    };
    run().fails(64, "puro-serve is not installed");
    std::fs::write(&other, "#!/bin/sh\necho \"$@\"\n").unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(run().text(), "DIR --listen 127.0.0.1:1\n");
}
