//! A maintained stream of real processes on real files, of which one at a time is let go, by a
//! seed: producers, stewards, and one consumer after another.
//!
//! Each process asks for its turn before each call of the seam, by a line to its standard output,
//! and goes on when it has read one from its standard input. Between two calls only one process
//! runs, so the order of its lines among those of the others is the order of the events, also of
//! what happens under no lock; and a lock is never waited for, only tried.
//!
//! A process that is to die makes its next call, of a write perhaps only a part, says so, and is
//! killed before it can do anything else.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;
use puro::internals::trace::Action;
use puro::internals::vfs::LockWait;
use puro::{Batch, ConsumerOptions, NewRecord, ReadError, StewardOptions};

use super::processes::{event_of, line, other};
use super::{ASKS, Begun, Event, Log, asks_for_steward, contents};
use crate::generate::{Rng, SEGMENT_BYTES};
use crate::history::options;

/// Records with values of so many bytes: two fill a segment.
const VALUE_BYTES: usize = 1780;
/// Delete markers go when they are older.
const GRACE_MS: u64 = 1000;
/// Where the clock of all processes begins.
const BEGINNING_MS: u64 = 1_700_000_000_000;

/// Who and how long.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Producers at a time.
    pub producers: u32,
    /// Stewards at a time.
    pub stewards: u32,
    /// How many processes follow one another in the place of one.
    pub lives: u32,
    /// Records of a producer.
    pub records: u32,
    /// Passes of a steward.
    pub passes: u32,
    /// How often a consumer looks for a record.
    pub looks: u32,
    /// Whether a segment that is held is deleted all the same.
    pub forced: bool,
    /// A process dies in one of so many calls; none does for 0.
    pub deaths: u64,
}

/// The side of a process: what it says, and what it is answered.
struct Voice {
    process: u32,
    inside: Mutex<Inside>,
}

struct Inside {
    begun: Begun,
    now_ms: u64,
}

impl Voice {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: &str) {
        let said = io::stdout().write_all(line.as_bytes()).and_then(|()| io::stdout().flush());
        said.expect("who lets processes go is there");
    }

    /// Waits for its turn; tells with how many bytes of the next call it is to die.
    fn ask(&self, call: &Call<'_>) -> Option<usize> {
        if asks_for_steward(call) {
            self.note(&Action::named(ASKS));
        }
        self.say("turn\n");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).expect("who lets processes go is there");
        let words: Vec<u64> =
            answer.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let mut inside = self.inside();
        inside.begun.call(call.operation, words[0]);
        inside.now_ms = words[1];
        words.get(2).map(|bytes| *bytes as usize)
    }

    fn note(&self, action: &Action<'_>) {
        let begun = self.inside().begun;
        self.say(&line(self.process, begun.of(action.name), action));
    }
}

/// The same, as a hook.
struct Listener(Arc<Voice>);

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Answer {
        let Some(bytes) = self.0.ask(call) else { return Answer::Proceed };
        let voice = Arc::clone(&self.0);
        Answer::Then(
            bytes,
            Box::new(move || {
                voice.say("gone\n");
                loop {
                    std::thread::park();
                }
            }),
        )
    }

    fn now_ms(&self, _real: u64) -> u64 {
        self.0.inside().now_ms
    }

    fn trace(&self, action: &Action<'_>) {
        self.0.note(action);
    }
}

/// The life of one process: `ROLE DIR PROCESS COUNT SEED`.
///
/// # Errors
/// What went wrong.
pub fn work(args: &[String]) -> io::Result<()> {
    let [role, dir, process, count, seed] = args else { return Err(other("five arguments")) };
    let inside = Mutex::new(Inside { begun: Begun::default(), now_ms: BEGINNING_MS });
    let voice = Arc::new(Voice { process: process.parse().map_err(other)?, inside });
    let life = Life {
        vfs: Interpose::new(OsVfs::new(), Listener(Arc::clone(&voice))),
        voice,
        dir: dir.into(),
        count: count.parse().map_err(other)?,
        rng: Rng::new(seed.parse().map_err(other)?),
    };
    match role.as_str() {
        "producer" => life.append_all(),
        "steward" => life.maintain(),
        _ => life.consume(),
    }
    Ok(())
}

/// What a process does; that a lock is taken stops none.
struct Life {
    vfs: Interpose<OsVfs>,
    voice: Arc<Voice>,
    dir: PathBuf,
    count: u32,
    rng: Rng,
}

impl Life {
    fn note(&self, name: &'static str, value: u64, label: &str) {
        self.voice.note(&Action::named(name).value(value).label(label));
    }

    fn append_all(mut self) {
        let options = options(SEGMENT_BYTES).create(false);
        let open = || options.open_in(self.vfs.clone(), &self.dir).ok();
        let Some(mut producer) = (0..self.count).find_map(|_| open()) else { return };
        for _ in 0..self.count {
            let (key, marker) = ([1 + self.rng.below(2) as u8], self.rng.one_in(3));
            let value = vec![key[0]; VALUE_BYTES];
            let record = match marker {
                true => NewRecord::delete_marker("kept", &key),
                false => NewRecord::new("kept", &value).key(&key),
            };
            let mut batch = Batch::new();
            batch.push(&record).expect("a small record");
            producer.set_durable(self.rng.one_in(2));
            self.note("Appends", key[0].into(), if marker { "marker" } else { "value" });
            let _ = producer.append_batch(&mut batch);
        }
    }

    fn maintain(mut self) {
        let options = StewardOptions::new().roll(self.rng.one_in(3)).lock_wait(LockWait::Try);
        let Ok(mut steward) = options.open_in(self.vfs, &self.dir) else { return };
        for _ in 0..self.count {
            let _ = steward.run_once();
        }
    }

    fn consume(self) {
        let options = ConsumerOptions::new().lock_wait(LockWait::Try);
        let mut consumer = match options.open_in(self.vfs.clone(), &self.dir) {
            Ok(consumer) => consumer,
            Err(ReadError::OffsetOutOfRange { .. }) => {
                self.note("Seek", 0, "told");
                return self.note("Ends", 0, "");
            }
            Err(_) => return,
        };
        for _ in 0..self.count {
            match consumer.try_next().map(|record| record.map(|record| record.offset)) {
                Ok(Some(offset)) => self.note("Read", offset + 1, ""),
                Err(ReadError::OffsetOutOfRange { .. }) => break,
                Ok(None) | Err(_) => {}
            }
        }
        self.note("Ends", 0, "");
    }
}

/// A process, stopped before a call.
struct Worker {
    process: u32,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Where a process stopped.
enum Stopped {
    BeforeACall,
    InTheCallInWhichItDies,
    AtItsEnd,
}

/// One process after another in one role.
struct Place {
    role: &'static str,
    /// How often each does what it does.
    count: u32,
    /// How many are still to come.
    left: u32,
    worker: Option<Worker>,
}

/// Who lets processes go.
struct Arbiter<'a> {
    command: &'a dyn Fn() -> Command,
    dir: PathBuf,
    deaths: u64,
    rng: Rng,
    log: Log,
    now_ms: u64,
    processes: u32,
}

/// Plays a cast; which call follows which is determined by the seed. `command` begins one that
/// calls [`work`] with the arguments added to it.
///
/// # Errors
/// What went wrong.
pub fn play(
    command: &dyn Fn() -> Command,
    scratch: &Path,
    cast: &Cast,
    seed: u64,
) -> io::Result<Vec<Event>> {
    let mut arbiter = Arbiter {
        command,
        dir: scratch.join("stream"),
        deaths: cast.deaths,
        rng: Rng::new(seed),
        log: Log::default(),
        now_ms: BEGINNING_MS,
        processes: 0,
    };
    set_up(&arbiter.dir, cast)?;
    let place = |role, count| Place { role, count, left: cast.lives, worker: None };
    let mut places = vec![place("consumer", cast.looks)];
    places.extend((0..cast.producers).map(|_| place("producer", cast.records)));
    places.extend((0..cast.stewards).map(|_| place("steward", cast.passes)));
    while !places.is_empty() {
        let next = arbiter.rng.below(places.len() as u64) as usize;
        while arbiter.goes_on(&mut places[next])? && !arbiter.rng.one_in(3) {}
        places.retain(|place| place.left > 0 || place.worker.is_some());
    }
    Ok(arbiter.log.events())
}

fn set_up(dir: &Path, cast: &Cast) -> io::Result<()> {
    let mut producer = options(SEGMENT_BYTES).open(dir).map_err(other)?;
    let mut set = |name, value: &str| {
        producer.set(&format!("{name}={value}").parse().unwrap()).map_err(other)
    };
    set("cleanup:kept", "compact,delete")?;
    set("marker_grace_ms", &GRACE_MS.to_string())?;
    set("retention_bytes", "9000")?;
    if cast.forced {
        set("pin_grace_ms", "0")?;
    }
    Ok(())
}

impl Arbiter<'_> {
    /// Lets the process in this place make a call, or begins the next one; `false` where there
    /// is none any more.
    fn goes_on(&mut self, place: &mut Place) -> io::Result<bool> {
        let Some(worker) = &mut place.worker else {
            if place.left > 0 {
                place.left -= 1;
                let mut worker = self.begin(place.role, place.count)?;
                let stopped = self.listen(&mut worker)?;
                place.worker = self.remains(worker, stopped)?;
            }
            return Ok(place.worker.is_some());
        };
        if self.rng.one_in(30) {
            self.now_ms += GRACE_MS + 1;
        }
        let dies = self.deaths > 0 && self.rng.one_in(self.deaths);
        let bytes = [" 0", " 1", " 64", " 128"][self.rng.below(4) as usize];
        let bytes = if dies { bytes } else { "" };
        writeln!(worker.to, "{} {}{bytes}", self.log.tick(), self.now_ms)?;
        let stopped = self.listen(worker)?;
        if let Some(worker) = place.worker.take() {
            place.worker = self.remains(worker, stopped)?;
        }
        Ok(place.worker.is_some())
    }

    fn begin(&mut self, role: &str, count: u32) -> io::Result<Worker> {
        self.processes += 1;
        let process = self.processes;
        let mut event = Event::of_the_world(process, "Begins");
        event.label = role.to_owned();
        self.log.note(event);
        let mut command = (self.command)();
        command.arg(role).arg(&self.dir);
        command
            .args([u64::from(process), count.into(), self.rng.next_u64()].map(|n| n.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| other("a process without pipes"))?;
        Ok(Worker { process, child, to, from: BufReader::new(from) })
    }

    /// Writes down what a process says until it stops.
    fn listen(&self, worker: &mut Worker) -> io::Result<Stopped> {
        loop {
            let mut line = String::new();
            worker.from.read_line(&mut line)?;
            match line.trim_end() {
                "" => return Ok(Stopped::AtItsEnd),
                "turn" => return Ok(Stopped::BeforeACall),
                "gone" => return Ok(Stopped::InTheCallInWhichItDies),
                line => self.note(event_of(line)?),
            }
        }
    }

    fn note(&self, mut event: Event) {
        if event.name == "Build" {
            let path = contents::compacted(&self.dir, event.segment);
            let kept = contents::offsets_in(&OsVfs::new(), &path);
            event.offsets = vec![(event.segment, kept.unwrap_or_default())];
        }
        self.log.note(event);
    }

    /// The process, if it goes on.
    fn remains(&self, mut worker: Worker, stopped: Stopped) -> io::Result<Option<Worker>> {
        match stopped {
            Stopped::BeforeACall => return Ok(Some(worker)),
            Stopped::InTheCallInWhichItDies => {
                worker.child.kill()?;
                worker.child.wait()?;
                self.log.note(Event::of_the_world(worker.process, "Die"));
            }
            Stopped::AtItsEnd => {
                let status = worker.child.wait()?;
                if !status.success() {
                    return Err(other(format!("process {} failed: {status}", worker.process)));
                }
            }
        }
        Ok(None)
    }
}
