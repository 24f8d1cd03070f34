"""What can be told. Each class is one answer that the specification tells apart."""


class PuroError(Exception):
    """The base of all others."""


class NotAStream(PuroError):
    """There is no segment (O-2), or nobody can say whose segments they are (F-9)."""


class Newer(PuroError):
    """A segment is from a newer Puro (F-12, F-50)."""


class Damaged(PuroError):
    """Bytes that were committed are not what they were, or break a rule."""


class Foreign(Damaged):
    """A file that does not begin with the magic: no segment at all (F-12)."""


class NeedsRepair(PuroError):
    """Invalid bytes at the end, where the recovery table would cut (R-6)."""


class Unreadable(PuroError):
    """The system does not let something be read (X-1)."""


class Refused(PuroError):
    """What is asked for must be refused: a kind of file, a second name, a fork, a limit."""


class LimitExceeded(Refused):
    """More bytes than a limit of format.md, chapter 6, allows (F-30)."""


class Diverged(PuroError):
    """The history that a token, or a waiting consumer, comes from is gone (E-7, R-11)."""


class OutOfRange(PuroError):
    """The offset is not in the stream, or no longer (R-9, V-8)."""


class Removed(PuroError):
    """The stream was removed, moved or replaced (R-11, A-2)."""


class LockTimeout(PuroError):
    """A lock could not be had within the time limit; nothing was changed (L-8)."""


class NotAppended(PuroError):
    """An error before the signal: nothing was appended (A-12)."""


class AppendedNotDurable(PuroError):
    """Appended, but the sync failed for good (A-12)."""


class OutcomeUnknown(PuroError):
    """Neither writing the signal nor reading it back succeeded (A-13)."""


class ConditionFailed(PuroError):
    """append_if: somebody else was faster; nothing was appended (A-16)."""


class PositionChanged(PuroError):
    """A position is not what its owner last read or wrote; nothing was appended (C-2)."""
