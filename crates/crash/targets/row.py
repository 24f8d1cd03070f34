"""A line of the table: row.py NAME PROFILE VERDICT REPORT ERRORS."""
import json
import sys

name, profile, verdict, report, errors = sys.argv[1:]
try:
    report = json.load(open(report))
except (OSError, ValueError):
    words = " ".join(open(errors).read().split())[:200]
    print(f"| {name} | {profile} | | | | {verdict} | {words} |")
    sys.exit()
calls, states, failed, words = report["calls"], 0, 0, list(report["unmeasured"])
for of_profile in report["profiles"]:
    states += of_profile["states"]
    failed += of_profile["failed"]
    words += [finding["sentence"] for finding in of_profile["findings"]]
    if of_profile["why_unmeasured"]:
        words.append("not measured: " + of_profile["why_unmeasured"].splitlines()[0])
more = f" (and {len(words) - 1} more)" if len(words) > 1 else ""
words = words[0].replace("|", "\\|") + more if words else ""
print(f"| {name} | {profile} | {calls} | {states} | {failed} | {verdict} | {words} |", flush=True)
