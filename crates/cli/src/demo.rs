//! `puro demo`: the main job, live. Several processes append to one stream and read it, one
//! of them is killed in the middle of a block, and in the end everything is checked.

mod crew;
mod proof;
mod report;
pub mod worker;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use puro::internals::dir::Directory;
use puro::internals::os::OsVfs;
use puro::internals::vfs::Vfs;
use puro::{NewRecord, ProducerOptions, StreamOptions};

use self::crew::{Crew, Id};
use self::proof::{Acknowledged, Reading};
use self::report::{Digest, Report};
use crate::common::{CliError, at_work, exit, hex};
use crate::printable::shown_path;
use crate::streams;

/// Watch producers and consumers share a stream, and one of them die
///
/// Starts several producers and consumers, each a process, kills a producer with SIGKILL in the
/// middle of a block, and proves that all consumers saw the same committed sequence, with every
/// acknowledged record in it. Exits with 2 if that is not so.
#[derive(clap::Args)]
pub struct Args {
    /// Where to make the stream, which is kept. Without it a temporary directory is used
    dir: Option<PathBuf>,
}

const PRODUCERS: usize = 4;
const BLOCKS: usize = 1000;
const BLOCK_RECORDS: usize = 100;
/// The block in which the last producer dies.
const FATAL_BLOCK: usize = 300;
/// Small, so that there are rollovers to be seen.
const SEGMENT_BYTES: u64 = 2 * 1024 * 1024;
/// Whatever takes longer than this, hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Plays the demo, and checks what came of it.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    // Ctrl-C is heard between two reports, and ends the other processes, too.
    let _working = at_work();
    let place = Place::new(args.dir.as_deref())?;
    let mut demo = Demo::new(&place.dir);
    demo.play()?;
    let proven = demo.prove()?;
    if args.dir.is_some() {
        let dir = shown_path(&place.dir);
        streams::report(|out| writeln!(out, "\nThe stream is kept: puro consume {dir} -e"))?;
    }
    Ok(ExitCode::from(if proven { exit::OK } else { exit::DAMAGED }))
}

/// The stream's directory; a temporary one is removed in the end.
struct Place {
    dir: PathBuf,
    temporary: Option<PathBuf>,
}

impl Place {
    fn new(given: Option<&Path>) -> Result<Self, CliError> {
        if let Some(dir) = given {
            return Ok(Self { dir: dir.to_owned(), temporary: None });
        }
        let name = format!("puro-demo-{}", hex(&OsVfs::new().random()?));
        let temporary = std::env::temp_dir().join(name);
        std::fs::create_dir(&temporary)?;
        Ok(Self { dir: temporary.join("stream"), temporary: Some(temporary) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = std::fs::remove_dir_all(temporary);
        }
    }
}

/// The demo while it goes on, and what was reported until now.
struct Demo<'d> {
    dir: &'d Path,
    begun: Instant,
    crew: Crew,
    producers: Vec<Id>,
    consumers: Vec<Id>,
    /// By process.
    acknowledged: Vec<Acknowledged>,
    done: usize,
    repairs: usize,
    digests: Vec<Digest>,
}

impl<'d> Demo<'d> {
    fn new(dir: &'d Path) -> Self {
        Self {
            dir,
            begun: Instant::now(),
            crew: Crew::new(TIME_LIMIT),
            producers: Vec::new(),
            consumers: Vec::new(),
            acknowledged: Vec::new(),
            done: 0,
            repairs: 0,
            digests: Vec::new(),
        }
    }

    /// Says what happens.
    fn tell(&self, what: impl std::fmt::Display) -> io::Result<()> {
        streams::report(|out| writeln!(out, "{:7.3} s  {what}", self.begun.elapsed().as_secs_f64()))
    }

    /// All that happens, in its order.
    fn play(&mut self) -> Result<(), CliError> {
        self.make_stream()?;
        self.start_consumer("from the beginning")?;
        self.start_consumer("from the beginning, too")?;
        let victim = self.start_producers()?;
        while !self.hear_of_torn_block(victim)? {}
        self.crew.kill(victim)?;
        self.tell(format_args!("killed {} with SIGKILL", self.crew.name(victim)))?;
        self.start_consumer("from the beginning: the past first")?;
        for producer in self.producers.clone() {
            if producer != victim {
                self.crew.go_on(producer)?;
            }
        }
        while self.done < PRODUCERS - 1 {
            self.hear()?;
        }
        self.tell("the other producers have appended all their records")?;
        self.append_last_record()?;
        while self.digests.len() < self.consumers.len() {
            self.hear()?;
        }
        Ok(())
    }

    fn make_stream(&self) -> Result<(), CliError> {
        if !StreamOptions::new().segment_bytes(SEGMENT_BYTES).make(self.dir)? {
            let dir = self.dir.display();
            return Err(CliError::usage(format_args!("{dir} is a stream already; choose another")));
        }
        let (dir, kibibytes) = (self.dir.display(), SEGMENT_BYTES / 1024);
        Ok(self.tell(format_args!("made the stream {dir}, with segments of {kibibytes} KiB"))?)
    }

    fn start_consumer(&mut self, how: &str) -> Result<(), CliError> {
        let name = format!("consumer-{}", self.consumers.len() + 1);
        let id = self.crew.start(&name, "consumer", self.dir, &[])?;
        self.consumers.push(id);
        self.acknowledged.push(Acknowledged::new());
        let pid = self.crew.pid(id);
        Ok(self.tell(format_args!("started {name} (process {pid}), which reads {how}"))?)
    }

    /// Starts all producers; the last of them will not live to see the end.
    fn start_producers(&mut self) -> Result<Id, CliError> {
        let mut last = 0;
        for index in 1..=PRODUCERS {
            let name = format!("producer-{index}");
            let mut args = vec![name.clone(), BLOCKS.to_string(), BLOCK_RECORDS.to_string()];
            if index == PRODUCERS {
                args.push(format!("--die-in={FATAL_BLOCK}"));
            }
            last = self.crew.start(&name, "producer", self.dir, &args)?;
            self.producers.push(last);
            self.acknowledged.push(Acknowledged::new());
            let pid = self.crew.pid(last);
            self.tell(format_args!(
                "started {name} (process {pid}), which appends blocks of {BLOCK_RECORDS} records"
            ))?;
        }
        Ok(last)
    }

    /// The next report, taken note of and told where it is worth it.
    fn hear(&mut self) -> Result<(Id, Report), CliError> {
        let (id, report) = self.crew.next()?;
        let name = self.crew.name(id);
        match &report {
            Report::Acknowledged { first_offset, record_count } => {
                if let Some(acknowledged) = self.acknowledged.get_mut(id) {
                    acknowledged.push((*first_offset, *record_count));
                }
            }
            Report::Torn { written, block_bytes } => self.tell(format_args!(
                "{name} is in the middle of a block: {written} of its {block_bytes} bytes are \
                 written, and it holds the lock"
            ))?,
            Report::Repaired { what } => {
                self.tell(format_args!("{name} was next, and {what}"))?;
                self.repairs += 1;
            }
            Report::Done => self.done += 1,
            Report::Saw(digest) => {
                let Digest { records, hash, .. } = digest;
                self.tell(format_args!("{name} saw {records} records, digest {hash:016x}"))?;
                self.digests.push(*digest);
            }
        }
        Ok((id, report))
    }

    fn hear_of_torn_block(&mut self, victim: Id) -> Result<bool, CliError> {
        let (id, report) = self.hear()?;
        Ok(id == victim && matches!(report, Report::Torn { .. }))
    }

    /// Appends the record at which consumers end, and syncs: what is proven is to last.
    fn append_last_record(&self) -> Result<(), CliError> {
        let mut producer = ProducerOptions::new().create(false).open(self.dir)?;
        let appended = producer.append(&NewRecord::new(worker::LAST_TOPIC, ""))?;
        producer.sync()?;
        let offset = appended.first_offset;
        Ok(self.tell(format_args!("appended the last record, at offset {offset}"))?)
    }

    /// Checks everything that the demo promises, and says so.
    fn prove(&self) -> Result<bool, CliError> {
        let reading = Reading::of(self.dir)?;
        let appended = self.acknowledged.iter().flatten().map(|(_, count)| u64::from(*count));
        let appended = appended.sum::<u64>();
        let segments = count_segments(self.dir)?;
        let exact = self.producers.iter().all(|id| {
            let acknowledged = self.acknowledged.get(*id);
            acknowledged.is_some_and(|told| reading.has_exactly(self.crew.name(*id), told))
        });
        let same = self.digests.iter().all(|digest| *digest == reading.digest);
        let checks = [
            (segments > 1, format!("the stream rolled over: it has {segments} segments")),
            (self.repairs == 1, "the half block was cut off, once, by the next writer".to_owned()),
            (
                same && self.digests.len() == self.consumers.len(),
                format!("all {} consumers saw the same sequence", self.consumers.len()),
            ),
            (
                reading.digest.in_order && reading.digest.records == appended + 1,
                format!("it has {} records, without gap or repeat", reading.digest.records),
            ),
            (
                exact && reading.nothing_foreign(),
                format!(
                    "each of the {appended} acknowledged records is there once, where its \
                     producer was told, in its producer's order; and nothing else is"
                ),
            ),
        ];
        streams::report(|out| {
            writeln!(out, "\nProof:")?;
            checks.iter().try_for_each(|(holds, what)| {
                writeln!(out, "  {}  {what}", if *holds { "yes" } else { "NO " })
            })
        })?;
        Ok(checks.iter().all(|(holds, _)| *holds))
    }
}

fn count_segments(dir: &Path) -> Result<usize, CliError> {
    let listing = Directory::new(OsVfs::new(), dir).list()?.unwrap_or_default();
    Ok(listing.segments.len())
}
