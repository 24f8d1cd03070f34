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
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Row {
    pub contestant: String,
    /// What survives what, where that is a question.
    pub acknowledges: String,
    pub values: Vec<f64>,
    /// Against the baseline of the same round.
    pub ratios: Vec<f64>,
}

impl Row {
    pub fn new(contestant: &str, acknowledges: &str) -> Self {
        let (contestant, acknowledges) = (contestant.to_owned(), acknowledges.to_owned());
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
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// `W1` and so on.
    pub id: String,
    pub title: String,
    /// What the values are.
    pub unit: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Whether a quarter of everything was run.
    pub quick: bool,
    /// The first row is what the ratios are taken against.
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(id: &str, title: &str, unit: &str, effort: Effort) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            unit: unit.to_owned(),
            higher_is_better: true,
            quick: effort.quick,
            rows: Vec::new(),
        }
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

    /// The figure of one against that of another, taken round by round.
    pub fn ratio(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.row(one)?, self.row(other)?);
        let ratios: Vec<f64> = one.values.iter().zip(&other.values).map(|(a, b)| a / b).collect();
        Some(median(&ratios))
    }
}

/// Runs `run(tables, contestant)` once for each of `count` contestants in each round, starting
/// with another one each time; `run` adds the figures to the tables.
pub fn interleave(
    tables: &mut [Table],
    effort: Effort,
    count: usize,
    mut run: impl FnMut(&mut [Table], usize) -> Result<()>,
) -> Result<()> {
    let what = tables.first().map_or("", |table| &table.id).to_owned();
    for round in 0..effort.rounds {
        for turn in 0..count {
            let contestant = (round + turn) % count;
            run(tables, contestant).with_context(|| format!("{what}, contestant {contestant}"))?;
        }
        tables.iter_mut().for_each(Table::close_round);
        eprintln!("{what}: round {} of {}", round + 1, effort.rounds);
    }
    Ok(())
}
