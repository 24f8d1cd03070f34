//! What is known already: CI fails on what is new.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Report;
use crate::error::{At, CrashError, Result};

/// Ids of findings, and their sentences for whoever reads the file.
type Known = BTreeMap<String, String>;

/// Marks the findings that a baseline knows.
pub fn apply(report: &mut Report, path: &Path) -> Result<()> {
    let text = fs::read(path).at("read", path)?;
    let known: Known = serde_json::from_slice(&text).map_err(|error| {
        CrashError::Usage(format!(
            "{} is no baseline: {error}. --write-baseline makes one",
            path.display()
        ))
    })?;
    for finding in report.profiles.iter_mut().flat_map(|profile| &mut profile.findings) {
        finding.known = known.contains_key(&finding.id);
    }
    Ok(())
}

/// Writes a baseline that knows all findings.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    let findings = report.profiles.iter().flat_map(|profile| &profile.findings);
    let known: Known =
        findings.map(|finding| (finding.id.clone(), finding.sentence.clone())).collect();
    let text = serde_json::to_vec_pretty(&known).map_err(std::io::Error::from);
    text.and_then(|text| fs::write(path, text)).at("write", path)
}
