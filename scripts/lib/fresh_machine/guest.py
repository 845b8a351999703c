"""What a new user does: only what the README says. Shell (processes). Prints what came of it, as JSON.

Runs on the fresh machine with its own Python, by its path, so it may import nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

XYFLEET = "./scripts/xyfleet"

QUICK = (
    *("-m", "not timing", "-n", "2"),
    # Not those that start whole fleets: they take several minutes.
    *("--ignore=tests/system", "--ignore-glob=*/test_fleet_*.py"),
    *("--ignore-glob=*/test_bench*.py", "--ignore-glob=*/test_soak*.py"),
)
"""The quick tests: two minutes on two cores."""

FIRST_START = 900.0
"""Seconds that the first start may take, with its downloads."""

WATCHED = 60.0
"""Seconds that the example runs: all that it shows happens in them."""

Event = dict[str, Any]

EXPECTED: dict[str, tuple[Event, ...]] = {
    "shop-001": ({"to": "CONNECTED"},),
    "shop-002": ({"to": "RECONNECTING", "cause": "closed"}, {"to": "CONNECTED"}),
    "shop-003": ({"to": "FAILED", "cause": "auth"}, {"kind": "refresh", "to": "succeeded"}, {"to": "CONNECTED"}),
    "shop-004": ({"to": "RECONNECTING", "cause": "heartbeat"}, {"to": "CONNECTED"}),
    "shop-005": ({"to": "CONNECTED"},),
}
"""What happens to each account of the example, in this order; other events may lie between."""


def happened(events: list[Event], account: str) -> bool:
    """Tell whether what is expected of an account happened."""
    own = iter(event for event in events if event["account"] == account)
    return all(any(wanted.items() <= event.items() for event in own) for wanted in EXPECTED[account])


def answer(*words: str) -> tuple[int, str]:
    """Run a command of xyfleet; return its exit code and all that it said."""
    done = subprocess.run(
        [XYFLEET, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout.decode()


def own_processes() -> list[str]:
    """Return the command lines of this user's other processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if folder.stat().st_uid == os.getuid() and int(folder.name) != os.getpid():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def wait_for_connections(fleet: subprocess.Popen[bytes], said: Path) -> float:
    """Return after how many seconds all were connected; raise SystemExit when that does not come."""
    began = time.monotonic()
    while "connected 5 of 5" not in said.read_text():
        if fleet.poll() is not None or time.monotonic() - began > FIRST_START:
            fleet.kill()
            raise SystemExit("the example did not start:\n" + said.read_text()[-3000:])
        time.sleep(0.2)
    return time.monotonic() - began


def visit_example() -> dict[str, Any]:
    """Start the example, look at it in a second terminal as the README says, stop it."""
    said = Path("..", "start.log")
    with said.open("wb") as output:
        fleet = subprocess.Popen(
            [XYFLEET, "start", "accounts.example.yml"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    took = wait_for_connections(fleet, said)
    time.sleep(WATCHED)
    code, lines = answer("events", "--json")
    events = [json.loads(line) for line in lines.splitlines()] if code == 0 else []
    commands = {words: answer(*words.split()) for words in ("status", "messages", "stop")}
    return {
        "first_start": took,
        "missing": [account for account in EXPECTED if not happened(events, account)],
        "connected": "connected 5 of 5" in commands["status"][1],
        "failed": [f"{words}: {code}\n{text}" for words, (code, text) in commands.items() if code],
        "start_code": fleet.wait(60),
        "left": own_processes(),
    }


def tests(*words: str) -> tuple[int, list[str]]:
    """Run tests; return pytest's exit code and what it said, its result last."""
    command = ["./scripts/test", "-q", *words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, [re.sub(r"^=+ | =+$", "", line) for line in done.stdout.decode().strip().splitlines()]


def quick_tests() -> dict[str, Any]:
    """Run the quick tests, and once more, alone, what failed: a busy machine does not fail the same test twice."""
    code, said = tests(*QUICK)
    found: dict[str, Any] = {"tests": said[-1], "again": None}
    if code:
        code, said = tests("--last-failed", "--last-failed-no-failures=none")
        found["again"] = said[-1]
    return found | {"tests_code": code, "tests_said": said[-100:] if code else []}


def main() -> None:
    """Do all of it in the current folder."""
    system = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    found = {"system": system["PRETTY_NAME"].strip('"'), "python": sys.version.split()[0]}
    found |= visit_example()
    found |= quick_tests()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
