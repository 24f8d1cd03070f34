#!/usr/bin/env python3
"""Breaks the port in Python in one place after the other, and asks the kit: does a case notice?

    crates/kit/breaks/run.py target/debug/puro-kit          # writes breaks.md beside this
    crates/kit/breaks/run.py target/debug/puro-kit --again  # only what the page does not have, or as not noticed
    crates/kit/breaks/run.py target/debug/puro-kit --check  # only tells, by its exit status
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from breaks import BREAKS

HERE = Path(__file__).resolve().parent
PORT = HERE.parents[2] / "ports" / "python" / "puro"
PAGE = HERE / "breaks.md"


def broken(where, file, text, replacement):
    """A copy of the port, broken in one place."""
    package = Path(where) / "puro"
    shutil.copytree(PORT, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / file
    source = path.read_text()
    if source.count(text) != 1:
        raise SystemExit(f"{file}: {source.count(text)} times: {text!r}")
    path.write_text(source.replace(text, replacement))


def noticed(kit, where, only):
    """Cases that failed, and how many there are."""
    report = Path(where) / "report.json"
    command = [kit, "check", "--failures", "0", "--timeout-ms", "8000", "--json", report]
    for glob in only:
        command += ["--only", glob]
    command += ["--", sys.executable, "-B", "-m", "puro.kit"]
    environment = {**os.environ, "PYTHONPATH": str(where)}
    subprocess.run(command, env=environment, capture_output=True, timeout=600)
    if not report.exists():
        return ["(the driver does not run)"]
    cases = json.loads(report.read_text())["cases"]
    return [case["id"] for case in cases if case["outcome"] == "failed"]


def main():
    kit, check = Path(sys.argv[1]).resolve(), "--check" in sys.argv
    known = PAGE.read_text().splitlines() if "--again" in sys.argv and PAGE.exists() else []
    rows, missed = [], 0
    for clause, what, file, text, replacement, first in BREAKS:
        before = [row for row in known if row.startswith(f"| {clause} | {what} |")]
        if before and "**none**" not in before[0]:
            rows += before
            continue
        with tempfile.TemporaryDirectory(prefix="puro-break-") as where:
            broken(where, file, text, replacement)
            failed = noticed(kit, where, [first]) or noticed(kit, where, ["*"])
        missed += not failed
        more = f" and {len(failed) - 1} more" if failed[1:] else ""
        told = f"`{failed[0]}`{more}" if failed else "**none**"
        rows.append(f"| {clause} | {what} | {told} |")
        print(rows[-1], flush=True)
    print(f"{len(rows)} breaks, {len(rows) - missed} noticed, {missed} not")
    if not check:
        head = "# What is broken in a port, and which case notices\n\n"
        head += "Made by `run.py`, which breaks a copy of the port in Python in one place after the other. "
        head += f"{len(rows) - missed} of {len(rows)} are noticed.\n\n| clause | what is broken | noticed by |\n|---|---|---|\n"
        PAGE.write_text(head + "\n".join(rows) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
