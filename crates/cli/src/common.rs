//! What all commands share: errors and exit codes, messages, Ctrl-C, JSON, progress.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use puro::error::IoError;
use puro::{
    AppendError, Blame, Failure, NamedError, OpenError, ReadError, RecordError, StewardError,
};

use crate::printable::{one_line, shown_path};

/// The exit codes. Scripts rely on them: they are part of `puro --help`.
pub mod exit {
    /// All went well; also when whoever read the output went away.
    pub const OK: u8 = 0;
    /// The stream ends in bytes that the next writer, or `puro repair`, will cut off.
    pub const NEEDS_REPAIR: u8 = 1;
    /// Two streams are not the same, as `diff` has it.
    pub const DIFFERENT: u8 = 1;
    /// Stored data is damaged, its history was lost, or it was deleted before a named consumer
    /// had read it.
    pub const DAMAGED: u8 = 2;
    /// The command line, or what it asks for, cannot be (EX_USAGE of sysexits.h).
    pub const USAGE: u8 = 64;
    /// The system or another process is in the way (EX_IOERR of sysexits.h).
    pub const ENVIRONMENT: u8 = 74;
    /// Ended by Ctrl-C or a request to terminate, between two blocks (128 + SIGINT).
    pub const INTERRUPTED: u8 = 130;
}

/// The exit codes as `puro --help` tells them.
pub const EXIT_CODES: &str = "Exit codes:
  0    all went well (also when the reader of the output went away)
  1    the stream's end needs repair (`verify`, `consume -e`, `export`); `puro repair` mends it;
       two streams differ (`diff`)
  2    stored data is damaged, its history was lost, or it was deleted before the consumer of
       that name had read it
  64   wrong usage
  74   the system is in the way: no permission, no space, a lock held for too long; or somebody
       else was faster (`produce --if-end` and the like)
  130  interrupted by Ctrl-C, between two blocks";

/// Why a command ended early: what to say, and the exit code.
#[derive(Debug)]
pub struct CliError {
    /// `None`: there is nobody or nothing to tell.
    message: Option<String>,
    code: u8,
}

impl CliError {
    /// An error with the exit code that belongs to whose fault it is.
    pub fn new(blame: Blame, message: impl Display) -> Self {
        let code = match blame {
            Blame::Caller => exit::USAGE,
            Blame::Environment => exit::ENVIRONMENT,
            Blame::Data => exit::DAMAGED,
        };
        Self { message: Some(message.to_string()), code }
    }

    /// The command line asks for what cannot be.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Blame::Caller, message)
    }

    /// Ctrl-C.
    pub fn interrupted() -> Self {
        Self { message: Some("interrupted".to_owned()), code: exit::INTERRUPTED }
    }

    /// The same error, with the place or the circumstance before its message.
    #[must_use]
    pub fn context(mut self, before: impl Display) -> Self {
        self.message = self.message.map(|message| format!("{before}: {message}"));
        self
    }

    /// Tells it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if let Some(text) = &self.message {
            message(text);
        }
        ExitCode::from(self.code)
    }
}

/// Each error of the library says itself whose fault it is.
macro_rules! from_blaming_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::new(error.blame(), error)
            }
        }
    )*};
}

from_blaming_errors!(OpenError, AppendError, ReadError, NamedError, StewardError, Failure);

impl From<puro::SettingError> for CliError {
    fn from(error: puro::SettingError) -> Self {
        Self::usage(error)
    }
}

impl From<RecordError> for CliError {
    fn from(error: RecordError) -> Self {
        Self::usage(error)
    }
}

impl From<IoError> for CliError {
    fn from(error: IoError) -> Self {
        Failure::from(error).into()
    }
}

/// For the standard streams. A reader that went away has seen enough: no error.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { message: None, code: exit::OK };
        }
        Self::new(Blame::Environment, error)
    }
}

/// Tells something to whoever runs the command, in one line. Data goes to stdout, this to stderr.
pub fn message(text: impl Display) {
    crate::streams::tell(&format!("puro: {}", one_line(&text.to_string())));
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static WORK: Mutex<()> = Mutex::new(());

/// From here on Ctrl-C (and SIGTERM, SIGHUP) ends the program between two blocks: at once
/// where nothing is [`at_work`]; else whoever works sees to it by [`check_interrupt`].
/// A second Ctrl-C ends it whatever it does, which a stream survives, too.
pub fn watch_for_interrupts() {
    let end = || std::process::exit(i32::from(exit::INTERRUPTED));
    let installed = ctrlc::set_handler(move || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            end();
        }
        std::thread::spawn(move || {
            let _nothing_at_work = at_work();
            end();
        });
    });
    if let Err(error) = installed {
        message(format_args!("cannot watch for Ctrl-C, which will end this at once: {error}"));
    }
}

/// While it lives, Ctrl-C does not end the program by itself.
pub struct Work {
    held: Option<MutexGuard<'static, ()>>,
}

/// Begins work that Ctrl-C must not end anywhere in between.
pub fn at_work() -> Work {
    Work { held: Some(WORK.lock().unwrap_or_else(PoisonError::into_inner)) }
}

impl Work {
    /// Waits for something without end; meanwhile Ctrl-C may end the program.
    pub fn pause<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        self.held = None;
        let waited = wait();
        *self = at_work();
        waited
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Whoever was interrupted has heard it and is about to end the program, with something
        // to say: not given back, the lock keeps the signal's thread from being faster.
        if interrupted() {
            std::mem::forget(self.held.take());
        }
    }
}

/// Whether Ctrl-C was pressed; long work asks between two blocks.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The same as an error, to be passed on by `?`.
pub fn check_interrupt() -> Result<(), CliError> {
    if interrupted() { Err(CliError::interrupted()) } else { Ok(()) }
}

/// Bytes as standard base64.
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a member of a JSON object that holds bytes: `"name":"text"` where they are UTF-8,
/// else `"name_base64":"..."`, and `"name":null` where there are none.
pub fn write_json_bytes(out: &mut impl Write, name: &str, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => write!(out, "\"{name}\":null"),
        Some((_, Ok(text))) => {
            write!(out, "\"{name}\":")?;
            Ok(serde_json::to_writer(out, text)?)
        }
        Some((bytes, Err(_))) => write!(out, "\"{name}_base64\":\"{}\"", base64(bytes)),
    }
}

/// The same for objects that are built before they are written.
pub fn insert_json_bytes(
    object: &mut serde_json::Map<String, serde_json::Value>,
    name: &str,
    bytes: Option<&[u8]>,
) {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), serde_json::Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), base64(bytes).into()),
    };
}

/// Progress of work on so many bytes: shown on a terminal only, and only once the work has
/// taken a second.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    shown: bool,
}

impl Progress {
    /// Work on `total` bytes, named by a word such as `verify`.
    pub fn of_bytes(what: &'static str, total: u64) -> Self {
        const TEMPLATE: &str = "{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar, begun: Instant::now(), shown: !io::stderr().is_terminal() }
    }

    /// So many bytes are done.
    pub fn set(&mut self, done: u64) {
        if !self.shown && self.begun.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Refuses to make a stream in a place that leads elsewhere, or that is within the one it is made of.
pub fn check_output(dir: &Path, out: &Path) -> Result<(), CliError> {
    if out.is_symlink() {
        return Err(CliError::usage(format_args!(
            "{} is a symbolic link; name the place itself",
            shown_path(out)
        )));
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize();
    let within = |parent: PathBuf| dir.canonicalize().is_ok_and(|dir| parent.starts_with(dir));
    if parent.is_ok_and(within) {
        return Err(CliError::usage(format_args!(
            "{} is within {}; choose a place beside it",
            shown_path(out),
            shown_path(dir)
        )));
    }
    Ok(())
}
