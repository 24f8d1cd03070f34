//! A directory for a test, the program, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A place in which a test runs the program.
pub struct Place {
    dir: TempDir,
}

/// What the program said.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A script for `sh`, which can be run.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        let done = Command::new("chmod").arg("+x").arg(&path).status().unwrap();
        assert!(done.success());
        path.to_str().unwrap().to_owned()
    }

    /// A script for Python.
    pub fn python(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the program.
    pub fn crash(&self, words: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_puro-crash"))
            .args(words)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        Said::new(output)
    }

    /// Runs `puro-crash run` on a command in a new directory.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Said {
        let _ = fs::remove_dir_all(self.path("dir"));
        let words = [&["run", "-q", "--dir", "dir"], options, &["--"], command].concat();
        self.crash(&words)
    }
}

impl Said {
    pub fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The code, or all that was said. 77 is never a success: where programs cannot be watched,
    /// these tests fail and say so.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let Self { code: found, stdout, stderr } = &self;
        assert_eq!(*found, code, "\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    /// The last line: `N states, N failed`.
    pub fn numbers(&self) -> (u64, u64) {
        let last = self.stdout.lines().last().unwrap_or_default();
        let words: Vec<&str> = last.split(' ').collect();
        match words.as_slice() {
            [states, "states,", failed, "failed"] => {
                (states.parse().unwrap(), failed.parse().unwrap())
            }
            _ => panic!("no numbers in the last line: {last:?}"),
        }
    }
}

/// The Python that `python3` means; a shim that looks for it costs more than a check.
pub fn python() -> String {
    let print = "import sys; print(sys.executable)";
    let output = Command::new("python3").args(["-c", print]).output();
    let output = output.expect("these tests need python3");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where two directories differ; empty if they do not.
pub fn difference(one: &Path, other: &Path) -> String {
    let output = Command::new("diff").arg("-r").args([one, other]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
