"""`scripts/bench-messages`: measures what happens to messages, and prints a Markdown table beside the goals. Shell."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from scripts.lib.bench import machine
from scripts.lib.bench.figures import Sheet
from scripts.lib.bench.messages_measure import Lab
from scripts.lib.bench.messages_push import Pusher
from scripts.lib.bench.messages_rows import LONG, SHORT, Plan, rows
from scripts.lib.bench.processes import Broken
from scripts.lib.ending import run
from support.gateway import Gateway, GatewayError
from xyfleet.supervisor.api.client import ClientError

BEGAN = time.monotonic()
EPILOG = "Exit code 1: something that must hold does not. A goal that is missed is no failure."
HOW = (
    "push to ack: at the gateway, from writing the push to reading its ack; one text message in a push, over 20 "
    "conversations",
    "push to call: from the push's writing to the handler's first line; while it is measured, `begin` and `end` of "
    "each call are put on disk",
    "most messages/s: 200 pushes (of 32: 6) under way for each account; the gateway makes and reads all of it on the "
    "same cores",
    "memory: mean of all workers, from /proc/PID/smaps_rollup, on plain ws",
)


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench-messages", description=__doc__, epilog=EPILOG)
    parser.add_argument("--accounts", type=int, default=LONG.accounts, help="accounts whose memory is measured (200)")
    parser.add_argument(
        "--runs", type=int, default=LONG.runs, help="how often all but memory is measured (3); 0: memory alone"
    )
    parser.add_argument("--seconds", type=float, default=LONG.seconds, help="length of each measurement (10)")
    parser.add_argument("--short", action="store_true", help="a few seconds in all: only to see it work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample into this file too")
    found = parser.parse_args(words)
    if found.accounts < 1 or found.runs < 0 or found.seconds <= 0:
        parser.error("--accounts must be 1 or more, --runs 0 or more, --seconds above 0")
    return found


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"bench-messages {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


def describe(folder: Path, plan: Plan) -> dict[str, str]:
    """Return what identifies a measurement."""
    return {
        **machine.describe(),
        "SQLite": sqlite3.sqlite_version,
        "disk": f"{filesystem(folder)}; write and fsync of 4 KiB: {sync_ms(folder):.2f} ms, median of 50",
        "how much": f"{plan.runs} times {plan.seconds:g} s each; memory of {plan.accounts} accounts, once",
    }


def filesystem(folder: Path) -> str:
    """Return the type of the file system of a folder."""
    mounts = [each for each in psutil.disk_partitions(all=True) if folder.is_relative_to(each.mountpoint)]
    return max(mounts, key=lambda each: len(each.mountpoint)).fstype if mounts else "unknown"


def sync_ms(folder: Path) -> float:
    """Return how many milliseconds it takes to bring a page to disk."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[len(took) // 2]


def measure(folder: Path, sheet: Sheet, plan: Plan) -> None:
    """Measure on a gateway of its own; what breaks off is a fault."""
    try:
        with Gateway() as gateway, Pusher(gateway.control) as pusher:
            Lab(folder, gateway, pusher, sheet, plan, progress).measure()
    except (Broken, ClientError, GatewayError, OSError, psutil.Error) as error:
        sheet.fail(f"{type(error).__name__}: {error}")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    chosen = options(words)
    plan = SHORT if chosen.short else LONG._replace(
        accounts=chosen.accounts, runs=chosen.runs, seconds=chosen.seconds
    )  # fmt: skip
    sheet = Sheet(plan.accounts, rows(plan))
    with tempfile.TemporaryDirectory(prefix="xyfleet-bench-") as name:
        described = describe(Path(name), plan)
        measure(Path(name), sheet, plan)
    show = [f"{key}: {text}  " for key, text in described.items()]
    show += ["", sheet.table(), "", *(f"- {text}" for text in (*HOW, *sheet.notes))]
    show += [f"- **FAULT** {fault}" for fault in sheet.faults]
    sys.stdout.write("\n".join(show) + "\n")
    if chosen.json is not None:
        view = {"machine": described, "rows": sheet.view(), "notes": [*HOW, *sheet.notes], "faults": sheet.faults}
        chosen.json.write_text(json.dumps(view, ensure_ascii=False, indent=1) + "\n")
    return 1 if sheet.faults else 0


if __name__ == "__main__":
    run(main, progress)
