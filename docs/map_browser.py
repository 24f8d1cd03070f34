#!/usr/bin/env python3
"""Opens pages of `puro map` in a real browser, light and dark, and looks at what became of them.

    cargo build -p puro-cli && python3 docs/map_browser.py [DIRECTORY]     # the pictures go there, to be looked at

Where no Chromium is found it says so, and the exit code is 77. PURO names another program, CHROMIUM another browser. The
standard library of Python is all that is needed besides.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PURO = Path(os.environ.get("PURO", ROOT / "target/debug/puro")).resolve()
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
CRAFTED = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
SCHEMES = {"light": "1", "dark": "0"}


def puro(place, *args, stdin=""):
    done = subprocess.run([PURO, *args], cwd=place, input=stdin, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"puro {' '.join(args)}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def stream(place, name):
    """Topics, of which one is compacted, and two consumers; some of its segments are sealed."""
    puro(place, "create", name, "--segment-bytes", "16K")
    for turn in range(12):
        orders = "".join(f"{turn}.{n} {'fig ' * (n % 9)}\n" for n in range(60))
        puro(place, "produce", name, "-t", "orders", "--batch", "5", stdin=orders)
        users = "".join(f"user {n % 7}:{turn}{'x' * 200}\n" for n in range(30))
        puro(place, "produce", name, "-t", "users", "-K", ":", "--batch", "3", stdin=users)
        if turn % 4 == 0:
            puro(place, "produce", name, "-t", CRAFTED, stdin="x\n")
        if turn == 5:
            puro(place, "config", name, "set", "cleanup:users", "compact")
            puro(place, "steward", name)
    puro(place, "produce", name, "-t", "audit", "--durable", stdin="the end\n")
    puro(place, "consume", name, "--name", "billing", "-c", "300")
    puro(place, "consume", name, "--name", "search", "-c", "900")
    with open(max((place / name).glob("*.puro")), "ab") as segment:
        segment.write(bytes(4096))  # as who appends durably leaves them for a time


def damage(place, name):
    with open(place / name / "0000000002.puro", "r+b") as segment:
        segment.seek(6000)
        segment.write(b"\x55" * 700)


class Dom(HTMLParser):
    """What elements there are, and the text of all of them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.classes, self.text, self.open = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.classes.append((tag, dict(attributes).get("class")))
        for name, _ in attributes:
            if name.startswith("on") or name in ("src", "href"):
                raise AssertionError(f"<{tag}> has {name}")

    def handle_data(self, data):
        self.text.append(data)


def browse(browser, page, scheme, extra):
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1900",
                   f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
                   "--enable-logging=stderr", *extra, page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{browser} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    assert not said, f"the browser complains: {said}"
    return done.stdout.decode()


def corner(picture):
    """The first pixel: nothing is to its left and above, so no filter changes it."""
    data, at, packed = picture.read_bytes(), 8, b""
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 8] == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(packed)[1:4])


def look(browser, page, pictures, sound):
    dom = Dom(browse(browser, page, "light", ["--dump-dom"]))
    text = "".join(dom.text)
    assert "script" not in dom.tags and "img" not in dom.tags, "a name became an element"
    assert CRAFTED in text and "owned - " not in text, "the crafted topic is not shown as it is"
    for heading in ["Segments", "Topics over time", "Named consumers", "What a steward would do", "Settings"]:
        assert heading in text, heading
    for word in ["orders", "users", "audit", "billing", "search", "active", "compacted", "zeros ahead"]:
        assert word in text, word
    damaged = dom.classes.count(("rect", "d")) - 1  # one is in the key
    assert (damaged == 0) == sound, f"{damaged} cells are damaged"
    assert ("Sound: nothing is wrong." in text) == sound
    assert dom.classes.count(("rect", "r")) > 100, "no blocks are drawn"
    for scheme in SCHEMES:
        picture = pictures / f"{page.stem}-{scheme}.png"
        browse(browser, page, scheme, [f"--screenshot={picture}"])
        colour = corner(picture)
        assert (sum(colour) > 3 * 127) == (scheme == "light"), f"{picture.name} has the ground {colour}"
        print(f"{picture}: {scheme}")


def main():
    named = os.environ.get("CHROMIUM")
    browser = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        print("no Chromium is here, and so the pages were not looked at")
        sys.exit(77)
    if not PURO.is_file():
        sys.exit(f"{PURO} is not there; build it with: cargo build -p puro-cli")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        pictures = Path(sys.argv[1] if len(sys.argv) > 1 else scratch).resolve()
        pictures.mkdir(exist_ok=True)
        for name in ["sound", "damaged"]:
            stream(place, name)
            if name == "damaged":
                damage(place, name)
            page = pictures / f"{name}.html"
            puro(place, "map", name, "-o", str(page))
            look(browser, page, pictures, name == "sound")
    print("two pages, light and dark: as they should be")


if __name__ == "__main__":
    main()
