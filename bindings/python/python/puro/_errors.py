"""Exceptions, by whose matter they are: the caller's, the environment's, the data's, Puro's."""

from __future__ import annotations

from typing import Optional

from puro._puro import Appended


class Error(Exception):
    """Something went wrong; the message says what, where, and why."""

    #: What to do about it, in a sentence.
    way_out: str = ""
    #: Which kind it is of: the number that puro.h has for it.
    code: int = 0
    #: Whether records were appended; None where nobody knows.
    was_appended: Optional[bool] = False


class CallerError(Error):
    """What was asked for cannot be; to ask again changes nothing."""


class Forked(CallerError):
    """The handle was carried into a forked child; open the stream again there."""


class NotAStream(CallerError):
    """The directory holds no stream."""


class EnvironmentFailure(Error):
    """The system, or another process: it may work later, or after something was mended there."""


class NameBusy(EnvironmentFailure):
    """Another process runs under the consumer's name."""


class Conflict(EnvironmentFailure):
    """Somebody else was faster: read on, decide again, and try again."""


class NotDurable(EnvironmentFailure):
    """Appended, and visible to all, but not known to be on the disk."""

    #: What was appended.
    appended: Optional[Appended] = None


class DataError(Error):
    """What is stored is damaged, or was lost."""


class Diverged(DataError):
    """The position's history was lost, or it is of another stream."""


class Fault(Error):
    """A fault in Puro itself."""


_KINDS = {
    102: Forked,
    103: NotAStream,
    203: NameBusy,
    204: Conflict,
    205: NotDurable,
    302: Diverged,
}
_BLAMED = {1: CallerError, 2: EnvironmentFailure, 3: DataError}


def make(
    code: int,
    message: str,
    way_out: str,
    was_appended: Optional[bool],
    appended: Optional[Appended],
) -> Error:
    """The exception for a code of puro.h."""
    error = _KINDS.get(code, _BLAMED.get(code // 100, Fault))(message)
    error.code, error.way_out, error.was_appended = code, way_out, was_appended
    if isinstance(error, NotDurable):
        error.appended = appended
    return error
