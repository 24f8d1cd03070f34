//! What a user of Rust expects of types, whatever they do (docs/api-guidelines.md).

use std::error::Error;

use crate::real::*;
use puro::check::{Severity, Verdict};
use puro::*;

#[test]
fn handles_go_to_other_threads() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    shared::<Stream>();
    shared::<StreamOptions>();
    shared::<BufferedProducer>();
    shared::<Batch>();
    shared::<Settings>();
    shared::<Trim>();
    shared::<OwnedRecord>();
    shared::<Record<'static>>();
    shared::<NewRecord<'static>>();
    shared::<Steward>();
    sent::<Producer>();
    sent::<Consumer>();
    sent::<NamedConsumer>();
    sent::<Watcher>();
    shared::<AppendError>();
    shared::<BackupError>();
    shared::<BufferError>();
    shared::<NamedError>();
    shared::<OpenError>();
    shared::<ReadError>();
    shared::<SalvageError>();
    shared::<StewardError>();
}

/// What an error's message ends with is not told a second time by its source.
#[test]
fn errors_print_their_source_or_return_it() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let refused = producer.append(&NewRecord::new("", "v")).unwrap_err();
    assert_eq!(refused.to_string(), "not appended: a topic must have at least one byte");
    assert!(refused.source().is_none());
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error = Consumer::open(path.join("s")).unwrap_err();
    let mut texts = vec![error.to_string()];
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        assert!(!texts.iter().any(|text| text.contains(&source.to_string())), "{texts:?} {source}");
        texts.push(source.to_string());
        cause = source;
    }
    // They may be kept and told again.
    assert_eq!(error.clone().to_string(), error.to_string());
    fn is_error<T: Error>() {}
    is_error::<puro::internals::header::HeaderCause>();
    is_error::<puro::internals::writer::CommitError>();
}

#[test]
fn an_append_error_says_whether_it_was_appended() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let begin = producer.token();
    producer.append(&NewRecord::new("t", "v")).unwrap();
    let mut batch: Batch = [NewRecord::new("t", "v")].into_iter().collect();
    let conflict = producer.transaction(&mut batch).if_end(&begin).commit().unwrap_err();
    assert_eq!((conflict.is_conflict(), conflict.was_appended()), (true, Some(false)));
    let io = || puro::error::IoError::of("sync", dir.path().to_owned(), std::io::Error::other("x"));
    let unknown = AppendError::Unknown(io());
    assert_eq!((unknown.is_conflict(), unknown.was_appended()), (false, None));
    let appended = producer.append(&NewRecord::new("t", "v")).unwrap();
    let told = AppendError::NotDurable { appended, error: io() };
    assert_eq!((told.is_conflict(), told.was_appended()), (false, Some(true)));
}

#[test]
fn ids_and_settings_are_texts_and_back() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let id = stream.id().unwrap();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(format!("{id:?}"), format!("StreamId({id})"));
    assert_eq!(
        stream.end().unwrap().to_string(),
        format!("{id}:{}:0", stream.end().unwrap().epoch)
    );
    assert_eq!(StreamId::from(<[u8; 16]>::from(id)), id);
    for wrong in ["", "12", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
        let refused = wrong.parse::<StreamId>().unwrap_err();
        assert!(refused.to_string().contains("32 hexadecimal digits"), "{refused}");
    }
    assert_eq!(
        (Verdict::Sound.to_string(), Severity::Note.to_string()),
        ("sound".into(), "note".into())
    );
}

/// A record in a message of a failed assertion can be read.
#[test]
fn records_show_their_texts() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let record = NewRecord::new("t", b"v\0\xFF").key("k").header("by", "me");
    stream.producer().unwrap().append(&record).unwrap();
    let mut consumer = stream.consumer().unwrap();
    let read = consumer.try_next().unwrap().unwrap();
    let text = format!("{read:?}");
    assert!(text.contains(r#"topic: "t", key: Some("k"), value: Some("v\x00\xff")"#), "{text}");
    assert!(text.ends_with(r#"headers: [("by", "me")] }"#), "{text}");
    assert_eq!(format!("{:?}", read.to_owned()), text.replacen("Record", "OwnedRecord", 1));
    assert_eq!((read.topic_str(), read.key_str(), read.value_str()), (Some("t"), Some("k"), None));
    let names: Vec<_> = read.headers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"by"]);
}

/// Without a name it is not to be said of what type there is none.
#[test]
fn a_trim_of_what_all_have_read() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let refused = stream.trim(&Trim::consumed()).unwrap_err();
    assert!(matches!(refused, StewardError::NoPosition { name: None, .. }), "{refused}");
}

/// Who embeds the library on Linux gets these, and no program's.
#[test]
fn an_embedder_gets_few_dependencies() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let manifest = manifest.unwrap();
    let on_linux = ["[dependencies]", "[target.'cfg(unix)'.dependencies]"];
    let mut names = Vec::new();
    for table in on_linux {
        let lines = manifest.split(table).nth(1).unwrap().lines().skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        names.extend(lines.filter(|line| line.contains('=') && !line.contains("optional = true")));
    }
    assert!((5..=8).contains(&names.len()), "{names:#?}");
    assert!(!manifest.contains("\ndefault = "), "a feature that is on by default brings its own");
}
