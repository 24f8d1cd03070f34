//! What must hold for a transaction from the shell.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use puro::internals::os::OsVfs;
use puro::{Batch, Producer, Start, Token, Transaction};

use super::Args;
use crate::parse::parse_start;

/// The conditions of `--atomic`.
#[derive(clap::Args)]
pub struct ConditionArgs {
    /// With --atomic: only if the stream ends here, at this OFFSET or TOKEN
    #[arg(long, value_name = "PLACE", value_parser = parse_since, requires = "atomic")]
    if_end: Option<Start>,
    /// With --atomic: only if no record of the topic of -t came since this place: has this OFFSET, or
    /// one behind it, or one from this TOKEN on
    #[arg(long, value_name = "PLACE", value_parser = parse_since, requires_all = ["atomic", "topic"])]
    if_topic_unchanged: Option<Start>,
    /// The same for the topic of -t and the key of -k; 0 asks that there never was one
    #[arg(long, value_name = "PLACE", value_parser = parse_since)]
    #[arg(requires_all = ["atomic", "topic", "key"])]
    if_key_unchanged: Option<Start>,
    /// With --atomic: once, however often it is tried: unless NAME has appended its transaction
    /// NUMBER before. Numbers rise
    #[arg(long, value_name = "NAME:NUMBER", value_parser = parse_once, requires = "atomic")]
    once: Option<(String, u64)>,
}

fn parse_since(text: &str) -> Result<Start, String> {
    match parse_start(text) {
        Ok(place @ (Start::Offset(_) | Start::Token(_))) => Ok(place),
        _ => Err("it must be an offset or a token".to_owned()),
    }
}

fn parse_once(text: &str) -> Result<(String, u64), String> {
    let split = text.rsplit_once(':').filter(|(name, _)| !name.is_empty());
    let parsed = split.and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
    parsed.ok_or_else(|| "it must be a name, a colon and a number, such as shop:7".to_owned())
}

/// The same, for a stream that is open.
pub struct Conditions {
    end: Option<Token>,
    topic: Option<Token>,
    key: Option<Token>,
    once: Option<(String, u64)>,
    names: (Vec<u8>, Vec<u8>),
}

impl Conditions {
    /// Takes them from the command line.
    pub fn new(args: &Args, producer: &Producer) -> Self {
        // An offset is one of the history that is there now.
        let token = |place: Option<Start>| match place {
            Some(Start::Token(token)) => Some(token),
            Some(Start::Offset(offset)) => Some(Token { offset, ..producer.token() }),
            _ => None,
        };
        let name = |name: &Option<OsString>| {
            name.as_ref().map_or_else(Vec::new, |name| name.as_bytes().to_vec())
        };
        let ConditionArgs { if_end, if_topic_unchanged, if_key_unchanged, once } = &args.conditions;
        Self {
            end: token(*if_end),
            topic: token(*if_topic_unchanged),
            key: token(*if_key_unchanged),
            once: once.clone(),
            names: (name(&args.topic), name(&args.key)),
        }
    }

    /// Begins the append of a batch under them.
    pub fn begin<'a>(
        &'a self,
        producer: &'a mut Producer,
        batch: &'a mut Batch,
    ) -> Transaction<'a, OsVfs> {
        let mut transaction = producer.transaction(batch);
        let (topic, key) = &self.names;
        if let Some(token) = &self.end {
            transaction = transaction.if_end(token);
        }
        if let Some(token) = &self.topic {
            transaction = transaction.if_topic_unchanged(topic, token);
        }
        if let Some(token) = &self.key {
            transaction = transaction.if_key_unchanged(topic, key, token);
        }
        if let Some((identity, sequence)) = &self.once {
            transaction = transaction.once(identity, *sequence);
        }
        transaction
    }
}
