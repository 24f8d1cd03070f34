from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Literal, Optional, TypeVar, Union, final

_Bytes = Union[str, bytes, bytearray, memoryview]
_Headers = Union[Mapping[str, _Bytes], Iterable[tuple[_Bytes, _Bytes]]]
_Path = Union[str, PathLike[str]]
_Self = TypeVar("_Self", bound="Consumer")

__version__: str

@final
class Record:
    """A record of the stream."""

    __match_args__ = ("topic", "value", "key", "offset")
    def __init__(
        self,
        offset: int,
        timestamp_ms: int,
        topic: str,
        key: Optional[bytes],
        value: Optional[bytes],
        headers: tuple[tuple[str, bytes], ...],
    ) -> None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> int:
        """When it was appended, in ms since 1970."""
    @property
    def time(self) -> datetime:
        """When it was appended, in UTC."""
    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> Optional[bytes]: ...
    @property
    def value(self) -> Optional[bytes]:
        """None: a delete marker."""
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...
    def __hash__(self) -> int: ...

@final
class Token:
    """A position in the history of a stream, to be kept anywhere: `str(token)`, or pickled."""

    def __init__(self, text: str) -> None: ...
    @property
    def stream_id(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def offset(self) -> int:
        """The next offset to read."""
    def __hash__(self) -> int: ...

@final
class Appended:
    """What an append did."""

    @property
    def first_offset(self) -> int: ...
    @property
    def record_count(self) -> int: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def time(self) -> datetime: ...
    @property
    def duplicate(self) -> bool:
        """Whether they stood there already, from an earlier try."""
    @property
    def token(self) -> Token:
        """The position behind them."""

@final
class Batch:
    """Records that are appended together: all or none, across topics."""

    def __init__(self) -> None: ...
    def append(
        self,
        topic: _Bytes,
        value: Optional[_Bytes],
        *,
        key: Optional[_Bytes] = None,
        headers: Optional[_Headers] = None,
    ) -> None:
        """Adds a record; a value of None is a delete marker."""
    def clear(self) -> None: ...
    def __len__(self) -> int: ...

@final
class Producer:
    """Appends records to a stream; makes it if it is missing."""

    def __init__(
        self,
        dir: _Path,
        *,
        create: bool = True,
        durable: Optional[bool] = None,
        segment_bytes: Optional[int] = None,
        lock_wait: Optional[float] = 60.0,
        allow_network: bool = False,
    ) -> None: ...
    def append(
        self,
        topic: _Bytes,
        value: Optional[_Bytes],
        *,
        key: Optional[_Bytes] = None,
        headers: Optional[_Headers] = None,
    ) -> Appended:
        """Appends one record; a value of None is a delete marker, which needs a key."""
    def append_batch(
        self,
        batch: Batch,
        *,
        if_end: Optional[Token] = None,
        once: Optional[tuple[str, int]] = None,
        position: Optional[Consumer] = None,
        time: Optional[datetime] = None,
        durable: Optional[bool] = None,
    ) -> Appended:
        """Appends a batch, all of it or nothing.

        if_end: only if the stream still ends there, else Conflict.
        once: an identity and a sequence, of which the stream takes each once.
        position: commits what this named consumer gave, in the same block.
        """
    def sync(self) -> None:
        """Waits until all that was appended by it is on the disk."""
    def last_sequence(self, identity: str) -> Optional[int]: ...
    def set(self, name: str, value: Optional[str]) -> None:
        """Sets a setting of the stream; None takes it back to its default."""
    @property
    def token(self) -> Token: ...
    @property
    def dir(self) -> PathLike[str]: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Producer: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None: ...

class Consumer:
    def __init__(
        self,
        dir: _Path,
        *,
        topics: Union[_Bytes, Iterable[_Bytes], None] = None,
        start: Union[Literal["beginning", "end"], int, Token, datetime, None] = None,
        name: Optional[str] = None,
        durable: bool = False,
        wait_for_stream: bool = False,
        commit_every: Optional[float] = 1.0,
        commit_records: Optional[int] = None,
        if_lost: Literal["fail", "beginning", "end"] = "fail",
        owner_wait: Optional[float] = 0.0,
        lock_wait: Optional[float] = 60.0,
        allow_network: bool = False,
    ) -> None: ...
    def poll(self, timeout: Optional[float] = None) -> Optional[Record]:
        """The next record, waiting for it up to `timeout` seconds; None: without limit."""
    def read(self, timeout: Optional[float] = None) -> list[Record]:
        """The records that are left of a block, waiting for one: the fastest way to read."""
    def commit(self) -> bool:
        """With a name: commits the position behind the last record given."""
    def fileno(self) -> int:
        """A descriptor that becomes readable when there may be something new."""
    def clear(self) -> None:
        """Forgets what the descriptor has noticed until now."""
    @property
    def token(self) -> Optional[Token]: ...
    @property
    def dir(self) -> PathLike[str]: ...
    @property
    def name(self) -> Optional[str]: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None:
        """With a name it commits first that all it gave is done, unless it commits by hand."""
    def __enter__(self: _Self) -> _Self: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None: ...
    def __iter__(self: _Self) -> _Self: ...
    def __next__(self) -> Record: ...
