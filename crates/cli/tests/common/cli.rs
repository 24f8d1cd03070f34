//! What the tests of the command line share: the built program, run in a directory of its own.

#![allow(dead_code)] // Each test takes what it needs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use puro::{ConsumerOptions, OwnedRecord};
use tempfile::TempDir;

/// Whatever takes longer than this, hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A directory to work in; the stream is `s` in it.
pub struct Place {
    scratch: TempDir,
}

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Stdout of a run that went well and had nothing to say beside it.
    #[track_caller]
    pub fn text(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        String::from_utf8(self.stdout).unwrap()
    }

    /// Demands an exit code, and that stderr says something.
    #[track_caller]
    pub fn fails(self, code: i32, says: &str) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(says), "{:?} does not say {says:?}", self.stderr);
        self
    }
}

impl Place {
    pub fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        env!("CARGO_BIN_EXE_puro").into()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(args).current_dir(self.scratch.path()).env("TMPDIR", self.scratch.path());
        command
    }

    /// Runs the program with nothing on stdin.
    pub fn puro(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs the program with these bytes in a pipe on stdin.
    pub fn puro_with(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
        let mut child = self.start(args);
        let mut pipe = child.stdin.take().unwrap();
        // It may end before it has read all.
        let _ = pipe.write_all(stdin.as_ref());
        drop(pipe);
        Ran::new(child.wait_with_output().unwrap())
    }

    /// Starts the program with all its streams in pipes.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The records of the stream `s` from the beginning, as soon as there are so many.
    #[track_caller]
    pub fn wait_for_records(&self, count: usize) -> Vec<OwnedRecord> {
        let options = ConsumerOptions::new().wait_for_stream(true);
        let mut consumer = options.open(self.path("s")).unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            let record = consumer.poll(LIMIT).unwrap().expect("no record came");
            records.push(record.to_owned());
        }
        records
    }

    /// The active segment of the stream `s` while it has only one.
    pub fn segment(&self) -> PathBuf {
        self.path("s").join("0000000000.puro")
    }
}

/// Sends a signal by name, such as `INT`, as Ctrl-C does.
pub fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
}

/// Appends bytes to a file.
pub fn append_to(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
