//! The villain: does to a stream and its processes what people, scripts and machines do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use puro::{NewRecord, Producer, ProducerOptions};
use tempfile::TempDir;

use crate::cast::environment;
use crate::real::{Random, Reaped, again, scratch};

/// Who works, and how many of each.
const CAST: [(&str, u64); 4] = [("producer", 6), ("consumer", 4), ("named", 2), ("steward", 2)];
/// Time between two deeds.
const PACE: Duration = Duration::from_millis(40);
/// Whoever does not end within this does not end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was done, and so may have been told as an error.
#[derive(Debug, Default)]
pub struct Deeds {
    pub count: BTreeMap<&'static str, u64>,
    /// What went wrong meanwhile.
    pub faults: Vec<String>,
}

pub struct Villain {
    scratch: TempDir,
    random: Random,
    cast: Vec<Member>,
    deeds: Deeds,
    retention: bool,
    /// What is to be undone after so many deeds.
    open: Vec<(u64, Undo)>,
}

struct Member {
    role: &'static str,
    id: u64,
    life: u64,
    process: Reaped,
    stopped: bool,
}

enum Undo {
    Continue(usize),
    Back,
    RemoveLinks,
    EmptyDisk,
    Rights,
}

impl Villain {
    pub fn begin(seed: u64) -> Self {
        let scratch = scratch();
        let root = scratch.path();
        fs::create_dir(root.join("ledgers")).unwrap();
        let producer =
            ProducerOptions::new().segment_bytes(16 * 1024).open(root.join("s")).unwrap();
        fs::write(root.join("id"), producer.stream_id()).unwrap();
        let mut villain = Self {
            scratch,
            random: Random::from(seed),
            cast: Vec::new(),
            deeds: Deeds::default(),
            retention: false,
            open: Vec::new(),
        };
        drop(producer);
        villain.set("cleanup:k", "compact");
        for (role, count) in CAST {
            for id in 0..count {
                let process = villain.start(role, id, 0);
                villain.cast.push(Member { role, id, life: 0, process, stopped: false });
            }
        }
        villain
    }

    pub fn root(&self) -> &Path {
        self.scratch.path()
    }

    /// Where the stream is now.
    pub fn stream(&self) -> PathBuf {
        let away = self.root().join("away");
        if away.exists() { away } else { self.root().join("s") }
    }

    /// Undoes what is to be undone later.
    pub fn calm(&mut self) {
        std::mem::take(&mut self.open).into_iter().for_each(|(_, undo)| self.undo(undo));
    }

    /// From now on limits may be set by which records are deleted.
    pub fn retention(&mut self) {
        self.retention = true;
    }

    fn start(&mut self, role: &'static str, id: u64, life: u64) -> Reaped {
        let root = self.root().to_owned();
        let variables = environment(&root, role, id, life, &mut self.random);
        let mut command = again("cast::act", &variables);
        command.stdout(Stdio::null());
        Reaped(command.spawn().unwrap())
    }

    /// Does one thing after the other.
    pub fn rage(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.revive();
            self.undo_due();
            self.deed();
            std::thread::sleep(PACE);
        }
    }

    /// Whoever died lives again; who ended by himself should not have.
    fn revive(&mut self) {
        for index in 0..self.cast.len() {
            let Some(status) = self.cast[index].process.0.try_wait().unwrap() else { continue };
            let (role, id, life) =
                (self.cast[index].role, self.cast[index].id, self.cast[index].life + 1);
            if status.signal() != Some(9) {
                self.deeds.faults.push(format!("{role} {id} ended: {status}"));
            }
            let process = self.start(role, id, life);
            self.cast[index] = Member { role, id, life, process, stopped: false };
        }
    }

    fn undo_due(&mut self) {
        for (left, _) in &mut self.open {
            *left = left.saturating_sub(1);
        }
        let (due, open) = self.open.drain(..).partition(|(left, _)| *left == 0);
        self.open = open;
        let due: Vec<(u64, Undo)> = due;
        due.into_iter().for_each(|(_, undo)| self.undo(undo));
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Continue(index) => self.go_on(index),
            Undo::Back => self.back(),
            Undo::RemoveLinks => fs::remove_dir_all(self.root().join("linked")).unwrap(),
            Undo::EmptyDisk => fs::remove_file(self.root().join("full")).unwrap(),
            Undo::Rights => self.rights(0o755, 0o644),
        }
    }

    fn deed(&mut self) {
        let for_a_while = 2 + self.random.below(10);
        let (name, undo) = match self.random.below(24) {
            0..4 => self.kill(1),
            4 => self.kill(20),
            5..8 => self.stop(),
            8..12 => self.remove_lock(),
            12 => self.remove_owner_lock(),
            13..15 => self.rename(),
            15 => self.copy(),
            16 => self.link(),
            17..19 => self.fill(),
            19..22 => self.limit(),
            22 => self.take_rights(),
            _ => ("nothing", None),
        };
        *self.deeds.count.entry(name).or_default() += 1;
        self.open.extend(undo.map(|undo| (for_a_while, undo)));
    }

    fn kill(&mut self, count: u64) -> Deed {
        for _ in 0..count {
            let index = self.random.below(self.cast.len() as u64) as usize;
            let _ = self.cast[index].process.0.kill();
        }
        ("kill", None)
    }

    fn stop(&mut self) -> Deed {
        let index = self.random.below(self.cast.len() as u64) as usize;
        if self.cast[index].stopped {
            return ("nothing", None);
        }
        self.cast[index].stopped = true;
        signal(&self.cast[index].process, "STOP");
        ("stop", Some(Undo::Continue(index)))
    }

    fn go_on(&mut self, index: usize) {
        if self.cast[index].stopped {
            signal(&self.cast[index].process, "CONT");
            self.cast[index].stopped = false;
        }
    }

    /// Takes a lock, so that nobody is at work under it, and removes its file.
    fn remove_lock(&mut self) -> Deed {
        let name = if self.random.below(3) == 0 { "steward.lock" } else { "writer.lock" };
        let path = self.stream().join(name);
        let Ok(file) = File::options().read(true).write(true).open(&path) else {
            return ("nothing", None);
        };
        let named =
            || fs::metadata(&path).is_ok_and(|found| found.ino() == file.metadata().unwrap().ino());
        // Whoever is stopped holds it for long.
        let begun = Instant::now();
        while !try_lock(&file) {
            if begun.elapsed() > Duration::from_millis(500) {
                return ("nothing", None);
            }
            std::thread::yield_now();
        }
        if !named() {
            return ("nothing", None);
        }
        fs::remove_file(&path).unwrap();
        ("remove lock", None)
    }

    fn remove_owner_lock(&mut self) -> Deed {
        let _ = fs::remove_file(self.stream().join("consumers/named-0.lock"));
        ("remove a consumer's lock", None)
    }

    /// The directory goes away for a while, and sometimes another stream stands in its place.
    fn rename(&mut self) -> Deed {
        let (here, away) = (self.root().join("s"), self.root().join("away"));
        if away.exists() {
            return ("nothing", None);
        }
        fs::rename(&here, &away).unwrap();
        if self.random.below(2) == 0 {
            let mut other = Producer::open(&here).unwrap();
            other.append(&NewRecord::new("a", "of-another-stream")).unwrap();
        }
        ("rename", Some(Undo::Back))
    }

    fn back(&mut self) {
        let (here, away) = (self.root().join("s"), self.root().join("away"));
        // Whoever opened the other one meanwhile may be about to make a file in it.
        while here.exists() {
            let _ = fs::remove_dir_all(&here);
        }
        fs::rename(&away, &here).unwrap();
    }

    fn copy(&mut self) -> Deed {
        let copy = self.root().join("copy");
        run("cp", &["-a".as_ref(), self.stream().as_os_str(), copy.as_os_str()]);
        let _ = fs::remove_dir_all(copy);
        ("copy", None)
    }

    /// One file under two names: nobody may write under either.
    fn link(&mut self) -> Deed {
        let linked = self.root().join("linked");
        if linked.exists() {
            return ("nothing", None);
        }
        if !run("cp", &["-al".as_ref(), self.stream().as_os_str(), linked.as_os_str()]) {
            let _ = fs::remove_dir_all(linked);
            return ("nothing", None); // a segment went meanwhile
        }
        let _ = fs::remove_file(linked.join("writer.lock"));
        let wrote = Producer::open(&linked)
            .map(|mut it| it.append(&NewRecord::new("a", "by-another-name")));
        if let Ok(Ok(appended)) = wrote {
            self.deeds.faults.push(format!("a copy by hard links was written: {appended:?}"));
        }
        ("link", Some(Undo::RemoveLinks))
    }

    fn fill(&mut self) -> Deed {
        let full = self.root().join("full");
        if full.exists() {
            return ("nothing", None);
        }
        fs::write(full, "").unwrap();
        ("fill", Some(Undo::EmptyDisk))
    }

    fn limit(&mut self) -> Deed {
        const LIMITS: [(&str, [&str; 3]); 4] = [
            ("segment_bytes", ["4096", "16384", "65536"]),
            ("roll_ms", ["0", "200", "3600000"]),
            ("retention_bytes", ["0", "100000", "1000000"]),
            ("retention_ms", ["0", "86400000", "86400000"]),
        ];
        let allowed = if self.retention { LIMITS.len() } else { 2 };
        let (name, values) = LIMITS[self.random.below(allowed as u64) as usize];
        let value = values[self.random.below(3) as usize];
        self.set(name, value);
        ("limit", None)
    }

    /// As a user does, and as a user is told that it cannot be now.
    fn set(&mut self, name: &str, value: &str) {
        let stream = self.stream();
        let args =
            ["config".as_ref(), stream.as_os_str(), "set".as_ref(), name.as_ref(), value.as_ref()];
        run(env!("CARGO_BIN_EXE_puro"), &args);
    }

    /// Means nothing to root.
    fn take_rights(&mut self) -> Deed {
        self.rights(0o555, 0o444);
        ("take rights", Some(Undo::Rights))
    }

    fn rights(&self, of_directory: u32, of_files: u32) {
        let stream = self.stream();
        for entry in fs::read_dir(&stream).unwrap().flatten() {
            if entry.path().is_file() {
                let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(of_files));
            }
        }
        fs::set_permissions(&stream, fs::Permissions::from_mode(of_directory)).unwrap();
    }

    /// Undoes everything, lets all come to their end, and tells what was done.
    pub fn end(&mut self) -> Deeds {
        self.calm();
        self.set("retention_bytes", "0");
        self.set("retention_ms", "0");
        fs::write(self.root().join("stop"), "").unwrap();
        self.wait_for(&["producer", "steward"]);
        let repaired =
            run(env!("CARGO_BIN_EXE_puro"), &["repair".as_ref(), self.stream().as_os_str()]);
        if !repaired {
            self.deeds.faults.push("repair failed".to_owned());
        }
        // Only now is what consumers find at the end the end.
        fs::write(self.root().join("end"), "").unwrap();
        self.wait_for(&["consumer", "named"]);
        std::mem::take(&mut self.deeds)
    }

    /// Whoever was to end has ended; who dies on the way lives again.
    fn wait_for(&mut self, roles: &[&str]) {
        let begun = Instant::now();
        let mut waiting: Vec<usize> =
            (0..self.cast.len()).filter(|index| roles.contains(&self.cast[*index].role)).collect();
        while let Some(index) = waiting.pop() {
            let member = &mut self.cast[index];
            let (role, id, life) = (member.role, member.id, member.life + 1);
            match member.process.0.try_wait().unwrap() {
                Some(status) if status.success() => continue,
                Some(status) => {
                    if status.signal() != Some(9) {
                        self.deeds.faults.push(format!("{role} {id} ended: {status}"));
                    }
                    let process = self.start(role, id, life);
                    self.cast[index] = Member { role, id, life, process, stopped: false };
                }
                None if begun.elapsed() > PATIENCE => {
                    self.deeds.faults.push(format!("{role} {id} does not end"));
                    continue;
                }
                None => {}
            }
            waiting.insert(0, index);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What was done, and what is to be undone later.
type Deed = (&'static str, Option<Undo>);

fn signal(process: &Reaped, name: &str) {
    let pid = process.0.id().to_string();
    let mut kill = Command::new("kill");
    let _ = kill.args([&format!("-{name}"), &pid]).stderr(Stdio::null()).status();
}

fn run(program: &str, args: &[&std::ffi::OsStr]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// The lock that Puro takes (L-1).
fn try_lock(file: &File) -> bool {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole)).is_ok()
}
