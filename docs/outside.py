#!/usr/bin/env python3
"""A preprocessor of mdBook (docs/book.toml): what leads to pages of the repository that are no chapters becomes their path.

In a clone, or where it is hosted, those links of docs/src/ lead to the pages; in the book as HTML they would lead nowhere.
Where book.toml has a git-repository-url, they lead there.
"""

import json
import os
import re
import sys

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)\s]+)\)")


def told(chapter, base):
    def instead(link):
        words, target = link[1], link[2]
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join("docs/src", os.path.dirname(chapter["path"]), path))
        if path.startswith("docs/src/"):
            return link[0]
        if base:
            return f"[{words}]({base}/blob/main/{path}{'#' + anchor if anchor else ''})"
        return f"{words} (`{path}`)" if words != path and words != os.path.basename(path) else f"`{path}`"

    chapter["content"] = LINK.sub(instead, chapter["content"])


def walk(items, base):
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            if item["Chapter"]["path"]:
                told(item["Chapter"], base)
            walk(item["Chapter"]["sub_items"], base)


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    base = context["config"].get("output", {}).get("html", {}).get("git-repository-url")
    # mdBook 0.5 calls them items, 0.4 sections.
    walk(book.get("items") or book.get("sections") or [], base)
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
