//! What is compared: the world with a state of the model, and what the code is about to do
//! with the steps that the model has from there.

use super::*;
use crate::walk::cast::Answer;

/// Steps that nobody's code decides on.
const FATE: [&str; 5] = ["Die", "GiveUp", "PowerLoss", "SyncFails", "SyncTells"];

impl Stage<'_> {
    /// The world as a state of the model.
    fn picture(&self) -> Result<Picture, String> {
        let disk = self.world.disk();
        let Some(Node::File(number)) = disk.look_up(FilePath::new(SEGMENT)) else {
            return Err("the segment is gone".to_owned());
        };
        let file = disk.file(number);
        let (may, may_len) = self.view.may(file)?;
        let (writers, ghosts) = (&self.writers, &self.ghosts);
        let numbered = |holds: &dyn Fn(&WriterSide) -> bool| {
            let those = writers.iter().zip(1..).filter(|(writer, _)| holds(writer));
            those.map(|(_, number)| number).collect::<BTreeSet<u8>>()
        };
        let holder = self.world.holder(FilePath::new(WRITER_LOCK));
        Ok(Picture {
            unit: self.view.all_units(&file.cache),
            len: self.view.len(file.cache.len())?,
            may,
            may_len,
            forgot: BTreeSet::new(),
            made: self.view.made(),
            lock: numbered(&|writer| holder == Some(writer.process)).pop_last().unwrap_or(0),
            pc: writers.iter().map(WriterSide::pc).collect(),
            mem: writers.iter().map(|writer| writer.mem.clone()).collect(),
            known: writers.iter().map(|writer| writer.known).collect(),
            // Nothing is harmed: no memory turns out to be wrong.
            expects: vec![1; writers.len()],
            job: writers.iter().map(|writer| writer.job).collect(),
            left: writers.iter().map(WriterSide::left).collect(),
            must: numbered(&|writer| writer.must),
            suspect: BTreeSet::new(),
            untold: BTreeSet::new(),
            req: writers.iter().map(|writer| writer.req).collect(),
            rd: self.readers.iter().map(|reader| reader.reading.clone()).collect(),
            boot: u8::try_from(disk.boot).map_err(|_| "too many boots")?,
            deaths: ghosts.deaths,
            fails: ghosts.fails,
            giveups: ghosts.giveups,
            harms: 0,
            acked: ghosts.acked.clone(),
            flipped: ghosts.flipped.clone(),
            gone: ghosts.gone.clone(),
            cut: ghosts.cut.clone(),
            kept: self.kept(&disk),
            hurt: BTreeSet::new(),
            torn: ghosts.torn,
            alarm: ghosts.alarm,
        })
    }

    /// `kept`: the blocks of which parts were saved.
    fn kept(&self, disk: &crate::sim::Disk) -> BTreeSet<u8> {
        let mut kept = BTreeSet::new();
        for (path, file) in disk.paths().filter(|(path, _)| path.starts_with("/stream/lost")) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let position = name.split('-').nth(1).and_then(|position| position.parse().ok());
            let Some(position) = position else { continue };
            let mut bytes = vec![0; position];
            bytes.extend_from_slice(&file.cache);
            if let Ok(first) = self.view.number(position as u64) {
                kept.extend(self.view.blocks_in(first, &bytes));
            }
        }
        kept
    }

    /// Whether the world is in a state of the model.
    pub(super) fn compare(&self, state: usize) -> Result<(), String> {
        let expected = &self.graph.states[state];
        let found = self.picture()?;
        if found == *expected {
            return Ok(());
        }
        Err(format!(
            "the world is not as the model has it:\n{}",
            expected.differences(&found).join("\n")
        ))
    }

    /// Whether the steps that each actor's code may take now are those that the model has.
    pub(super) fn check_offers(&mut self, state: usize, seen: &Seen) -> Result<(), String> {
        if !seen.is_new(state) {
            return Ok(());
        }
        for r in 0..self.readers.len() {
            let model = self.model_offers(state, Actor::Reader(r));
            let code: BTreeSet<&str> = self.readers[r].offers().into_iter().collect();
            if model != code {
                return Err(format!("reader {r} would take {code:?}, the model has {model:?}"));
            }
        }
        for w in 0..self.writers.len() {
            self.check_writer(w, state, seen)?;
        }
        Ok(())
    }

    fn model_offers(&self, state: usize, actor: Actor) -> BTreeSet<&str> {
        let steps = self.graph.steps_from(state).map(|step| &self.graph.edges[step]);
        let mine = steps.filter(|edge| edge.actor == actor).map(|edge| edge.label.as_str());
        mine.filter(|label| !FATE.contains(label)).collect()
    }

    fn check_writer(&mut self, w: usize, state: usize, seen: &Seen) -> Result<(), String> {
        let picture = &self.graph.states[state];
        let model = self.model_offers(state, Actor::Writer(w));
        let wanted = picture.req[w] <= self.bounds.requests;
        let code = match self.writers[w].next() {
            Some(step) => BTreeSet::from([step]),
            // It may begin whenever it is asked to; whether it can, the lock decides.
            None if wanted && picture.lock == 0 => BTreeSet::from(["Lock"]),
            None => BTreeSet::new(),
        };
        // Whoever has looked may leave, or close: that, too, was said before.
        let mut without_leaving = model.clone();
        without_leaving.remove("Leave");
        without_leaving.remove("CutZeros");
        let fits = match self.writers[w].next() {
            // Whether an append is durable was said before.
            Some(step @ ("Sync" | "Return" | "Leave" | "CutZeros")) => model.contains(step),
            // Zeros are a favour: who has no room for them goes on.
            Some("PutZeros") if model == BTreeSet::from(["Unlock"]) => {
                seen.beyond_bounds();
                let end = self.view.end_of(&self.writers[w].mem);
                picture.len == self.bounds.units && picture.len < end
            }
            Some("PutZeros") => model == BTreeSet::from(["PutZeros", "Unlock"]),
            Some("Reserve" | "RaiseEpoch") if without_leaving.is_empty() => {
                seen.beyond_bounds();
                self.is_beyond_bounds(w, picture)
            }
            _ => without_leaving == code,
        };
        if !fits {
            return Err(format!("writer {w} would take {code:?}, the model has {model:?}"));
        }
        let waits = wanted && picture.lock != 0 && matches!(self.writers[w].place, Place::Idle(_));
        if waits && self.writers[w].next().is_none() {
            self.probe(w)?;
            seen.probed();
        }
        Ok(())
    }

    /// Whether the model has no room for the block that a writer is about to begin.
    fn is_beyond_bounds(&self, w: usize, picture: &Picture) -> bool {
        let Place::Write { block, .. } = &self.writers[w].place else { return false };
        let end = self.view.end_of(&self.writers[w].mem) + (block.len() / UNIT) as u8 - 1;
        picture.made.len() >= self.bounds.max_made || end > self.view.units
    }

    /// A-1, L-8: whoever does not get the lock appends nothing, and is told.
    fn probe(&mut self, w: usize) -> Result<(), String> {
        let writer = &mut self.writers[w];
        let sequence = u64::from(writer.req);
        writer.gate.inside().order =
            Order { sequence, durable: true, units: 1, ..Order::default() };
        writer.go(Permit::Probe, "Probe")?;
        match writer.answer.take() {
            Some(Answer::LockTimeout) => Ok(()),
            other => Err(format!("writer {w} appends while another one holds the lock: {other:?}")),
        }
    }
}
