//! Which records are printed, beside those of a topic: by key, value and headers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use puro::Record;
use regex::bytes::Regex;

/// What `--key`, `--grep` and `--header` ask for: all three, where more than one is given.
#[derive(clap::Args)]
pub struct Filter {
    /// Only records of this key; may be given more than once
    #[arg(short, long = "key", value_name = "KEY")]
    keys: Vec<OsString>,
    /// Only records in whose value this regular expression matches; (?i) before it passes over case
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    grep: Option<Regex>,
    /// Only records with this header, NAME=VALUE, or NAME with any value; may be given more than
    /// once, then all of them must be there
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<OsString>,
}

impl Filter {
    /// Whether a record is wanted.
    #[inline]
    pub fn wants(&self, record: &Record<'_>) -> bool {
        self.wants_key(record.key)
            && self.grep.as_ref().is_none_or(|grep| record.value.is_some_and(|v| grep.is_match(v)))
            && self.headers.iter().all(|header| has_header(record, header.as_bytes()))
    }

    fn wants_key(&self, key: Option<&[u8]>) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|wanted| Some(wanted.as_bytes()) == key)
    }
}

fn has_header(record: &Record<'_>, wanted: &[u8]) -> bool {
    // A name may hold `=`, too, so no one place parts it from its value.
    record.headers.iter().any(|(name, value)| match wanted.strip_prefix(name) {
        Some([]) => true,
        Some([b'=', rest @ ..]) => rest == value,
        _ => false,
    })
}
