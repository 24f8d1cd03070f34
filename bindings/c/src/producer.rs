//! Batches and producers.

use std::ffi::c_char;

use puro::{Batch, Producer, ProducerOptions, Setting};
use puro_shared::{Code, Trouble};

use crate::border::{Handle, answer, given, path, place, text};
use crate::consumer::ConsumerC;
use crate::types::{AppendedC, NewRecordC, TokenC, choice, lock_wait};

/// Records that are appended together: all or none, across topics.
pub type BatchC = Handle<Batch>;

/// Appends records to a stream.
pub type ProducerC = Handle<Producer>;

/// How a producer is opened. All zero: the defaults.
#[repr(C)]
pub struct ProducerOptionsC {
    /// A stream that is missing is refused, not made.
    pub must_exist: bool,
    /// A network file system is accepted; only safe where one machine alone works in it.
    pub allow_network: bool,
    /// A `puro_choice`: whether an append returns only once its records are on the disk.
    pub durable: u32,
    /// Of a stream that is made: bytes of records in a segment; 0: 64 MiB.
    pub segment_bytes: u64,
    /// How long to wait for others that hold a lock; 0: a minute; less: without limit.
    pub lock_wait_ms: i64,
}

/// What an append asks for beside its records, in any combination. All zero: nothing.
#[repr(C)]
pub struct Conditions {
    /// Append only if the stream still ends here, else `PURO_CONFLICT`; NULL: wherever it ends.
    pub if_end: *const TokenC,
    /// Append once, however often it is tried, under this name and `sequence`; NULL: each time.
    pub identity: *const c_char,
    /// A number that rises with each batch of the identity.
    pub sequence: u64,
    /// Commit the position of this consumer, behind the last record that it gave, in the same
    /// block; NULL: none. The batch may be empty then.
    pub position: *mut ConsumerC,
    /// The time of the records in ms since 1970; 0: now.
    pub timestamp_ms: u64,
    /// A `puro_choice`: whether to be on the disk before it returns.
    pub durable: u32,
}

/// Makes an empty batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_batch_open(out: *mut *mut BatchC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        Handle::give(Batch::new(), place(out, "out")?);
        Ok(Code::Ok)
    })
}

/// Adds a record; its bytes are copied. If it cannot be one, the batch is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_batch_push(batch: *mut BatchC, record: *const NewRecordC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let record = given(record, "record")?.get()?;
        Handle::enter(batch)?.value()?.push(&record)?;
        Ok(Code::Ok)
    })
}

/// Takes all records out; the memory is kept for the next ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_batch_clear(batch: *mut BatchC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        Handle::enter(batch)?.value()?.clear();
        Ok(Code::Ok)
    })
}

/// How many records it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_batch_count(batch: *mut BatchC, out: *mut usize) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        *place(out, "out")? = Handle::enter(batch)?.value()?.len();
        Ok(Code::Ok)
    })
}

/// Frees a batch; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_batch_free(batch: *mut BatchC) {
    // SAFETY: as the head of puro.h says.
    unsafe { Handle::free(batch) }
}

/// Opens a producer; makes the stream if it is missing. `options` NULL: the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_producer_open(
    dir: *const c_char,
    options: *const ProducerOptionsC,
    out: *mut *mut ProducerC,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let (dir, out) = (path(dir, "dir")?, place(out, "out")?);
        *out = std::ptr::null_mut();
        let asked = options.as_ref().map_or(Ok(ProducerOptions::new()), producer_options)?;
        Handle::give(asked.open(dir)?, out);
        Ok(Code::Ok)
    })
}

fn producer_options(given: &ProducerOptionsC) -> Result<ProducerOptions, Trouble> {
    let mut options =
        ProducerOptions::new().create(!given.must_exist).allow_network(given.allow_network);
    if let Some(durable) = choice(given.durable)? {
        options = options.durable(durable);
    }
    if given.segment_bytes > 0 {
        options = options.segment_bytes(given.segment_bytes);
    }
    if given.lock_wait_ms != 0 {
        options = options.lock_wait(lock_wait(given.lock_wait_ms));
    }
    Ok(options)
}

/// Appends one record. It is visible to all when this returns. `out` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_append(
    producer: *mut ProducerC,
    record: *const NewRecordC,
    out: *mut AppendedC,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let record = given(record, "record")?.get()?;
        let mut producer = Handle::enter(producer)?;
        tell(producer.value()?.append(&record), out)
    })
}

/// Appends a batch, all of it or nothing; the batch keeps its records. `conditions` and `out` may
/// be NULL. Where the code is `PURO_NOT_DURABLE`, `out` is filled, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_append_batch(
    producer: *mut ProducerC,
    batch: *mut BatchC,
    conditions: *const Conditions,
    out: *mut AppendedC,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let (mut producer, mut batch) = (Handle::enter(producer)?, Handle::enter(batch)?);
        let (producer, batch) = (producer.value()?, batch.value()?);
        let Some(conditions) = conditions.as_ref() else {
            return tell(producer.append_batch(batch), out);
        };
        let token = conditions.if_end.as_ref().map(|token| token.to_token());
        let mut consumer = match conditions.position {
            none if none.is_null() => None,
            some => Some(Handle::enter(some)?),
        };
        let mut transaction = producer.transaction(batch);
        if let Some(token) = &token {
            transaction = transaction.if_end(token);
        }
        if !conditions.identity.is_null() {
            transaction =
                transaction.once(text(conditions.identity, "identity")?, conditions.sequence);
        }
        if let Some(consumer) = &mut consumer {
            transaction = transaction.with_position(consumer.value()?.reader.named()?);
        }
        if conditions.timestamp_ms > 0 {
            transaction = transaction.timestamp_ms(conditions.timestamp_ms);
        }
        if let Some(durable) = choice(conditions.durable)? {
            transaction = transaction.durable(durable);
        }
        tell(transaction.commit(), out)
    })
}

/// # Safety
/// As `border::place`.
unsafe fn tell(
    appended: Result<puro::Appended, puro::AppendError>,
    out: *mut AppendedC,
) -> Result<Code, Trouble> {
    let told = appended.map_err(Trouble::from);
    let there = told.as_ref().map_or_else(|trouble| trouble.appended, |appended| Some(*appended));
    // SAFETY: as the caller promises.
    if let (Some(appended), Some(out)) = (there, unsafe { out.as_mut() }) {
        *out = appended.into();
    }
    told.map(|_| Code::Ok)
}

/// Waits until all that was appended by it is on the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_sync(producer: *mut ProducerC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        Handle::enter(producer)?.value()?.sync()?;
        Ok(Code::Ok)
    })
}

/// The position behind all that the producer has seen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_producer_token(producer: *mut ProducerC, out: *mut TokenC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        *place(out, "out")? = Handle::enter(producer)?.value()?.token().into();
        Ok(Code::Ok)
    })
}

/// The last sequence that the stream took of an identity; `PURO_NOTHING` if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_last_sequence(
    producer: *mut ProducerC,
    identity: *const c_char,
    out: *mut u64,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let (identity, out) = (text(identity, "identity")?, place(out, "out")?);
        let last = Handle::enter(producer)?.value()?.last_sequence(identity);
        *out = last.unwrap_or_default();
        Ok(if last.is_some() { Code::Ok } else { Code::Nothing })
    })
}

/// Sets a setting of the stream, such as "retention_ms" to "86400000"; `value` NULL takes it back
/// to its default. `puro config DIR list` shows them all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_set(
    producer: *mut ProducerC,
    name: *const c_char,
    value: *const c_char,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let name = text(name, "name")?;
        let mut producer = Handle::enter(producer)?;
        let producer = producer.value()?;
        if value.is_null() {
            producer.unset(name)?;
        } else {
            producer.set(&Setting::parse(name, text(value, "value")?)?)?;
        }
        Ok(Code::Ok)
    })
}

/// Closes a producer: its locks and files are let go. The handle answers `PURO_MISUSE` from now on,
/// and is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_producer_close(producer: *mut ProducerC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        drop(Handle::enter(producer)?.close());
        Ok(Code::Ok)
    })
}

/// Frees a producer, and closes it if need be; NULL is fine. A forked child may call it, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_producer_free(producer: *mut ProducerC) {
    // SAFETY: as the head of puro.h says.
    unsafe { Handle::free(producer) }
}
