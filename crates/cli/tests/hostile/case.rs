//! Cases, and how each is tried against every command.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::commands::{COMMANDS, Command, letter, letters};
use crate::place::{Place, Snapshot};
use crate::run::{Limits, run};

/// A hostile stream, and what is expected of each command.
pub struct Case {
    pub name: String,
    make: Box<dyn Fn(&Place) + Send + Sync>,
    row: &'static str,
    limits: Limits,
    prints: Option<&'static str>,
}

impl Case {
    /// The row says, command by command, `.` for *tolerated*, else the exit code by which it is
    /// refused: see [`letter`].
    pub fn new(
        name: impl Into<String>,
        row: &'static str,
        make: impl Fn(&Place) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            make: Box::new(make),
            row,
            limits: Limits::default(),
            prints: None,
        }
    }

    /// The same, where more memory is a right.
    pub fn most_mib(mut self, mib: u64) -> Self {
        self.limits.bytes = mib << 20;
        self
    }

    /// The same, where more time is.
    pub fn most_seconds(mut self, seconds: u64) -> Self {
        self.limits.time = Duration::from_secs(seconds);
        self
    }

    /// And what `consume` prints, no less and no more.
    pub fn prints(self, text: &'static str) -> Self {
        Self { prints: Some(text), ..self }
    }

    fn place(&self) -> (Place, Snapshot) {
        let place = Place::new();
        (self.make)(&place);
        let outside = place.outside();
        (place, outside)
    }

    /// Tries all commands; tells what was not as it should be.
    fn try_all(&self) -> Vec<String> {
        let (shared, outside) = self.place();
        let stream = shared.stream();
        let expected = letters(self.row);
        // What is appended behind damage is out of reach for who reads on from there.
        let is_readable =
            COMMANDS.iter().zip(&expected).all(|(c, e)| c.name != "last" || *e == '.' || *e == '1');
        let (mut faults, mut codes, mut as_expected) = (Vec::new(), String::new(), true);
        for (command, expected) in COMMANDS.iter().zip(expected) {
            let own = (!command.only_reads).then(|| self.place());
            let (place, outside) = own.as_ref().map_or((&shared, &outside), |(p, o)| (p, o));
            let ran = command.run(place, self.limits);
            codes.push(letter(ran.code));
            let mut wrong = ran.misdeeds;
            as_expected &= letter(ran.code) == expected;
            if letter(ran.code) != expected && filter().is_some() {
                wrong.push(format!("exit {}, not `{expected}`: {}", ran.code, ran.stderr.trim()));
            }
            wrong.extend(difference("outside", outside, &place.outside()));
            if command.only_reads {
                wrong.extend(difference("the stream", &stream, &place.stream()));
            }
            if self
                .prints
                .is_some_and(|text| command.name == "consume" && ran.stdout != text.as_bytes())
            {
                wrong.push(format!("prints {:?}", String::from_utf8_lossy(&ran.stdout)));
            }
            if ran.code == 0 && is_readable {
                wrong.extend(broken_promise(command, place));
            }
            faults.extend(wrong.into_iter().map(|what| format!("  {}: {what}", command.name)));
        }
        if !faults.is_empty() || !as_expected {
            faults
                .insert(0, format!("{}\n  is  {}\n  not {}", self.name, spaced(&codes), self.row));
        }
        faults
    }
}

/// The letters in the groups of the tables.
fn spaced(codes: &str) -> String {
    let groups = [0..8, 8..13, 13..19, 19..22];
    groups.map(|group| &codes[group]).join(" ")
}

fn difference(what: &str, before: &Snapshot, after: &Snapshot) -> Option<String> {
    let names =
        before.keys().chain(after.keys()).find(|name| before.get(*name) != after.get(*name));
    names.map(|name| {
        let (before, after) = (before.get(name), after.get(name));
        format!("{what} was changed: {name:?} was {before:?}, is {after:?}")
    })
}

/// Who was told that a record was appended finds it; a copy that was made is a stream.
fn broken_promise(command: &Command, place: &Place) -> Option<String> {
    let ask = |args: &[&str], says: &str| {
        let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        let ran = run(place, &args, b"", Limits::NONE);
        let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
        let fine = ran.code == 0 && stdout.contains(says);
        (!fine)
            .then(|| format!("and then {}, exit {}: {}{stdout}", args.len(), ran.code, ran.stderr))
    };
    match command.name {
        "produce" | "import" => ask(&["consume", "s", "-e", "--from", "-1"], "it came through"),
        "backup" | "restore" => ask(&["verify", "out"], ""),
        "salvage" => ask(&["verify", "--deep", "out"], ""),
        _ => None,
    }
}

/// Only cases with this in their names; and then all is told of them.
fn filter() -> Option<String> {
    std::env::var("PURO_HOSTILE").ok()
}

/// Tries all cases, some at once; fails with all that was not as it should be.
#[track_caller]
pub fn try_cases(cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let filter = filter().unwrap_or_default();
    // Some of them wait, so more than there are processors.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if case.name.contains(&filter) {
                        let found = case.try_all();
                        faults.lock().unwrap().extend(found);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "of {} cases:\n{}", cases.len(), faults.join("\n"));
}
