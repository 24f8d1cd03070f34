"""What each client's scenarios share: names, the loop that runs them, and waiting with a limit."""

import sys
import time
import traceback
import uuid

PATIENCE = 20.0


def fresh(name):
    """A name that nobody has used before."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def until(look, what):
    """Looks until there is something, or patience ends."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
    raise AssertionError(f"waited in vain for {what}")


def run(client, scenarios, bootstrap):
    """Runs each scenario, prints a row for it, and tells by the exit code whether all passed."""
    failed = 0
    for scenario in scenarios:
        begun = time.monotonic()
        try:
            scenario(bootstrap)
            verdict = "pass"
        except Exception:  # noqa: BLE001 - whatever went wrong is a row of the table
            traceback.print_exc()
            verdict, failed = "FAIL", failed + 1
        name = scenario.__name__.replace("_", " ")
        print(f"{client:<18} {name:<28} {verdict} {time.monotonic() - begun:6.2f} s", flush=True)
    sys.exit(1 if failed else 0)
