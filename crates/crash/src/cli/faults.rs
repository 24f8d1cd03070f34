//! `puro-crash faults`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use puro_crash::error::{CrashError, Result};
use puro_crash::faults::{plan, run as inject};
use puro_crash::progress::Progress;
use puro_crash::record::fault::{FAULTS, Fault};
use puro_crash::record::{Order, Recorder};
use puro_crash::report::html::Page;
use puro_crash::report::{ProfileReport, Report, keep};
use puro_crash::trace::Trace;

use super::{Checking, Recorded};

/// Answer each call with each fault, and check what is left
#[derive(Args)]
#[command(
    after_help = "Example:\n  puro-crash faults --dir work --check ./check --fault EIO,short -- ./save"
)]
pub struct FaultsArgs {
    #[command(flatten)]
    recorded: Recorded,
    #[command(flatten)]
    checking: Checking,
    /// Which faults: ENOSPC, EIO, EINTR, short, SIGKILL [default: all]
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    fault: Vec<Fault>,
    /// Where the last trace and what was found are kept
    #[arg(long, value_name = "DIR", default_value = "puro-crash-out")]
    out: PathBuf,
}

pub fn run(args: &FaultsArgs) -> Result<u8> {
    if args.recorded.base {
        return Err(CrashError::Usage(
            "faults begin each run with an empty directory: --base cannot be".to_owned(),
        ));
    }
    let mut profiles = args.checking.profiles()?;
    let (Some(profile), 0) = (profiles.pop(), profiles.len()) else {
        return Err(CrashError::Usage("faults take one profile".to_owned()));
    };
    let trace_dir = args.out.join("trace");
    let recording = args.recorded.record(&trace_dir, true)?;
    let trace = Trace::read(&trace_dir)?;
    let checker = args.checking.checker().under(&profile.name);
    let limits = args.checking.limits(&args.recorded.ignore);
    let mut report = Report::new(&trace, checker.line());
    if report.unmeasured.is_empty() {
        let faults = if args.fault.is_empty() { FAULTS.to_vec() } else { args.fault.clone() };
        let (injections, possible) = plan(&recording.followed, &faults, limits.states);
        let progress = Progress::new("faults", injections.len() as u64);
        let order = Order {
            command: &args.recorded.command,
            dir: &args.recorded.dir,
            trace: &trace_dir,
            ignored: &args.recorded.ignore,
            echo: false,
            injection: None,
            lists_calls: true,
            timeout: Duration::from_secs(args.recorded.timeout),
            recorder: Recorder::Ptrace,
        };
        let outcome = inject(&order, &injections, &checker, &profile, &limits, &progress)?;
        for finding in &outcome.findings {
            keep::keep(&checker, finding, &args.out)?;
        }
        report.profiles.push(ProfileReport::of_faults(outcome, possible));
    }
    args.checking.write(&mut report, &Page::of_faults(), &args.out)?;
    Ok(report.exit_code())
}
