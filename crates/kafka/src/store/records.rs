//! Records of clients into batches of Puro.

use puro::{Batch, NewRecord, RecordError};

use crate::batch::{Decoded, Field};
use crate::code::{self, Code};

/// Adds the records of a client's batch.
///
/// # Errors
/// Why one of them cannot be; then some may have been added.
pub fn push_records(batch: &mut Batch, topic: &str, decoded: &Decoded<'_>) -> Result<(), Code> {
    for field in decoded.records() {
        push(batch, topic, field).map_err(|error| {
            tracing::info!(topic, %error, "a record was refused");
            match error {
                RecordError::TooLong { .. } => code::MESSAGE_TOO_LARGE,
                _ => code::INVALID_RECORD,
            }
        })?;
    }
    Ok(())
}

fn push(batch: &mut Batch, topic: &str, field: Field<'_>) -> Result<(), RecordError> {
    let Field { key, value, headers } = field;
    let mut record = match (key, value) {
        (Some(key), None) => NewRecord::delete_marker(topic, key),
        // No key and no value: it would delete nothing.
        (None, None) => return Err(RecordError::MarkerWithoutKey),
        (key, Some(value)) => {
            let record = NewRecord::new(topic, value);
            match key {
                Some(key) => record.key(key),
                None => record,
            }
        }
    };
    for (name, value) in headers.into_iter().flatten() {
        record = record.header(name, value.unwrap_or_default());
    }
    batch.push(&record)
}
