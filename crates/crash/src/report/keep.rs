//! What is kept of a finding: the image, the acknowledgements, and a script that checks them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::check::checker::Checker;
use crate::error::{At, Result};
use crate::finding::Finding;

/// The directory of a finding.
#[must_use]
pub fn dir_of(kept: &Path, finding: &Finding) -> PathBuf {
    kept.join(&finding.id)
}

/// Keeps a finding.
pub fn keep(checker: &Checker, finding: &Finding, out: &Path) -> Result<()> {
    let dir = dir_of(&out.join("findings"), finding);
    let image = dir.join("image");
    fs::create_dir_all(&image).at("make", &image)?;
    finding.image.write_to(&image)?;
    let acknowledged = dir.join("acknowledged");
    fs::write(&acknowledged, &finding.acknowledged).at("write", &acknowledged)?;
    let script = dir.join("reproduce.sh");
    fs::write(&script, script_of(checker, finding, out)?).at("write", &script)?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&script, mode).at("set permissions of", &script)
}

fn script_of(checker: &Checker, finding: &Finding, out: &Path) -> Result<String> {
    let here = std::env::current_dir().at("find", Path::new("."))?;
    let trace = fs::canonicalize(out.join("trace")).at("find", out)?;
    // A checker repairs what it is given: it gets a copy.
    Ok(format!(
        "#!/bin/sh\n\
         # {sentence}\n\
         # All calls: puro-crash explain {trace} {state}\n\
         here=$(cd \"$(dirname \"$0\")\" && pwd)\n\
         work=$(mktemp -d)\n\
         trap 'rm -rf \"$work\"' EXIT\n\
         cp -a \"$here/image\" \"$work/image\"\n\
         cd {cwd}\n\
         {variable} {checker} \"$work/image\" \"$here/acknowledged\"\n",
        sentence = finding.sentence.replace('\n', " "),
        trace = quoted(&trace.to_string_lossy()),
        state = finding.state,
        cwd = quoted(&here.to_string_lossy()),
        variable = checker.variable(),
        checker = checker.line(),
    ))
}

/// One word for `sh`.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
