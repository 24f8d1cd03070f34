//! What all clusters have in common.

use std::fmt::Display;
use std::time::Duration;

use puro::error::Blame;

use crate::trouble::Trouble;

/// How long a step before the first transaction may take, until it begins anew.
pub const BEGIN_PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take to say who it is.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(30);
/// How long a wait lasts before somebody may ask for the end.
pub const WAIT: Duration = Duration::from_millis(200);
/// Several blocks go into one transaction, up to so many bytes of values, and for so long.
pub const MOST_VALUE_BYTES: usize = 8 << 20;
pub const LONGEST: Duration = Duration::from_millis(100);

/// Something of the cluster is in the way.
pub fn cluster(how: impl Display) -> Trouble {
    Trouble::new(Blame::Environment, format_args!("cluster: {how}"))
}

/// The options for a cluster's client, as they were given: `NAME=VALUE`.
pub fn split_options(options: &[String]) -> Result<Vec<(&str, &str)>, Trouble> {
    let wrong = |option: &str| Trouble::usage(format_args!("--client is NAME=VALUE, not {option}"));
    options.iter().map(|option| option.split_once('=').ok_or_else(|| wrong(option))).collect()
}
