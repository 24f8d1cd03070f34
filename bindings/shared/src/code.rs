//! The codes. They are part of each binding's promise: a number is never used again.

/// What came of a call. The hundreds say whose matter it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// It is done.
    Ok = 0,
    /// There was nothing: no record in time, no progress to commit, no such entry.
    Nothing = 1,

    /// The caller asked for something that cannot be.
    Caller = 100,
    /// The call itself is wrong: a null pointer, a text that is not UTF-8, a closed handle, or
    /// one that another thread is using.
    Misuse = 101,
    /// The handle was carried into a forked child.
    Forked = 102,
    /// The directory holds no stream.
    NotAStream = 103,
    /// The directory holds something else.
    NotEmpty = 104,
    /// A record that cannot be stored.
    BadRecord = 105,
    /// A setting that cannot be.
    BadSetting = 106,
    /// The offset is not, or no longer, in the stream.
    OutOfRange = 107,
    /// This identity has appended a later batch since.
    OldSequence = 108,
    /// This identity has appended other records under that sequence.
    OtherContent = 109,
    /// A network file system.
    Network = 110,

    /// The system, or another process.
    Environment = 200,
    /// A call to the system failed.
    Io = 201,
    /// A lock was not to be had in time.
    Locked = 202,
    /// Another process runs under the consumer's name.
    NameBusy = 203,
    /// Somebody else has appended since, or has changed the position.
    Conflict = 204,
    /// Appended, and visible to all, but not known to be on the disk.
    NotDurable = 205,
    /// Nobody knows whether it was appended.
    Unknown = 206,
    /// The disk is too full.
    NoSpace = 207,
    /// The stream was removed, moved or replaced while it was in use.
    Removed = 208,
    /// A newer version of Puro wrote it.
    Newer = 209,

    /// What is stored is damaged, or was lost.
    Data = 300,
    /// Stored bytes are not what was written.
    Damaged = 301,
    /// The position's history was lost, or it is of another stream.
    Diverged = 302,
    /// What a named consumer was to read next was deleted.
    Lost = 303,

    /// A fault in Puro itself. The handle is closed.
    Panic = 400,
}

/// Whose matter an error is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Nobody's: nothing went wrong.
    Nobody = 0,
    /// The caller's: to ask again changes nothing.
    Caller = 1,
    /// The system's or another process's: it may work later, or after something was mended.
    Environment = 2,
    /// The data's: something is damaged or was lost.
    Data = 3,
    /// Puro's own.
    Puro = 4,
}

impl Code {
    /// Whose matter it is.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self as i32 / 100 {
            0 => Blame::Nobody,
            1 => Blame::Caller,
            2 => Blame::Environment,
            3 => Blame::Data,
            _ => Blame::Puro,
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Ok | Self::Nothing => "nothing is to be done",
            Self::Caller | Self::BadRecord | Self::BadSetting => "ask for something else",
            Self::Misuse => "mend the call",
            Self::Forked => "open the stream again in the child",
            Self::NotAStream => "look at the path, or let a producer make the stream",
            Self::NotEmpty => "choose another directory",
            Self::OutOfRange => "start from the beginning, the end, or an offset in between",
            Self::OldSequence => "go on behind the last sequence of the identity",
            Self::OtherContent => "give a new batch the next sequence",
            Self::Network => {
                "use a local file system, or allow it if one machine alone works there"
            }
            Self::Environment | Self::Io => "look at what the system said, and try again",
            Self::Locked => "try again, or wait longer for the lock",
            Self::NameBusy => "wait for the other process, or choose another name",
            Self::Conflict => {
                "read on, decide again, and try again; a position is to be opened again"
            }
            Self::NotDurable => "do not append it again; sync later, and look after the disk",
            Self::Unknown => {
                "look whether it is there, or append it once, by identity and sequence"
            }
            Self::NoSpace => "make room on the disk: `puro trim` does without writing",
            Self::Removed => "open the stream again",
            Self::Newer => "update Puro",
            Self::Data | Self::Damaged => {
                "`puro verify` tells what is affected, `puro salvage` saves the rest"
            }
            Self::Diverged => {
                "undo what came after the place that the message names, and go on there"
            }
            Self::Lost => "say where to go on: `if_lost`, or set the position",
            Self::Panic => "report it; open the stream again",
        }
    }
}
