//! `puro-crash check`

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use puro_crash::check::check;
use puro_crash::error::{At, Result};
use puro_crash::finding::findings;
use puro_crash::model::plan::Plan;
use puro_crash::progress::Progress;
use puro_crash::report::html::Page;
use puro_crash::report::{ProfileReport, Report, baseline, junit, keep, text};
use puro_crash::trace::Trace;

use super::Checking;

/// Check the states of a trace
#[derive(Args)]
#[command(
    after_help = "Example:\n  puro-crash check puro-crash-out/trace --check ./check --profile xfs"
)]
pub struct CheckArgs {
    /// The trace
    trace: PathBuf,
    #[command(flatten)]
    checking: Checking,
    /// A path that need not survive a crash, when checkers are recorded
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,
    /// Where what was found is kept [default: beside the trace]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &CheckArgs) -> Result<u8> {
    let trace = Trace::read(&args.trace)?;
    let beside = args.trace.parent().unwrap_or(Path::new("."));
    let out = args.out.as_deref().unwrap_or(beside);
    args.checking.check_trace(&trace, &args.ignore, out)
}

impl Checking {
    /// Checks a trace under all profiles, and reports.
    pub fn check_trace(&self, trace: &Trace, ignored: &[String], out: &Path) -> Result<u8> {
        let (checker, limits) = (self.checker(), self.limits(ignored));
        let mut report = Report::new(trace, checker.line());
        let mut page = Page::new(&report);
        // What was not seen whole is never checked: the answer could only mislead.
        let profiles = if report.unmeasured.is_empty() { self.profiles()? } else { Vec::new() };
        for profile in profiles {
            let plan = Plan::new(trace, &profile);
            let checker = checker.under(&profile.name);
            let tally = {
                let progress = Progress::new("states", limits.states);
                check(&plan, &checker, &limits, &progress)?
            };
            let found = findings(&plan, &checker, &limits, &tally)?;
            for finding in &found {
                keep::keep(&checker, finding, out)?;
            }
            let of_profile = ProfileReport::new(&profile.name, &tally, found, limits.jobs);
            page.add(&plan, &of_profile, &tally.failures);
            report.profiles.push(of_profile);
        }
        self.write(&mut report, &page, out)?;
        Ok(report.exit_code())
    }

    pub fn write(&self, report: &mut Report, page: &Page, out: &Path) -> Result<()> {
        if let Some(path) = &self.baseline {
            baseline::apply(report, path)?;
        }
        if let Some(path) = &self.write_baseline {
            baseline::write(report, path)?;
        }
        if let Some(path) = &self.json {
            report.write_json(path)?;
        }
        if let Some(path) = &self.junit {
            junit::write(report, path)?;
        }
        if let Some(path) = &self.html {
            page.write(path)?;
        }
        let kept = out.join("findings");
        text::write(report, Some(&kept), &mut io::stdout().lock())
            .at("write to", Path::new("stdout"))
    }
}
