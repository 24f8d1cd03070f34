//! Why a mirror ended, and with which exit code (protocol.md, K-16).

use std::fmt::{self, Display};
use std::process::ExitCode;

use puro::error::{Blame, Diverged};
use puro::{AppendError, Failure, NamedError, OpenError, ReadError};

const DAMAGED: u8 = 2;
/// A wrong call.
pub const USAGE: u8 = 64;
const ENVIRONMENT: u8 = 74;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// What to say, and the exit code.
#[derive(Debug)]
pub struct Trouble {
    message: String,
    code: u8,
    /// Whether nobody said what became of a transaction (T-6).
    is_unknown: bool,
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Trouble {
    /// By whose fault it is.
    pub fn new(blame: Blame, message: impl Display) -> Self {
        let code = match blame {
            Blame::Caller => USAGE,
            Blame::Environment => ENVIRONMENT,
            Blame::Data => DAMAGED,
        };
        Self { message: message.to_string(), code, is_unknown: false }
    }

    /// Nobody said what became of a transaction, or it was given up: the note tells, to whoever begins
    /// anew (T-6).
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub fn unknown(how: impl Display) -> Self {
        Self { is_unknown: true, ..Self::new(Blame::Environment, how) }
    }

    /// Whether to begin anew may help.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// The call asks for what cannot be.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Blame::Caller, message)
    }

    /// Ended by a signal.
    pub fn interrupted() -> Self {
        Self {
            message: "interrupted; started again, it goes on here".to_owned(),
            code: INTERRUPTED,
            is_unknown: false,
        }
    }

    /// Another mirror copies the same source into the same target (T-2).
    pub fn other(how: impl Display) -> Self {
        let what = "another mirror copies this stream into this target, and this one ends";
        Self::new(Blame::Environment, format_args!("{what}: {how}"))
    }

    /// What is to be copied next is not there any more (T-5).
    pub fn overtaken(how: impl Display) -> Self {
        let way_out = "go on at what is there with `--reset --from beginning`, which leaves out what was \
                       deleted, or mirror into a new target; `keep_unconsumed true` at the source keeps \
                       what a mirror has not copied";
        Self::new(
            Blame::Data,
            format_args!("the source deleted what was to be copied next: {how}; {way_out}"),
        )
    }

    /// The target has what the source has lost (T-5).
    pub fn diverged(how: &Diverged) -> Self {
        let way_out = "mirror into a new target, and keep this one, which alone has what the source \
                       lost; or undo in it what was lost, and go on with `--reset --from OFFSET`";
        Self::new(
            Blame::Data,
            format_args!("source and target are not of one history any more: {how}; {way_out}"),
        )
    }

    /// Tells it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("puro mirror: {}", self.message);
        ExitCode::from(self.code)
    }
}

/// What reading the source came to.
impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Diverged(how) => Self::diverged(how),
            ReadError::OffsetOutOfRange { .. } => Self::overtaken(&error),
            _ => Self::new(error.blame(), format_args!("source: {error}")),
        }
    }
}

impl From<NamedError> for Trouble {
    fn from(error: NamedError) -> Self {
        match error {
            NamedError::Busy { .. } => Self::other(&error),
            NamedError::Commit(error @ AppendError::PositionChanged { .. }) => Self::other(&error),
            NamedError::Read(error) => error.into(),
            NamedError::Lost { .. } => Self::overtaken(&error),
            error => Self::new(error.blame(), format_args!("source: {error}")),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(error: Failure) -> Self {
        Self::new(error.blame(), error)
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        Self::new(error.blame(), error)
    }
}

/// What writing the target came to.
impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        match &error {
            AppendError::SourceChanged { .. } => Self::other(&error),
            _ => Self::new(error.blame(), format_args!("target: {error}")),
        }
    }
}
