"""What a consumer has that is better said in Python: iterators, for `for` and for `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from puro import _puro
from puro._errors import EnvironmentFailure
from puro._puro import Record

#: A notice may be lost: look again after so many seconds.
_LOOK_AGAIN = 1.0
#: The same where there is nothing to watch.
_UNWATCHED = 0.1


class Consumer(_puro.Consumer):
    """Reads the records of a stream in their order.

    As an iterator it waits for more, and Ctrl-C ends it; `available()` ends at the end. With
    `async for` it waits on its descriptor, and takes no thread.
    """

    def available(self) -> Iterator[Record]:
        """The records that are there, one by one, up to the end."""
        while (record := self.poll(0)) is not None:
            yield record

    def __aiter__(self) -> Consumer:
        return self

    async def __anext__(self) -> Record:
        if (record := self.poll(0)) is not None:
            return record
        while True:
            # First forget, then look, then wait: whatever comes after the look is noticed.
            watched = self._begin_to_watch()
            if (record := self.poll(0)) is not None:
                return record
            await (self._readable() if watched else asyncio.sleep(_UNWATCHED))

    def _begin_to_watch(self) -> bool:
        try:
            self.clear()
        except EnvironmentFailure:
            # No stream yet, or too many watchers: look now and then.
            return False
        return True

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        noticed = asyncio.Event()
        fd = self.fileno()
        loop.add_reader(fd, noticed.set)
        try:
            await asyncio.wait_for(noticed.wait(), _LOOK_AGAIN)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(fd)
