//! `puro-kit check`: vectors and living cases against a port.

pub mod glob;
pub mod judge;
pub mod port;
pub mod report;
pub mod same;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::vectors::Vectors;
use judge::Judged;
use port::Port;

/// What is to be checked, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// The command of the driver.
    pub command: Vec<String>,
    /// Which cases, by their ids.
    pub only: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many calls of each scenario are answered with a fault, at most.
    pub faults: u64,
}

impl Order {
    /// Whether a case is asked for.
    #[must_use]
    pub fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| glob::fits(only, id))
    }
}

/// Puts all cases to a port.
///
/// # Errors
/// Where the port cannot be run at all.
pub fn check(order: &Order, vectors: &Vectors) -> Result<Vec<Judged>, String> {
    let mut port = Port::start(&order.command, order.timeout)?;
    let cases: Vec<_> = vectors.cases.iter().filter(|case| order.wants(&case.id)).collect();
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    let bar = ProgressBar::new(cases.len() as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut judged = Vec::new();
    for case in cases {
        bar.set_message(case.id.split('/').next().unwrap_or_default().to_owned());
        judged.push(judge::judge(&mut port, case, &vectors.trees));
        bar.inc(1);
    }
    judged.extend(crate::live::run(order, &mut port, |id| bar.set_message(id.to_owned()))?);
    bar.finish_and_clear();
    Ok(judged)
}
