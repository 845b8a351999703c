"""`scripts/bench`: measures xyfleet on this machine and prints a Markdown table beside the goals. Shell."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from scripts.lib.bench import machine, mute, peers
from scripts.lib.bench.figures import Sheet
from scripts.lib.bench.measure import Measure, Plan
from scripts.lib.bench.processes import Broken
from scripts.lib.bench.subject import Subject
from scripts.lib.ending import run
from support.gateway import Gateway, GatewayError
from xyfleet.supervisor.api.client import ClientError

BEGAN = time.monotonic()
EPILOG = "Exit code 1: something that must hold does not. A goal that is missed is no failure."


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, epilog=EPILOG)
    parser.add_argument("--accounts", type=int, default=200, help="how many accounts the fleet has (200)")
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured (3)")
    parser.add_argument(
        "--idle",
        type=float,
        default=60.0,
        help="seconds of the idle window, a multiple of the 15 between beats; 0 = none (60)",
    )
    parser.add_argument("--peers", action="store_true", help="measure supervisord and circus too")
    parser.add_argument("--short", action="store_true", help="5 accounts, 1 run, no idle window: only to see it work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample into this file too")
    found = parser.parse_args(words)
    if found.short:
        found.accounts, found.runs, found.idle = 5, 1, 0.0
    if found.accounts < 1 or found.runs < 1 or found.idle < 0:
        parser.error("--accounts and --runs must be 1 or more, --idle 0 or more")
    return found


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"bench {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


def measure_fleet(folder: Path, sheet: Sheet, runs: int, plan: Plan) -> None:
    """Measure xyfleet on a gateway of its own; what breaks off is a fault."""
    try:
        with Gateway() as gateway:
            with Subject(folder / "fleet", gateway, sheet.accounts, {}) as fleet:
                measure = Measure(fleet, gateway, sheet, plan, progress)
                for run in range(runs):
                    progress(f"run {run + 1} of {runs}")
                    measure.run()
            progress("mute connections")
            for run in range(runs):
                mute.measure(folder / f"mute{run}", gateway, sheet)
    except (Broken, ClientError, GatewayError, psutil.Error) as error:
        sheet.fail(f"{type(error).__name__}: {error}")


def show(described: dict[str, str], sheet: Sheet) -> None:
    """Print the table and what belongs to it."""
    lines = [f"{name}: {text}  " for name, text in described.items()]
    lines += ["", sheet.table(), ""]
    lines += [f"- {note}" for note in sheet.notes]
    lines += [f"- **FAULT** {fault}" for fault in sheet.faults]
    sys.stdout.write("\n".join(lines) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    chosen = options(words)
    sheet = Sheet(chosen.accounts)
    described = machine.describe()
    described["fleet"] = (
        f"{chosen.accounts} accounts, measured {chosen.runs} times, beats of 15 s, on the built-in gateway"
    )
    plan = Plan(kills=3, status_calls=3, idle=0.0) if chosen.short else Plan(20, 10, chosen.idle)
    with tempfile.TemporaryDirectory(prefix="xyfleet-bench-") as name:
        measure_fleet(Path(name), sheet, chosen.runs, plan)
        if chosen.peers:
            peers.measure(Path(name), sheet, chosen.runs, plan.status_calls, progress)
    show(described, sheet)
    if chosen.json is not None:
        view = {"machine": described, "rows": sheet.view(), "notes": sheet.notes, "faults": sheet.faults}
        chosen.json.write_text(json.dumps(view, ensure_ascii=False, indent=1) + "\n")
    return 1 if sheet.faults else 0


if __name__ == "__main__":
    run(main, progress)
