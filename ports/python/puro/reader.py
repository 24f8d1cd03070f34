"""A consumer of committed blocks (protocol.md, chapter 8)."""

import os
import time

from .blocks import CHECKPOINT, COMMITTED, RECORDS
from .committed_end import CommittedEnd, open_active, scan
from .directory import Directory, Segment
from .environment import Environment
from .errors import Damaged, Diverged, NeedsRepair, OutOfRange, Refused, Removed, Unreadable
from .locks import try_shared, wait_for
from .records import Delivered, decode_body
from .recovery import WOULD_CUT, WOULD_STOP, classify
from .state import Token

POLL_INTERVAL = 0.1
PIN_SECONDS = 60.0
TIMES_TO_START_OVER = 100


class Reader:
    """Reads a stream in order. `seek_...` says from where; the beginning, if nothing does."""

    def __init__(self, path, environment=None, durable=False, allow_network=False):
        self.environment = environment or Environment()
        self.durable = durable
        self.directory = Directory(path, allow_network)
        self.end = None  # of what was read: position, chain, state
        self.skip_below = 0
        self.final = None  # an answer that no later look can take back
        self._offsets_end = None  # of the last block that took offsets: place, crc
        self._durable_to = 0
        self._sync_failed = False
        self._taken_back = False
        try:
            self.stream_id, _ = self.directory.stream()
            self.seek_beginning()
        except BaseException:
            self.close()
            raise

    # -- where to read

    @property
    def offset(self):
        """The next offset to read."""
        return max(self.end.next_offset, self.skip_below)

    @property
    def token(self):
        """E-7: the next offset to read, and the epoch of the block before it."""
        return Token(self.stream_id, self.end.epoch, self.offset)

    def seek_beginning(self):
        """The lowest offset that there is."""
        for _ in range(TIMES_TO_START_OVER):
            _, sequences = self.directory.stream()
            segment = self._pin(sequences[0])
            if segment is not None:
                return self._stand_at(CommittedEnd(segment), segment.header.base_offset)
        raise OutOfRange("segments are taken away too fast (R-14)")

    def seek_end(self):
        """Behind all that is committed."""
        _, active = open_active(self.directory)
        active.segment.close()
        self.seek_offset(active.next_offset)
        while self._skip_blocks(lambda block: True) and self._hop():
            pass
        self.skip_below = 0

    def seek_offset(self, offset):
        """R-9"""
        for _ in range(TIMES_TO_START_OVER):
            sequence = self._sequence_with_base_at_most(offset)
            segment = self._pin(sequence)
            if segment is None:
                continue  # its name is gone: list anew
            self._stand_at(CommittedEnd(segment), offset)
            while self._skip_blocks(lambda block: block.next_offset <= offset):
                if not self._hop():
                    break
            if self.end.next_offset < offset and self.end.check_next()[0] != COMMITTED:
                if self.directory.later_than(self.end.segment.sequence, self.stream_id):
                    if not self.end.is_sealed:
                        raise self._damage("no committed block in a sealed segment")
                raise OutOfRange(f"offset {offset} is behind the end, {self.end.next_offset}")
            return
        raise OutOfRange("segments are taken away too fast (R-14)")

    def seek_time(self, moment):
        """The first records block at which the running maximum is at least so high (R-10, F-22)."""
        while True:
            _, sequences = self.directory.stream()
            chosen = sequences[0]
            for sequence in reversed(sequences[1:]):
                if self._opening_timestamp(sequence) < moment:
                    chosen = sequence
                    break
            segment = self._pin(chosen)
            if segment is not None:
                break
        self._stand_at(CommittedEnd(segment), 0)
        highest = 0

        def before(block):
            nonlocal highest
            highest = max(highest, block.start.timestamp)
            return block.start.kind != RECORDS or highest < moment

        while self._skip_blocks(before) and self._hop():
            highest = 0

    def seek_token(self, token):
        """Goes on in the history that the token is of, or fails (E-7, E-8)."""
        if token.stream_id != self.stream_id:
            raise Refused("a token of another stream")
        _, active = open_active(self.directory)
        active.segment.close()
        if active.state.diverged(token.epoch, token.offset, active.next_offset):
            raise Diverged(f"the history of {token} is gone")
        self.seek_offset(token.offset)

    def _sequence_with_base_at_most(self, offset):
        _, sequences = self.directory.stream()
        lowest = None
        for sequence in reversed(sequences):
            try:
                with Segment(self.directory, sequence) as segment:
                    lowest = segment.header.base_offset
            except (FileNotFoundError, Damaged):
                continue  # who goes that far is told (V-8, R-5)
            if lowest <= offset:
                return sequence
        raise OutOfRange(f"offset {offset} is below the lowest, {lowest}")

    def _opening_timestamp(self, sequence):
        """Of the first opening checkpoint (R-10)."""
        try:
            with Segment(self.directory, sequence) as segment:
                found, block = segment.check(64, segment.before_first_block())
        except FileNotFoundError:
            return 2**64
        if found != COMMITTED or block.start.kind != CHECKPOINT:
            raise Damaged(f"{segment.name} does not begin with a checkpoint")
        return block.start.timestamp

    def _skip_blocks(self, wanted):
        """Passes over committed blocks while they are wanted; is a segment end the last?"""
        while not self.end.is_sealed:
            found, block = self.end.check_next()
            if found != COMMITTED or not wanted(block):
                return False
            self._pass_over(block)
        return True

    # -- reading

    def next_block(self):
        """The records of the next block that has any, or None: nothing yet (R-3 to R-5)."""
        if self.final:
            raise self.final
        try:
            return self._next_block()
        except (OutOfRange, Removed, Diverged) as error:
            self.final = error
            raise

    def _next_block(self):
        while True:
            if self.end.is_sealed:
                if not self._hop():
                    return None
                continue
            found, block = self.end.check_next()
            if found == COMMITTED:
                delivered = self._records_of(block)
                if delivered and self.durable:
                    self._make_durable(block)
                self._pass_over(block)
                if delivered:
                    return delivered
                continue
            if self.directory.later_than(self.end.segment.sequence, self.stream_id) is None:
                return None
            if self.end.check_next()[0] != COMMITTED:
                raise self._damage("no committed block in a sealed segment")

    def follow(self, seconds=None):
        """Yields the records of block after block, and waits for more (R-8, R-11).

        Ends after so many seconds without any; None waits for ever.
        """
        until = None
        while True:
            delivered = self.next_block()
            if delivered is not None:
                until = None
                yield delivered
                continue
            self.look_around()
            now = time.monotonic()
            until = until or now + (seconds if seconds is not None else float("inf"))
            if now >= until:
                return
            time.sleep(min(POLL_INTERVAL, max(0.0, until - now)))

    def _records_of(self, block):
        """A block's records, but for control records (F-29, F-31)."""
        if self.end.last_kind is None and block.start.kind != CHECKPOINT:
            raise self._damage("the first block is no checkpoint")
        if block.start.kind != RECORDS:
            return []
        try:
            decoded = decode_body(block, self.end.segment.header.generation)
        except Damaged as error:
            raise self._damage(str(error)) from error
        return [
            Delivered(offset, block.start.timestamp, record)
            for offset, record in decoded
            if offset is not None and offset >= self.skip_below
        ]

    def _pass_over(self, block):
        self.end.pass_over(block)
        if block.start.record_count:
            self._offsets_end = (block.behind, block.crc)

    def _make_durable(self, block):
        """R-7: nothing is delivered that a loss of power could take back."""
        self._durable_to = max(self._durable_to, self.end.durable_to, block.start.durable_to)
        if block.behind <= self._durable_to:
            return
        if self._sync_failed:
            raise Unreadable("a sync failed; a second one is no reason to deliver (M-6)")
        try:
            if self._durable_to == self.end.durable_to:
                self.environment.sync_directory(self.directory.fd)
            self.environment.sync_file(self.end.segment.fd)
        except OSError:
            self._sync_failed = True
            raise
        self._durable_to = max(self._durable_to, block.behind)

    # -- from segment to segment

    def _pin(self, sequence):
        """Opens, locks shared, and looks the name up (R-2); None where the name is gone."""
        for _ in range(TIMES_TO_START_OVER):
            try:
                segment = Segment(self.directory, sequence)
            except FileNotFoundError:
                return None
            try:
                wait_for(lambda: try_shared(segment.fd), PIN_SECONDS, segment.name)
                if self.directory.leads_to(segment):
                    return segment
            except BaseException:
                segment.close()
                raise
            segment.close()
        raise OutOfRange("a segment is replaced too often (R-14)")

    def _stand_at(self, end, skip_below):
        if self.end is not None:
            self.end.segment.close()
        self.end, self.skip_below = end, skip_below
        self._offsets_end = (end.position, end.crc)
        self._durable_to = 0
        self._taken_back = False

    def _hop(self):
        """Hand over hand into the next segment (V-8, V-9, F-49); False: not there yet."""
        old = self.end
        number = old.segment.sequence + 1
        new = self._pin(number)
        if new is None:
            later = self.directory.later_than(old.segment.sequence, self.stream_id)
            if later is None:
                return False
            if later == number:
                return self._hop()
            if self.directory.leads_to(old.segment):
                raise Damaged(f"segment {number} is missing, and a later one is there")
            raise OutOfRange("the segment that was read was deleted, and those behind it")
        header = new.header
        problem = None
        if not new.is_of(self.stream_id):
            problem = Damaged(f"{new.name} is of another stream")
        elif header.base_offset != old.next_offset or header.epoch != old.epoch:
            problem = Damaged(f"{new.name} does not continue the segment before")
        elif not self.directory.leads_to(old.segment):
            problem = OutOfRange("the segment that was read was deleted")
        if problem:
            new.close()
            raise problem
        self._stand_at(CommittedEnd(new), self.skip_below)
        return True

    # -- at the end

    def look_around(self):
        """What a waiting consumer looks at in each poll interval (R-11)."""
        if self.final:
            raise self.final
        try:
            self._look_around()
        except (OutOfRange, Removed, Diverged) as error:
            self.final = error
            raise

    def _look_around(self):
        if not self.directory.path_leads_here():
            raise Removed("the stream was moved or replaced")
        if not self.directory.leads_to(self.end.segment):
            if self.directory.later_than(self.end.segment.sequence, self.stream_id):
                raise OutOfRange("the segment that was read was deleted")
            raise Removed("the stream was removed")
        if self._taken_back or not self.end.still_stands():
            self._past_changed()

    def _past_changed(self):
        """The bytes before the position are not as they were read (R-11)."""
        self._taken_back = True
        _, active = open_active(self.directory)
        active.segment.close()
        state, token = active.state, self.token
        # E-7 but for its second case: an end below the offset may be damage that nobody has
        # repaired yet, and R-11 wants that to be waited for (QUESTIONS.md, 1).
        if state.diverged(token.epoch, token.offset, 2**64):
            raise Diverged(f"the history of {token} is gone")
        place, crc = self._offsets_end
        if self.end.segment.read(place - 4, 4) == crc.to_bytes(4, "little"):
            if active.next_offset >= token.offset:
                self.seek_offset(token.offset)
            return
        own = scan(self.end.segment)
        if own.next_offset >= token.offset:
            raise Diverged("others were appended in place of what was read")

    def problem_at_end(self):
        """What a reader that ends at the end ends with (R-6): an error to raise, or None."""
        for attempt in range(2):
            own = scan(self.end.segment)
            finding = classify(own, 0, self.environment.boot_id())
            if finding.label == "clean" or own.position > self.end.position:
                return None
            if attempt == 0:
                time.sleep(POLL_INTERVAL)
        text = f"{own.segment.name} at {finding.committed_end}: {finding.label} {finding.reason}"
        if finding.label in WOULD_CUT:
            return NeedsRepair(text)
        return Damaged(text) if finding.label in WOULD_STOP else None

    def _damage(self, text):
        return Damaged(f"{self.end.segment.name}, block at {self.end.position}: {text}")

    def close(self):
        if self.end is not None:
            self.end.segment.close()
            self.end = None
        self.directory.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_for_stream(path, seconds):
    """Opens the directory anew until a stream is there (O-8)."""
    until = time.monotonic() + seconds
    while True:
        try:
            return Reader(path)
        except Exception:
            if os.path.exists(os.path.join(path, "0000000000.puro")) or time.monotonic() > until:
                raise
        time.sleep(POLL_INTERVAL)
