//! How bytes are seen as the model's variables.
//!
//! | variable | what it is in the world |
//! |---|---|
//! | `unit[u]` | 128 bytes of the segment, the first behind the opening checkpoint: zeros; a part of a block that somebody began to write, byte by byte but for the signal; or nobody's |
//! | `len`, `mayLen` | the file's length, now, and what it may be after a loss of power |
//! | `may` | what each unit was on the disk and after each change since |
//! | `made` | the blocks as they were handed to the seam, decoded |
//! | `kept` | the blocks of which parts stand in `lost/` |

use std::collections::BTreeSet;

use puro::internals::block::BlockStart;
use puro::internals::codec::get_u32;
use puro::internals::layout::{SIGNAL_HIGH, SIGNAL_LOW, end};
use puro::internals::segment::SegmentHeader;

use super::cast::UNIT;
use super::picture::{Made, Unit};
use crate::sim::disk::{Change, FileState};

/// A block that somebody began to write.
pub struct Block {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// What the model knows of it.
    pub made: Made,
    /// The value of its record, if it has one.
    pub value: Option<Vec<u8>>,
}

impl Block {
    fn crc(&self) -> Option<u32> {
        get_u32(&self.bytes, self.bytes.len() - end::CRC)
    }
}

/// The segment, as the model sees it.
pub struct View {
    /// The segment's header.
    pub header: SegmentHeader,
    /// Where the opening checkpoint ends.
    pub base: u64,
    /// The opening checkpoint's checksum.
    pub opening_crc: u32,
    /// How many units the model has.
    pub units: u8,
    /// All blocks that anybody began to write.
    pub blocks: Vec<Block>,
}

impl View {
    /// The number of the unit that begins at a position.
    pub fn number(&self, position: u64) -> Result<u8, String> {
        let behind = position.checked_sub(self.base).filter(|bytes| bytes % UNIT as u64 == 0);
        let number = behind.and_then(|bytes| u8::try_from(bytes / UNIT as u64 + 1).ok());
        number.ok_or_else(|| format!("no unit begins at {position}"))
    }

    /// Where a unit begins.
    pub fn position(&self, number: u8) -> u64 {
        self.base + (u64::from(number) - 1) * UNIT as u64
    }

    /// A file's length in units.
    pub fn len(&self, bytes: usize) -> Result<u8, String> {
        self.number(bytes as u64).map(|next| next - 1)
    }

    /// What stands in a unit of a file.
    pub fn unit(&self, number: u8, file: &[u8]) -> Unit {
        let from = self.position(number) as usize;
        let bytes = file.get(from..).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(UNIT)];
        if bytes.iter().all(|byte| *byte == 0) {
            return Unit::ZERO;
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let Some(k) = number.checked_sub(block.made.at).filter(|k| *k < block.made.size) else {
                continue;
            };
            let part = &block.bytes[usize::from(k) * UNIT..][..UNIT];
            let signal = match bytes[0] {
                _ if k > 0 => 0,
                SIGNAL_LOW => 0,
                SIGNAL_HIGH => 1,
                _ => continue,
            };
            let skip = usize::from(k == 0);
            if bytes.len() == UNIT && bytes[skip..] == part[skip..] {
                return Unit { b: index as u8 + 1, k: k + 1, s: signal };
            }
        }
        Unit::JUNK
    }

    /// Bytes that are seen as a unit.
    pub fn bytes_of(&self, unit: Unit) -> Result<Vec<u8>, String> {
        if unit == Unit::ZERO {
            return Ok(vec![0; UNIT]);
        }
        if unit == Unit::JUNK {
            return Ok((0..UNIT).map(|i| (i * 37) as u8 | 1).collect());
        }
        let block = self.blocks.get(usize::from(unit.b).wrapping_sub(1));
        let block = block.ok_or("a unit of a block that nobody made")?;
        let mut bytes = block.bytes[(usize::from(unit.k) - 1) * UNIT..][..UNIT].to_vec();
        if unit.k == 1 {
            bytes[0] = if unit.s == 1 { SIGNAL_HIGH } else { SIGNAL_LOW };
        }
        Ok(bytes)
    }

    /// What stands in all units of a file.
    pub fn all_units(&self, file: &[u8]) -> Vec<Unit> {
        (1..=self.units).map(|number| self.unit(number, file)).collect()
    }

    /// What a loss of power may leave of each unit, and of the length. Where zeros were put, it may
    /// be garbage too, though there and nothing are the same to whoever reads.
    pub fn may(&self, file: &FileState) -> Result<(Vec<BTreeSet<Unit>>, BTreeSet<u8>), String> {
        let mut now = file.disk.clone();
        let mut may: Vec<BTreeSet<Unit>> =
            self.all_units(&now).into_iter().map(|unit| BTreeSet::from([unit])).collect();
        let mut may_len = BTreeSet::from([self.len(now.len())?]);
        for change in &file.pending {
            change.apply(&mut now);
            for (may, unit) in may.iter_mut().zip(self.all_units(&now)) {
                may.insert(unit);
            }
            if let Change::Write { at, bytes, .. } = change
                && bytes.iter().all(|byte| *byte == 0)
            {
                may[usize::from(self.number(*at as u64)?) - 1].insert(Unit::JUNK);
            }
            may_len.insert(self.len(now.len())?);
        }
        Ok((may, may_len))
    }

    /// The block that a writer in boot `boot` is about to write, for request `req`.
    pub fn begin(
        &mut self,
        position: u64,
        bytes: &[u8],
        boot: u8,
        req: (u8, u8),
        value: Vec<u8>,
    ) -> Result<(), String> {
        let start = BlockStart::decode(bytes, self.header.place(position));
        let start = start.map_err(|cause| format!("a block at {position} is begun: {cause}"))?;
        let small = |what: &str, number: u64| {
            u8::try_from(number).map_err(|_| format!("{what} of a block is {number}"))
        };
        let raises = start.record_count == 0;
        let prev = match start.prev_crc {
            crc if crc == self.opening_crc => 0,
            crc => {
                let found = self.blocks.iter().position(|block| block.crc() == Some(crc));
                found.ok_or("a block continues one that nobody made")? as u8 + 1
            }
        };
        let made = Made {
            at: self.number(position)?,
            size: small("size", (bytes.len() / UNIT) as u64)?,
            count: small("record_count", u64::from(start.record_count))?,
            prev,
            off: small("first_offset", start.first_offset)?,
            durable: self.number(start.durable_to.max(self.base))?,
            epoch: small("epoch", u64::from(start.epoch))?,
            boot: if raises { boot } else { 0 },
            req: if raises { (0, 0) } else { req },
        };
        if bytes.len() != usize::from(made.size) * UNIT {
            return Err(format!("a block of {} bytes", bytes.len()));
        }
        let value = (!raises).then_some(value);
        self.blocks.push(Block { bytes: bytes.to_vec(), made, value });
        Ok(())
    }

    /// `made`.
    pub fn made(&self) -> Vec<Made> {
        self.blocks.iter().map(|block| block.made).collect()
    }

    /// `EndOf`: where the block behind a chain begins.
    pub fn end_of(&self, chain: &[u8]) -> u8 {
        chain.last().map_or(1, |b| {
            let made = &self.blocks[usize::from(*b) - 1].made;
            made.at + made.size
        })
    }

    /// `Chain`: all committed blocks of a file.
    pub fn chain(&self, file: &[u8]) -> Vec<u8> {
        let mut chain: Vec<u8> = Vec::new();
        let (units, len) = (self.all_units(file), self.len(file.len()).unwrap_or(0));
        loop {
            let at = self.end_of(&chain);
            if at > len || at > self.units {
                return chain;
            }
            let unit = units[usize::from(at) - 1];
            if unit.b == 0 || unit.k != 1 || unit.s != 1 {
                return chain;
            }
            let made = &self.blocks[usize::from(unit.b) - 1].made;
            let whole = made.size == 1
                || (at < len && units[usize::from(at)] == Unit { b: unit.b, k: 2, s: 0 });
            let offset = chain.last().map_or(0, |last| {
                let last = &self.blocks[usize::from(*last) - 1].made;
                last.off + last.count
            });
            let continues = made.prev == chain.last().copied().unwrap_or(0) && made.off == offset;
            if !whole || !continues {
                return chain;
            }
            chain.push(unit.b);
        }
    }

    /// The blocks of which parts stand in a file from a position on.
    pub fn blocks_in(&self, first: u8, file: &[u8]) -> BTreeSet<u8> {
        let units = (first..=self.units).map(|number| self.unit(number, file).b);
        units.filter(|b| *b > 0).collect()
    }
}
