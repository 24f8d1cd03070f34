//! `puro config`: the settings of a stream.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use puro::{ProducerOptions, settings};
use serde_json::{Map, Value};

use crate::common::{CliError, message};

/// Show or change a stream's settings; all who use it obey from their next append on
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
    },
    /// Change a setting; without a value it goes back to its default
    Set {
        /// Its name
        name: String,
        /// Its value
        value: Option<String>,
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
        Action::Get { name } => writeln!(io::stdout(), "{}", value_of(&args.dir, name)?)?,
        Action::Set { name, value } => {
            let mut producer = ProducerOptions::new().create(false).open(&args.dir)?;
            producer.set_setting(name, value.as_deref())?;
            match value {
                Some(value) => message(format_args!("{name} is {value} from now on")),
                None => message(format_args!("{name} is at its default from now on")),
            }
        }
        Action::List { json } => list(&args.dir, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn value_of(dir: &std::path::Path, name: &str) -> Result<String, CliError> {
    let set = settings::read(dir)?;
    if let Some((_, value)) = set.into_iter().find(|(known, _)| known == name) {
        return Ok(value);
    }
    if let Some((_, default)) = settings::defaults().find(|(known, _)| *known == name) {
        return Ok(default.to_owned());
    }
    // A topic without a cleanup of its own has the one for all.
    if name.strip_prefix("cleanup:").is_some_and(|topic| !topic.is_empty()) {
        return value_of(dir, "cleanup");
    }
    Err(CliError::usage(settings::SettingError::Unknown { name: name.to_owned() }))
}

fn list(dir: &std::path::Path, json: bool) -> Result<(), CliError> {
    let set = settings::read(dir)?;
    let mut out = io::stdout().lock();
    if json {
        let object: Map<String, Value> =
            set.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        writeln!(out, "{}", Value::Object(object))?;
        return Ok(());
    }
    for (name, default) in settings::defaults() {
        let known = set.iter().find(|(known, _)| known == name);
        let (mark, value) = known.map_or((' ', default), |(_, value)| ('*', value.as_str()));
        writeln!(out, "{mark} {name} {value}")?;
    }
    for (name, value) in set.iter().filter(|(name, _)| name.starts_with("cleanup:")) {
        writeln!(out, "* {name} {value}")?;
    }
    Ok(())
}
