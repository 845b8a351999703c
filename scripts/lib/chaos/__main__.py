"""`scripts/chaos`: does a fleet keep its promises whatever happens to it? Shell."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.chaos import gateway_faults, operator_faults, process_faults
from scripts.lib.chaos.observer import Observer
from scripts.lib.chaos.plan import SKIPPED, Act, options, schedule
from scripts.lib.chaos.report import Report
from scripts.lib.chaos.settle import settle
from scripts.lib.chaos.world import World, world
from scripts.lib.ending import run

BEGAN = time.monotonic()
FAULTS = process_faults.FAULTS | gateway_faults.FAULTS | operator_faults.FAULTS


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"chaos {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


class Chaos:
    """One run."""

    def __init__(self, made: World, chosen: argparse.Namespace, acts: Sequence[Act]) -> None:
        self._world = made
        self._chosen = chosen
        self._acts = acts
        self._observer = Observer(made, progress)
        self._done: Counter[str] = Counter()

    def run(self) -> Report:
        """Start the fleet, make trouble, let it settle, and say what was seen."""
        began = time.monotonic()
        self._world.start()
        self._world.fleet.until(self._world.fleet.answers, "the API answers", 30)
        self._world.fleet.wait_connected(60)
        connected = time.monotonic() - began
        progress(f"{self._chosen.accounts} accounts connected in {connected:.1f} s; {len(self._acts)} faults follow")
        self._world.mail.greet(sorted(self._world.users().values()))
        self._observer.start()
        try:
            self._trouble()
            settled = 0.0
            excused: dict[str, str] = {}
            if self._may_go_on():
                progress("the last fault is over")
                settled, excused = settle(self._world, self._observer, self._chosen.settle)
        finally:
            self._observer.stop()
        return Report.of(self._world, self._observer, self._done, connected, settled, excused)

    def _may_go_on(self) -> bool:
        return self._chosen.go_on or not self._observer.broken

    def _trouble(self) -> None:
        began = time.monotonic()
        for act in self._acts:
            while time.monotonic() - began < act.at and self._may_go_on():
                self._world.due()
                self._world.tend()
                self._world.mail.flow(sorted(self._world.users().values()))
                time.sleep(0.02)
            if not self._may_go_on():
                break
            FAULTS[act.kind](self._world, random.Random(act.seed))
            self._done[act.kind] += 1
        self._world.due(everything=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    chosen = options(words)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000)
    acts = schedule(seed, chosen.minutes * 60, chosen.pause, chosen.kinds)
    progress(f"{chosen.accounts} accounts, {chosen.minutes:g} minutes, seed {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="xyfleet-chaos-") as name,
        world(chosen.keep or Path(name), chosen.accounts) as made,
    ):
        report = Chaos(made, chosen, acts).run()
    report.seed, report.minutes, report.accounts = seed, chosen.minutes, chosen.accounts
    report.skipped |= SKIPPED
    sys.stdout.write(report.text())
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    run(main, progress)
