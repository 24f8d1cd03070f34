//! Batches and producers.

use std::sync::{Arc, Mutex, TryLockError};

use napi::bindgen_prelude::{BigInt, BufferSlice, Object};
use napi::{Env, Result};
use napi_derive::napi;
use puro::{NewRecord, ProducerOptions, Setting};
use puro_shared::Trouble;

use crate::Failed;
use crate::consumer::NativeConsumer;
use crate::worker::Worker;

/// Records that are appended together.
#[napi]
pub struct NativeBatch {
    batch: Arc<Mutex<puro::Batch>>,
}

#[napi]
impl NativeBatch {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { batch: Arc::default() }
    }

    /// Adds a record; headers are names and values by turns.
    #[napi]
    pub fn push(
        &self,
        topic: BufferSlice<'_>,
        value: Option<BufferSlice<'_>>,
        key: Option<BufferSlice<'_>>,
        headers: Vec<BufferSlice<'_>>,
    ) -> Option<Failed> {
        let pushed = self.change(|batch| {
            let mut record = match (&value, &key) {
                (Some(value), _) => NewRecord::new(&topic[..], &value[..]),
                (None, Some(key)) => NewRecord::delete_marker(&topic[..], &key[..]),
                (None, None) => return Err(puro::RecordError::MarkerWithoutKey.into()),
            };
            if let Some(key) = &key {
                record = record.key(&key[..]);
            }
            for header in headers.chunks_exact(2) {
                if let [name, value] = header {
                    record = record.header(&name[..], &value[..]);
                }
            }
            Ok(batch.push(&record)?)
        });
        pushed.err().map(Failed::from)
    }

    #[napi]
    pub fn clear(&self) -> Option<Failed> {
        let cleared = self.change(|batch| {
            batch.clear();
            Ok(())
        });
        cleared.err().map(Failed::from)
    }

    /// Without waiting: that would block the event loop.
    fn change(
        &self,
        work: impl FnOnce(&mut puro::Batch) -> std::result::Result<(), Trouble>,
    ) -> std::result::Result<(), Trouble> {
        match self.batch.try_lock() {
            Ok(mut batch) => work(&mut batch),
            Err(TryLockError::Poisoned(broken)) => work(&mut broken.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Trouble::misuse("the batch is being appended: await that first"))
            }
        }
    }
}

#[napi(object)]
pub struct ProducerAsk {
    pub must_exist: bool,
    pub durable: Option<bool>,
    pub segment_bytes: Option<BigInt>,
    pub allow_network: bool,
}

#[napi(object)]
pub struct Conditions {
    pub if_end: Option<String>,
    pub identity: Option<String>,
    pub sequence: Option<BigInt>,
    pub timestamp_ms: Option<f64>,
    pub durable: Option<bool>,
}

#[napi(object)]
pub struct AppendedAnswer {
    pub first_offset: BigInt,
    pub record_count: u32,
    pub timestamp_ms: f64,
    pub duplicate: bool,
    pub token: String,
}

#[napi]
pub struct NativeProducer {
    worker: Worker<puro::Producer>,
}

#[napi]
impl NativeProducer {
    #[napi(constructor)]
    pub fn new() -> Result<Self> {
        Ok(Self { worker: Worker::new("puro-producer")? })
    }

    #[napi]
    pub fn open<'env>(
        &self,
        env: &'env Env,
        dir: String,
        ask: ProducerAsk,
    ) -> Result<Object<'env>> {
        self.worker.open(env, move || {
            let mut options =
                ProducerOptions::new().create(!ask.must_exist).allow_network(ask.allow_network);
            if let Some(durable) = ask.durable {
                options = options.durable(durable);
            }
            if let Some(bytes) = ask.segment_bytes {
                options = options.segment_bytes(bytes.get_u64().1);
            }
            Ok(options.open(dir)?)
        })
    }

    #[napi]
    pub fn append<'env>(
        &self,
        env: &'env Env,
        batch: &NativeBatch,
        conditions: Conditions,
        position: Option<&NativeConsumer>,
    ) -> Result<Object<'env>> {
        let batch = Arc::clone(&batch.batch);
        let position = position.map(|consumer| Arc::clone(consumer.worker.owned()));
        self.worker.ask(env, move |owned| {
            let mut batch = batch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let appended = match position {
                None => owned.with(|producer| conditions.commit(producer, &mut batch, None)),
                Some(consumer) => consumer.with(|consumer| {
                    let named = consumer.named()?;
                    owned.with(|producer| conditions.commit(producer, &mut batch, Some(named)))
                }),
            }?;
            Ok(AppendedAnswer {
                first_offset: appended.first_offset.into(),
                record_count: appended.record_count,
                timestamp_ms: appended.timestamp_ms as f64,
                duplicate: appended.duplicate,
                token: appended.token.to_string(),
            })
        })
    }

    #[napi]
    pub fn sync<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.worker.ask(env, |owned| owned.with(|producer| Ok(producer.sync()?)))
    }

    #[napi]
    pub fn token<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.worker.ask(env, |owned| owned.with(|producer| Ok(producer.token().to_string())))
    }

    #[napi]
    pub fn last_sequence<'env>(&self, env: &'env Env, identity: String) -> Result<Object<'env>> {
        self.worker.ask(env, move |owned| {
            owned.with(|producer| Ok(producer.last_sequence(&identity).map(BigInt::from)))
        })
    }

    #[napi]
    pub fn set<'env>(
        &self,
        env: &'env Env,
        name: String,
        value: Option<String>,
    ) -> Result<Object<'env>> {
        self.worker.ask(env, move |owned| {
            owned.with(|producer| match value {
                Some(value) => Ok(producer.set(&Setting::parse(&name, &value)?)?),
                None => Ok(producer.unset(&name)?),
            })
        })
    }

    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.worker.ask(env, |owned| {
            drop(owned.take());
            Ok(())
        })
    }
}

impl Conditions {
    fn commit(
        self,
        producer: &mut puro::Producer,
        batch: &mut puro::Batch,
        position: Option<&mut puro::NamedConsumer>,
    ) -> std::result::Result<puro::Appended, Trouble> {
        let if_end = self.if_end.map(|text| text.parse()).transpose()?;
        let mut transaction = producer.transaction(batch);
        if let Some(token) = &if_end {
            transaction = transaction.if_end(token);
        }
        if let Some(identity) = &self.identity {
            let sequence = self.sequence.map_or(0, |sequence| sequence.get_u64().1);
            transaction = transaction.once(identity, sequence);
        }
        if let Some(timestamp_ms) = self.timestamp_ms {
            transaction = transaction.timestamp_ms(timestamp_ms as u64);
        }
        if let Some(durable) = self.durable {
            transaction = transaction.durable(durable);
        }
        if let Some(named) = position {
            transaction = transaction.with_position(named);
        }
        Ok(transaction.commit()?)
    }
}
