//! Puts what was measured into a page, between markers.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::report::{self, Results};
use crate::targets;

/// Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` for each name that the
/// page has: `machine`, `tables`, `syscalls`, `targets`.
pub fn into(page: &Path, results: &Results) -> Result<()> {
    let mut text = std::fs::read_to_string(page)?;
    let parts = [
        ("machine", report::about(results)),
        ("tables", report::tables(results)?),
        ("syscalls", report::syscalls(results)?),
        ("targets", targets::markdown(results)?),
    ];
    let mut found = 0;
    for (name, part) in &parts {
        let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
        let Some((before, rest)) = text.split_once(&open) else { continue };
        let (_, after) = rest.split_once(&close).with_context(|| format!("no {close}"))?;
        text = format!("{before}{open}\n{}\n{close}{after}", part.trim());
        found += 1;
    }
    ensure!(found > 0, "{} has no markers", page.display());
    Ok(std::fs::write(page, text)?)
}
