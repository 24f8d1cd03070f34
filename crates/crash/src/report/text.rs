//! For people.

use std::io::{self, Write};
use std::path::Path;

use super::{ProfileReport, Report};

/// Lines of a checker's output that are shown.
const SHOWN_LINES: usize = 3;

/// Writes the report. The last line is for scripts: `N states, N failed`.
pub fn write(report: &Report, kept: Option<&Path>, out: &mut impl Write) -> io::Result<()> {
    for what in &report.unmeasured {
        writeln!(out, "not measured: {what}")?;
    }
    for profile in &report.profiles {
        write_profile(report, profile, kept, out)?;
    }
    let (states, failed) = report.numbers();
    writeln!(out, "{states} states, {failed} failed")
}

fn write_profile(
    report: &Report,
    profile: &ProfileReport,
    kept: Option<&Path>,
    out: &mut impl Write,
) -> io::Result<()> {
    for finding in &profile.findings {
        let known = if finding.known { " (known to the baseline)" } else { "" };
        let (states, all) = (finding.states, profile.states);
        writeln!(out, "{}: {states} of {all} states{known}", finding.sentence)?;
        writeln!(out, "  the smallest of them is {}", finding.state)?;
        for line in finding.output.lines().take(SHOWN_LINES) {
            writeln!(out, "  the checker says: {line}")?;
        }
        if let Some(kept) = kept {
            let script = super::keep::dir_of(kept, finding).join("reproduce.sh");
            writeln!(out, "  again: {}", script.display())?;
        }
    }
    if profile.unmeasured > 0 {
        let why = profile.why_unmeasured.as_deref().unwrap_or_default();
        writeln!(out, "not measured: {} states; the first: {why}", profile.unmeasured)?;
    } else if let Some(why) = &profile.why_unmeasured {
        writeln!(out, "not measured: {why}")?;
    }
    let rounds: Vec<String> = profile
        .rounds
        .iter()
        .filter(|(_, _, has)| *has > 0)
        .map(|(name, made, has)| match made == has {
            true => format!("{name}: all {has}"),
            false => format!("{name}: {made} of {has}"),
        })
        .collect();
    let second = match profile.second {
        0 => String::new(),
        second => format!(" ({second} of a second crash, in recovery)"),
    };
    let rate = match profile.own_rate {
        0 => String::new(),
        rate => format!(", {rate} a second and core beside the checker"),
    };
    writeln!(
        out,
        "{}: {} calls, {} states that differ{second}, {} failed, {:.1} s{rate}",
        profile.profile,
        report.calls,
        profile.states,
        profile.failed,
        profile.elapsed_ms as f64 / 1000.0,
    )?;
    writeln!(out, "  made: {}", rounds.join("; "))
}
