//! All that can go wrong, in one shape for languages without Rust's enums.

use std::any::Any;
use std::fmt;

use puro::error::TokenParseError;
use puro::{
    AppendError, Appended, Diverged, Failure, NamedError, OpenError, ReadError, RecordError,
    SettingError,
};

use crate::Code;

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Which kind it is of.
    pub code: Code,
    /// What, where, and why.
    pub message: String,
    /// Whether records were appended; `None` where nobody knows.
    pub was_appended: Option<bool>,
    /// What was appended all the same (`Code::NotDurable`).
    pub appended: Option<Appended>,
}

impl Trouble {
    /// Trouble of which nothing came.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (message, was_appended) = (message.into(), Some(false));
        Self { code, message, was_appended, appended: None }
    }

    /// A call that is wrong in itself.
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::new(Code::Misuse, message)
    }

    /// A fault in Puro, told by what was caught. What was being appended may be there.
    #[must_use]
    pub fn panic(caught: &(dyn Any + Send)) -> Self {
        let text = caught.downcast_ref::<&str>().copied();
        let text = text.or_else(|| caught.downcast_ref::<String>().map(String::as_str));
        let message = format!("a fault in Puro: {}", text.unwrap_or("it did not say which"));
        Self { was_appended: None, ..Self::new(Code::Panic, message) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

/// The code of an error that has none of its own: those enums may grow.
fn by_blame(blame: puro::Blame) -> Code {
    match blame {
        puro::Blame::Caller => Code::Caller,
        puro::Blame::Environment => Code::Environment,
        puro::Blame::Data => Code::Data,
    }
}

fn failure_code(failure: &Failure) -> Code {
    match failure {
        Failure::Io(_) => Code::Io,
        Failure::Damage(_) => Code::Damaged,
        Failure::NotAStream { .. } => Code::NotAStream,
        Failure::Newer { .. } => Code::Newer,
        Failure::NetworkFileSystem { .. } => Code::Network,
        Failure::LockTimeout { .. } => Code::Locked,
        Failure::Removed { .. } => Code::Removed,
        Failure::NoSpace { .. } => Code::NoSpace,
        Failure::Forked { .. } => Code::Forked,
        other => by_blame(other.blame()),
    }
}

fn read_code(error: &ReadError) -> Code {
    match error {
        ReadError::Failure(failure) => failure_code(failure),
        ReadError::OffsetOutOfRange { .. } => Code::OutOfRange,
        ReadError::Diverged(_) => Code::Diverged,
        other => by_blame(other.blame()),
    }
}

fn open_code(error: &OpenError) -> Code {
    match error {
        OpenError::Failure(failure) => failure_code(failure),
        OpenError::NotEmpty { .. } => Code::NotEmpty,
        OpenError::Setting(_) => Code::BadSetting,
        other => by_blame(other.blame()),
    }
}

fn append_code(error: &AppendError) -> Code {
    match error {
        AppendError::Record(_) => Code::BadRecord,
        AppendError::NotAppended(failure) => failure_code(failure),
        AppendError::Conflict { .. } | AppendError::PositionChanged { .. } => Code::Conflict,
        AppendError::OldSequence { .. } => Code::OldSequence,
        AppendError::OtherContent { .. } => Code::OtherContent,
        AppendError::Setting(_) => Code::BadSetting,
        AppendError::Diverged(_) => Code::Diverged,
        AppendError::NotDurable { .. } => Code::NotDurable,
        AppendError::Unknown(_) => Code::Unknown,
        other => by_blame(other.blame()),
    }
}

impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        let appended = match &error {
            AppendError::NotDurable { appended, .. } => Some(*appended),
            _ => None,
        };
        let (code, was_appended) = (append_code(&error), error.was_appended());
        Self { code, message: error.to_string(), was_appended, appended }
    }
}

impl From<NamedError> for Trouble {
    fn from(error: NamedError) -> Self {
        let code = match &error {
            NamedError::Read(error) => read_code(error),
            NamedError::Open(error) => open_code(error),
            NamedError::Commit(error) => append_code(error),
            NamedError::Lost { .. } => Code::Lost,
            NamedError::Busy { .. } => Code::NameBusy,
            NamedError::Name(_) => Code::BadRecord,
            other => by_blame(other.blame()),
        };
        Self::new(code, error.to_string())
    }
}

/// An error that tells its code by a function or as a constant.
macro_rules! told_by {
    ($($error:ty => $code:expr),+ $(,)?) => {$(
        impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                let code: fn(&$error) -> Code = $code;
                Self::new(code(&error), error.to_string())
            }
        }
    )+};
}

told_by! {
    Failure => failure_code,
    ReadError => read_code,
    OpenError => open_code,
    Diverged => |_| Code::Diverged,
    RecordError => |_| Code::BadRecord,
    SettingError => |_| Code::BadSetting,
    TokenParseError => |_| Code::Misuse,
}
