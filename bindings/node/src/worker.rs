//! A handle with a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use napi::bindgen_prelude::{Either, Object, ToNapiValue};
use napi::{Env, Result};
use puro_shared::Trouble;

use crate::{Failed, closed, fault};

type Job<T> = Box<dyn FnOnce(&Owned<T>) + Send>;

/// What a promise resolves to: what was asked for, or what went wrong.
pub type Answer<D> = Either<D, Failed>;

/// A value, and whether its waits are to end.
pub struct Owned<T> {
    value: Mutex<Option<T>>,
    stop: AtomicBool,
}

impl<T> Owned<T> {
    /// Does something with the value, unless it is closed.
    pub fn with<R>(
        &self,
        work: impl FnOnce(&mut T) -> std::result::Result<R, Trouble>,
    ) -> std::result::Result<R, Trouble> {
        // After a panic nobody knows in which state it is.
        let mut value = self.value.lock().map_err(|_| closed())?;
        work(value.as_mut().ok_or_else(closed)?)
    }

    pub fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn take(&self) -> Option<T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The handle in JavaScript. When it is collected, the thread ends.
pub struct Worker<T> {
    jobs: Sender<Job<T>>,
    owned: Arc<Owned<T>>,
}

impl<T: Send + 'static> Worker<T> {
    /// A worker whose value is opened by its first job.
    pub fn new(name: &str) -> Result<Self> {
        let (jobs, given) = channel();
        let owned = Arc::new(Owned { value: Mutex::new(None), stop: AtomicBool::new(false) });
        let work = Arc::clone(&owned);
        thread::Builder::new().name(name.to_owned()).spawn(move || run(&work, &given))?;
        Ok(Self { jobs, owned })
    }

    pub fn owned(&self) -> &Arc<Owned<T>> {
        &self.owned
    }

    /// Ends every wait of it.
    pub fn stop(&self) {
        self.owned.stop.store(true, Ordering::Relaxed);
    }

    /// Opens the value.
    pub fn open<'env>(
        &self,
        env: &'env Env,
        open: impl FnOnce() -> std::result::Result<T, Trouble> + Send + 'static,
    ) -> Result<Object<'env>> {
        self.ask(env, |owned| {
            let opened = open()?;
            *owned.value.lock().map_err(|_| closed())? = Some(opened);
            Ok(())
        })
    }

    /// Gives a job to the thread, and a promise to JavaScript.
    pub fn ask<'env, D: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&Owned<T>) -> std::result::Result<D, Trouble> + Send + 'static,
    ) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let job = move |owned: &Owned<T>| {
            let done = catch_unwind(AssertUnwindSafe(|| work(owned)));
            let done = done.unwrap_or_else(|caught| Err(fault(caught)));
            let answer: Answer<D> =
                done.map_or_else(|trouble| Either::B(trouble.into()), Either::A);
            deferred.resolve(move |_| Ok(answer));
        };
        // The thread lives as long as this side of the channel.
        let _ = self.jobs.send(Box::new(job));
        Ok(promise)
    }
}

fn run<T>(owned: &Owned<T>, given: &Receiver<Job<T>>) {
    while let Ok(job) = given.recv() {
        job(owned);
    }
    // What is dropped may commit; JavaScript does not wait for it.
    drop(owned.take());
}
