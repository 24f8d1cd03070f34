//! Requests that are about a directory, and the handles that stay open between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use puro::check::Verdict;
use puro::internals::block::{BlockBuilder, BlockKind, BlockMeta, Link, Place};
use puro::internals::check;
use puro::internals::dir::Directory;
use puro::internals::layout::header;
use puro::internals::segment::{TailKind, classify};
use puro::internals::tail::Tail;
use puro::internals::vfs::{OpenMode, VfsFile};
use puro::{
    AutoCommit, Batch, CheckOptions, Consumer, ConsumerOptions, LockWait, NamedConsumer,
    NamedOptions, Producer, ProducerOptions, Record, Setting, Start, StewardError, StewardOptions,
    Token,
};
use serde_json::{Map, Value, json};

use super::fields::{NewRecordFields, shown};
use super::world::{Given, System};
use super::{Answer, Fields, Refusal, hex};

type OpenTail = Tail<<System as puro::internals::vfs::Vfs>::File>;

/// What is open under a name.
enum Handle {
    Producer(Box<Producer<System>>),
    Consumer(Box<NamedConsumer<System>>),
}

/// Handles by their names, each with the world that its requests give.
#[derive(Default)]
pub struct Handles(BTreeMap<String, (Given, Handle)>);

impl Handles {
    /// The answer, if it is a request of these.
    pub fn answer(&mut self, word: &str, fields: &Fields<'_>) -> Option<Answer> {
        Some(match word {
            "info" => info(fields),
            "classify" => tail_label(fields),
            "read" => read(fields),
            "verify" => verify(fields),
            "create" => create(fields),
            "repair" => repair(fields),
            "append" => self.with_producer(fields, append),
            "set" => self.with_producer(fields, set),
            "consume" => self.consume(fields),
            "close" => self.close(fields),
            // No request of the page: `mix` has a steward that can be killed.
            "steward" => maintain(fields),
            _ => return None,
        })
    }

    fn with_producer(
        &mut self,
        fields: &Fields<'_>,
        act: impl FnOnce(&mut Producer<System>, &Fields<'_>) -> Answer,
    ) -> Answer {
        let Some(name) = fields.get("handle").and_then(Value::as_str) else {
            return act(&mut open_producer(&given(fields)?, fields)?, fields);
        };
        if !self.0.contains_key(name) {
            let given = given(fields)?;
            let producer = Handle::Producer(Box::new(open_producer(&given, fields)?));
            self.0.insert(name.to_owned(), (given, producer));
        }
        match self.0.get_mut(name) {
            Some((given, Handle::Producer(producer))) => {
                given.take(fields)?;
                act(producer, fields)
            }
            _ => Err(Refusal::new("unsupported", "no producer")),
        }
    }

    fn consume(&mut self, fields: &Fields<'_>) -> Answer {
        let Some(name) = fields.get("handle").and_then(Value::as_str) else {
            let given = given(fields)?;
            return consume(&mut open_named(&given, fields)?, &given, fields);
        };
        if !self.0.contains_key(name) {
            let given = given(fields)?;
            let consumer = Handle::Consumer(Box::new(open_named(&given, fields)?));
            self.0.insert(name.to_owned(), (given, consumer));
        }
        match self.0.get_mut(name) {
            Some((given, Handle::Consumer(consumer))) => {
                given.take(fields)?;
                consume(consumer, given, fields)
            }
            _ => Err(Refusal::new("unsupported", "no consumer")),
        }
    }

    fn close(&mut self, fields: &Fields<'_>) -> Answer {
        self.0.remove(fields.text("handle")?);
        Ok(json!({}))
    }
}

fn given(fields: &Fields<'_>) -> Result<Given, Refusal> {
    let given = Given::default();
    given.take(fields)?;
    Ok(given)
}

fn dir<'a>(fields: &Fields<'a>) -> Result<&'a Path, Refusal> {
    fields.text("dir").map(Path::new)
}

fn lock_wait(fields: &Fields<'_>) -> LockWait {
    let ms = fields.number("lock_ms").unwrap_or(10_000);
    LockWait::AtMost(Duration::from_millis(ms))
}

fn open_producer(given: &Given, fields: &Fields<'_>) -> Result<Producer<System>, Refusal> {
    let options = ProducerOptions::new().create(false).lock_wait(lock_wait(fields));
    Ok(options.open_in(given.system(), dir(fields)?)?)
}

/// The active segment, read from its header to its committed end (O-3).
fn scanned(given: &Given, fields: &Fields<'_>) -> Result<OpenTail, Refusal> {
    let directory = Directory::new(given.system(), dir(fields)?);
    let active = directory.open_active(OpenMode::Read)?;
    let none = || Refusal::new("not_a_stream", "no segment");
    Ok(Tail::scan(active.ok_or_else(none)?)?.0)
}

fn info(fields: &Fields<'_>) -> Answer {
    let tail = scanned(&given(fields)?, fields)?;
    let mut state = Vec::new();
    for record in tail.state.entries() {
        // What a record to be written holds is told by its bytes alone.
        let mut builder = BlockBuilder::default();
        builder.push(&record).map_err(|error| Refusal::new("damaged", error))?;
        let link = Link { prev_crc: 0, next_offset: 0, may_jump: false };
        let meta = BlockMeta { link, ..tail.meta(BlockKind::Checkpoint, 0) };
        let built = builder.finish(&meta, Place { header_crc: 0, position: 0 });
        let built = built.map_err(|error| Refusal::new("damaged", error))?;
        for entry in built.block.control_records().flatten().filter(|entry| entry.key.is_some()) {
            let (key, value) = (entry.key.unwrap_or_default(), entry.value.unwrap_or_default());
            state.push(json!([hex(entry.topic), hex(key), hex(value)]));
        }
    }
    Ok(json!({
        "stream_id": hex(&tail.segment.header.stream_id), "segment": tail.segment.header.sequence,
        "end": tail.end, "next_offset": tail.next_offset(), "epoch": tail.epoch(),
        "state": state,
    }))
}

fn tail_label(fields: &Fields<'_>) -> Answer {
    let given = given(fields)?;
    let tail = scanned(&given, fields)?;
    let system = given.system();
    let file = &tail.segment.file;
    let length = file.status().map_err(|error| Refusal::new("system", error))?.len;
    let part = tail.committed_part(puro::internals::vfs::Vfs::boot_id(&system));
    let found = classify(file, &tail.segment.header, &part);
    // The rows of the table are called as the specification calls them.
    let label = match found.map_err(|error| Refusal::new("system", error))? {
        _ if tail.end == header::LEN as u64 => "damaged".to_owned(),
        TailKind::Damaged { .. } => "damaged".to_owned(),
        row => format!("{row:?}").to_lowercase(),
    };
    Ok(json!({"label": label, "end": tail.end, "length": length}))
}

fn start(fields: &Fields<'_>) -> Result<Start, Refusal> {
    let Some(from) = fields.get("from") else { return Ok(Start::Beginning) };
    if let Some(offset) = from.as_u64() {
        return Ok(Start::Offset(offset));
    }
    let refused = |error: &dyn ToString| Refusal::new("refused", error.to_string());
    match from.as_str().unwrap_or_default() {
        "beginning" => Ok(Start::Beginning),
        "end" => Ok(Start::End),
        text => match text.strip_prefix('@') {
            Some(time) => time.parse().map(Start::Time).map_err(|error| refused(&error)),
            None => text.parse::<Token>().map(Start::Token).map_err(|error| refused(&error)),
        },
    }
}

fn shown_record(record: &Record<'_>) -> Map<String, Value> {
    let held = NewRecordFields { topic: record.topic, key: record.key, value: record.value };
    let mut map = shown(&held, record.headers.iter());
    map.insert("offset".into(), record.offset.into());
    map.insert("time".into(), record.timestamp_ms.into());
    map
}

fn read(fields: &Fields<'_>) -> Answer {
    let mut options = ConsumerOptions::new().start(start(fields)?).lock_wait(lock_wait(fields));
    for topic in fields.get("topics").and_then(Value::as_array).into_iter().flatten() {
        let topic = topic.as_str().and_then(super::unhex).unwrap_or_default();
        options = options.topic(&topic);
    }
    let mut consumer = options.open_in(given(fields)?.system(), dir(fields)?)?;
    let (mut records, mut then) = (Vec::new(), "end");
    loop {
        match next(&mut consumer) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break,
            Err(refusal) => {
                then = refusal.word;
                break;
            }
        }
    }
    let token = consumer.token().map(|token| token.to_string());
    Ok(json!({"records": records, "then": then, "token": token}))
}

fn next(consumer: &mut Consumer<System>) -> Result<Option<Map<String, Value>>, Refusal> {
    Ok(consumer.try_next()?.map(|record| shown_record(&record)))
}

fn verify(fields: &Fields<'_>) -> Answer {
    let options = CheckOptions::new().deep(fields.truth("deep")).second_look(Duration::ZERO);
    let report = check(given(fields)?.system(), dir(fields)?, &options, &mut |_, _| {})?;
    let verdict = match report.verdict() {
        Verdict::Sound => "sound",
        Verdict::Repairable => "repairable",
        Verdict::Unreadable => "unreadable",
        Verdict::Damaged => "damaged",
    };
    let findings: Vec<_> = report.findings.iter().map(|found| found.problem.label()).collect();
    Ok(json!({"verdict": verdict, "text": findings.join(", ")}))
}

fn create(fields: &Fields<'_>) -> Answer {
    let mut options = ProducerOptions::new().lock_wait(lock_wait(fields));
    for (name, value) in fields.get("settings").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let refused = || Refusal::new("refused", format!("{name}={value}"));
        match Setting::parse(name, value) {
            Ok(Setting::SegmentBytes(bytes)) => options = options.segment_bytes(bytes),
            _ => return Err(refused()),
        }
    }
    let made = options.create_in(given(fields)?.system(), dir(fields)?)?;
    Ok(json!({"made": made}))
}

fn repair(fields: &Fields<'_>) -> Answer {
    let producer = open_producer(&given(fields)?, fields)?;
    let shown =
        |repair: &puro::RepairReport| json!({"label": repair.label, "position": repair.position});
    Ok(json!({"repairs": producer.repairs().iter().map(shown).collect::<Vec<_>>()}))
}

fn maintain(fields: &Fields<'_>) -> Answer {
    let refused = |error: StewardError| Refusal::new("system", error);
    let options = StewardOptions::new().lock_wait(lock_wait(fields));
    let mut steward = options.open_in(given(fields)?.system(), dir(fields)?).map_err(refused)?;
    steward.run_once().map_err(refused)?;
    Ok(json!({}))
}

fn batch(fields: &Fields<'_>) -> Result<Batch, Refusal> {
    let mut batch = Batch::new();
    for record in fields.records()? {
        batch.push(&record.to_new()).map_err(|error| Refusal::new("refused", error))?;
    }
    Ok(batch)
}

fn append(producer: &mut Producer<System>, fields: &Fields<'_>) -> Answer {
    let mut batch = batch(fields)?;
    let token = fields.get("if_end").map(|_| {
        fields.text("if_end")?.parse::<Token>().map_err(|error| Refusal::new("refused", error))
    });
    let token = token.transpose()?;
    let mut transaction = producer.transaction(&mut batch);
    if let Some(token) = &token {
        transaction = transaction.if_end(token);
    }
    if fields.get("identity").is_some() {
        transaction = transaction.once(fields.text("identity")?, fields.number("sequence")?);
    }
    if let Some(durable) = fields.get("durable").and_then(Value::as_bool) {
        transaction = transaction.durable(durable);
    }
    let appended = transaction.commit()?;
    Ok(json!({
        "first_offset": appended.first_offset, "count": appended.record_count,
        "duplicate": appended.duplicate.then_some(true),
    }))
}

fn set(producer: &mut Producer<System>, fields: &Fields<'_>) -> Answer {
    let name = fields.text("name")?;
    if fields.get("value").is_none() {
        producer.unset(name)?;
        return Ok(json!({}));
    }
    let setting = Setting::parse(name, fields.text("value")?);
    producer.set(&setting.map_err(|error| Refusal::new("refused", error))?)?;
    Ok(json!({}))
}

fn open_named(given: &Given, fields: &Fields<'_>) -> Result<NamedConsumer<System>, Refusal> {
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let wait = LockWait::AtMost(Duration::from_millis(fields.number("lock_ms").unwrap_or(0)));
    let options = options.owner_wait(wait).lock_wait(lock_wait(fields));
    Ok(options.open_in(given.system(), dir(fields)?, fields.text("name")?)?)
}

fn consume(consumer: &mut NamedConsumer<System>, given: &Given, fields: &Fields<'_>) -> Answer {
    let mut records = Vec::new();
    for _ in 0..fields.number("take").unwrap_or(u64::MAX) {
        match consumer.try_next()? {
            Some(record) => records.push(shown_record(&record)),
            None => break,
        }
    }
    if fields.truth("commit") && fields.get("records").is_some() {
        let mut batch = batch(fields)?;
        let mut producer = open_producer(given, fields)?;
        producer.transaction(&mut batch).with_position(consumer).commit()?;
    } else if fields.truth("commit") {
        consumer.commit()?;
    }
    Ok(json!({"records": records, "token": consumer.token().map(|token| token.to_string())}))
}
