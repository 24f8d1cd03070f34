//! Consumers, with a name or without.

use std::time::{Duration, Instant};

use napi::bindgen_prelude::{BigInt, BigUint64Array, Buffer, Object, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use puro::{AutoCommit, IfLost, LockWait, Record, Start};
use puro_shared::{Reader, ReaderOptions, Trouble};

use crate::worker::{Owned, Worker};

/// How long a wait goes on without a look whether it is to end.
const SLICE: Duration = Duration::from_millis(100);

#[napi(object)]
pub struct ConsumerAsk {
    pub topics: Vec<Buffer>,
    /// "beginning", "end", "offset", "last", "time" or "token"; what it needs is beside it.
    pub start: String,
    pub start_number: BigInt,
    pub start_token: String,
    pub name: Option<String>,
    pub durable: bool,
    pub wait_for_stream: bool,
    pub commit_by_hand: bool,
    pub commit_records: Option<BigInt>,
    pub commit_ms: Option<f64>,
    pub if_lost: String,
    /// Less than 0: without limit.
    pub owner_wait_ms: f64,
    pub allow_network: bool,
}

/// Records side by side: what costs JavaScript dear is made by the block, not one by one.
#[napi(object)]
pub struct Block {
    /// All their bytes.
    pub bytes: Buffer,
    /// Of each record: its offset, and its time.
    pub numbers: BigUint64Array,
    /// Of each record: the length of topic, key and value, the latter two plus one, where 0 says that
    /// there is none; the count of headers, and the lengths of each name and value.
    pub lengths: Uint32Array,
    /// The position behind them.
    pub token: String,
}

#[napi]
pub struct NativeConsumer {
    pub(crate) worker: Worker<Reader>,
}

#[napi]
impl NativeConsumer {
    #[napi(constructor)]
    pub fn new() -> Result<Self> {
        Ok(Self { worker: Worker::new("puro-consumer")? })
    }

    #[napi]
    pub fn open<'env>(
        &self,
        env: &'env Env,
        dir: String,
        ask: ConsumerAsk,
    ) -> Result<Object<'env>> {
        self.worker.open(env, move || ask.options()?.open(dir))
    }

    /// The next record, or all that are left of its block; `null` if none came in time. A timeout
    /// less than 0 is none.
    #[napi]
    pub fn read<'env>(&self, env: &'env Env, timeout_ms: f64, one: bool) -> Result<Object<'env>> {
        self.worker.ask(env, move |owned| wait(owned, limit(timeout_ms), one))
    }

    #[napi]
    pub fn token<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.worker.ask(env, |owned| {
            owned.with(|reader| Ok(reader.token().map(|token| token.to_string())))
        })
    }

    #[napi]
    pub fn commit<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.worker.ask(env, |owned| owned.with(|reader| Ok(reader.named()?.commit()?)))
    }

    /// Ends it; `abandon` says that what was given last is not done.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env, abandon: bool) -> Result<Object<'env>> {
        self.worker.stop();
        self.worker.ask(env, move |owned| match owned.take() {
            Some(reader) if !abandon => reader.close(),
            _ => Ok(()),
        })
    }
}

/// Waits in slices, and gives way between them: an append in another thread may need the position.
fn wait(
    owned: &Owned<Reader>,
    timeout: Duration,
    one: bool,
) -> std::result::Result<Option<Block>, Trouble> {
    let begun = Instant::now();
    loop {
        let left = timeout.saturating_sub(begun.elapsed());
        let found = owned.with(|reader| {
            if !reader.wait(left.min(SLICE))? {
                return Ok(None);
            }
            let mut packed = Packed::default();
            if one {
                let record = reader.poll(Duration::ZERO)?;
                record.iter().for_each(|record| packed.add(record));
            } else {
                reader.block(Duration::ZERO, |record| packed.add(&record))?;
            }
            Ok(Some(packed.finish(reader)))
        })?;
        if found.is_some() || left.is_zero() || owned.is_to_stop() {
            return Ok(found);
        }
    }
}

#[derive(Default)]
struct Packed {
    bytes: Vec<u8>,
    numbers: Vec<u64>,
    lengths: Vec<u32>,
}

impl Packed {
    fn add(&mut self, record: &Record<'_>) {
        self.numbers.extend([record.offset, record.timestamp_ms]);
        self.put(record.topic, 0);
        for field in [record.key, record.value] {
            match field {
                Some(bytes) => self.put(bytes, 1),
                None => self.lengths.push(0),
            }
        }
        self.lengths.push(record.headers.len() as u32);
        for (name, value) in record.headers.iter() {
            self.put(name, 0);
            self.put(value, 0);
        }
    }

    /// No field is longer than 10 MiB.
    fn put(&mut self, bytes: &[u8], plus: u32) {
        self.lengths.push(bytes.len() as u32 + plus);
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(self, reader: &Reader) -> Block {
        Block {
            bytes: self.bytes.into(),
            numbers: self.numbers.into(),
            lengths: self.lengths.into(),
            token: reader.token().map_or_else(String::new, |token| token.to_string()),
        }
    }
}

fn limit(timeout_ms: f64) -> Duration {
    let seconds = timeout_ms / 1000.0;
    if timeout_ms < 0.0 {
        Duration::MAX
    } else {
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl ConsumerAsk {
    fn options(self) -> std::result::Result<ReaderOptions, Trouble> {
        let number = self.start_number.get_u64().1;
        let start = match self.start.as_str() {
            "beginning" => Start::Beginning,
            "end" => Start::End,
            "offset" => Start::Offset(number),
            "last" => Start::Last(number),
            "time" => Start::Time(number),
            _ => Start::Token(self.start_token.parse()?),
        };
        let auto_commit = match (self.commit_by_hand, self.commit_records, self.commit_ms) {
            (true, ..) => Some(AutoCommit::Never),
            (_, Some(records), _) => Some(AutoCommit::Records(records.get_u64().1)),
            (_, None, Some(ms)) => Some(AutoCommit::Interval(limit(ms))),
            _ => None,
        };
        let if_lost = match self.if_lost.as_str() {
            "fail" => IfLost::Fail,
            "beginning" => IfLost::Beginning,
            "end" => IfLost::End,
            _ => return Err(Trouble::misuse("ifLost must be 'fail', 'beginning' or 'end'")),
        };
        let owner_wait = match limit(self.owner_wait_ms) {
            Duration::ZERO => LockWait::Try,
            Duration::MAX => LockWait::Forever,
            waited => LockWait::AtMost(waited),
        };
        Ok(ReaderOptions {
            name: self.name,
            start: Some(start),
            topics: self.topics.iter().map(|topic| topic.to_vec()).collect(),
            durable: self.durable,
            wait_for_stream: self.wait_for_stream,
            allow_network: self.allow_network,
            lock_wait: None,
            auto_commit,
            if_lost,
            owner_wait: Some(owner_wait),
        })
    }
}
