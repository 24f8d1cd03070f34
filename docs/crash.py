#!/usr/bin/env python3
"""Draws a block, an append, and each row of the recovery table: docs/src/pictures/*.svg, for docs/src/crash.md.

    python3 docs/crash.py            # writes them
    python3 docs/crash.py --check    # says whether they are as they would be written

The labels of the rows are those of the table in spec/protocol.md, chapter 5; that all are there is checked.
"""

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/src/pictures"
WIDTH, STRIP, MARGIN = 760, 44, 16
FILLS = {
    "header": "#8c959f", "checkpoint": "#a8b3bd", "committed": "#4ac26b", "low": "#f0d264", "bad": "#ff8182",
    "zeros": "#eaeef2", "signal": "#cf222e", "start": "#80ccff", "body": "#b6e3ff", "pad": "#eaeef2", "end": "#80ccff",
    "raise": "#c297ff", "lost": "#ffb77c",
}


class Picture:
    def __init__(self, title):
        self.title, self.parts, self.y = title, [], MARGIN

    def text(self, x, y, words, size=13, anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
                          f'fill="#1f2328">{html.escape(words)}</text>')

    def caption(self, words, weight="normal"):
        self.text(MARGIN, self.y + 13, words, weight=weight)
        self.y += 22

    def strip(self, pieces, mark=None):
        """Boxes side by side: (kind, width, label); `mark` is the number of the piece at which P stands."""
        x = MARGIN
        for number, (kind, width, label) in enumerate(pieces):
            if number == mark:
                self.parts.append(f'<path d="M{x} {self.y - 4} v{STRIP + 8}" stroke="#1f2328" stroke-width="2"/>')
                self.text(x, self.y + STRIP + 18, "P", 12, "middle", "bold")
            dash = ' stroke-dasharray="4 3"' if kind in ("low", "zeros") else ""
            self.parts.append(f'<rect x="{x}" y="{self.y}" width="{width}" height="{STRIP}" fill="{FILLS[kind]}" '
                              f'stroke="#57606a"{dash}/>')
            lines = label.split("\n")
            for line, words in enumerate(lines):
                self.text(x + width / 2, self.y + STRIP / 2 + 4 + 15 * (line - (len(lines) - 1) / 2), words, 12, "middle")
            x += width
        self.y += STRIP + (26 if mark is not None else 10)

    def write(self):
        height = self.y + 6
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
                f'font-family="sans-serif" role="img">\n<title>{html.escape(self.title)}</title>\n'
                f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


FRONT = [("header", 90, "header\n64 bytes"), ("checkpoint", 110, "opening\ncheckpoint")]
GOOD = [("committed", 120, "records\ncommitted"), ("committed", 120, "records\ncommitted")]


def block():
    picture = Picture("A block: signal, start, body, pad, end")
    picture.caption("a block: a multiple of 64 bytes", "bold")
    picture.strip([("signal", 70, "signal\n1 byte"), ("start", 190, "start: lengths, offset, time,\nits checksum"),
                   ("body", 270, "body: records"), ("pad", 70, "pad\nzeros"), ("end", 128, "end: length,\nchecksum")])
    picture.caption("Both checksums are seeded with segment and position: a block counts nowhere else. The signal is outside of them.")
    return picture


def append():
    picture = Picture("An append in three steps")
    for title, pieces in [
        ("1. The lock is taken, the end is looked at. Readers see up to P.", [("zeros", 200, "nothing")]),
        ("2. The block is written with its signal low. Readers still see up to P.", [("low", 200, "records, low")]),
        ("3. One byte is written: the signal is high. Now readers see the block.", [("committed", 200, "records\ncommitted")]),
    ]:
        picture.caption(title)
        picture.strip(FRONT + GOOD + pieces, 4)
    picture.caption("4. If it was asked for: fdatasync, and only then it is told as durable.")
    return picture


def row(label, before, tell, after=None, beside=None):
    picture = Picture(f"The row {label} of the recovery table")
    picture.caption(label, "bold")
    picture.strip(FRONT + GOOD[:1] + before, 3)
    picture.caption(tell)
    if after is not None:
        picture.strip(FRONT + GOOD[:1] + after, 3)
    if beside:
        picture.strip(beside)
    return picture


ROWS = {
    "unreadable": lambda: row("unreadable", [("bad", 170, "the disk does\nnot give this"), ("committed", 130, "?")],
        "The segment cannot be read to its end. Nothing is changed: a read error is no proof of anything."),
    "damaged": lambda: row("damaged", [("bad", 130, "a checksum\nis wrong"), ("committed", 130, "valid, high"), ("zeros", 80, "zeros")],
        "Known to be on disk once, or valid blocks stand behind and no power was lost. Nothing is changed: see salvage."),
    "clean": lambda: row("clean", [("zeros", 200, "nothing, or zeros")],
        "Nothing to be done. Zeros behind the end are nothing.", [("committed", 200, "the next block")]),
    "unseen": lambda: row("unseen", [("low", 150, "low: its writer died"), ("zeros", 100, "")],
        "The same boot, the signal is low, nothing behind: nobody ever saw it. It is cut off.", [("committed", 200, "the next block")]),
    "lost": lambda: row("lost", [("bad", 150, "high, not whole"), ("low", 130, "what the power\nleft")],
        "Anything else. A reader may have seen it: it is saved first, then cut off, and a new epoch begins.",
        [("raise", 130, "epoch + 1"), ("committed", 150, "the next block")], [("lost", 330, "lost/SEGMENT-POSITION-CRC.tail: what was cut")]),
}


def main():
    table = (ROOT / "spec/protocol.md").read_text().split("Table: recovery.")[1].split("\n- **X-1**")[0]
    labels = re.findall(r"^\| (\w+) \|", table, flags=re.M)[1:]
    if labels != list(ROWS):
        sys.exit(f"the recovery table has the rows {labels}, the pictures {list(ROWS)}")
    pictures = {"block": block(), "append": append(), **{f"row-{label}": make() for label, make in ROWS.items()}}
    wrong = []
    for name, picture in pictures.items():
        path, text = PICTURES / f"{name}.svg", picture.write()
        if "--check" in sys.argv:
            wrong += [] if path.is_file() and path.read_text() == text else [str(path)]
        else:
            path.write_text(text)
    if wrong:
        sys.exit("not as docs/crash.py draws them: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
