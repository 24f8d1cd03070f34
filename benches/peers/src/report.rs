//! What was measured, as JSON and as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::rounds::Table;

/// The machine, as far as it matters and names nobody.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub file_system: String,
}

impl Machine {
    pub fn of(dir: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = processor.unwrap_or_default().trim_start_matches(['\t', ' ', ':']);
        let version: String =
            kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let processor = processor.to_owned();
        Self { cores, processor, kernel: version, file_system: file_system(dir) }
    }
}

/// The type of the file system that a directory is on.
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        dir.starts_with(point).then_some((point.len(), kind.to_owned()))
    });
    mounted.max_by_key(|(len, _)| *len).map(|(_, kind)| kind).unwrap_or_default()
}

/// Everything, as it is kept.
#[derive(serde::Serialize)]
pub struct Results<'a> {
    pub machine: &'a Machine,
    pub rounds: usize,
    pub quick: bool,
    pub tables: &'a [Table],
}

pub fn write(out: &Path, results: &Results<'_>) -> Result<()> {
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("results.json"), serde_json::to_string_pretty(results)?)?;
    std::fs::write(out.join("results.md"), markdown(results)?)?;
    Ok(())
}

pub fn markdown(results: &Results<'_>) -> Result<String> {
    let mut text = String::new();
    let Machine { cores, processor, kernel, file_system } = results.machine;
    writeln!(
        text,
        "{cores} cores ({processor}), Linux {kernel}, {file_system}; medians of {} rounds{}.",
        results.rounds,
        if results.quick { ", quick: not to be quoted" } else { "" }
    )?;
    for table in results.tables {
        writeln!(text, "\n**{}** {}\n", table.id, table.title)?;
        let base = table.rows.first().map_or("", |row| row.contestant.as_str());
        writeln!(text, "| | {} | of {base} | acknowledged from |", table.unit)?;
        writeln!(text, "|---|---:|---:|---|")?;
        for row in &table.rows {
            let (median, ratio) = (number(row.median()), number(row.ratio()));
            writeln!(text, "| {} | {median} | {ratio} | {} |", row.contestant, row.acknowledges)?;
        }
    }
    Ok(text)
}

/// Three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        big if big >= 1e6 => format!("{:.2} M", value / 1e6),
        big if big >= 1e4 => format!("{:.0} k", value / 1e3),
        big if big >= 1e3 => format!("{:.2} k", value / 1e3),
        big if big >= 100.0 => format!("{value:.0}"),
        big if big >= 10.0 => format!("{value:.1}"),
        big if big >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
