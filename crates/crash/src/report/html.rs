//! The timeline: one file, no server, no script that is needed to read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::junit::escape;
use super::{ProfileReport, Report};
use crate::check::Failure;
use crate::error::{At, Result};
use crate::model::plan::Plan;
use crate::trace::{Call, Effect};

const STYLE: &str = "
body{font:15px/1.45 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{padding:.15rem .6rem;text-align:left}
tr.sync{background:#dff3e3}tr.said{background:#e4edfb}tr.failed td:last-child{font-weight:600}
td.n,td.f{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
code{font:13px/1.4 ui-monospace,monospace}.bar{background:#c62828;height:.6rem;display:inline-block}
.lost{background:#fbd9d7}.decides{outline:2px solid #c62828}details{margin:.8rem 0}
pre{background:#f5f5f5;padding:.6rem;overflow:auto}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#ddd}tr.sync{background:#173323}
tr.said{background:#1a2a44}.lost{background:#4d1f1d}pre{background:#22252a}}
";

/// The page, which grows profile by profile while states are still at hand.
pub struct Page {
    body: String,
}

impl Page {
    /// The head of the page.
    #[must_use]
    pub fn new(report: &Report) -> Self {
        let mut body = String::new();
        let command = escape(&report.command.join(" "));
        let _ = write!(body, "<h1>What a crash leaves of <code>{command}</code></h1>");
        let _ = write!(
            body,
            "<p>{} calls, exit {}. Checked by <code>{}</code>.</p>",
            report.calls,
            report.status,
            escape(&report.checker)
        );
        Self { body }
    }

    /// A page without a timeline: each fault has its own.
    #[must_use]
    pub fn of_faults() -> Self {
        Self { body: "<p>Faults have no timeline; see the report as text or JSON.</p>".to_owned() }
    }

    /// A profile: its findings, and the timeline with the states that failed.
    pub fn add(&mut self, plan: &Plan<'_>, report: &ProfileReport, failures: &[Failure]) {
        let _ = write!(
            self.body,
            "<h2>{}</h2><p>{}. {} states that differ, {} failed.</p>",
            escape(&report.profile),
            escape(&plan.profile.about),
            report.states,
            report.failed
        );
        for finding in &report.findings {
            let _ = write!(
                self.body,
                "<details open><summary>{}: {} of {} states</summary><p><code>{}</code></p><pre>{}</pre></details>",
                escape(&finding.sentence),
                finding.states,
                report.states,
                escape(&finding.state),
                escape(&finding.output)
            );
        }
        self.timeline(plan, report, failures);
    }

    fn timeline(&mut self, plan: &Plan<'_>, report: &ProfileReport, failures: &[Failure]) {
        let mut failed: BTreeMap<usize, usize> = BTreeMap::new();
        failures.iter().for_each(|failure| *failed.entry(failure.state.calls).or_default() += 1);
        let most = failed.values().max().copied().unwrap_or(1);
        let smallest = || report.findings.iter().filter_map(|finding| finding.smallest.as_ref());
        let lost: BTreeSet<usize> = smallest()
            .flat_map(|state| state.missing.iter().map(|atom| plan.atoms[*atom].call))
            .collect();
        let decides: BTreeSet<usize> = smallest().map(|state| state.calls).collect();
        self.body.push_str(
            "<table><tr><th>#</th><th>call</th><th>made durable by</th><th>states failed that end here</th></tr>",
        );
        for (index, call) in plan.trace.calls.iter().enumerate() {
            let here = failed.get(&(index + 1)).copied().unwrap_or(0);
            let classes = [
                class_of(call),
                if lost.contains(&index) { "lost" } else { "" },
                if decides.contains(&(index + 1)) { "decides" } else { "" },
            ];
            let width = 160 * here / most;
            let bar = format!("<span class=bar style=\"width:{width}px\"></span> {here}");
            let _ = write!(
                self.body,
                "<tr class=\"{}\"><td class=n>{}</td><td><code>{}</code></td><td class=n>{}</td><td>{}</td></tr>",
                classes.join(" "),
                index + 1,
                escape(&call.shown),
                durable_by(plan, index),
                if here > 0 { bar } else { String::new() },
            );
        }
        self.body.push_str(
            "</table><p>Green: a barrier. Blue: an acknowledgement. Red: lost in a smallest failing \
             state; framed: the last call before the crash.</p>",
        );
    }

    /// Writes the page.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>puro-crash</title>\
             <style>{STYLE}</style><body>{}</body></html>\n",
            self.body
        );
        fs::write(path, text).at("write", path)
    }
}

fn class_of(call: &Call) -> &'static str {
    let is = |which: fn(&Effect) -> bool| call.effects.iter().any(which);
    if is(|effect| matches!(effect, Effect::Said { .. })) {
        "said"
    } else if is(|effect| matches!(effect, Effect::Sync { .. } | Effect::SyncAll)) {
        "sync"
    } else {
        ""
    }
}

/// The call by which all of a call's atoms are durable.
fn durable_by(plan: &Plan<'_>, call: usize) -> String {
    let atoms = &plan.atoms[plan.atoms_of(call)];
    if atoms.is_empty() {
        return String::new();
    }
    let last = atoms.iter().map(|atom| atom.durable_at).try_fold(0, |last, at| Some(last.max(at?)));
    last.map_or_else(|| "never".to_owned(), |last| (last + 1).to_string())
}
