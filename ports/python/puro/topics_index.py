"""The index of topics that a segment end carries (format.md F-42). It is written, never read."""

from .errors import Damaged
from .numbers import encode_varint
from .records import control_record, decode_body

MOST_BYTES = 65536


class TopicsIndex:
    """Which blocks since the last checkpoint hold which topics; knows all of them, or says
    nothing (F-42, *all or nothing*)."""

    def __init__(self, begin):
        self.begin = begin  # the end of the checkpoint before
        self.places = {}  # topic: positions, ascending
        self.whole = True

    def add(self, block, generation):
        """A records block; what cannot be decoded is told by whoever reads it (F-24)."""
        try:
            decoded = decode_body(block, generation)
        except Damaged:
            self.whole = False
            return
        for topic in {record.topic for offset, record in decoded if offset is not None}:
            self.places.setdefault(topic, []).append(block.position)

    def entry(self):
        """The control record, or None where there is nothing to say."""
        if not self.whole or not self.places:
            return None
        parts = [self.begin.to_bytes(8, "little")]
        for topic in sorted(self.places):
            parts += [encode_varint(len(topic)), topic, encode_varint(len(self.places[topic]))]
            before = self.begin
            for position in self.places[topic]:
                parts.append(encode_varint((position - before) // 64))
                before = position
        value = b"".join(parts)
        return control_record(b"topics", None, value) if len(value) <= MOST_BYTES else None
