//! `tla-check`: TLC on every configuration of `spec/`, compared with the checker
//! that needs no Java; then the mutants.
//!
//! ```text
//! tla-check [--short | --long] [--mutants | --only-mutants] [--walk | --planted]
//!           [--traces | --only-traces] [--table] [--jobs N] [--only NAME]
//! ```
//! `--walk` has the graphs of the configurations that say `Walk: yes` walked by the shipped
//! code; `--planted` checks nothing but these, and walks them with each planted bug.
//! `--traces` holds runs of the real code against the specification as well, and with `--table`
//! writes what they cover into TRACES.md.
//! `--mutants` runs the mutants as well, `--only-mutants` nothing else. `--long` adds the
//! large configurations, and the mutants that take longest or are listed as survivors;
//! `--only NAME` takes one configuration, large or not, and the mutants that it is the first
//! to run. `--table` writes the table of configurations into spec/README.md and the matrix
//! of mutants into MUTANTS.md; rows of what was not run stay as they are.

use puro_tla::config::{self, Config, spec_dir};
use puro_tla::mutants::{self, Mutant, Trial};
use puro_tla::walk::Walked;
use puro_tla::{Outcome, Verdict, inner, page, tlc, traces, walk};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Options {
    long: bool,
    configs: bool,
    mutants: bool,
    walk: bool,
    planted: bool,
    traces: bool,
    table: bool,
    jobs: usize,
    only: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut found = Options {
        long: false,
        configs: true,
        mutants: false,
        walk: false,
        planted: false,
        traces: false,
        table: false,
        jobs: 2,
        only: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--short" => found.long = false,
            "--long" => found.long = true,
            "--mutants" => found.mutants = true,
            "--only-mutants" => (found.configs, found.mutants) = (false, true),
            "--walk" => found.walk = true,
            "--planted" => (found.walk, found.planted) = (true, true),
            "--traces" => found.traces = true,
            "--only-traces" => (found.configs, found.traces) = (false, true),
            "--table" => found.table = true,
            "--jobs" => {
                let n = args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                found.jobs = n.ok_or("--jobs needs a number")?;
            }
            "--only" => found.only = Some(args.next().ok_or("--only needs a name")?),
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(found)
}

/// Does `work` for every item, `jobs` at a time, and keeps their order.
fn each<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    let result = work(item);
                    done.lock().expect("no worker panics").push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics");
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, r)| r).collect()
}

fn complaint(config: &Config, tlc: &Outcome, inner: Option<&Outcome>) -> Option<String> {
    if tlc.verdict != Verdict::Passed {
        return Some(format!("{}: TLC: {:?}", config.name, tlc.verdict));
    }
    let inner = inner?;
    if inner.verdict != Verdict::Passed {
        return Some(format!("{}: tla-checker: {:?}", config.name, inner.verdict));
    }
    (inner.states != tlc.states).then(|| {
        format!("{}: TLC found {} states, tla-checker {}", config.name, tlc.states, inner.states)
    })
}

/// A row of the table.
fn row(config: &Config, tlc: &Outcome, inner: Option<&Outcome>) -> String {
    let seconds = |o: &Outcome| format!("{:.0}", o.seconds.ceil());
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        title(config),
        config.question,
        page::thousands(tlc.states),
        tlc.depth,
        seconds(tlc),
        inner.map_or("-".to_string(), seconds),
    )
}

fn title(config: &Config) -> String {
    format!("{}{}", config.name, if config.long { " (long form)" } else { "" })
}

/// Writes the table of configurations; rows of those that were not run stay as they are.
fn write_table(all: &[Config], made: &BTreeMap<String, String>) -> Result<(), String> {
    let (path, marker) = (spec_dir().join("README.md"), "configurations");
    let old = page::get(&path, marker)?;
    let mut table = String::from(
        "| configuration | question | states | depth | TLC, s | tla-checker, s |\n|---|---|---|---|---|---|\n",
    );
    let (long, short): (Vec<_>, Vec<_>) = all.iter().partition(|c| c.long);
    for config in short.into_iter().chain(long) {
        let head = format!("| {} |", title(config));
        let kept = || old.lines().find(|line| line.starts_with(&head));
        if let Some(row) = made.get(&config.name).map(String::as_str).or_else(kept) {
            table += row;
            table.push('\n');
        }
    }
    page::put(&path, marker, &table)
}

/// How many seconds each configuration took when the table was written: what takes long is to be
/// begun first, so that no processor waits at the end.
fn seconds_before() -> BTreeMap<String, u32> {
    let table = page::get(&spec_dir().join("README.md"), "configurations").unwrap_or_default();
    let rows = table.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let seconds = rows.filter_map(|row| {
        let both = row.get(5..7)?.iter().filter_map(|cell| cell.parse::<u32>().ok()).sum();
        Some(((*row.get(1)?).to_string(), both))
    });
    seconds.collect()
}

/// Runs the configurations and tells what is wrong with them.
fn check_configs(options: &Options, jar: &Path, all: &[Config]) -> Result<Vec<String>, String> {
    let wanted = |c: &&Config| match &options.only {
        Some(only) => c.name == *only,
        None if options.planted => c.walk,
        None => options.long || !c.long,
    };
    let (long, mut short): (Vec<_>, Vec<_>) = all.iter().filter(wanted).partition(|c| c.long);
    let before = seconds_before();
    short.sort_by_key(|config| Reverse(before.get(&config.name).copied()));
    let check = |config: &&Config, workers| {
        let tlc = tlc::run(jar, &spec_dir(), config, workers, options.walk && config.walk);
        let inner = config.both.then(|| inner::run(&spec_dir(), config));
        println!(
            "{}: {:?}, {} states, depth {}, {:.1} s; tla-checker {:?}",
            config.name,
            tlc.verdict,
            tlc.states,
            tlc.depth,
            tlc.seconds,
            inner.as_ref().map(|o| (&o.verdict, o.states, o.seconds)),
        );
        let row = row(config, &tlc, inner.as_ref());
        (config.name.clone(), row, complaint(config, &tlc, inner.as_ref()))
    };
    let mut checked = each(&short, options.jobs, |c| check(c, 1));
    checked.extend(each(&long, 1, |c| check(c, options.jobs as u32)));
    if options.table {
        let rows = checked.iter().map(|(name, row, _)| (name.clone(), row.clone())).collect();
        write_table(all, &rows)?;
    }
    let mut complaints: Vec<_> =
        checked.into_iter().filter_map(|(.., complaint)| complaint).collect();
    if options.walk {
        complaints.extend(walk_graphs(options, all.iter().filter(wanted))?);
    }
    Ok(complaints)
}

/// Has the dumped graphs walked, and tells what does not match.
fn walk_graphs<'c>(
    options: &Options,
    configs: impl Iterator<Item = &'c Config>,
) -> Result<Vec<String>, String> {
    let walked = configs.filter(|c| c.walk).map(Walked::read).collect::<Result<Vec<_>, _>>()?;
    if options.planted {
        walk::planted(&walked, options.jobs);
        return Ok(Vec::new());
    }
    Ok(walked.iter().flat_map(|w| w.walk(options.jobs)).collect())
}

/// Runs the mutants and tells what is wrong with them.
fn check_mutants(options: &Options, jar: &Path, all: &[Config]) -> Result<Vec<String>, String> {
    let base = jar.ancestors().nth(3).expect("the jar lies in target/tla/").join("mutants");
    let wanted = |m: &Mutant| match &options.only {
        Some(only) => m.name == *only || m.run[0] == *only,
        None => options.long || !m.long && m.survives.is_none(),
    };
    let all_mutants = mutants::list()?;
    let mut list: Vec<_> = all_mutants.iter().filter(|m| wanted(m)).collect();
    let before = seconds_before();
    list.sort_by_key(|mutant| Reverse(before.get(&mutant.run[0]).copied()));
    let trials = each(&list, options.jobs, |m| {
        let trial = mutants::try_out(jar, &base, m, all);
        let told = |(name, o): &(String, Outcome)| {
            format!("{name} {:?} {} states {:.1} s", o.verdict, o.states, o.seconds)
        };
        let runs: Vec<_> = trial.runs.iter().map(told).collect();
        let complaint = trial.complaint.as_deref().unwrap_or_default();
        println!("mutant {}: {} {complaint}", m.name, runs.join(", "));
        trial
    });
    if options.table {
        let path = config::root().join("model/tla/MUTANTS.md");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let written = std::fs::write(&path, mutants::matrix(&all_mutants, &trials, &old));
        written.map_err(|e| format!("MUTANTS.md: {e}"))?;
    }
    let complaint =
        |t: &Trial| Some(format!("mutant {}: {}", t.mutant.name, t.complaint.as_ref()?));
    Ok(trials.iter().filter_map(complaint).collect())
}

fn run() -> Result<Vec<String>, String> {
    let options = options()?;
    let jar = tlc::jar()?;
    let all = config::all(&spec_dir())?;
    let mut complaints = Vec::new();
    if options.configs {
        complaints.extend(check_configs(&options, &jar, &all)?);
    }
    if options.mutants {
        complaints.extend(check_mutants(&options, &jar, &all)?);
    }
    if options.traces {
        let base = jar.ancestors().nth(3).expect("the jar lies in target/tla/").join("traces");
        let report = traces::campaign::run(&jar, &base, options.only.as_deref())?;
        if options.table {
            let path = config::root().join("model/tla/TRACES.md");
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            let page = traces::campaign::merged(&old, &report.page);
            std::fs::write(path, page).map_err(|e| format!("TRACES.md: {e}"))?;
        }
        complaints.extend(report.complaints);
    }
    Ok(complaints)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(worked) = traces::runs::work(&args) {
        return worked.map_or_else(
            |error| {
                eprintln!("tla-check: {error}");
                ExitCode::from(2)
            },
            |()| ExitCode::SUCCESS,
        );
    }
    match run() {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints.iter().for_each(|c| eprintln!("{c}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tla-check: {error}");
            ExitCode::from(2)
        }
    }
}
