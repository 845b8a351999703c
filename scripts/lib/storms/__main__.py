"""`scripts/storms`: two bad hours of a fleet, in minutes. Shell."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from scripts.lib.ending import run
from scripts.lib.storms.station import Figures, Station, station
from support.fleet import unb
from support.loginhook import expire_login
from xyfleet.supervisor.api.client import ClientError

BEGAN = time.monotonic()
ACTIONS: Final = ("restart", "reconnect", "stop", "refresh")


def progress(text: str) -> None:
    """Tell whoever waits what is going on, and how many seconds it has been."""
    sys.stderr.write(f"storms {time.monotonic() - BEGAN:6.1f} s: {text}\n")
    sys.stderr.flush()


def of_everything(made: Station, seconds: float, chance: random.Random) -> None:
    """One of three proxies dead, a tenth of the logins dead, 5 reloads, 40 commands of operators."""
    accounts = made.figures.accounts
    made.proxies.set(0, alive=False)
    for index in chance.sample([i for i in range(accounts) if i % 3], accounts // 10):
        expire_login(made.gateway, unb(index))
    acts: list[Callable[[], None]] = [lambda: command(made, chance)] * 40 + [lambda: reload(made, chance)] * 5
    chance.shuffle(acts)
    for act in acts:
        threading.Thread(target=act).start()
        time.sleep(seconds / len(acts))
    made.figures.logins_in_the_storm = len(made.hook.runs())
    made.proxies.set(0, alive=True)
    with contextlib.suppress(ClientError):
        made.fleet.client.post("/v1/reload", {"yes": True}, timeout=60)
    stopped = [name for name, seen in made.ask().items() if seen["desired"] == "stopped"]
    if stopped:
        made.fleet.client.post("/v1/accounts/restart", {"names": stopped}, timeout=60)
    made.figures.back_in = made.wait_all(150)


def command(made: Station, chance: random.Random) -> None:
    """Have an operator do something to one or two accounts."""
    names = [f"a{index}" for index in chance.sample(range(made.figures.accounts), 2)]
    with contextlib.suppress(ClientError):
        made.fleet.client.post(f"/v1/accounts/{chance.choice(ACTIONS)}", {"names": names}, timeout=60)


def reload(made: Station, chance: random.Random) -> None:
    """Change some labels, and one proxy, and have that read."""
    for entry in chance.sample(made.fleet.config["accounts"], 5):
        entry["label"] = f"店{chance.randrange(1000)}"
    made.fleet.write()
    with contextlib.suppress(ClientError):
        made.fleet.client.post("/v1/reload", {"yes": True}, timeout=60)


def expired_then_refused(made: Station, seconds: float, chance: random.Random) -> None:
    """SESSION_EXPIRED to all, new logins too; then 401 to all; each way out has one account."""
    made.gateway.fault(kind="session_expired", logins=True)
    voided = made.gateway.fault(kind="reg_401")
    made.gateway.drop()
    time.sleep(seconds)
    made.gateway.clear()
    refusing = made.gateway.fault(kind="reg_401")
    made.gateway.drop()
    time.sleep(seconds)
    made.figures.logins_in_the_storm = len(made.hook.runs())
    made.gateway.clear(refusing)
    progress(f"{made.figures.logins_in_the_storm} logins by {len(made.canaries())} canaries; the owner logs all in")
    assert voided
    for name in made.down():
        made.give_cookie(name)
    made.figures.back_in = made.wait_all(150)


STORMS: Final = {
    "everything": (of_everything, 3, "200 accounts over 3 proxies: one dead, 20 logins dead, 5 reloads, 40 commands"),
    "expired": (expired_then_refused, 0, "200 proxies of one account each: SESSION_EXPIRED, then 401 to all"),
}


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    about = "; ".join(f"{name}: {text}" for name, (_, _, text) in STORMS.items())
    parser = argparse.ArgumentParser(prog="scripts/storms", description=about)
    parser.add_argument("--only", choices=list(STORMS), help="only this one")
    parser.add_argument("--accounts", type=int, default=200, help="how many accounts (200)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each trouble (30)")
    parser.add_argument("--seed", type=int, default=1, help="of the chances (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file too")
    return parser.parse_args(words)


def play(name: str, chosen: argparse.Namespace) -> Figures:
    """Play one storm."""
    storm, ways, about = STORMS[name]
    progress(about)
    with (
        tempfile.TemporaryDirectory(prefix="xyfleet-storm-") as folder,
        station(Path(folder), chosen.accounts, ways or chosen.accounts) as made,
    ):
        progress(f"{chosen.accounts} accounts connected in {made.figures.started_in:.1f} s")
        storm(made, chosen.seconds, random.Random(chosen.seed))
    return made.figures


def wrong(figures: Figures, name: str) -> list[str]:
    """Return what must not be, and is."""
    found = [f"{name}: not connected at the end: {', '.join(figures.left)}"] if figures.left else []
    if figures.overlaps:
        found.append(f"{name}: two connections of one user: {figures.overlaps}")
    if name == "expired" and figures.logins_in_the_storm > figures.canaries:
        found.append(f"{name}: {figures.logins_in_the_storm} logins by {figures.canaries} canaries")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Play, print, and return the exit code."""
    chosen = options(words)
    found = {name: play(name, chosen) for name in STORMS if chosen.only in (None, name)}
    lines = [f"| | {' | '.join(found)} |", "|---|" + "---:|" * len(found)]
    for each in fields(Figures):
        values = (getattr(figures, each.name) for figures in found.values())
        shown = (f"{v:.1f}" if isinstance(v, float) else str(len(v) if isinstance(v, list) else v) for v in values)
        lines.append(f"| {each.name.replace('_', ' ')} | {' | '.join(shown)} |")
    faults = [fault for name, figures in found.items() for fault in wrong(figures, name)]
    sys.stdout.write("\n".join([*lines, "", *(f"- **FAULT** {fault}" for fault in faults)]) + "\n")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({name: asdict(each) for name, each in found.items()}, indent=1) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    run(main, progress)
