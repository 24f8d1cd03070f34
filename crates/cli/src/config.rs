//! `puro config`: the settings of a stream.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use puro::internals::setting_entries;
use puro::{Setting, SettingError, Stream};
use serde_json::{Map, Value, json};

use crate::common::{CliError, message};
use crate::printable::one_line;
use crate::streams;

/// Show or change a stream's settings; writers obey from their next append on, stewards from their next pass on
#[derive(clap::Args)]
pub struct Args {
    /// The stream
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print one setting
    Get {
        /// Its name
        name: String,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change a setting; without a value it goes back to its default
    Set {
        /// Its name
        name: String,
        /// Its value
        value: Option<String>,
        /// Report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print all settings, those that are set marked with *
    List {
        /// As one JSON object of those that are set
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Get { name, json } => get(&args.dir, name, *json)?,
        Action::Set { name, value, json } => set(&args.dir, name, value.as_deref(), *json)?,
        Action::List { json } => list(&args.dir, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn set(dir: &Path, name: &str, value: Option<&str>, json: bool) -> Result<(), CliError> {
    let stream = Stream::open(dir)?;
    match value {
        Some(value) => stream.set(&Setting::parse(name, value)?)?,
        None => stream.unset(name)?,
    }
    match value {
        value if json => streams::report(|out| writeln!(out, "{}", json!({ name: value })))?,
        Some(value) => message(format_args!("{name} is {value} from now on")),
        None => message(format_args!("{name} is at its default from now on")),
    }
    Ok(())
}

fn get(dir: &Path, name: &str, json: bool) -> Result<(), CliError> {
    let value = value_of(dir, name)?;
    Ok(streams::report(|out| {
        if json { writeln!(out, "{}", json!({ name: value })) } else { writeln!(out, "{value}") }
    })?)
}

/// The settings that are set, as texts. What cannot be one counts as not set, for all who use the
/// stream.
fn read(dir: &Path) -> Result<Vec<(String, String)>, CliError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let entries = setting_entries(dir)?.into_iter();
    let mut set = Vec::new();
    for (name, value) in entries.map(|(name, value)| (text(name), text(value))) {
        match Setting::parse(&name, &value) {
            Ok(_) => set.push((name, value)),
            Err(why) => message(format_args!("{name} = {value} counts as not set: {why}")),
        }
    }
    Ok(set)
}

/// Whether a setting that stands in a stream is obeyed (F-34).
pub fn counts(name: &[u8], value: &[u8]) -> bool {
    let texts = str::from_utf8(name).ok().zip(str::from_utf8(value).ok());
    texts.is_some_and(|(name, value)| Setting::parse(name, value).is_ok())
}

fn value_of(dir: &Path, name: &str) -> Result<String, CliError> {
    let set = read(dir)?;
    if let Some((_, value)) = set.into_iter().find(|(known, _)| known == name) {
        return Ok(value);
    }
    if let Some(default) = Setting::defaults().into_iter().find(|default| default.name() == name) {
        return Ok(default.value());
    }
    // A topic without a cleanup of its own has the one for all.
    if name.strip_prefix("cleanup:").is_some_and(|topic| !topic.is_empty()) {
        return value_of(dir, "cleanup");
    }
    Err(CliError::usage(SettingError::Unknown { name: name.to_owned() }))
}

fn list(dir: &Path, json: bool) -> Result<(), CliError> {
    let set = read(dir)?;
    Ok(streams::report(|out| write_list(out, set, json))?)
}

fn write_list(out: &mut impl Write, set: Vec<(String, String)>, json: bool) -> io::Result<()> {
    if json {
        let object: Map<String, Value> =
            set.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        return writeln!(out, "{}", Value::Object(object));
    }
    for default in Setting::defaults() {
        let (name, default) = (default.name(), default.value());
        let known = set.iter().find(|(known, _)| *known == name);
        let (mark, value) = known.map_or((' ', &default), |(_, value)| ('*', value));
        writeln!(out, "{mark} {name} {value}")?;
    }
    for (name, value) in set.iter().filter(|(name, _)| name.starts_with("cleanup:")) {
        writeln!(out, "* {} {value}", one_line(name))?;
    }
    Ok(())
}
