//! The world in which one path is walked, and the driver that takes its steps.

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use puro::internals::dir::open_path;
use puro::internals::vfs::{OpenMode, VfsFile};

use super::cast::{UNIT, value};
use super::gate::{Leaving, Order, Permit, Place};
use super::graph::{Actor, Edge, Graph};
use super::picture::{Picture, Unit};
use super::sides::{ReaderSide, WriterSide};
use super::view::View;
use super::{Bounds, Seen};
use crate::sim::disk::Node;
use crate::sim::{PowerLoss, SimVfs, World};

/// The only segment.
pub const SEGMENT: &str = "/stream/0000000000.puro";
const WRITER_LOCK: &str = "/stream/writer.lock";

/// What nobody in the world knows, but the driver does.
#[derive(Default)]
struct Ghosts {
    deaths: u8,
    fails: u8,
    giveups: u8,
    acked: BTreeSet<(u8, u8)>,
    flipped: BTreeSet<u8>,
    gone: BTreeSet<u8>,
    cut: BTreeSet<u8>,
    torn: bool,
    alarm: bool,
}

/// The world of one path.
pub struct Stage<'g> {
    graph: &'g Graph,
    bounds: &'g Bounds,
    world: World,
    view: View,
    writers: Vec<WriterSide>,
    readers: Vec<ReaderSide>,
    ghosts: Ghosts,
    processes: u32,
}

impl<'g> Stage<'g> {
    /// A stage on which all actors wait; `processes` have run on it.
    pub fn new(
        graph: &'g Graph,
        bounds: &'g Bounds,
        world: World,
        view: View,
        (writers, readers): (Vec<WriterSide>, Vec<ReaderSide>),
        processes: u32,
    ) -> Self {
        let ghosts = Ghosts::default();
        Self { graph, bounds, world, view, writers, readers, ghosts, processes }
    }

    /// Takes all steps of a path.
    ///
    /// # Errors
    /// Where code and model part, and how.
    pub fn walk(&mut self, path: &[usize], seen: &Seen) -> Result<(), String> {
        self.compare(0)?;
        for (index, step) in path.iter().enumerate() {
            let edge = &self.graph.edges[*step];
            self.check_offers(edge.from, seen)?;
            let told = |why: String| {
                let way = path[..=index].iter().map(|step| {
                    let Edge { label, actor, .. } = &self.graph.edges[*step];
                    format!("{label} {actor:?}")
                });
                format!("{why}\nafter: {}", way.collect::<Vec<_>>().join(", "))
            };
            self.step(edge, &path[index + 1..])
                .and_then(|()| self.compare(edge.to))
                .map_err(told)?;
            seen.edge(*step);
        }
        if let Some(last) = path.last() {
            self.check_offers(self.graph.edges[*last].to, seen)?;
        }
        Ok(())
    }

    fn step(&mut self, edge: &Edge, rest: &[usize]) -> Result<(), String> {
        match edge.actor {
            Actor::Writer(w) => {
                self.writer_step(w, edge, rest)?;
                let behind = self.view.end_of(&self.writers[w].mem);
                let all = behind - 1 + self.bounds.max_zeros;
                if edge.label == "PutZeros" && self.graph.states[edge.to].len < all {
                    return Ok(()); // not even the code knows that a part of them is there
                }
                let (end, writer) = (self.view.position(behind), &mut self.writers[w]);
                writer.check_told(&edge.label, end)?;
                if edge.label == "CutZeros" {
                    writer.forget(writer.process);
                }
                Ok(())
            }
            Actor::Reader(reader) => self.reader_step(reader, &edge.label),
            Actor::Machine => self.lose_power(&self.graph.states[edge.to]),
        }
    }

    /// The segment's bytes, as everyone reads them.
    fn file(&self) -> Vec<u8> {
        self.world.disk().bytes_of(FilePath::new(SEGMENT)).unwrap_or_default().to_vec()
    }

    fn writer_step(&mut self, w: usize, edge: &Edge, rest: &[usize]) -> Result<(), String> {
        let label = edge.label.as_str();
        match label {
            "Die" => return self.die(w, edge),
            "GiveUp" => return self.give_up(w, edge),
            "Lock" if self.writers[w].next().is_none() => return self.lock(w, rest),
            // There was no room for zeros.
            "Unlock" if self.writers[w].next() == Some("PutZeros") => self.put_zeros(w, 0)?,
            _ => {}
        }
        let next = self.writers[w].next();
        let Some(label) = next.filter(|next| *next == label) else {
            return Err(format!("writer {w} would take {next:?}: {:?}", self.writers[w].place));
        };
        match label {
            // Decided, and to be seen by nobody else.
            "Classify" => {
                let writer = &mut self.writers[w];
                writer.due.pop_front();
                writer.must |= writer.next() == Some("SaveTail");
            }
            "Duplicate" => {
                let writer = &mut self.writers[w];
                writer.due.pop_front();
                writer.duplicate = true;
            }
            "Reserve" | "RaiseEpoch" => self.begin(w)?,
            "Return" => {
                let writer = &mut self.writers[w];
                writer.due.pop_front();
                writer.check_answer()?;
                if writer.known >= self.view.end_of(&writer.mem) {
                    self.ghosts.acked.insert((w as u8 + 1, writer.req));
                }
                writer.req += 1;
            }
            "StopDamaged" => {
                self.writers[w].due.pop_front();
                self.ghosts.alarm = true;
            }
            "PutZeros" => {
                let (from, to) = (&self.graph.states[edge.from], &self.graph.states[edge.to]);
                self.put_zeros(w, to.len - from.len)?;
            }
            "WritePart" => {
                let (from, to) = (&self.graph.states[edge.from], &self.graph.states[edge.to]);
                let part = from.left[w].difference(&to.left[w]).next().copied();
                let part = part.ok_or("a part that is none")?;
                self.writers[w].go(Permit::Part(part), label)?;
            }
            _ => self.visible_step(w, label)?,
        }
        Ok(())
    }

    /// A step in which the code makes the call that it waits to make.
    fn visible_step(&mut self, w: usize, label: &'static str) -> Result<(), String> {
        if label == "Truncate" {
            self.note_cut(w);
        }
        let writer = &mut self.writers[w];
        if matches!(writer.place, Place::Idle(_)) {
            writer.sync_nothing();
        } else {
            writer.go(Permit::Go, label)?;
        }
        let file = self.file();
        let (view, writer) = (&self.view, &mut self.writers[w]);
        let end = view.end_of(&writer.mem);
        match label {
            "StepOver" => {
                let chain = view.chain(&file);
                // A-20 is for damage (M-8): without any, what is remembered stays the history.
                if !chain.starts_with(&writer.mem) {
                    return Err(format!("what writer {w} remembers is not the history any more"));
                }
                writer.mem = chain;
                let durable =
                    writer.mem.iter().map(|b| view.blocks[usize::from(*b) - 1].made.durable);
                writer.known = durable.chain([writer.known]).max().unwrap_or(1);
            }
            "Commit" => {
                self.ghosts.flipped.insert(writer.job);
                writer.mem.push(std::mem::take(&mut writer.job));
            }
            "SyncRaise" | "SyncEpoch" => writer.known = end,
            "Leave" => writer.check_left()?,
            "CutZeros" => writer.check_closed()?,
            "Sync" => {
                writer.check_answer()?;
                self.ghosts.acked.insert((w as u8 + 1, writer.req));
                writer.known = end;
                writer.req += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// begins an append, and takes the lock. How the append is to be, the path tells.
    fn lock(&mut self, w: usize, rest: &[usize]) -> Result<(), String> {
        let (durable, units) = self.look_ahead(w, rest);
        let leaves = self.leaves(w, rest);
        let writer = &mut self.writers[w];
        let sequence = u64::from(writer.req);
        // Who asks again asks for the same (C-4).
        let stamp = (w as u32 + 1) << 8 | u32::from(writer.req);
        writer.order = Order { leaves, sequence, durable, units, stamp };
        writer.duplicate = false;
        writer.gate.inside().order = writer.order;
        writer.go(Permit::Go, "Lock")
    }

    /// Whether the append that begins is to be durable, and how large its block.
    fn look_ahead(&self, w: usize, rest: &[usize]) -> (bool, usize) {
        let request = (w as u8 + 1, self.writers[w].req);
        let before = self.view.blocks.iter().rev().find(|block| block.made.req == request);
        let largest = || self.bounds.sizes.last().copied().unwrap_or(1);
        let mut units = before.map_or_else(largest, |block| block.made.size);
        for step in rest {
            let edge = &self.graph.edges[*step];
            let mine = edge.actor == Actor::Writer(w);
            match edge.label.as_str() {
                "Reserve" if mine => {
                    let made = &self.graph.states[edge.to].made;
                    units = made.last().map_or(units, |made| made.size);
                }
                "Return" if mine => return (false, units.into()),
                "Sync" | "Die" | "GiveUp" if mine => break,
                "PowerLoss" => break,
                _ => {}
            }
        }
        (true, units.into())
    }

    /// Whether the session that begins comes to nothing, and why: what it did before tells.
    fn leaves(&self, w: usize, rest: &[usize]) -> Option<Leaving> {
        let mut leaves = Leaving::Looked;
        let mut repairs = false;
        for step in rest {
            let edge = &self.graph.edges[*step];
            let mine = edge.actor == Actor::Writer(w);
            match edge.label.as_str() {
                "Leave" if mine => return Some(leaves),
                "CutZeros" if mine => return Some(Leaving::Closes),
                "SaveTail" if mine => repairs = true,
                // A repair raises the epoch of itself; others do it for what they append.
                "RaiseEpoch" if mine && !repairs => leaves = Leaving::NoRoom,
                "SyncEpoch" if mine => leaves = Leaving::NoRoom,
                "Unlock" | "Die" | "GiveUp" | "StopDamaged" if mine => return None,
                "PowerLoss" => return None,
                _ => {}
            }
        }
        None
    }

    /// the block is built, and about to be written.
    fn begin(&mut self, w: usize) -> Result<(), String> {
        let writer = &mut self.writers[w];
        let Place::Write { position, block, .. } = &writer.place else {
            return Err("no block is about to be written".to_owned());
        };
        let boot = u8::try_from(self.world.disk().boot).unwrap_or(u8::MAX);
        let req = (w as u8 + 1, writer.req);
        self.view.begin(*position, block, boot, req, value(&writer.order))?;
        writer.job = self.view.blocks.len() as u8;
        if writer.next() == Some("RaiseEpoch") {
            writer.must = false;
        }
        writer.due.pop_front();
        Ok(())
    }

    /// Z-1: zeros begin at the committed end, if the file ends there, and end so far behind it. There is
    /// room for so many units of them.
    fn put_zeros(&mut self, w: usize, room: u8) -> Result<(), String> {
        let writer = &self.writers[w];
        let Place::Zeros { position, bytes } = writer.place else {
            return Err("no zeros are about to be put".to_owned());
        };
        let end = self.view.end_of(&writer.mem);
        let (begin, to) =
            (self.view.position(end), self.view.position(end + self.bounds.max_zeros));
        let as_due = position == begin && position + bytes as u64 == to;
        if !as_due || self.file().len() as u64 != begin {
            return Err(format!("{bytes} zeros are put at {position}"));
        }
        self.writers[w].go(Permit::Part(room), "PutZeros")
    }

    /// What the ghosts make of cutting off everything behind what a writer remembers.
    fn note_cut(&mut self, w: usize) {
        let mem = &self.writers[w].mem;
        let all = 1..=self.view.blocks.len() as u8;
        self.ghosts.gone.extend(all.filter(|b| !mem.contains(b)));
        let cut = self.view.blocks_in(self.view.end_of(mem), &self.file());
        self.ghosts.cut.extend(cut.intersection(&self.ghosts.flipped));
    }

    /// a call fails before the commit; the block begun is cut off, or left low.
    fn give_up(&mut self, w: usize, edge: &Edge) -> Result<(), String> {
        if !matches!(self.writers[w].next(), Some("WritePart" | "Commit")) {
            return Err(format!("writer {w} has nothing to give up"));
        }
        let (from, to) = (&self.graph.states[edge.from], &self.graph.states[edge.to]);
        let cut = (from.len, &from.may, &from.gone) != (to.len, &to.may, &to.gone);
        if cut {
            self.note_cut(w);
        }
        let writer = &mut self.writers[w];
        writer.go(Permit::Fail { cut }, "GiveUp")?;
        writer.job = 0;
        if !matches!(writer.answer.take(), Some(super::cast::Answer::Refused(_))) {
            return Err("an append that gave up is answered otherwise".to_owned());
        }
        self.ghosts.giveups += 1;
        Ok(())
    }

    /// M-3: a process dies, and another one takes its place. If it dies in a write, that may
    /// have made the file longer already.
    fn die(&mut self, w: usize, edge: &Edge) -> Result<(), String> {
        let (process, len) = (self.writers[w].process, self.graph.states[edge.to].len);
        if len > self.graph.states[edge.from].len {
            let Place::Write { position, .. } = self.writers[w].place else {
                return Err(format!("writer {w} is not about to write"));
            };
            let vfs = SimVfs::new(&self.world, process);
            let segment = open_path(&vfs, FilePath::new(SEGMENT), OpenMode::Write)
                .and_then(|file| file.set_len(position + UNIT as u64));
            segment.map_err(|error| error.to_string())?;
        }
        self.world.kill(process);
        self.ghosts.deaths += 1;
        self.reborn(w)
    }

    /// M-4: the power goes. Of the segment is left what the model says; for bytes that are
    /// nobody's, any will do.
    fn lose_power(&mut self, after: &Picture) -> Result<(), String> {
        if !self.readers.is_empty() {
            return Err("the walk does not know how readers come back".to_owned());
        }
        let disk = self.world.disk();
        let Some(Node::File(segment)) = disk.look_up(FilePath::new(SEGMENT)) else {
            return Err("the segment is gone".to_owned());
        };
        let mut bytes = disk.file(segment).disk.clone();
        bytes.truncate(self.view.base as usize);
        for unit in &after.unit[..usize::from(after.len)] {
            bytes.extend(self.view.bytes_of(*unit)?);
        }
        let left = PowerLoss::new(&disk, UNIT / 2).leaving(segment, bytes);
        self.world.restart(left, self.processes);
        (0..self.writers.len()).try_for_each(|w| self.reborn(w))?;
        let chain = self.view.chain(&self.file());
        let all = 1..=self.view.blocks.len() as u8;
        self.ghosts.gone.extend(all.filter(|b| !chain.contains(b)));
        Ok(())
    }

    fn reborn(&mut self, w: usize) -> Result<(), String> {
        self.processes += 1;
        let writer = &mut self.writers[w];
        let open = writer.req <= self.bounds.requests;
        writer.forget(self.processes);
        writer.go(Permit::Die { next: self.processes, open }, "Die")
    }

    fn reader_step(&mut self, r: usize, label: &str) -> Result<(), String> {
        let offers = self.readers[r].offers();
        if !offers.contains(&label) {
            return Err(format!("reader {r} would take {offers:?}"));
        }
        match label {
            "ReadStart" => self.read_part(r, 1),
            "ReadBody" => self.read_part(r, 2),
            "Deliver" => self.deliver(r),
            _ => {
                self.readers[r].made_of_it = None;
                self.forget_look(r);
                Ok(())
            }
        }
    }

    fn forget_look(&mut self, r: usize) {
        let reader = &mut self.readers[r];
        (reader.reading.head, reader.reading.rest) = (Unit::NONE, reader.no_rest);
    }

    /// one part of a block is read; with the last one, the code makes something of both.
    fn read_part(&mut self, r: usize, part: u8) -> Result<(), String> {
        let file = self.file();
        let reader = &mut self.readers[r];
        let position = reader.position().ok_or("a reader that reads nothing")?;
        let number = self.view.number(position)? + part - 1;
        let unit =
            if number <= self.view.units { self.view.unit(number, &file) } else { Unit::ZERO };
        match part {
            1 => reader.reading.head = unit,
            _ => reader.reading.rest = unit,
        }
        reader.go(Permit::Part(part))?;
        let unread = [reader.reading.head, reader.reading.rest].contains(&Unit::NONE);
        if !unread {
            let stays = reader.position() == Some(position);
            reader.made_of_it = Some(if stays { "ReadAfresh" } else { "Deliver" });
        }
        Ok(())
    }

    /// what was read is a committed block.
    fn deliver(&mut self, r: usize) -> Result<(), String> {
        let reader = &mut self.readers[r];
        let b = reader.reading.head.b;
        let block = self.view.blocks.get(usize::from(b).wrapping_sub(1));
        let block = block.ok_or("a block is delivered that nobody made")?;
        match (&reader.place, &block.value) {
            (Place::Delivered(offset, given), Some(value)) => {
                if *offset != u64::from(block.made.off) {
                    return Err(format!("offset {offset} is delivered, not {}", block.made.off));
                }
                self.ghosts.torn |= given != value;
                reader.go(Permit::Go)?;
            }
            (Place::Read { .. }, None) => {}
            _ => return Err("records are delivered where there are none, or none".to_owned()),
        }
        let reading = &mut reader.reading;
        reading.last.push(b);
        reading.epoch = reading.epoch.max(block.made.epoch);
        if block.value.is_some() {
            reading.mark = b;
        }
        if block.value.is_some() && reading.seen.len() <= usize::from(block.made.off) {
            reading.seen.push(b);
        }
        let behind = self.view.position(self.view.end_of(&reading.last));
        if reader.position() != Some(behind) {
            return Err(format!("a reader goes on at {:?}, not {behind}", reader.position()));
        }
        reader.made_of_it = None;
        self.forget_look(r);
        Ok(())
    }
}

mod check;
