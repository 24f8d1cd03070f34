//! From one committed block of a segment to the next: the one walk of all who believe what they
//! read. (Who looks past damage takes a [`Walk`](crate::engine::walk::Walk).)

use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::segment::{NoBlock, OpenSegment, READ_AHEAD_BYTES, Window, is_zero};
use crate::engine::vfs::VfsFile;
use crate::format::block::{Block, Cause};
use crate::format::chain::Chain;
use crate::format::layout::start;

/// What stands at a place between two blocks.
#[derive(Debug)]
pub enum Step<'w> {
    /// The next committed block, and the place before it.
    Block(Chain, Block<'w>),
    /// There is none, and why.
    Stopped(Cause),
}

impl<'w> Step<'w> {
    /// Position and content of the block, if there is one.
    #[must_use]
    #[cfg_attr(not(feature = "internals"), allow(dead_code))]
    pub fn block(self) -> Option<(u64, Block<'w>)> {
        match self {
            Self::Block(before, block) => Some((before.position, block)),
            Self::Stopped(_) => None,
        }
    }
}

impl<F: VfsFile> OpenSegment<F> {
    /// The next committed block at a place, reading `ahead` bytes where it must read at all.
    ///
    /// Behind a segment end none is looked for: whatever stands there and is not zero is told as bytes
    /// that follow the end (F-25).
    ///
    /// # Errors
    /// What the system says.
    pub fn look<'w>(
        &self,
        at: &Chain,
        window: &'w mut Window,
        ahead: usize,
    ) -> Result<Step<'w>, IoError> {
        let place = self.header.place(at.position);
        let found = if at.ended {
            Err(what_follows_the_end(window.fetch(&self.file, at.position, 1, start::LEN)))
        } else {
            let found = window.valid_block(&self.file, place, ahead);
            found.and_then(|block| Ok(at.admit(&block.start).map(|()| block)?))
        };
        match found {
            Ok(block) => Ok(Step::Block(*at, block)),
            Err(NoBlock::Invalid(cause)) => Ok(Step::Stopped(cause)),
            Err(NoBlock::Unreadable(error)) => {
                Err(error).while_doing_at("read", &self.path, at.position)
            }
        }
    }

    /// Says that something is wrong at a place between two blocks.
    #[must_use]
    pub fn damage_at(&self, at: &Chain, cause: Cause) -> Failure {
        self.damage(at.position, at.link.next_offset, cause)
    }
}

fn what_follows_the_end(bytes: std::io::Result<&[u8]>) -> NoBlock {
    match bytes {
        Ok(bytes) if is_zero(bytes) => Cause::End.into(),
        Ok(_) => Cause::BehindEnd.into(),
        Err(error) => error.into(),
    }
}

/// Walks the committed blocks of a segment from its header on.
#[derive(Debug)]
pub struct Scan<'s, F> {
    segment: &'s OpenSegment<F>,
    window: Window,
    /// The place before the next block.
    pub at: Chain,
}

impl<'s, F: VfsFile> Scan<'s, F> {
    /// Starts at the first block.
    pub fn new(segment: &'s OpenSegment<F>) -> Self {
        Self { segment, window: Window::default(), at: Chain::at_start_of(&segment.header) }
    }

    /// The next committed block, or why there is none.
    ///
    /// # Errors
    /// What the system says.
    #[allow(clippy::should_implement_trait, reason = "an iterator's items cannot borrow from it")]
    pub fn next(&mut self) -> Result<Step<'_>, IoError> {
        let step = self.segment.look(&self.at, &mut self.window, READ_AHEAD_BYTES)?;
        if let Step::Block(before, block) = &step {
            self.at = Chain::behind(before.position, block, before.link.may_jump);
        }
        Ok(step)
    }

    /// The next committed block, and the place before it, where there must be one.
    ///
    /// # Errors
    /// Damage if there is none; or what the system says.
    pub fn expect_block(&mut self) -> Result<(Chain, Block<'_>), Failure> {
        let (segment, at) = (self.segment, self.at);
        match self.next()? {
            Step::Block(before, block) => Ok((before, block)),
            Step::Stopped(cause) => Err(segment.damage_at(&at, cause)),
        }
    }
}
