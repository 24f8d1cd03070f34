//! Histories: what actors do, one operation after another, told to the oracle.
//!
//! Generic over the seam, so that the same histories run with a planted bug in between.

use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use puro::internals::block::{BlockBuilder, BlockKind, BlockMeta, Link};
use puro::internals::dir::Directory;
use puro::internals::layout::{BLOCK_ALIGN, start};
use puro::internals::segment::SegmentHeader;
use puro::internals::tail::open_tail;
use puro::internals::vfs::{OpenMode, Vfs};
use puro::{AppendError, Batch, Consumer, ConsumerOptions, LockWait, NewRecord, Producer};
use puro::{ProducerOptions, ReadError, Start, Token};

use crate::oracle::{Crash, Delivery, Oracle, Promise, Violation};
use crate::sim::power::{GRAINS, PowerLoss};
use crate::sim::{Fuse, SimVfs, World};

/// The stream's directory in every simulated machine.
pub const STREAM: &str = "/stream";

/// Something that an actor does. A fuzzer makes it up within the bounds that are said here.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A producer appends a batch of so many records with so many bytes each.
    Append {
        #[arbitrary(with = who)]
        who: usize,
        #[arbitrary(with = records)]
        records: u32,
        #[arbitrary(with = bytes)]
        bytes: usize,
        durable: bool,
    },
    /// A producer syncs what it knows of.
    Sync {
        #[arbitrary(with = who)]
        who: usize,
    },
    /// A producer is closed, and opened anew when it is needed.
    Close {
        #[arbitrary(with = who)]
        who: usize,
    },
    /// A consumer reads all from the beginning, and keeps its position.
    Read { durable: bool },
    /// A producer dies in an append, in the given call, with so many bytes of it done.
    Die {
        #[arbitrary(with = who)]
        who: usize,
        #[arbitrary(with = records)]
        records: u32,
        #[arbitrary(with = bytes)]
        bytes: usize,
        #[arbitrary(with = calls)]
        calls: u64,
        #[arbitrary(with = done)]
        done: usize,
    },
    /// A producer appends a record whose value holds starts that are right where it will stand (F-43), and dies
    /// in the given call, if one is given, with so many bytes of it done.
    Forge {
        #[arbitrary(with = who)]
        who: usize,
        #[arbitrary(with = perhaps_calls)]
        calls: Option<u64>,
        #[arbitrary(with = done_of_a_forged_one)]
        done: usize,
    },
    /// The machine loses its power; of what was not synced, nothing or everything is lost.
    Power { keep: bool },
}

/// Sizes of records that fill a segment of a few KiB soon, or late.
pub const SIZES: [usize; 8] = [0, 7, 60, 400, 1000, 2500, 3900, 5000];
/// An actor makes fewer calls than this before it has done an operation.
pub const MOST_CALLS: u64 = 31;

fn who(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    u.int_in_range(0..=1)
}

fn records(u: &mut Unstructured<'_>) -> arbitrary::Result<u32> {
    u.int_in_range(1..=4)
}

fn bytes(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    u.choose(&SIZES).copied()
}

/// In which call of an actor something happens.
pub fn calls(u: &mut Unstructured<'_>) -> arbitrary::Result<u64> {
    u.int_in_range(0..=MOST_CALLS)
}

fn perhaps_calls(u: &mut Unstructured<'_>) -> arbitrary::Result<Option<u64>> {
    if bool::arbitrary(u)? { calls(u).map(Some) } else { Ok(None) }
}

/// How many bytes of a call are done before a death.
fn done(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    Ok(usize::from(u8::arbitrary(u)?) * 16)
}

fn done_of_a_forged_one(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    Ok(usize::from(u8::arbitrary(u)?) * 4)
}

impl Op {
    /// How many records it tries to append, if it does.
    pub fn records(&self) -> Option<u32> {
        match self {
            Self::Append { records, .. } | Self::Die { records, .. } => Some(*records),
            Self::Forge { .. } => Some(1),
            _ => None,
        }
    }
}

/// What runs the operations.
pub struct Player<V: Vfs, M: Fn(SimVfs) -> V> {
    world: World,
    /// Makes the seam that an actor sees.
    seam: M,
    producers: [Option<Actor<V>>; 2],
    processes: u32,
    options: ProducerOptions,
    /// What was attempted, answered and delivered.
    pub oracle: Oracle,
}

struct Actor<V: Vfs> {
    process: u32,
    producer: Producer<V>,
    /// The last batch it knows to be committed.
    last: Option<u32>,
}

/// How a producer is opened in all histories.
pub fn options(segment_bytes: u64) -> ProducerOptions {
    let options = ProducerOptions::new().segment_bytes(segment_bytes).lock_wait(LockWait::Try);
    options.zeros_ahead_bytes(0) // who puts some says so
}

/// A batch whose records say what they are.
pub fn batch(number: u32, records: u32, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    for index in 0..records {
        let mut value = Vec::with_capacity(12 + bytes);
        for field in [number, index, records] {
            value.extend_from_slice(&field.to_le_bytes());
        }
        value.resize(12 + bytes, number as u8);
        batch.push(&NewRecord::new("t", &value)).expect("a small record");
    }
    batch
}

/// The topic of records whose values hold starts of blocks.
const FORGED: &[u8] = b"forged";

/// A batch of one record that says what it is, and then holds a start at every multiple of 64 of the
/// file, if it is appended at `end`. Each says that a terabyte is on the disk.
fn forged_batch(number: u32, header: &SegmentHeader, end: u64) -> Batch {
    let mut value = Vec::new();
    for field in [number, 0, 1] {
        value.extend_from_slice(&field.to_le_bytes());
    }
    value.resize(600, 0xFF);
    let before = NewRecord::new(FORGED, &value).encoded_bytes() - value.len() as u64;
    let begin = end + start::LEN as u64 + before;
    let mut position = (begin + 12).next_multiple_of(BLOCK_ALIGN);
    let mut builder = BlockBuilder::default();
    builder.push(&NewRecord::new("t", "forged")).expect("a small record");
    while let Some(unit) = value.get_mut((position - begin) as usize..) {
        let Some(unit) = unit.get_mut(..start::LEN) else { break };
        let meta = BlockMeta {
            kind: BlockKind::Records,
            link: Link { prev_crc: number, next_offset: 1 << 20, may_jump: false },
            timestamp_ms: 1,
            durable_to: 1 << 40,
            epoch: 1,
            committed: number.is_multiple_of(2),
        };
        let built = builder.finish(&meta, header.place(position)).expect("a small block");
        unit.copy_from_slice(&built.bytes[..start::LEN]);
        position += BLOCK_ALIGN;
    }
    let mut batch = Batch::new();
    batch.push(&NewRecord::new(FORGED, &value)).expect("a small record");
    batch
}

fn delivery(record: &puro::Record<'_>) -> Option<Delivery> {
    let value = record.value?;
    let field = |at: usize| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
    let (batch, index, of) = (field(0)?, field(4)?, field(8)?);
    let padded = record.topic == FORGED || value[12..].iter().all(|byte| *byte == batch as u8);
    padded.then_some(Delivery { offset: record.offset, batch, index, of })
}

/// All records of a stream from where `start` says, and the consumer at its end.
pub fn read<V: Vfs>(
    vfs: V,
    start: Start,
    durable: bool,
) -> Result<(Vec<Delivery>, Consumer<V>), ReadError> {
    let options = ConsumerOptions::new().start(start).durable(durable).lock_wait(LockWait::Try);
    let mut consumer = options.open_in(vfs, STREAM)?;
    let mut seen = Vec::new();
    while let Some(record) = consumer.try_next()? {
        // What is no record of ours counts as one that was never attempted.
        let stranger = Delivery { offset: record.offset, batch: 0, index: 0, of: 1 };
        seen.push(delivery(&record).unwrap_or(stranger));
    }
    Ok((seen, consumer))
}

impl<V: Vfs, M: Fn(SimVfs) -> V> Player<V, M> {
    /// A player on a machine.
    pub fn new(world: World, seam: M, options: ProducerOptions) -> Self {
        let producers = [None, None];
        Self { world, seam, producers, processes: 0, options, oracle: Oracle::default() }
    }

    fn new_process(&mut self) -> u32 {
        self.processes += 1;
        self.processes
    }

    /// Opens the producer of an actor, if need be; there is none where that fails.
    fn open_producer(&mut self, who: usize) {
        let gone = |actor: &Actor<V>| self.world.is_dead(actor.process);
        if self.producers[who].as_ref().is_none_or(gone) {
            let process = self.new_process();
            let vfs = (self.seam)(SimVfs::new(&self.world, process));
            let opened = self.options.open_in(vfs, STREAM);
            self.producers[who] =
                opened.ok().map(|producer| Actor { process, producer, last: None });
        }
    }

    /// Does one operation.
    pub fn play(&mut self, op: &Op) -> Result<(), Violation> {
        match *op {
            Op::Append { who, records, bytes, durable } => {
                self.append(who, records, durable, |number| batch(number, records, bytes))
            }
            Op::Forge { who, calls, done } => self.forge(who, calls, done),
            Op::Sync { who } => self.sync(who),
            Op::Close { who } => {
                self.producers[who] = None;
                Ok(())
            }
            Op::Read { durable } => self.read(durable),
            Op::Die { who, records, bytes, calls, done } => {
                self.die(who, records, calls, done, |number| batch(number, records, bytes))
            }
            Op::Power { keep } => {
                self.power(|loss| if keep { loss.newest() } else { loss.oldest() })
            }
        }
    }

    fn die(
        &mut self,
        who: usize,
        records: u32,
        calls: u64,
        done: usize,
        make: impl FnOnce(u32) -> Batch,
    ) -> Result<(), Violation> {
        self.open_producer(who);
        let Some(actor) = &self.producers[who] else { return Ok(()) };
        let process = actor.process;
        self.world.set_fuse(Fuse { process, calls, bytes: done });
        self.append(who, records, false, make)?;
        self.world.defuse();
        self.world.kill(process);
        self.producers[who] = None;
        // What it left is committed by now, or never will be.
        let fault = self.world.hold_fault();
        let looked = self.look(false).map(drop);
        self.world.resume_fault(fault);
        looked
    }

    fn forge(&mut self, who: usize, calls: Option<u64>, done: usize) -> Result<(), Violation> {
        // Repaired first, so that it is known where the next block will stand.
        self.open_producer(who);
        let process = self.new_process();
        let vfs = (self.seam)(SimVfs::new(&self.world, process));
        let found = open_tail(&Directory::new(vfs, Path::new(STREAM)), OpenMode::Read);
        let Ok(Some((tail, _))) = found else { return Ok(()) };
        let (header, end) = (tail.segment.header, tail.end);
        drop(tail);
        let make = |number| forged_batch(number, &header, end);
        match calls {
            Some(calls) => self.die(who, 1, calls, done, make),
            None => self.append(who, 1, false, make),
        }
    }

    fn append(
        &mut self,
        who: usize,
        records: u32,
        durable: bool,
        make: impl FnOnce(u32) -> Batch,
    ) -> Result<(), Violation> {
        let number = self.oracle.attempt(records);
        self.open_producer(who);
        let Some(actor) = &mut self.producers[who] else {
            self.oracle.refused(number);
            return Ok(());
        };
        actor.producer.set_durable(durable);
        let outcome = actor.producer.append_batch(&mut make(number));
        let dead = self.world.is_dead(actor.process);
        if outcome.is_ok() {
            actor.last = Some(number);
        }
        match outcome {
            _ if dead => {} // Whatever was answered, nobody heard it.
            Ok(appended) => {
                self.oracle.appended(number, appended.first_offset)?;
                if durable {
                    self.oracle.durable_to(number);
                }
            }
            Err(AppendError::NotDurable { appended, .. }) => {
                self.oracle.appended(number, appended.first_offset)?;
            }
            Err(AppendError::Unknown(_)) => {}
            Err(_) => self.oracle.refused(number),
        }
        Ok(())
    }

    fn sync(&mut self, who: usize) -> Result<(), Violation> {
        self.open_producer(who);
        let Some(actor) = &mut self.producers[who] else { return Ok(()) };
        if actor.producer.sync().is_ok()
            && let Some(last) = actor.last
        {
            self.oracle.durable_to(last);
        }
        Ok(())
    }

    fn read(&mut self, durable: bool) -> Result<(), Violation> {
        if let Some(token) = self.look(durable)? {
            self.oracle.kept(token);
        }
        Ok(())
    }

    /// Reads all; tells the position behind it.
    fn look(&mut self, durable: bool) -> Result<Option<Token>, Violation> {
        let process = self.new_process();
        let vfs = (self.seam)(SimVfs::new(&self.world, process));
        // A stream that cannot be read now delivers nothing.
        let Ok((seen, consumer)) = read(vfs, Start::Beginning, durable) else { return Ok(None) };
        self.oracle.delivered(&seen, durable)?;
        Ok(consumer.token())
    }

    /// Loses the power with what `choose` keeps, then looks at what is left.
    pub fn power(
        &mut self,
        choose: impl FnOnce(&PowerLoss<'_>) -> Vec<usize>,
    ) -> Result<(), Violation> {
        self.power_at(GRAINS[0], choose)
    }

    /// The same, where the disk writes units of so many bytes.
    pub fn power_at(
        &mut self,
        grain: usize,
        choose: impl FnOnce(&PowerLoss<'_>) -> Vec<usize>,
    ) -> Result<(), Violation> {
        let disk = self.world.disk();
        let loss = PowerLoss::new(&disk, grain);
        let left = loss.apply(&choose(&loss));
        self.world.calm();
        self.world.restart(left, self.processes);
        self.producers = [None, None];
        self.settle(Crash::Power)
    }

    /// Lets a new producer repair the stream, and judges what it holds.
    pub fn settle(&mut self, crash: Crash) -> Result<(), Violation> {
        let process = self.new_process();
        let vfs = (self.seam)(SimVfs::new(&self.world, process));
        let opened = self.options.open_in(vfs.clone(), Path::new(STREAM));
        drop(opened.map_err(|error| Violation::new(Promise::Progress, error.to_string()))?);
        let (seen, _) = read(vfs, Start::Beginning, false)
            .map_err(|error| Violation::new(Promise::Progress, error.to_string()))?;
        self.oracle.settle(&seen, crash)
    }

    /// The machine.
    pub fn world(&self) -> &World {
        &self.world
    }
}
