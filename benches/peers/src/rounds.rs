//! Interleaved rounds: the machine's speed drifts, so what is compared runs side by side.

use anyhow::{Context, Result};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// A quarter of everything: for looking, not for quoting.
    pub quick: bool,
}

impl Effort {
    /// `full` of something, or a quarter of it.
    pub fn scaled(self, full: u64) -> u64 {
        if self.quick { full / 4 } else { full }
    }
}

/// The figures of one contestant in one workload, one a round.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    pub contestant: String,
    pub acknowledges: &'static str,
    pub values: Vec<f64>,
    /// Against the baseline of the same round.
    pub ratios: Vec<f64>,
}

impl Row {
    pub fn new(contestant: impl Into<String>, acknowledges: &'static str) -> Self {
        let contestant = contestant.into();
        Self { contestant, acknowledges, values: Vec::new(), ratios: Vec::new() }
    }

    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    pub fn ratio(&self) -> f64 {
        median(&self.ratios)
    }
}

/// The middle one; the mean of both where there are two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The table of one workload.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Table {
    /// `W1` and so on.
    pub id: &'static str,
    pub title: String,
    /// What the values are.
    pub unit: &'static str,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// The first row is what the ratios are taken against.
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(id: &'static str, title: impl Into<String>, unit: &'static str) -> Self {
        Self { id, title: title.into(), unit, higher_is_better: true, rows: Vec::new() }
    }

    pub fn lower_is_better(mut self) -> Self {
        self.higher_is_better = false;
        self
    }

    /// Takes the ratios of the values that were added since the last call, which were one for
    /// each row.
    pub fn close_round(&mut self) {
        let Some(&base) = self.rows.first().and_then(|row| row.values.last()) else { return };
        for row in &mut self.rows {
            row.ratios.push(row.values.last().copied().unwrap_or(f64::NAN) / base);
        }
    }

    /// Adds the figure of this round to a contestant's row, if it has one.
    pub fn add(&mut self, contestant: &str, value: f64) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.contestant == contestant) {
            row.values.push(value);
        }
    }

    pub fn row(&self, contestant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant)
    }
}

/// Runs `run(contestant)` once for each of `count` contestants in each round, starting with
/// another one each time.
pub fn interleave(
    what: &str,
    effort: Effort,
    count: usize,
    mut run: impl FnMut(usize) -> Result<()>,
    mut round_over: impl FnMut(),
) -> Result<()> {
    for round in 0..effort.rounds {
        for turn in 0..count {
            let contestant = (round + turn) % count;
            run(contestant).with_context(|| format!("{what}, contestant {contestant}"))?;
        }
        round_over();
        eprintln!("{what}: round {} of {}", round + 1, effort.rounds);
    }
    Ok(())
}
