//! `puro-kit mix`: a port and the Rust code on one directory, both killed again and again, beside a
//! steward and named consumers. Whatever was acknowledged must be there, once, and all must see
//! one sequence.

mod cast;
mod proof;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::check::judge::Judged;
use crate::check::port::Port;
use crate::vectors::make::Dice;

/// What is to be mixed.
#[derive(Clone, Debug)]
pub struct Mix {
    /// The drivers; who works is taken from them in turns.
    pub drivers: [Vec<String>; 2],
    /// How many are killed.
    pub kills: u64,
    /// What decides who does what, and who is killed when.
    pub seed: u64,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A value that was asked to be appended, and the offset if that was acknowledged.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The topic.
    pub topic: &'static str,
    /// The key.
    pub key: Option<String>,
    /// The value, unlike all others.
    pub value: String,
    /// Where it is, if somebody said so.
    pub offset: Option<u64>,
}

/// What was asked and read so far.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What producers asked for.
    pub asked: Vec<Asked>,
    /// What each consumer was given: offsets and values.
    pub read: Vec<(String, u64, Value)>,
    /// What cannot be.
    pub troubles: Vec<String>,
}

/// What all who work share.
struct Stage<'m> {
    mix: &'m Mix,
    dir: &'m Path,
    over: AtomicBool,
    kills: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// Topics: events are never compacted, states are, by their keys.
const EVENTS: &str = "events";
const STATES: &str = "states";
/// What a consumer makes of each event.
const OUTPUTS: &str = "outputs";

/// Mixes, and judges what is there in the end.
///
/// # Errors
/// Where it cannot be run at all.
pub fn mix(mix: &Mix) -> Result<Vec<Judged>, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = scratch.path().join("stream");
    prepare(mix, &dir)?;
    let stage = Stage {
        mix,
        dir: &dir,
        over: AtomicBool::new(false),
        kills: AtomicU64::new(0),
        ledger: Mutex::default(),
    };
    let bar = ProgressBar::new(mix.kills);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let stage = &stage;
            scope.spawn(move || cast::produce(stage, number));
        }
        for number in 0..2 {
            let stage = &stage;
            scope.spawn(move || cast::consume(stage, number));
        }
        for number in 0..2 {
            let stage = &stage;
            scope.spawn(move || cast::transform(stage, number));
        }
        let stage = &stage;
        scope.spawn(move || cast::maintain(stage));
        while !stage.is_over() {
            std::thread::sleep(Duration::from_millis(50));
            bar.set_position(stage.kills.load(Ordering::SeqCst));
        }
    });
    bar.finish_and_clear();
    let ledger = stage.ledger.into_inner().map_err(|error| error.to_string())?;
    proof::judge(mix, &dir, &ledger)
}

fn prepare(mix: &Mix, dir: &Path) -> Result<(), String> {
    let maker = &mix.drivers[(mix.seed % 2) as usize];
    let mut port = Port::start(maker, mix.timeout)?;
    let request = json!({"do": "create", "dir": dir, "settings": {"segment_bytes": "4096"}});
    let made = port.ask(&request)?;
    if made["made"] != true {
        return Err(format!("no stream was made: {made}"));
    }
    let name = format!("cleanup:{STATES}");
    let set = json!({"do": "set", "dir": dir, "name": name, "value": "compact"});
    let answer = crate::driver::Driver::default().answer(&set);
    if answer.get("error").is_some() { Err(answer.to_string()) } else { Ok(()) }
}

impl Stage<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Somebody was killed.
    fn killed(&self) {
        if self.kills.fetch_add(1, Ordering::SeqCst) + 1 >= self.mix.kills {
            self.over.store(true, Ordering::SeqCst);
        }
    }

    fn note(&self, write: impl FnOnce(&mut Ledger)) {
        write(&mut self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn trouble(&self, text: String) {
        self.note(|ledger| ledger.troubles.push(text));
        self.over.store(true, Ordering::SeqCst);
    }

    fn dice(&self, number: u64) -> Dice {
        Dice(self.mix.seed.wrapping_mul(1000).wrapping_add(number))
    }
}
