//! Where registers are not known to us, strace has to do.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{Order, Seen};
use crate::error::{CrashError, Result};

/// Says so.
pub fn record(_: &Order<'_>) -> Result<Seen> {
    Err(CrashError::CannotRecord {
        why: "the recorder knows x86-64 only".to_owned(),
        instead: "Install strace, which is used instead",
    })
}

/// Nobody starts it.
#[must_use]
pub fn become_recorded(_: &[OsString]) -> ExitCode {
    ExitCode::from(64)
}
