//! Consumers, with a name or without.

use std::ffi::c_char;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use puro::{AutoCommit, Record, Watcher};
use puro_shared::{Code, Reader, ReaderOptions, Trouble};

use crate::border::{Handle, answer, path, place, text};
use crate::types::{Bytes, Header, RecordC, StartC, TokenC, if_lost, items, lock_wait, timeout};

/// Reads the records of a stream in their order.
pub type ConsumerC = Handle<Reading>;

/// A consumer, and what C borrows of it.
#[derive(Debug)]
pub struct Reading {
    pub(crate) reader: Reader,
    watcher: Option<Watcher>,
    records: Vec<RecordC>,
    headers: Vec<Header>,
}

// SAFETY: the pointers in `records` and `headers` lead into `reader`'s and `headers`' own memory,
// and are followed by C alone, as the head of puro.h says. All else may change its thread.
unsafe impl Send for Reading {}

impl std::fmt::Debug for RecordC {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordC({})", self.offset)
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Header")
    }
}

/// How a consumer is opened. All zero: the defaults.
#[repr(C)]
pub struct ConsumerOptionsC {
    /// Where it begins; with a name, where there is no position yet.
    pub start: StartC,
    /// The topics that are wanted; none: all.
    pub topics: *const Bytes,
    /// How many.
    pub topic_count: usize,
    /// Read only what no loss of power can take back.
    pub durable: bool,
    /// Wait for a stream that is not there yet. Not with a name.
    pub wait_for_stream: bool,
    /// A network file system is accepted; only safe where one machine alone works in it.
    pub allow_network: bool,
    /// With a name: commit only by `puro_commit` and by `puro_conditions.position`.
    pub commit_by_hand: bool,
    /// A `puro_if_lost`.
    pub if_lost: u32,
    /// The name under which the stream keeps the position; NULL: none.
    pub name: *const c_char,
    /// With a name: commit after so many records; 0: by time.
    pub commit_every_records: u64,
    /// With a name: commit after so many ms, at the next call; 0: a second.
    pub commit_every_ms: u64,
    /// How long to wait for another process that runs under the name; less than 0: without limit.
    pub owner_wait_ms: i64,
    /// How long to wait for others that hold a lock; 0: a minute; less: without limit.
    pub lock_wait_ms: i64,
}

/// Opens a consumer. `options` NULL: all topics from the beginning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_open(
    dir: *const c_char,
    options: *const ConsumerOptionsC,
    out: *mut *mut ConsumerC,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let (dir, out) = (path(dir, "dir")?, place(out, "out")?);
        *out = ptr::null_mut();
        let options = match options.as_ref() {
            Some(options) => options.get()?,
            None => ReaderOptions::default(),
        };
        let reader = options.open(dir)?;
        let (records, headers) = Default::default();
        Handle::give(Reading { reader, watcher: None, records, headers }, out);
        Ok(Code::Ok)
    })
}

impl ConsumerOptionsC {
    /// # Safety
    /// What it points to is valid.
    unsafe fn get(&self) -> Result<ReaderOptions, Trouble> {
        let mut topics = Vec::new();
        // SAFETY: as the caller promises.
        let (given, name) = unsafe {
            let name = if self.name.is_null() { None } else { Some(text(self.name, "name")?) };
            (items(self.topics, self.topic_count, "topics")?, name)
        };
        for topic in given {
            // SAFETY: as the caller promises.
            topics.push(unsafe { topic.get("a topic") }?.unwrap_or_default().to_vec());
        }
        let auto_commit = match (self.commit_by_hand, self.commit_every_records) {
            (true, _) => Some(AutoCommit::Never),
            (false, 0) if self.commit_every_ms == 0 => None,
            (false, 0) => Some(AutoCommit::Interval(Duration::from_millis(self.commit_every_ms))),
            (false, records) => Some(AutoCommit::Records(records)),
        };
        Ok(ReaderOptions {
            name: name.map(str::to_owned),
            start: Some(self.start.get()?),
            topics,
            durable: self.durable,
            wait_for_stream: self.wait_for_stream,
            allow_network: self.allow_network,
            lock_wait: (self.lock_wait_ms != 0).then(|| lock_wait(self.lock_wait_ms)),
            auto_commit,
            if_lost: if_lost(self.if_lost)?,
            owner_wait: Some(lock_wait(self.owner_wait_ms)),
        })
    }
}

impl Reading {
    /// Keeps a record for C. Its headers are put in place by `finish`.
    fn keep(records: &mut Vec<RecordC>, headers: &mut Vec<Header>, record: &Record<'_>) {
        let before = headers.len();
        let all = record.headers.iter();
        headers.extend(
            all.map(|(name, value)| Header { name: Bytes::of(name), value: Bytes::of(value) }),
        );
        records.push(RecordC {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            topic: Bytes::of(record.topic),
            key: Bytes::of_some(record.key),
            value: Bytes::of_some(record.value),
            headers: ptr::null(),
            header_count: headers.len() - before,
        });
    }

    /// Lets each record point to its headers, which move no more.
    fn finish(&mut self) {
        let mut rest = self.headers.as_slice();
        for record in &mut self.records {
            let (own, behind) = rest.split_at(record.header_count.min(rest.len()));
            (record.headers, rest) = (own.as_ptr(), behind);
        }
    }

    /// Forgets what C borrowed.
    fn begin(&mut self) -> (&mut Reader, &mut Vec<RecordC>, &mut Vec<Header>) {
        self.records.clear();
        self.headers.clear();
        (&mut self.reader, &mut self.records, &mut self.headers)
    }
}

/// The next record, waiting for it up to `timeout_ms`; less than 0: without limit. `PURO_NOTHING`
/// if none came in time. With a name, to ask says that the records before are done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_next(
    consumer: *mut ConsumerC,
    timeout_ms: i64,
    out: *mut RecordC,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let out = place(out, "out")?;
        let mut consumer = Handle::enter(consumer)?;
        let consumer = consumer.value()?;
        let (reader, records, headers) = consumer.begin();
        match reader.poll(timeout(timeout_ms))? {
            Some(record) => Reading::keep(records, headers, &record),
            None => return Ok(Code::Nothing),
        }
        consumer.finish();
        Ok(consumer.records.pop().map_or(Code::Nothing, |record| {
            *out = record;
            Code::Ok
        }))
    })
}

/// The records that are left of a block, waiting for one up to `timeout_ms`: the fastest way to
/// read. `records` is set to the first of `count`. All of them count as read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_next_block(
    consumer: *mut ConsumerC,
    timeout_ms: i64,
    records: *mut *const RecordC,
    count: *mut usize,
) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let (first, count) = (place(records, "records")?, place(count, "count")?);
        (*first, *count) = (ptr::null(), 0);
        let mut consumer = Handle::enter(consumer)?;
        let consumer = consumer.value()?;
        let (reader, records, headers) = consumer.begin();
        reader.block(timeout(timeout_ms), |record| Reading::keep(records, headers, &record))?;
        if consumer.records.is_empty() {
            return Ok(Code::Nothing);
        }
        consumer.finish();
        (*first, *count) = (consumer.records.as_ptr(), consumer.records.len());
        Ok(Code::Ok)
    })
}

/// Waits until there is a record to be read; `PURO_NOTHING` if none came in time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_wait(consumer: *mut ConsumerC, timeout_ms: i64) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let found = Handle::enter(consumer)?.value()?.reader.wait(timeout(timeout_ms))?;
        Ok(if found { Code::Ok } else { Code::Nothing })
    })
}

/// The position of the next record; `PURO_NOTHING` until there is a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_token(consumer: *mut ConsumerC, out: *mut TokenC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let out = place(out, "out")?;
        Ok(match Handle::enter(consumer)?.value()?.reader.token() {
            Some(token) => {
                *out = token.into();
                Code::Ok
            }
            None => Code::Nothing,
        })
    })
}

/// With a name: commits the position behind the last record given; `PURO_NOTHING` without progress.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_commit(consumer: *mut ConsumerC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let committed = Handle::enter(consumer)?.value()?.reader.named()?.commit()?;
        Ok(if committed { Code::Ok } else { Code::Nothing })
    })
}

/// A descriptor that becomes readable when there may be something new, for `poll` or `epoll`. Go in
/// this order: `puro_consumer_clear`, then `puro_next` with timeout 0 until there is nothing, then
/// wait for the descriptor, for a second at most. It belongs to the consumer, and is closed with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_fd(consumer: *mut ConsumerC, out: *mut i32) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let out = place(out, "out")?;
        *out = Handle::enter(consumer)?.value()?.watcher()?.as_raw_fd();
        Ok(Code::Ok)
    })
}

impl Reading {
    fn watcher(&mut self) -> Result<&mut Watcher, Trouble> {
        if self.watcher.is_none() {
            self.watcher = Some(self.reader.watcher()?);
        }
        self.watcher.as_mut().ok_or_else(|| Trouble::misuse("there is no watcher"))
    }
}

/// Forgets what the descriptor has noticed until now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_clear(consumer: *mut ConsumerC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        Handle::enter(consumer)?.value()?.watcher()?.clear();
        Ok(Code::Ok)
    })
}

/// Closes a consumer. With a name it commits first that all it gave is done, unless it commits by
/// hand. The handle answers `PURO_MISUSE` from now on, and is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_close(consumer: *mut ConsumerC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        match Handle::enter(consumer)?.close() {
            Some(reading) => reading.reader.close().map(|()| Code::Ok),
            None => Ok(Code::Ok),
        }
    })
}

/// Frees a consumer; NULL is fine. If it was not closed, the record given last does not count as
/// done. A forked child may call it, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_consumer_free(consumer: *mut ConsumerC) {
    // SAFETY: as the head of puro.h says.
    unsafe { Handle::free(consumer) }
}
