"""Where the committed blocks of a segment end, and what they amount to (protocol.md O-3)."""

from .blocks import CHECKPOINT, COMMITTED, HEADER_BYTES, INVALID, RECORDS, SEGMENT_END, Previous
from .errors import Damaged
from .records import decode_body
from .state import State
from .topics_index import TopicsIndex


class CommittedEnd:
    """What is remembered of a segment's end (O-3), moved on block by block (A-3)."""

    def __init__(self, segment, for_writing=False):
        header = segment.header
        self.index = TopicsIndex(HEADER_BYTES) if for_writing else None  # F-42
        self.segment = segment
        self.position = HEADER_BYTES
        self.crc = header.crc
        self.next_offset = header.base_offset
        self.epoch = header.epoch
        self.last_eight = segment.read(HEADER_BYTES - 8, 8)
        self.last_kind = None
        self.first_kind = None
        self.opening_end = HEADER_BYTES  # of the opening checkpoints (F-51)
        self.opening_timestamp = 0
        self.highest_time = 0  # of records blocks (F-22)
        self.looked_behind = False  # at all that stands behind (Z-6)
        self.durable_to = 0  # the highest that was read (F-23)
        self.raise_end = 0  # end of the block that raised the epoch; 0: known (E-4)
        self.state = State()

    @property
    def previous(self):
        """What the next block must continue (F-21)."""
        return Previous(self.crc, self.next_offset, self.segment.header.generation)

    @property
    def is_sealed(self):
        return self.last_kind == SEGMENT_END

    def check_next(self):
        """What stands at the end. Nothing follows a segment end (F-25)."""
        found, block = self.segment.check(self.position, self.previous)
        if self.is_sealed and found == COMMITTED:
            return INVALID, None
        return found, block

    def step_over(self):
        """Goes on behind every committed block; returns what stands there (A-3, O-3)."""
        while True:
            found, block = self.check_next()
            if found != COMMITTED:
                return found
            self.pass_over(block)

    def pass_over(self, block):
        """Remembers a committed block, and folds its entries (F-37)."""
        start = block.start
        opening = start.kind == CHECKPOINT and self.position == self.opening_end
        if self.first_kind is None:
            self.first_kind = start.kind
        if opening:
            self.opening_end = block.behind
            self.highest_time = max(self.highest_time, start.timestamp)
            if self.last_kind is None:
                self.opening_timestamp = start.timestamp
        if start.kind == CHECKPOINT:
            self.raise_end = 0  # E-4: it stands in, or before, a checkpoint
            if self.index:
                self.index = TopicsIndex(block.behind)
        if start.kind == RECORDS:
            self.highest_time = max(self.highest_time, start.timestamp)
            if self.index:
                self.index.add(block, self.segment.header.generation)
        if start.flags & 1 and (opening or start.kind == RECORDS):
            self._fold(block)
        self.durable_to = max(self.durable_to, start.durable_to)
        self.position = block.behind
        self.crc = block.crc
        self.last_eight = block.last_eight
        self.next_offset = block.next_offset
        self.epoch = start.epoch
        self.last_kind = start.kind

    def _fold(self, block):
        before = self.epoch
        try:
            decoded = decode_body(block, self.segment.header.generation)
        except Damaged as error:
            raise Damaged(f"{self.segment.name}, block at {block.position}: {error}") from error
        for _, record in decoded:
            self.state.fold(record, block.start.first_offset)
        if block.start.kind == RECORDS and block.start.epoch > before:
            self.raise_end = block.behind

    def still_stands(self):
        """Are the eight bytes before the end as they are remembered? (A-2)"""
        return self.segment.read(self.position - 8, 8) == self.last_eight


def scan(segment, for_writing=False):
    """Reads a segment from its header on (O-3, A-4)."""
    end = CommittedEnd(segment, for_writing)
    end.step_over()
    return end


def open_active(directory, writable=False):
    """O-3: the stream's id, and the end of its active segment, which is left open."""
    from .directory import Segment

    while True:
        stream_id, sequences = directory.stream()
        try:
            segment = Segment(directory, sequences[-1], writable)
        except FileNotFoundError:
            continue  # it went between the two looks: list anew
        try:
            return stream_id, scan(segment, writable)
        except BaseException:
            segment.close()
            raise
