//! The records of a consumer as iterators of owned copies.

use std::time::Duration;

use super::Consumer;
use crate::engine::vfs::Vfs;
use crate::error::ReadError;
use crate::format::record::OwnedRecord;

impl<V: Vfs> Consumer<V> {
    /// All records that are there now, as owned copies; ends at the end, and behind an error.
    pub fn try_iter(&mut self) -> impl Iterator<Item = Result<OwnedRecord, ReadError>> + '_ {
        ending_with_an_error(move || {
            self.try_next().map(|record| record.map(|record| record.to_owned())).transpose()
        })
    }

    /// All records, as owned copies; waits at the end, without limit. Ends behind an error.
    pub fn follow(&mut self) -> impl Iterator<Item = Result<OwnedRecord, ReadError>> + '_ {
        ending_with_an_error(move || {
            loop {
                match self.poll(Duration::MAX) {
                    Ok(None) => {}
                    Ok(Some(record)) => return Some(Ok(record.to_owned())),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }
}

/// Yields what is found, and nothing behind an error: one that lasts would never end.
fn ending_with_an_error<T>(
    mut next: impl FnMut() -> Option<Result<T, ReadError>>,
) -> impl Iterator<Item = Result<T, ReadError>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let found = next();
        ended = !matches!(found, Some(Ok(_)));
        found
    })
}
