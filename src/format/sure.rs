//! What must be there because our own code made or measured it. Where it is not, that is a bug of
//! ours, and stops the program before it writes or tells something wrong.
//!
//! Never for what the bytes of a file, a caller or the system decide: that is an error, not a panic.

use std::slice::SliceIndex;

/// The value, which our own code put there; `why` says how it is known.
#[inline]
#[track_caller]
pub fn sure<T>(value: Option<T>, why: &'static str) -> T {
    match value {
        Some(value) => value,
        None => unreachable!("a bug in Puro: {why}"),
    }
}

/// A part of a buffer that our own code made long enough.
#[inline]
#[track_caller]
pub fn part<T, R: SliceIndex<[T], Output = [T]>>(all: &[T], range: R) -> &[T] {
    sure(all.get(range), "a buffer is too short")
}

/// The same, to be written to.
#[inline]
#[track_caller]
pub fn part_mut<T, R: SliceIndex<[T], Output = [T]>>(all: &mut [T], range: R) -> &mut [T] {
    sure(all.get_mut(range), "a buffer is too short")
}
