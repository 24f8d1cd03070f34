//! Processes of their own: this program once more, with a hidden command.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::load::Load;
use crate::{memory, stores, syscalls};

#[derive(clap::Subcommand)]
pub enum Role {
    /// Appends one record a call for some time.
    #[command(hide = true)]
    Append { store: String, dir: PathBuf, first: u64, millis: u64 },
    /// Follows a stream, and tells how late each record came.
    #[command(hide = true)]
    Follow { follower: String, dir: PathBuf, count: usize },
    /// Appends large blocks, and tells how much memory that took.
    #[command(hide = true)]
    AppendBlocks { dir: PathBuf, blocks: u64, records: u64, value_len: usize },
    /// Reads all of it, and tells how much memory that took.
    #[command(hide = true)]
    ReadBlocks { dir: PathBuf },
    /// Appends so many batches.
    #[command(hide = true)]
    AppendSome { store: String, dir: PathBuf, times: u64, batch: u64 },
    /// Reads so many records.
    #[command(hide = true)]
    ReadSome { store: String, dir: PathBuf, times: u64, batch: u64 },
    /// Does nothing, and tells how much memory that took.
    #[command(hide = true)]
    Idle,
}

/// What a child does. It says `ready`, waits for `go`, and then prints what came of it.
pub fn play(role: Role) -> Result<()> {
    match role {
        Role::Append { store, dir, first, millis } => append(&store, &dir, first, millis),
        Role::Follow { follower, dir, count } => crate::latency::follow(&follower, &dir, count),
        Role::AppendBlocks { dir, blocks, records, value_len } => {
            memory::append_blocks(&dir, blocks, records, value_len)
        }
        Role::ReadBlocks { dir } => memory::read_blocks(&dir),
        Role::AppendSome { store, dir, times, batch } => {
            syscalls::append_some(&store, &dir, times, batch)
        }
        Role::ReadSome { store, dir, times, batch } => {
            syscalls::read_some(&store, &dir, times, batch)
        }
        Role::Idle => memory::tell(),
    }
}

/// Tells the parent that it may go on; returns when that says so.
pub fn wait_for_go() -> Result<()> {
    println!("ready");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    ensure!(line == "go\n", "told {line:?}");
    Ok(())
}

/// Value bytes of what a child appends.
pub const VALUE_LEN: usize = 100;

fn append(name: &str, dir: &Path, first: u64, millis: u64) -> Result<()> {
    let stores = stores::between_processes();
    let store = stores.iter().find(|store| store.name() == name).context("no such store")?;
    let load = Load::new(VALUE_LEN);
    let mut appender = store.create(dir)?;
    wait_for_go()?;
    let (begun, long) = (Instant::now(), Duration::from_millis(millis));
    let mut count = 0;
    while begun.elapsed() < long {
        appender.append(&[load.record(first + count)])?;
        count += 1;
    }
    let micros = begun.elapsed().as_micros();
    appender.close()?;
    println!("{count} {micros}");
    Ok(())
}

/// A child, from the parent's side; killed when it is dropped.
pub struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("no input")?;
        let stdout = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, stdin, stdout })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub fn await_ready(&mut self) -> Result<()> {
        let line = self.line()?;
        ensure!(line == "ready", "a child said {line:?}");
        Ok(())
    }

    pub fn go(&mut self) -> Result<()> {
        Ok(self.stdin.write_all(b"go\n")?)
    }

    /// The numbers that it prints at the end.
    pub fn finish(mut self) -> Result<Vec<f64>> {
        let line = self.line()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a child ended with {status}");
        let numbers = line.split(' ').map(str::parse).collect::<Result<_, _>>();
        numbers.with_context(|| format!("a child said {line:?}"))
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or is of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
