//! The recorder for machines on which ours does not work: strace does the watching.
//!
//! It is slower, follows calls in the order in which they were completed but lets them overlap,
//! and knows less. So what was written down is compared with what is there; where they differ, it
//! is not measured.

mod parse;
mod replay;
mod table;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::proc::Identity;
use super::tree::Tree;
use super::watch::Watch;
use super::{Order, Seen, drain};
use crate::alarm::Alarm;
use crate::error::{At, CrashError, Result};
use crate::model::content::Content;
use crate::model::disk::Disk;
use crate::trace::{Kind, TraceWriter};
use parse::Parser;
use replay::Replay;

/// What strace is to tell: what changes files, what makes that durable, and what is needed to know
/// positions and paths. A question mark: where the architecture does not have it.
const CALLS: &str = "?open,openat,?openat2,?creat,?dup,?dup2,dup3,fcntl,lseek,read,readv,write,writev,\
    pwrite64,pwritev,?pwritev2,?rename,?renameat,renameat2,?link,linkat,?symlink,symlinkat,?unlink,\
    unlinkat,?rmdir,?mkdir,mkdirat,?mknod,mknodat,truncate,ftruncate,fallocate,fsync,fdatasync,sync,\
    syncfs,mmap,sendfile,copy_file_range,splice,io_uring_setup,io_submit,clone,?clone3,?fork,?vfork,\
    chdir,fchdir";

/// Longest text that strace shows: no write of a program is longer.
const LONGEST: &str = "33554432";

/// Runs a program under strace.
pub fn record(order: &Order<'_>) -> Result<Seen> {
    if order.injection.is_some() {
        return Err(CrashError::CannotRecord {
            why: "strace answers no call in the system's place for us".to_owned(),
            instead: "Faults need the recorder `ptrace`",
        });
    }
    let dir = fs::canonicalize(order.dir).at("find", order.dir)?;
    let mut trace = TraceWriter::create(order.trace)?;
    let (tree, base) = Tree::survey(&dir, &mut trace)?;
    let files = base.iter().filter(|base| base.kind == Kind::File);
    let contents = files.map(|base| {
        let path = dir.join(tree.path(base.node));
        Ok((base.node, Content::new(&fs::read(&path).at("read", &path)?)))
    });
    let contents = contents.collect::<Result<HashMap<_, _>>>()?;
    let log = tempfile::NamedTempFile::new().at("make a file in", &std::env::temp_dir())?;
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-y",
        "-xx",
        "-a1",
        "--seccomp-bpf",
        "-e",
        "signal=none",
        "-s",
        LONGEST,
    ]);
    command.args(["-e", &format!("trace={CALLS}"), "-o"]).arg(log.path()).arg("--");
    command.args(order.command).current_dir(&dir);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| {
            CrashError::CannotRecord {
                why: format!("strace cannot be run: {error}"),
                instead: "Install it, or use a machine of x86-64, for which there is a recorder",
            }
        })?;
    let Some(stdout) = child.stdout.take() else { return Err(no_pipe()) };
    let pipe = File::from(stdout.as_fd().try_clone_to_owned().at("keep", order.dir)?);
    let identity = Identity::from(&pipe.metadata().at("look at", order.dir)?);
    drop(pipe);
    let mut watch = Watch::new(tree, identity, order.ignored, trace);
    let alarm = Alarm::set(child.id() as i32, order.timeout);
    drain(stdout, order.echo);
    let status = child.wait().at("wait for", Path::new("strace"))?;
    if alarm.rang() {
        watch.unmeasured.insert("what it would have done later (--timeout)".to_owned());
    }
    if log.as_file().metadata().at("look at", log.path())?.len() == 0 {
        return Err(CrashError::CannotRecord {
            why: "strace could not watch it either".to_owned(),
            instead: "See what strace says",
        });
    }
    let mut replay = Replay::new(&mut watch, &dir, contents);
    let mut parser = Parser::default();
    for line in BufReader::new(log.reopen().at("open", log.path())?).lines() {
        if let Some(line) = parser.line(&line.at("read", log.path())?) {
            replay.play(&line)?;
        }
    }
    let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
    Ok(Seen { watch, base, status: code, followed: Vec::new() })
}

fn no_pipe() -> CrashError {
    CrashError::Usage("standard output of strace is no pipe".to_owned())
}

/// The first path at which a directory is not what was written down of it.
pub fn difference(disk: &Disk, dir: &Path) -> Result<Option<String>> {
    let paths = disk.paths();
    for (name, node) in &paths {
        let path = dir.join(name);
        let Ok(meta) = fs::symlink_metadata(&path) else { return Ok(Some(name.clone())) };
        if meta.is_file() {
            let bytes = fs::read(&path).at("read", &path)?;
            if disk.content(*node).hash() != Content::new(&bytes).hash() {
                return Ok(Some(name.clone()));
            }
        }
    }
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(&at).at("list", &at)? {
            let path = entry.at("list", &at)?.path();
            let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
            if !paths.iter().any(|(other, _)| *other == name) {
                return Ok(Some(name));
            }
            if path.symlink_metadata().at("look at", &path)?.is_dir() {
                dirs.push(path);
            }
        }
    }
    Ok(None)
}
