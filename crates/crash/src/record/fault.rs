//! Faults: what the system may answer instead of doing what it was asked for.

use std::fmt;
use std::str::FromStr;

use super::intent::Intent;

/// An answer that a program should be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The disk is full.
    NoSpace,
    /// The device failed.
    Io,
    /// A signal came first.
    Interrupted,
    /// Only half of the bytes were written.
    Short,
    /// The program is killed just before the call.
    Kill,
}

/// Every fault.
pub const FAULTS: [Fault; 5] =
    [Fault::NoSpace, Fault::Io, Fault::Interrupted, Fault::Short, Fault::Kill];

impl Fault {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "ENOSPC",
            Self::Io => "EIO",
            Self::Interrupted => "EINTR",
            Self::Short => "short",
            Self::Kill => "SIGKILL",
        }
    }

    /// Whether the system could answer this call so. Acknowledgements are never refused: a
    /// program whose output cannot be written has told nobody anything.
    #[must_use]
    pub fn suits(self, intent: &Intent) -> bool {
        let takes_room = matches!(
            intent,
            Intent::Write { .. }
                | Intent::Open { .. }
                | Intent::Allocate { .. }
                | Intent::Rename { .. }
                | Intent::Link { .. }
                | Intent::Make { .. }
        );
        let waits = matches!(intent, Intent::Write { .. } | Intent::Sync { .. });
        match self {
            Self::NoSpace => takes_room || matches!(intent, Intent::Sync { .. }),
            Self::Io => takes_room || waits || matches!(intent, Intent::Truncate { .. }),
            Self::Interrupted => waits,
            Self::Short => matches!(intent, Intent::Write { .. }),
            Self::Kill => true,
        }
    }

    /// The error that the call returns, if it does.
    #[must_use]
    pub fn errno(self) -> Option<i32> {
        match self {
            Self::NoSpace => Some(libc::ENOSPC),
            Self::Io => Some(libc::EIO),
            Self::Interrupted => Some(libc::EINTR),
            Self::Short | Self::Kill => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = FAULTS.into_iter().find(|fault| fault.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names: Vec<_> = FAULTS.iter().map(|fault| fault.name()).collect();
            format!("there is no fault `{text}`; there are {}", names.join(", "))
        })
    }
}

/// Which call is answered with which fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Counted from 0, over all calls that are followed.
    pub call: usize,
    /// The answer.
    pub fault: Fault,
}
