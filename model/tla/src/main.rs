//! `tla-check`: TLC on every configuration of `spec/`, compared with the checker
//! that needs no Java; then the mutants.
//!
//! ```text
//! tla-check [--short | --long] [--mutants | --only-mutants] [--table] [--jobs N] [--only NAME]
//! ```
//! `--long` runs the large configurations too, `--mutants` the mutants (and writes
//! their matrix; `--only-mutants` nothing else), `--table` writes the table of configurations into spec/README.md.

use puro_tla::config::{self, Config, spec_dir};
use puro_tla::{Outcome, Verdict, inner, mutants, page, tlc};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Options {
    long: bool,
    configs: bool,
    mutants: bool,
    table: bool,
    jobs: usize,
    only: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut found =
        Options { long: false, configs: true, mutants: false, table: false, jobs: 2, only: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--short" => found.long = false,
            "--long" => found.long = true,
            "--mutants" => found.mutants = true,
            "--only-mutants" => (found.configs, found.mutants) = (false, true),
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

fn table(rows: &[(&Config, Outcome, Option<Outcome>)]) -> String {
    let mut made = String::from(
        "| configuration | question | states | depth | TLC, s | tla-checker, s |\n|---|---|---|---|---|---|\n",
    );
    for (config, tlc, inner) in rows {
        let other = inner.as_ref().map_or("-".to_string(), |o| format!("{:.0}", o.seconds.ceil()));
        let _ = writeln!(
            made,
            "| {}{} | {} | {} | {} | {:.0} | {other} |",
            config.name,
            if config.long { " (long form)" } else { "" },
            config.question,
            page::thousands(tlc.states),
            tlc.depth,
            tlc.seconds.ceil(),
        );
    }
    made
}

fn run() -> Result<Vec<String>, String> {
    let options = options()?;
    let jar = tlc::jar()?;
    let all = config::all(&spec_dir())?;
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name == only);
    let mut complaints = Vec::new();

    let (long, short): (Vec<&Config>, Vec<&Config>) = all
        .iter()
        .filter(|c| options.configs && wanted(&c.name) && (options.long || !c.long))
        .partition(|c| c.long);
    let check = |config: &&Config, workers| {
        let tlc = tlc::run(&jar, &spec_dir(), config, workers);
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
        (tlc, inner)
    };
    let mut outcomes = each(&short, options.jobs, |c| check(c, 1));
    outcomes.extend(each(&long, 1, |c| check(c, options.jobs as u32)));
    let configs: Vec<&Config> = short.into_iter().chain(long).collect();
    let rows: Vec<_> = configs.into_iter().zip(outcomes).map(|(c, (t, i))| (c, t, i)).collect();
    complaints.extend(rows.iter().filter_map(|(c, t, i)| complaint(c, t, i.as_ref())));
    if options.table && options.configs && options.only.is_none() {
        page::put(&spec_dir().join("README.md"), "configurations", &table(&rows))?;
    }

    if options.mutants {
        let base = jar.ancestors().nth(3).expect("the jar lies in target/tla/").join("mutants");
        let list: Vec<_> = mutants::list()?
            .into_iter()
            .filter(|m| options.only.as_ref().is_none_or(|o| m.name == *o || m.run[0] == *o))
            .collect();
        let trials = each(&list, options.jobs, |m| {
            let trial = mutants::try_out(&jar, &base, m, &all);
            let runs: Vec<_> = trial
                .runs
                .iter()
                .map(|(n, o)| format!("{n} {:?} {:.1} s", o.verdict, o.seconds))
                .collect();
            println!(
                "mutant {}: {} {}",
                m.name,
                runs.join(", "),
                trial.complaint.clone().unwrap_or_default()
            );
            trial
        });
        complaints.extend(
            trials.iter().filter_map(|t| {
                Some(format!("mutant {}: {}", t.mutant.name, t.complaint.as_ref()?))
            }),
        );
        if options.only.is_none() {
            let path = config::root().join("model/tla/MUTANTS.md");
            std::fs::write(&path, mutants::matrix(&trials))
                .map_err(|e| format!("MUTANTS.md: {e}"))?;
        }
    }
    Ok(complaints)
}

fn main() -> ExitCode {
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
