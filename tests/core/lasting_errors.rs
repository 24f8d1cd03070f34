//! Errors that no later look takes back are told by every call.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use crate::real::*;
use puro::error::Failure;
use puro::{NamedError, NamedOptions, Producer, ReadError};

const LONG: Duration = Duration::from_secs(3600);

fn is_removed(error: &ReadError) -> bool {
    matches!(error, ReadError::Failure(Failure::Removed { .. }))
}

/// Somebody removed the stream under a waiting consumer, and made another in its place: the
/// consumer was told *removed* once, and then "nothing yet" for ever. Its iterator just ended.
#[test]
fn a_stream_that_was_removed_stays_so_for_who_read_it() {
    for another in [false, true] {
        let scratch = scratch();
        let dir = scratch.path().join("s");
        append(&mut Producer::open(&dir).unwrap(), "a");
        let mut consumer = fast_consumer().poll_interval(LONG).open(&dir).unwrap();
        assert!(consumer.try_next().unwrap().is_some());
        std::fs::remove_dir_all(&dir).unwrap();
        if another {
            append(&mut Producer::open(&dir).unwrap(), "of another stream");
        }
        for _ in 0..3 {
            assert!(is_removed(&consumer.try_next().unwrap_err()));
            assert!(is_removed(&consumer.wait(Duration::ZERO).unwrap_err()));
            assert!(is_removed(&consumer.poll(Duration::ZERO).unwrap_err()));
        }
        // An iterator tells it, and ends: whoever skips errors does not go round for ever.
        for told in [consumer.try_iter().collect::<Vec<_>>(), consumer.follow().collect()] {
            assert!(matches!(told.as_slice(), [Err(error)] if is_removed(error)), "{told:?}");
        }
    }
}

/// The same for a consumer with a name, which found its handle quiet for ever.
#[test]
fn a_named_consumer_of_a_removed_stream_is_told_each_time() {
    let scratch = scratch();
    let dir = scratch.path().join("s");
    append(&mut Producer::open(&dir).unwrap(), "a");
    let options = NamedOptions::new().consumer(fast_consumer().poll_interval(LONG));
    let mut named = options.open(&dir, "n").unwrap();
    assert!(named.try_next().unwrap().is_some());
    std::fs::remove_dir_all(&dir).unwrap();
    for _ in 0..3 {
        let error = named.try_next().unwrap_err();
        assert!(matches!(&error, NamedError::Read(error) if is_removed(error)), "{error}");
    }
}

/// A consumer whose segment was deleted while it read is told so until it is opened anew.
#[test]
fn an_offset_that_was_deleted_stays_out_of_range() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let mut consumer = fast_consumer().poll_interval(LONG).open(dir.path()).unwrap();
    assert!(consumer.try_next().unwrap().is_some());
    // Its segment's name leads to another file of the same stream from here on.
    let aside = copy(dir.path());
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    std::fs::copy(segment(aside.path(), 0), segment(dir.path(), 0)).unwrap();
    for _ in 0..3 {
        let error = consumer.try_next().unwrap_err();
        assert!(matches!(error, ReadError::OffsetOutOfRange { offset: 1, .. }), "{error}");
    }
    assert!(fast_consumer().open(dir.path()).unwrap().try_next().unwrap().is_some());
}
