//! The user's checker: `CHECKER IMAGE ACKNOWLEDGED`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::alarm::Alarm;
use crate::error::{At, CrashError, Result};

/// What a checker says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit 0: nothing was lost that must not be.
    Sound,
    /// Anything else than 0 and 77, and what it printed.
    Violated(String),
    /// Exit 77: it could not tell, and what it printed.
    NotMeasured(String),
}

/// The checker, as it was given.
#[derive(Clone, Debug)]
pub struct Checker {
    line: String,
    profile: String,
    timeout: Duration,
}

/// The variable that tells a checker what kind of crash it is. Who remembers the boot must know
/// whether there was another one since: under `process` there was none.
const PROFILE: &str = "PURO_CRASH_PROFILE";

/// The last bytes of what a checker printed are kept.
const KEPT_OUTPUT: usize = 4096;

impl Checker {
    /// A program, or a line for `sh` to which the two paths are added.
    #[must_use]
    pub fn new(line: &str, timeout: Duration) -> Self {
        Self { line: line.to_owned(), profile: String::new(), timeout }
    }

    /// The same, told which profile is checked.
    #[must_use]
    pub fn under(&self, profile: &str) -> Self {
        Self { profile: profile.to_owned(), ..self.clone() }
    }

    /// As it was given.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The whole command, for an image.
    #[must_use]
    pub fn command(&self, image: &Path, acknowledged: &Path) -> Vec<OsString> {
        let paths = [image.into(), acknowledged.into()];
        // One word is a program: no shell stands between it and the image.
        if self.line.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c)) {
            return [OsString::from(&self.line)].into_iter().chain(paths).collect();
        }
        let script = format!("{} \"$@\"", self.line);
        ["sh", "-c", &script, "checker"].map(OsString::from).into_iter().chain(paths).collect()
    }

    /// The command for one who cannot set variables.
    #[must_use]
    pub fn recorded_command(&self, image: &Path, acknowledged: &Path) -> Vec<OsString> {
        let prefix = ["env".into(), format!("{PROFILE}={}", self.profile).into()];
        prefix.into_iter().chain(self.command(image, acknowledged)).collect()
    }

    /// The profile, as a word for `sh` in front of a command.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PROFILE}={}", self.profile)
    }

    /// Checks an image. What the checker prints goes through a file in `scratch`.
    pub fn check(&self, image: &Path, acknowledged: &Path, scratch: &Path) -> Result<Verdict> {
        let output_path = scratch.join("output");
        let output = File::create(&output_path).at("create", &output_path)?;
        let errors = output.try_clone().at("duplicate", &output_path)?;
        let words = self.command(image, acknowledged);
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env(PROFILE, &self.profile)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| self.cannot_run(error.to_string()))?;
        let alarm = Alarm::set(-(child.id() as i32), self.timeout);
        let status = child.wait().at("wait for", Path::new(&self.line))?;
        if alarm.rang() {
            let seconds = self.timeout.as_secs();
            return Ok(Verdict::Violated(format!("the checker did not end within {seconds} s")));
        }
        if status.success() {
            return Ok(Verdict::Sound);
        }
        let mut text = tail_of(&output_path)?;
        match status.code() {
            Some(77) => return Ok(Verdict::NotMeasured(text)),
            // So shells say that there is no such program: that is true of every image.
            Some(126 | 127) => return Err(self.cannot_run(text)),
            Some(1) => {}
            Some(code) => text.push_str(&format!("\n(exit {code})")),
            None => text.push_str(&format!("\n(signal {})", status.signal().unwrap_or_default())),
        }
        Ok(Verdict::Violated(text.trim().to_owned()))
    }

    fn cannot_run(&self, why: String) -> CrashError {
        CrashError::Checker { command: self.line.clone(), why: why.trim().to_owned() }
    }
}

fn tail_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).at("read", path)?;
    let from = bytes.len().saturating_sub(KEPT_OUTPUT);
    Ok(String::from_utf8_lossy(&bytes[from..]).trim().to_owned())
}
