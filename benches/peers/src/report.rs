//! What was measured, as JSON and as Markdown.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;

use crate::rounds::Table;
use crate::syscalls::Count;
use crate::{chart, targets};

/// The machine, as far as it matters and names nobody.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
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
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub tables: Vec<Table>,
    #[serde(default)]
    pub syscalls: Vec<Count>,
}

impl Results {
    /// What was measured before, if anything.
    pub fn load(out: &Path) -> Result<Self> {
        match std::fs::read(out.join(JSON)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts tables in the place of those of the same name.
    pub fn replace(&mut self, tables: Vec<Table>) {
        for table in tables {
            match self.tables.iter_mut().find(|known| known.id == table.id) {
                Some(known) => *known = table,
                None => self.tables.push(table),
            }
        }
        self.tables.sort_by_key(|table| place(&table.id));
    }

    pub fn table(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }
}

/// W1 to W10 in their order, then the rest.
fn place(id: &str) -> (u32, String) {
    let digits: String =
        id.strip_prefix('W').unwrap_or("99").chars().take_while(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(99), id.to_owned())
}

const JSON: &str = "results.json";

pub fn write(out: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join(JSON), serde_json::to_string_pretty(results)?)?;
    let text = format!("{}{}", markdown(results)?, targets::markdown(results)?);
    std::fs::write(out.join("results.md"), text)?;
    std::fs::write(out.join("chart.svg"), chart::svg(results)?)?;
    Ok(())
}

/// The machine and the versions, in a sentence.
pub fn about(results: &Results) -> String {
    let Machine { cores, processor, kernel, file_system } = &results.machine;
    let rounds = results.tables.iter().filter_map(|table| table.rows.first());
    let rounds = rounds.map(|row| row.values.len()).min().unwrap_or(0);
    let quick = results.tables.iter().any(|table| table.quick);
    let quick = if quick { ", some of them quick and not to be quoted" } else { "" };
    let versions = PEERS.map(|name| format!("{name} {}", version(name))).join(", ");
    format!(
        "{cores} cores ({processor}), Linux {kernel}, {file_system}; medians of at least {rounds} \
         rounds{quick}. {versions}."
    )
}

const PEERS: [&str; 10] = [
    "rusqlite",
    "heed",
    "redb",
    "fjall",
    "commitlog",
    "mrecordlog",
    "yaque",
    "logdb",
    "walrus-rust",
    "okaywal",
];

/// The version of a package that this was built with.
fn version(name: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let found = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    found.and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?")
}

/// All of it.
pub fn markdown(results: &Results) -> Result<String> {
    Ok(format!("{}\n{}{}", about(results), tables(results)?, syscalls(results)?))
}

/// A table for each workload.
pub fn tables(results: &Results) -> Result<String> {
    let mut text = String::new();
    for table in &results.tables {
        let base = table.rows.first().map_or("", |row| row.contestant.as_str());
        writeln!(text, "\n**{}**: {}\n", table.id, table.title)?;
        let (from, column) = match table.rows.iter().any(|row| !row.acknowledges.is_empty()) {
            true => (" acknowledged from |", "---|"),
            false => ("", ""),
        };
        writeln!(text, "| | {} | of {base} |{from}", table.unit)?;
        writeln!(text, "|---|---:|---:|{column}")?;
        for row in &table.rows {
            let (median, ratio) = (number(row.median()), number(row.ratio()));
            write!(text, "| {} | {median} | {ratio} |", row.contestant)?;
            if !from.is_empty() {
                write!(text, " {} |", row.acknowledges)?;
            }
            writeln!(text)?;
        }
    }
    Ok(text)
}

/// What was counted with strace.
pub fn syscalls(results: &Results) -> Result<String> {
    let mut text = String::from("\n| | | system calls | which | bytes written | bytes read |\n");
    writeln!(text, "|---|---|---:|---|---:|---:|")?;
    for Count { contestant, operation, calls, written, read } in &results.syscalls {
        let total = number(calls.values().sum());
        let which: Vec<_> =
            calls.iter().map(|(call, times)| format!("{call} {}", number(*times))).collect();
        let (which, written, read) = (which.join(", "), number(*written), number(*read));
        writeln!(text, "| {contestant} | {operation} | {total} | {which} | {written} | {read} |")?;
    }
    Ok(text)
}

/// Three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        big if big >= 1e6 => format!("{:.2} M", value / 1e6),
        big if big >= 1e4 => format!("{:.0} k", value / 1e3),
        big if big >= 1e3 => format!("{:.2} k", value / 1e3),
        big if big >= 100.0 => format!("{value:.0}"),
        big if big >= 10.0 => format!("{value:.1}"),
        big if big >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
