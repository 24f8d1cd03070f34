"""Puro: event streams in a directory, shared by processes through files and locks.

A port that was written from the specification alone; see README.md beside the package.
"""

from .errors import (
    AppendedNotDurable, ConditionFailed, Damaged, Diverged, LimitExceeded, LockTimeout,
    NeedsRepair, Newer, NotAppended, NotAStream, OutcomeUnknown, OutOfRange, PositionChanged,
    PuroError, Refused, Removed, Unreadable,
)  # fmt: skip
from .named_consumer import NamedConsumer
from .producer import Appended, Producer
from .reader import Reader
from .records import Delivered, Record
from .state import Token
from .verification import verify

__all__ = [
    "Appended", "AppendedNotDurable", "ConditionFailed", "Damaged", "Delivered", "Diverged",
    "LimitExceeded", "LockTimeout", "NamedConsumer", "NeedsRepair", "Newer", "NotAStream",
    "NotAppended", "OutOfRange", "OutcomeUnknown", "PositionChanged", "Producer", "PuroError",
    "Reader", "Record", "Refused", "Removed", "Token", "Unreadable", "verify",
]  # fmt: skip
