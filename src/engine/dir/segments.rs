//! Which segments a stream has; opening and pinning them (protocol.md, chapters 2 and 3).

use std::io;

use super::names::{belongs, is_temporary, parse_segment_name, segment_name};
use super::{
    Directory, LOOKS, Listing, OpenSegment, PinActions, Segments, header_failure, lock, majority,
};
use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::segment::{SegmentHeader, read_header};
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};
use crate::format::block::Cause;
use crate::format::layout::header;

impl<V: Vfs> Directory<V> {
    /// Reads the directory; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn list(&self) -> Result<Option<Listing>, IoError> {
        let names = match self.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names.while_doing("list", &self.path)?,
        };
        let mut listing = Listing::default();
        for name in names {
            match parse_segment_name(&name) {
                Some(sequence) => listing.segments.push(sequence),
                None if is_temporary(&name) => listing.temporaries.push(name),
                None if belongs(&name) => {}
                None => listing.strays.push(name),
            }
        }
        listing.segments.sort_unstable();
        self.complete(&mut listing.segments)?;
        listing.strays.sort_unstable();
        listing.temporaries.sort_unstable();
        Ok(Some(listing))
    }

    /// Adds the segments that were made while the directory was read, and that the listing does
    /// not show although it shows later ones: a listing is not of one moment (V-9).
    fn complete(&self, segments: &mut Vec<u32>) -> Result<(), IoError> {
        let mut missed = Vec::new();
        for (&before, &after) in segments.iter().zip(segments.iter().skip(1)) {
            for sequence in before + 1..after {
                if self.id_of(&segment_name(sequence))?.is_none() {
                    break;
                }
                missed.push(sequence);
            }
        }
        segments.extend(missed);
        segments.sort_unstable();
        Ok(())
    }

    /// The stream's segments; `None` where there is no stream yet (O-2).
    ///
    /// # Errors
    /// Where a header that must be read cannot be.
    pub fn segments(&self) -> Result<Option<Segments>, Failure> {
        for _ in 0..LOOKS {
            let Some(listing) = self.list()? else { return Ok(None) };
            if listing.segments.is_empty() {
                return Ok(None);
            }
            // A steward may delete what was listed; then the list is read again.
            if let Some(stream_id) = self.stream_id(&listing)? {
                return Ok(Some(Segments { stream_id, sequences: listing.segments }));
            }
        }
        Err(self.restless().into())
    }

    /// The stream's id (F-9); `None` if the files listed are gone. All headers are read only where
    /// the lowest and the highest are of two streams.
    fn stream_id(&self, listing: &Listing) -> Result<Option<[u8; 16]>, Failure> {
        let Some((lowest, low_id)) = self.lowest_own(listing)? else { return Ok(None) };
        let above = listing.segments.iter().rev().take_while(|sequence| **sequence > lowest);
        let high_id = above.copied().find_map(|sequence| self.own_id(sequence).ok().flatten());
        if high_id.is_none_or(|high_id| high_id == low_id) {
            return Ok(Some(low_id));
        }
        self.id_that_is_said(&listing.segments)
    }

    /// The stream's id as those of these files say it that can be used (F-9), for who goes on beside
    /// the others; `None` where none of them says it.
    ///
    /// # Errors
    /// `TwoStreams` where as many say one as another.
    pub(crate) fn id_that_is_said(&self, sequences: &[u32]) -> Result<Option<[u8; 16]>, Failure> {
        let said: Vec<_> = sequences.iter().filter_map(|found| self.own_id(*found).ok()?).collect();
        match (said.first(), said.last()) {
            (Some(low), Some(high)) if low == high => Ok(Some(*low)),
            (None, _) | (_, None) => Ok(None),
            _ => majority(said.into_iter())
                .map(Some)
                .ok_or_else(|| Failure::TwoStreams { dir: self.path.clone() }),
        }
    }

    /// Number and id of the lowest segment that says which stream it is of.
    fn lowest_own(&self, listing: &Listing) -> Result<Option<(u32, [u8; 16])>, Failure> {
        let mut invalid = None;
        for &sequence in &listing.segments {
            match self.open_segment(sequence, OpenMode::Read) {
                Ok(Some(segment)) => match segment.header.sequence {
                    own if own == sequence => {
                        return Ok(Some((sequence, segment.header.stream_id)));
                    }
                    other => {
                        let cause = Cause::OtherNumber { sequence: other };
                        invalid = invalid.or(Some(segment.damage(0, 0, cause)));
                    }
                },
                Ok(None) => {}
                Err(failure @ (Failure::Damage(_) | Failure::NotASegment { .. })) => {
                    invalid = invalid.or(Some(failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        invalid.map_or(Ok(None), Err)
    }

    /// The id in a segment's header; `None` if it is gone, or stands under another number than its own.
    fn own_id(&self, sequence: u32) -> Result<Option<[u8; 16]>, Failure> {
        let segment = self.open_segment(sequence, OpenMode::Read)?;
        let own = segment.filter(|segment| segment.header.sequence == sequence);
        Ok(own.map(|segment| segment.header.stream_id))
    }

    /// The active segment (O-3); `None` where there is no stream yet.
    ///
    /// # Errors
    /// Where the file that must be it cannot be used.
    pub fn open_active(&self, mode: OpenMode) -> Result<Option<OpenSegment<V::File>>, Failure> {
        for _ in 0..LOOKS {
            let Some(segments) = self.segments()? else { return Ok(None) };
            for &sequence in segments.sequences.iter().rev() {
                match self.open_segment(sequence, mode)? {
                    Some(segment) if segment.belongs_to(&segments.stream_id, sequence) => {
                        return Ok(Some(segment));
                    }
                    Some(_) => {} // stray (F-9)
                    None => break,
                }
            }
        }
        Err(self.restless().into())
    }

    pub(crate) fn restless(&self) -> IoError {
        let source = io::Error::other("its segments change faster than they can be opened");
        IoError::of("open", self.path.clone(), source)
    }

    /// Opens a segment and reads its header; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it is not a segment that can be used.
    pub fn open_segment(
        &self,
        sequence: u32,
        mode: OpenMode,
    ) -> Result<Option<OpenSegment<V::File>>, Failure> {
        let name = segment_name(sequence);
        let Some(file) = self.open_if_there(&name, mode)? else { return Ok(None) };
        let path = self.path.join(name);
        let bytes = read_header(&file).while_doing_at("read", &path, 0)?;
        match SegmentHeader::decode(&bytes, mode != OpenMode::Read) {
            Ok(header) => Ok(Some(OpenSegment { file, header, path })),
            Err(cause) => Err(header_failure(path, cause)),
        }
    }

    /// Whether the stream has that segment: a stray under its name is none (F-9).
    ///
    /// # Errors
    /// As [`Directory::open_segment`].
    pub fn has_segment(&self, stream_id: &[u8; 16], sequence: u32) -> Result<bool, Failure> {
        let segment = self.open_segment(sequence, OpenMode::Read)?;
        Ok(segment.is_some_and(|segment| segment.belongs_to(stream_id, sequence)))
    }

    /// Whether the stream has a later segment than this one, which is then sealed: the next one, or,
    /// where that is missing, any other.
    ///
    /// # Errors
    /// As [`Directory::open_segment`].
    pub fn has_later(&self, segment: &OpenSegment<V::File>) -> Result<bool, Failure> {
        let SegmentHeader { sequence, stream_id, .. } = segment.header;
        let Some(next) = sequence.checked_add(1) else { return Ok(false) };
        if self.has_segment(&stream_id, next)? {
            return Ok(true);
        }
        let listing = self.list()?.unwrap_or_default();
        for later in listing.segments.into_iter().filter(|found| *found > next) {
            if self.has_segment(&stream_id, later)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens a segment with a shared lock on it, so that it stays while it is read;
    /// `None` where there is no such file.
    ///
    /// # Errors
    /// As [`Directory::open_segment`]; `LockTimeout` if a steward keeps it.
    pub fn pin_segment(
        &self,
        sequence: u32,
        wait: LockWait,
        [open, pin, check]: PinActions,
    ) -> Result<Option<OpenSegment<V::File>>, Failure> {
        let trace = |name, value| {
            self.vfs.trace(&Action::new(name).at(sequence, header::LEN as u64).value(value));
        };
        for _ in 0..LOOKS {
            let Some(segment) = self.open_segment(sequence, OpenMode::Read)? else {
                return Ok(None);
            };
            trace(open, segment.header.base_offset);
            let locked = lock(&segment.file, &segment.path, LockKind::Shared, wait);
            trace(if locked.is_ok() { pin } else { Operator::PinTimesOut }, 0);
            locked?;
            let named = self.still_names(&segment)?;
            trace(check, u64::from(named));
            if named {
                return Ok(Some(segment));
            }
        }
        Err(self.restless().into())
    }

    /// Whether a segment's name still leads to the file that is held.
    ///
    /// # Errors
    /// What the system says.
    pub fn still_names(&self, segment: &OpenSegment<V::File>) -> Result<bool, IoError> {
        let held = segment.file.status().while_doing("look at", &segment.path)?;
        let named = self.id_of(segment.name())?;
        Ok(named == Some(held.id))
    }
}
