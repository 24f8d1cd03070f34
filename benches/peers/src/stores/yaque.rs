//! yaque: a queue with one sender; read by its plain iterator, which takes nothing away.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use yaque::{QueueIter, Sender};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, Tally};

pub struct Yaque;

impl Store for Yaque {
    fn name(&self) -> &'static str {
        "yaque"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let sender = Sender::open(dir.join("queue"))?;
        Ok(Box::new(YaqueAppender { sender, joined: Joined::default() }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(YaqueReader { dir: dir.join("queue") }))
    }
}

struct YaqueReader {
    dir: PathBuf,
}

impl Reader for YaqueReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        for record in QueueIter::open(&self.dir)? {
            tally_joined(tally, &record?)?;
        }
        Ok(())
    }
}

struct YaqueAppender {
    sender: Sender,
    joined: Joined,
}

impl Appender for YaqueAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        // One send, and one of many, are each seen whole or not at all.
        let sent = self.sender.try_send_batch(self.joined.iter());
        sent.map_err(|_| anyhow!("cannot send"))
    }
}
