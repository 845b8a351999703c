"""`scripts/policy`: what a month costs under the rules of supervision, and what another rule would. Shell."""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from scripts.lib.ending import run
from scripts.lib.policy.clock import play
from scripts.lib.policy.figures import table
from scripts.lib.policy.fleet import MonthFleet
from scripts.lib.policy.month import LAYOUTS, scripted
from xyfleet.supervisor.supervision import canary_turns, outage_recovery, outage_tally, tickets

BEGAN = time.monotonic()


def progress(text: str) -> None:
    """Tell whoever waits what is going on."""
    sys.stderr.write(f"policy {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/policy",
        description="Plays a scripted month of many accounts under a fake clock, with the real rules of supervision, "
        "outages and paces, and prints logins, token calls, dials and dark minutes.",
    )
    parser.add_argument("--accounts", type=int, default=1500, help="how many accounts (1500)")
    parser.add_argument("--days", type=float, default=30.0, help="length of the month, its troubles with it (30)")
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="; ".join(f"{k}: {v}" for k, v in LAYOUTS.items()))
    parser.add_argument("--seed", type=int, default=7, help="of the chances (7)")
    parser.add_argument("--share", type=float, default=outage_tally.SHARE, help="an outage is this share (%(default)s)")
    parser.add_argument("--least", type=int, default=outage_tally.LEAST, help="and at least so many (%(default)s)")
    parser.add_argument("--cooldown", type=float, default=600.0, help="seconds between two logins (%(default)s)")
    parser.add_argument(
        "--canary",
        type=float,
        default=canary_turns.CANARY_WAIT[0],
        help="seconds after a canary that failed (%(default)s)",
    )
    parser.add_argument("--short", action="store_true", help="90 accounts, 2 days: only to see it work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    found = parser.parse_args(words)
    if found.short:
        found.accounts, found.days = 90, 2.0
    found.layouts = found.layouts.split(",")
    if strange := [name for name in found.layouts if name not in LAYOUTS]:
        parser.error(f"no such layout: {', '.join(strange)}")
    return found


def one_layout(layout: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Play the month in one layout, in a process of its own: the constants are those of the module."""
    logging.disable(logging.CRITICAL)
    random.seed(chosen.seed)
    outage_tally.SHARE = chosen.share  # type: ignore[misc]
    outage_tally.LEAST = chosen.least  # type: ignore[misc]
    canary_turns.CANARY_WAIT = (chosen.canary, max(chosen.canary, canary_turns.CANARY_WAIT[1]))  # type: ignore[misc]
    # Words to a worker that waits, and the step of the outages' clock, would be most of the events of a month.
    tickets.FIRST_WORD = 1e9  # type: ignore[misc]
    outage_recovery.TICK = 5.0  # type: ignore[misc]

    async def month() -> dict[str, Any]:
        fleet = MonthFleet(scripted(chosen.days), chosen.accounts, layout, chosen.cooldown, chosen.seed)
        return (await fleet.play()).row()

    return play(month())


def _end_when_told() -> None:
    """In a process of the pool: be ended by the first SIGTERM, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(words: Sequence[str] | None = None) -> int:
    """Play, print, and return the exit code."""
    chosen = options(words)
    progress(f"{chosen.days:g} days of {chosen.accounts} accounts")
    with Pool(min(2, len(chosen.layouts)), initializer=_end_when_told) as pool:
        rows = pool.starmap(one_layout, [(layout, chosen) for layout in chosen.layouts], chunksize=1)
    found = dict(zip(chosen.layouts, rows, strict=True))
    progress("done")
    sys.stdout.write(table(found))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    run(main, progress)
