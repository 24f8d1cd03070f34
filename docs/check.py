#!/usr/bin/env python3
"""Holds the book together: what it shows was run, what it quotes stands there, its links lead somewhere.

    cargo build -p puro-cli && python3 docs/check.py            # says what is wrong; exit code 1
    python3 docs/check.py --write [PAGE...]                     # puts into the pages what the commands print

Each ```console block is a session: lines that begin with `$ ` are run by bash (`> ` continues one), the others are
what they print. All blocks of a page share one new directory and one shell, with the built program first in PATH (PURO names
another one). Ids, times, process ids and the like are compared as such, not by their digits; a line `...` stands for any lines.
A command that ends with another code than 0 fails, so a block that shows one ends its line in `; echo $?`.

Comments before a block say more:

    <!-- needs: topics -->            the program has this command, or `needs: consume --to` this flag of it
    <!-- needs: program sqlite3 -->   that program is there
    <!-- vary: numbers -->            its numbers are others in each run
    <!-- from: examples/account.rs -->  each line of the block or table behind it stands in that file

What a block needs and is not there is not run, and counted; with PURO_NO_SKIPS=1 that fails. The standard library of Python
is all that is needed, and no network.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs/src"
# Pages outside the book whose links are checked, too.
OTHERS = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "tests/README.md", "model/README.md", "benches/README.md"]
SECONDS = 60  # one command

FENCE = re.compile(r"^```(\w*)\s*$")
COMMENT = re.compile(r"^<!-- (needs|from|vary): (.+?) -->\s*$")
LINK = re.compile(r"(?<!\\)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")

# What differs from run to run.
VARIES = [
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b1\d{12}\b"), "MILLISECONDS"),
    (re.compile(r"\b(pid|process) \d+"), r"\1 PID"),
    (re.compile(r"\b([a-z_]+) \(\d+\)"), r"\1 (PID)"),
    (re.compile(r"-[0-9a-f]{8}\.tail"), "-CRC.tail"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|us|s)\b"), "DURATION"),
    (re.compile(r"[ \t]+"), " "),
]


class Shell:
    """One bash, in a directory of its own, that is told one command after the other."""

    def __init__(self, directory, program):
        self.marker = "== end of a command =="
        path = [str(program.parent), str(program.parent / "examples"), os.environ["PATH"]]
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=directory,
            env={**os.environ, "PATH": ":".join(path), "TZ": "UTC", "LC_ALL": "C.UTF-8", "HOME": directory},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.say("umask 022\n")

    def say(self, text):
        try:
            self.bash.stdin.write(text.encode())
            self.bash.stdin.flush()
        except BrokenPipeError:
            pass  # It was ended; its output says so.

    def run(self, command):
        """What it printed, as lines, and its exit code."""
        self.say(f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' '{self.marker}' \"$?\"\n")
        watchdog = subprocess.Popen(
            ["bash", "-c", f"sleep {SECONDS} && kill -9 -{self.bash.pid}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )
        lines = []
        code = None
        for line in self.bash.stdout:
            line = line.decode("utf-8", "replace").rstrip("\n")
            if line.startswith(self.marker):
                code = int(line.split()[-1])
                break
            lines.append(line)
        try:
            os.killpg(watchdog.pid, 9)
        except ProcessLookupError:
            pass
        watchdog.wait()
        # The marker begins a line of its own.
        if lines and lines[-1] == "":
            lines.pop()
        return lines, code

    def close(self):
        try:
            os.killpg(self.bash.pid, 9)
        except ProcessLookupError:
            pass
        self.bash.wait()


def alike(shown, printed, numbers=False):
    """Whether the lines of the page are what was printed, but for what varies."""
    shown, printed = ([normal(line) for line in lines] for lines in (shown, printed))
    if numbers:
        shown, printed = ([re.sub(r"\d+", "N", line) for line in lines] for lines in (shown, printed))
    if "..." not in shown:
        return shown == printed
    at = shown.index("...")
    tail = shown[at + 1 :]
    if shown[:at] != printed[:at]:
        return False
    return any(alike(tail, printed[start:]) for start in range(at, len(printed) + 1))


def normal(line):
    for what, name in VARIES:
        line = what.sub(name, line)
    return line.rstrip()


def session(lines):
    """Commands of a block, each with the lines that it shows."""
    commands = []
    for line in lines:
        if line.startswith("$ "):
            commands.append(([line[2:]], []))
        elif line.startswith("> ") and commands and not commands[-1][1]:
            commands[-1][0].append(line[2:])
        elif commands:
            commands[-1][1].append(line)
        else:
            commands.append(([""], [line]))
    return commands


class Check:
    def __init__(self, program, write):
        self.program, self.write = program, write
        self.wrong, self.ran, self.blocks, self.skipped, self.quoted, self.links = [], 0, 0, [], 0, 0

    def tell(self, page, number, text):
        self.wrong.append(f"{page.relative_to(ROOT)}:{number}: {text}")

    def has(self, need):
        words = need.split()
        if words[0] == "program":
            return shutil.which(words[1], path=f"{self.program.parent / 'examples'}:{os.environ['PATH']}") is not None
        done = subprocess.run([self.program, words[0], "--help"], capture_output=True, text=True)
        return done.returncode == 0 and all(
            re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", done.stdout) for flag in words[1:]
        )

    def page(self, page):
        lines = page.read_text().split("\n")
        out, at, notes, shell = [], 0, {}, None
        with tempfile.TemporaryDirectory() as directory:
            while at < len(lines):
                line = lines[at]
                out.append(line)
                at += 1
                if comment := COMMENT.match(line):
                    notes.setdefault(comment[1], []).append(comment[2])
                    continue
                fence = FENCE.match(line)
                if fence or (line.startswith("|") and "from" in notes):
                    first = at
                    end = (lambda l: l.startswith("```")) if fence else (lambda l: not l.startswith("|"))
                    body = [] if fence else [line]
                    while at < len(lines) and not end(lines[at]):
                        body.append(lines[at])
                        at += 1
                    if not fence:
                        out.pop()
                    for source in notes.get("from", []):
                        self.quote(page, first, source, body)
                    if fence and fence[1] == "console":
                        missing = [need for need in notes.get("needs", []) if not self.has(need)]
                        if missing:
                            self.skipped.append(f"{page.relative_to(ROOT)}:{first}: {', '.join(missing)}")
                        else:
                            shell = shell or Shell(directory, self.program)
                            body = self.block(page, first, body, shell, "vary" in notes)
                    out += body
                    notes = {}
                elif line.strip():
                    notes = {}
            if shell:
                shell.close()
        if self.write and out != lines:
            page.write_text("\n".join(out))

    def block(self, page, number, body, shell, numbers):
        self.blocks += 1
        out = []
        for command, shown in session(body):
            printed, code = shell.run("\n".join(command))
            self.ran += 1
            if code is None:
                self.tell(page, number, f"`{command[0]}` did not end within {SECONDS} s: {printed}")
                return body
            if code != 0:
                self.tell(page, number, f"exit code {code} of `{command[0]}`: {printed}")
            elif not alike(shown, printed, numbers):
                if not self.write:
                    self.tell(page, number, "`{}` prints\n    {}\nnot\n    {}".format(
                        "; ".join(command), "\n    ".join(printed), "\n    ".join(shown)))
                shown = printed
            out += [("$ " if first else "> ") + line for first, line in zip([True] + [False] * 99, command)] + shown
        return out

    def quote(self, page, number, source, body):
        self.quoted += 1
        there = {line.strip() for line in (ROOT / source).read_text().split("\n")}
        for line in body:
            if line.strip() and line.strip() not in there and not re.fullmatch(r"[|:\- ]+|// \.\.\.", line.strip()):
                self.tell(page, number, f"does not stand in {source}: {line}")

    def follow(self, page):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        text = re.sub(r"`[^`\n]*`", "", text)
        for target in LINK.findall(text):
            if re.match(r"\w+:", target):
                continue
            self.links += 1
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            number = text[: text.index(f"]({target}")].count("\n") + 1
            if not file.exists():
                self.tell(page, number, f"{target} leads nowhere")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                self.tell(page, number, f"{target}: there is no such heading")


def anchors(page):
    """The names of a page's headings, as GitHub and mdBook make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    names = set()
    for heading in re.findall(r"^#+ +(.+?)\s*$", text, flags=re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        heading = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add(heading)
    return names


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    program = Path(os.environ.get("PURO", ROOT / "target/debug/puro")).resolve()
    if not program.is_file():
        sys.exit(f"{program} is not there; build it with: cargo build -p puro-cli")
    check = Check(program, "--write" in sys.argv)
    pages = [Path(name).resolve() for name in arguments] or sorted(BOOK.rglob("*.md"))
    for page in pages:
        check.page(page)
        check.follow(page)
    if not arguments:
        for name in OTHERS:
            check.follow(ROOT / name)
        listed = set(re.findall(r"\]\(([^)#]+)\)", (BOOK / "SUMMARY.md").read_text()))
        for page in pages:
            if page.name != "SUMMARY.md" and str(page.relative_to(BOOK)) not in listed:
                check.tell(page, 1, "is not in SUMMARY.md")
    for wrong in check.wrong:
        print(wrong)
    for skipped in check.skipped:
        print(f"not run, {skipped} is not there")
    print(f"{len(pages)} pages, {check.ran} commands in {check.blocks} blocks, {check.quoted} quotations, "
          f"{check.links} links; {len(check.skipped)} blocks not run, {len(check.wrong)} wrong")
    if check.wrong or (check.skipped and os.environ.get("PURO_NO_SKIPS") == "1"):
        sys.exit(1)


if __name__ == "__main__":
    main()
