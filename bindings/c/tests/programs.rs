//! Programs in C99: built by gcc against puro.h, and run by themselves, under its address sanitizer,
//! and under valgrind.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo has put the libraries that belong to this test: beside it.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn run(command: &mut Command) -> String {
    // Cargo's would come first, with the library of some build before.
    let output = command
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{err}", output.status);
    String::from_utf8_lossy(out).into_owned()
}

/// Builds a program, against the shared library or into one with the static one.
fn build(source: &str, to: &Path, with: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = to.join("program");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-O1"])
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join(source))
        .arg("-o")
        .arg(&program)
        .args(with)
        .args(["-lpthread", "-lm", "-ldl", "-lrt"]);
    run(&mut gcc);
    program
}

fn shared(source: &str, to: &Path) -> Command {
    let libraries = libraries();
    let libraries = libraries.to_str().unwrap();
    let path = format!("-Wl,-rpath,{libraries}");
    Command::new(build(source, to, &["-L", libraries, "-lpuro_c", &path]))
}

#[test]
fn the_example_prints_what_it_appended() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("events");
    let printed = run(shared("examples/first.c", scratch.path()).arg(dir));
    assert_eq!(printed, "0 orders 3 apples\n1 orders 3 apples\n2 audit apples reserved\n");
}

#[test]
fn the_checks_hold_under_the_address_sanitizer() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("events");
    let library = libraries().join("libpuro_c.a");
    let with = [library.to_str().unwrap(), "-fsanitize=address,undefined", "-fno-sanitize-recover"];
    let program = build("tests/checks.c", scratch.path(), &with);
    // A child that ends by _exit has no leaks to tell of.
    assert_eq!(run(Command::new(program).arg(dir)), "all as it should be\n");
}

#[test]
fn the_checks_hold_under_valgrind() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("events");
    let program = shared("tests/checks.c", scratch.path());
    if Command::new("valgrind").arg("--version").output().is_err() {
        assert!(std::env::var_os("PURO_NO_SKIPS").is_none(), "valgrind is missing");
        eprintln!("skipped: valgrind is missing");
        return;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--fair-sched=yes"])
        .args(["--errors-for-leak-kinds=definite,indirect"])
        .arg(program.get_program())
        .arg(dir);
    assert_eq!(run(&mut valgrind), "all as it should be\n");
}
