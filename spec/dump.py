#!/usr/bin/env python3
"""Takes segments of the golden streams apart, field by field: writes dump.md.

    python3 spec/dump.py            # writes spec/dump.md
    python3 spec/dump.py --check    # fails if it would write something else

It was written from format.md alone, and checks what it reads (F-24). The standard library of
Python is all that is needed.
"""

import sys
from datetime import datetime, timezone
from pathlib import Path

SPEC = Path(__file__).resolve().parent
KINDS = {1: "records", 2: "checkpoint", 3: "segment end"}
HEADER = [  # F-12 and the table above it
    ("magic", 8), ("version", 2), ("features_compatible", 2), ("features_read_compatible", 2),
    ("features_incompatible", 2), ("stream_id", 16), ("base_offset", 8), ("created", 8),
    ("sequence", 4), ("generation", 4), ("epoch", 4), ("crc", 4),
]  # fmt: skip
START = [
    ("signal", 1), ("kind", 1), ("flags", 2), ("body_len", 4), ("record_count", 4), ("prev_crc", 4),
    ("first_offset", 8), ("timestamp", 8), ("durable_to", 8), ("epoch", 4), ("start_crc", 4),
]  # fmt: skip


def crc(data, before=0):
    """CRC-32C (F-3); `before` is the CRC of what stands before the data."""
    value = before ^ 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def number(data):
    return int.from_bytes(data, "little")


def time(ms):
    if ms == 0:
        return "0"
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds")


def text(data):
    return '"' + "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in data) + '"'


class Dump:
    def __init__(self, data, wanted=lambda position: True):
        self.data, self.wanted, self.at, self.lines = data, wanted, 0, []
        self.header_crc = number(data[60:64])
        assert crc(b"123456789") == 0xE3069283

    def title(self, title):
        self.lines += ["", title]

    def field(self, name, size, meaning=""):
        """The next bytes, in as many lines as they need; returns them."""
        part = self.data[self.at : self.at + size]
        pieces = [part[i : i + 8] for i in range(0, size, 8)] or [b""]
        left = len(pieces) - 5
        for row, piece in enumerate(pieces):
            if left > 0 and 2 <= row < len(pieces) - 2:
                if row == 2:
                    self.lines.append(f"{'':6}  ({(left + 1) * 8} bytes more like these)")
                continue
            hexes = piece.hex(" ").upper()
            beside = f"{name:24}  {meaning}" if row == 0 else ""
            self.lines.append(f"{self.at + row * 8:6}  {hexes:23}  {beside}".rstrip())
        self.at += size
        return part

    def varint(self, name, meaning="{}"):
        """F-2"""
        size, value = 0, 0
        while True:
            byte = self.data[self.at + size]
            value |= (byte & 0x7F) << 7 * size
            size += 1
            if byte < 0x80:
                break
        self.field(name, size, meaning.format(value))
        return value

    def header(self):
        self.title("-- segment header (chapter 4)")
        for name, size in HEADER:
            part = self.data[self.at : self.at + size]
            meaning = str(number(part))
            if name == "magic":
                meaning = r"8B PURO CR LF Ctrl-Z"
            elif name == "stream_id":
                meaning = "sixteen random bytes; here of a fixed world"
            elif name == "created":
                meaning = time(number(part))
            elif name == "crc":
                assert number(part) == crc(self.data[:60])
                meaning = f"{number(part):08X}: CRC of bytes 0..60"
            self.field(name, size, meaning)

    def block(self, previous):
        """F-15 to F-24; returns the crc, and the position behind the block."""
        position = self.at
        body_len = number(self.data[position + 4 : position + 8])
        length = (48 + body_len + 8 + 63) // 64 * 64
        block = self.data[position : position + length]
        seed = self.data[60:64] + position.to_bytes(8, "little")
        start_crc = crc(block[1:44], crc(seed))
        whole_crc = crc(block[48:-4], start_crc)
        assert start_crc == number(block[44:48]) and whole_crc == number(block[-4:])
        assert number(block[12:16]) == previous
        if not self.wanted(position):
            self.at += length
            return whole_crc
        self.title(f"-- {KINDS[block[1]]} block at {position}, {length} bytes (chapter 5): start")
        for name, size in START:
            part = self.data[self.at : self.at + size]
            meaning = str(number(part))
            if name == "signal":
                meaning = {0xA5: "high: committed", 0: "low"}[part[0]]
            elif name == "kind":
                meaning = f"{part[0]}: {KINDS[part[0]]}"
            elif name == "flags":
                meaning = "bit 0: a control record is in the body" if number(part) else "none"
            elif name == "body_len":
                meaning = f"{body_len}, so the length is 48 + {body_len} + 8, rounded up: {length}"
                meaning += " (F-15)"
            elif name == "prev_crc":
                before = "of the segment header" if position == 64 else "of the block before"
                meaning = f"{previous:08X}: crc {before} (F-21)"
            elif name == "timestamp":
                meaning = time(number(part))
            elif name == "durable_to":
                meaning = f"{number(part)}: bytes known to be on disk (F-23)"
            elif name == "start_crc":
                meaning = f"{start_crc:08X}: CRC of header crc, position, bytes 1..44 (F-19)"
            self.field(name, size, meaning)
        end = position + 48 + body_len
        offset = number(block[16:24])
        while self.at < end:
            offset = self.record(offset)
        pad = position + length - 8 - self.at
        if pad:
            self.lines.append("  pad (F-15)")
            self.field("pad", pad, f"{pad} zeros")
        self.lines.append("  end")
        self.field("end_body_len", 4, f"{body_len} again: the way backwards (O-6)")
        meaning = f"{whole_crc:08X}: start_crc continued over body, pad, end_body_len (F-19)"
        self.field("crc", 4, meaning)
        return whole_crc

    def record(self, offset):
        """Chapter 6, and the values of chapter 7."""
        begin = self.at
        length_bytes = 1 if self.data[begin + 4] < 0x80 else 2
        length = self.data[begin + 4] & 0x7F
        if length_bytes == 2:
            length |= self.data[begin + 5] << 7
        end = begin + 4 + length_bytes + length
        attributes = self.data[begin + 4 + length_bytes]
        control = attributes & 8
        kind = "control record (chapter 7)" if control else f"record at offset {offset} (F-29)"
        self.lines.append(f"  {kind}")
        value_crc = crc(self.data[begin + 4 : end])
        stored = self.field("crc", 4, f"{value_crc:08X}: CRC of the record's other bytes")
        assert value_crc == number(stored)
        self.varint("length", "{}: bytes after this field")
        bits = enumerate(["key", "value", "headers", "control"])
        names = [name for bit, name in bits if attributes >> bit & 1]
        marker = "" if attributes & 2 else ": no value, a delete marker (F-27)"
        self.field("attributes", 1, " + ".join(names) + marker)
        topic = self.sized("topic")
        if attributes & 1:
            key_len = self.varint("key_len")
            key = self.data[self.at : self.at + key_len]
            if key_len:
                self.field("key", key_len, f"epoch {number(key)} (F-35)" if control else text(key))
        if attributes & 4:
            for _ in range(self.varint("header_count")):
                self.sized("name")
                self.sized("value")
        if control:
            self.control_value(topic, end)
        elif end > self.at:
            value = self.data[self.at : end]
            more = " ..." if len(value) > 20 else ""
            self.field("value", len(value), text(value[:20]) + more)
        assert self.at == end
        return offset + (0 if control else 1)

    def sized(self, name):
        size = self.varint(f"{name}_len")
        value = self.data[self.at : self.at + size]
        if size:
            self.field(name, size, text(value))
        return value

    def control_value(self, topic, end):
        if topic == b"epoch":
            self.field("value: first_offset", 8, str(number(self.data[self.at : self.at + 8])))
            self.field("value: boot_id", 16, "of a fixed world (M-9)")
            self.field("value: time", 8, time(number(self.data[self.at : self.at + 8])))
        elif topic == b"topics":
            begin = number(self.data[self.at : self.at + 8])
            self.field("value: from", 8, f"{begin}: the end of the checkpoint before (F-42)")
            while self.at < end:
                self.sized("topic")
                place = begin
                for _ in range(self.varint("count", "{}: blocks with that topic")):
                    assert self.data[self.at] < 0x80  # so it is the whole varint
                    place += self.data[self.at] * 64
                    self.varint("position", "{} units of 64 on: " + f"the block at {place}")
        else:
            self.field("value", end - self.at, text(self.data[self.at : end]))

    def segment(self):
        self.header()
        previous = self.header_crc
        while any(self.data[self.at :]):
            previous = self.block(previous)
        if self.at < len(self.data):
            self.title(f"-- {len(self.data) - self.at} zeros behind the last block")
        return "\n".join(self.lines).strip()


def stream(name, segment, **options):
    return Dump((SPEC / f"vectors/{name}/{segment:010}.puro").read_bytes(), **options)


def page():
    records = stream("records", 0).segment()
    rolled = stream("rollover", 0)
    previous, last = rolled.header_crc, 0
    rolled.at, position = 64, 64
    while position < len(rolled.data):  # where the last block begins
        last = position
        position += (48 + number(rolled.data[position + 4 : position + 8]) + 8 + 63) // 64 * 64
    rolled.wanted = lambda position: position == last
    while rolled.at < len(rolled.data):
        previous = rolled.block(previous)
    end = "\n".join(rolled.lines).strip()
    return f"""# A segment, byte by byte

Every byte of the golden stream [`records`](vectors/README.md), in the order of the file, and then a segment end.
Left is the place in the file, in the middle the bytes, right the field of [format.md](format.md) and what it says.
All numbers are little-endian (F-1).

`python3 spec/dump.py` makes this page. The script was written from format.md alone, and checks each checksum that it shows.
`puro inspect --records spec/vectors/records` says the same more shortly.

## A whole segment: `records/0000000000.puro`

It is the only segment of its stream, so it is the active one (F-7): no segment end stands in it, and the next append goes behind its last
byte.

```text
{records}
```

## A segment end: the last block of `rollover/0000000000.puro`

Nothing follows it (F-25). Its first_offset is the base_offset of the next segment (F-49). In its body stands the index of
topics (F-42).

```text
{end}
```
"""


def main():
    path, text = SPEC / "dump.md", page()
    if "--check" in sys.argv[1:]:
        if path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what {Path(__file__).name} makes of the golden streams; run it")
    else:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
