#!/usr/bin/env python3
"""Runs Puro, and draws what it printed: docs/picture.svg, the picture in README.md.

    cargo build -p puro-cli && python3 docs/picture.py

The commands below run in a new directory, by a shell, with the built program first in PATH.
PURO names another program. Every line of the picture is one that was printed; long ones are
broken, none is changed. The standard library of Python is all that is needed.
"""

import html
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

COMMANDS = [
    "puro demo orders",
    "puro verify orders --deep",
]
COLUMNS = 100
CHARACTER, LINE, MARGIN = 8.4, 19, 22  # pixels; CHARACTER is 14 px monospace

ROOT = Path(__file__).resolve().parent.parent
COLOURS = {"prompt": "#7ee787", "error": "#ffa657", "proof": "#79c0ff", "output": "#d0d7de"}


def run(directory):
    """The lines of the session, each with its kind."""
    program = Path(os.environ.get("PURO", ROOT / "target/debug/puro"))
    if not program.is_file():
        sys.exit(f"{program} is not there; build it with: cargo build -p puro-cli")
    path = f"{program.resolve().parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        yield "prompt", f"$ {command}"
        done = subprocess.run(
            command,
            shell=True,
            cwd=directory,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}")
        for line in done.stdout.splitlines():
            yield kind(line), line


def kind(line):
    if "killed" in line or "repaired" in line:
        return "error"
    return "proof" if line.startswith("  yes") else "output"


def broken(lines):
    """The same in lines of at most COLUMNS characters."""
    for kind, line in lines:
        indent = " " * (7 if kind == "proof" else 11)
        for part in textwrap.wrap(line, COLUMNS, subsequent_indent=indent) or [""]:
            yield kind, part


def picture(lines):
    width, height = round(COLUMNS * CHARACTER) + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    rows = []
    for number, (kind, line) in enumerate(lines):
        y = MARGIN + (number + 1) * LINE - 5
        # Spaces that a renderer would fold.
        text = html.escape(line).replace(" ", "\u00a0")
        rows.append(f'<text x="{MARGIN}" y="{y}" fill="{COLOURS[kind]}">{text}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-size="14" '
            'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace">',
            "<title>A session of puro, printed by docs/picture.py</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            *rows,
            "</svg>",
            "",
        ]
    )


def main():
    with tempfile.TemporaryDirectory() as directory:
        lines = list(broken(run(directory)))
    (ROOT / "docs/picture.svg").write_text(picture(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
