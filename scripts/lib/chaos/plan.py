"""What chaos does and when: options, and a schedule drawn from a seed. Pure."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WEIGHTS: Final[Mapping[str, float]] = {
    # Processes.
    "kill_worker": 6,
    "stop_worker": 4,
    "freeze_worker": 1,
    "kill_forkserver": 1,
    "stop_forkserver": 1,
    "kill_webhooks": 1,
    "stop_webhooks": 1,
    "stop_supervisor": 1,
    "kill_supervisor": 0.7,
    "end_supervisor": 0.4,
    # The gateway.
    "drop": 6,
    "drop_all": 0.5,
    "mute": 3,
    "stall": 2,
    "refuse": 1,
    "half_open": 1,
    "http_status": 1,
    "odd_registration": 2,
    "odd_beat": 2,
    "odd_token": 4,
    "new_token": 4,
    "odd_push": 3,
    "kickout": 1,
    "session_removed": 0.2,
    "session_expired": 3,
    "risk": 0.2,
    "proxy_dead": 1,
    # Operators.
    "stop_start": 2,
    "restart": 2,
    "reconnect": 2,
    "refresh": 1,
    "login": 3,
    "send": 2,
    "hang_up": 1,
    "reload_label": 1,
    "reload_disable": 1,
    "reload_remove": 1,
    "reload_rename": 1,
    "reload_broken": 0.5,
    # The login hook.
    "hook_mood": 2,
    # The machine.
    "full_disk": 0.5,
    "lose_inbox": 0.5,
    "few_files": 0.7,
    "no_forks": 0.7,
    "busy": 0.5,
}
"""How often each fault comes, beside the others."""
SKIPPED: Final = {"clock_step": "clock steps: they would move the clock of every program of this machine"}
"""What is never done, and why."""


@dataclass(frozen=True, slots=True)
class Act:
    """One fault to be."""

    at: float
    """Seconds from the beginning."""
    kind: str
    seed: int
    """Of its own chances: whom it strikes, for how long."""


def schedule(seed: int, seconds: float, pause: float, kinds: Iterable[str] = WEIGHTS) -> list[Act]:
    """Draw the faults of so many seconds, `pause` seconds between two on average."""
    chance = random.Random(seed)
    names = [kind for kind in WEIGHTS if kind in set(kinds)]
    weights = [WEIGHTS[name] for name in names]
    acts: list[Act] = []
    at = 0.0
    while (at := at + chance.expovariate(1 / pause)) < seconds:
        acts.append(Act(at, chance.choices(names, weights)[0], chance.randrange(1 << 30)))
    return acts


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Runs a fleet against the built-in gateway, makes trouble of every kind for it, and checks from "
        "outside, all the time, that it keeps its promises.",
        epilog="Exit code 1: a promise was broken; it is printed with the trace of its account. The same seed draws "
        "the same faults; what they meet depends on the machine.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long faults are made (1)")
    parser.add_argument("--accounts", type=int, default=20, help="how many accounts (20)")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule; absent: another one each time")
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between two faults, on average (0.7)")
    parser.add_argument("--only", metavar="KIND[,KIND]", help=f"only these faults, of: {', '.join(WEIGHTS)}")
    parser.add_argument("--settle", type=float, default=180.0, help="seconds to come back after the last fault (180)")
    parser.add_argument("--go-on", action="store_true", help="do not end at the first promise that is broken")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report into this file too")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder, and leave it as it is")
    found = parser.parse_args(words)
    found.kinds = list(WEIGHTS) if found.only is None else found.only.split(",")
    if strange := [kind for kind in found.kinds if kind not in WEIGHTS]:
        parser.error(f"no such fault: {', '.join(strange)}")
    if found.accounts < 3 or found.minutes <= 0 or found.pause <= 0:
        parser.error("--accounts must be 3 or more, --minutes and --pause above 0")
    return found
