"""A fleet whose every account goes by a real proxy, and what is counted of it. Shell."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.chaos.egress import Proxies
from scripts.lib.chaos.hook import Hook
from support.fleet import FAST, Fleet, account, running, unb
from support.gateway import Gateway


@dataclass
class Figures:
    """What a storm cost."""

    accounts: int = 0
    ways: int = 0
    started_in: float = 0.0
    """Seconds from the start to everybody's connection."""
    back_in: float = 0.0
    """Seconds from the end of the trouble to everybody's connection."""
    outages: int = 0
    canaries: int = 0
    logins: int = 0
    logins_in_the_storm: int = 0
    """Before its trouble was over."""
    logins_of_the_connected: int = 0
    token_calls: int = 0
    most_token_calls: int = 0
    """In a second."""
    dials: int = 0
    most_dials: int = 0
    """In a second."""
    overlaps: int = 0
    slowest_status: float = 0.0
    """Seconds."""
    last: str = ""
    """Who came back last, and what he had waited for."""
    cooling: int = 0
    """Who waits for the cool-down of his hook, whose login an operator ended."""
    left: list[str] = field(default_factory=list)
    """Who was not connected at the end."""


class Station:
    """One storm's fleet, gateway, proxies and hook."""

    def __init__(self, fleet: Fleet, gateway: Gateway, proxies: Proxies, hook: Hook, figures: Figures) -> None:
        self.fleet = fleet
        self.gateway = gateway
        self.proxies = proxies
        self.hook = hook
        self.figures = figures

    def ask(self) -> dict[str, dict[str, Any]]:
        """Return the accounts' status, and note how long that took."""
        began = time.monotonic()
        found = self.fleet.accounts()
        self.figures.slowest_status = max(self.figures.slowest_status, time.monotonic() - began)
        return found

    def down(self) -> list[str]:
        """Return who is not connected, and waits for no cool-down of its hook: an operator may have ended its login."""
        down = {name: seen for name, seen in self.ask().items() if seen["state"] != "CONNECTED"}
        cooling = [name for name, seen in down.items() if seen["process"] == "waiting" and _cools(seen)]
        self.figures.cooling = len(cooling)
        return [name for name in down if name not in cooling]

    def wait_all(self, limit: float) -> float:
        """Wait until everybody is connected; return the seconds, and note who is not."""
        began = time.monotonic()
        while (left := self.down()) and time.monotonic() - began < limit:
            seen = self.ask()[left[0]]
            self.figures.last = " ".join(str(seen[key]) for key in ("name", "process", "state", "cause", "waits"))
            time.sleep(0.3)
        self.figures.left = left
        return time.monotonic() - began

    def canaries(self) -> list[str]:
        """Return who went ahead so far."""
        return [each["account"] for each in self.fleet.events("outage") if each["to"] == "canary"]

    def give_cookie(self, name: str) -> None:
        """Have the owner log an account in."""
        user = unb(int(name[1:]))
        self.fleet.client.post("/v1/login", {"name": name, "cookie": f"unb={user}; cookie2=sim-own-{time.time_ns()}"})

    def count(self) -> None:
        """Fill in what the gateway and the hook saw."""
        figures, stats = self.figures, self.gateway.stats()
        runs = self.hook.runs()
        figures.outages = sum(each["to"] == "begun" for each in self.fleet.events("outage"))
        figures.canaries = len(self.canaries())
        figures.logins = len(runs)
        figures.logins_of_the_connected = sum(1 for run in runs if run.live)
        figures.token_calls, figures.dials = stats["token_calls"], stats["dials"]
        figures.most_token_calls = _most(stats["token_times"])
        figures.most_dials = _most(stats["dial_times"])
        figures.overlaps = stats["overlaps"]


def _cools(seen: dict[str, Any]) -> bool:
    return seen["waits"] is None and seen["refresh"]["next_allowed"] is not None


def _most(times: list[float]) -> int:
    return max(Counter(int(at) for at in times).values(), default=0)


@contextlib.contextmanager
def station(folder: Path, accounts: int, ways: int, **refresh: Any) -> Iterator[Station]:
    """Start it all, connect everybody, and leave nothing of it."""
    with Proxies(ways) as proxies, Gateway("--repush", "2", "--list-wait", "0.5") as gateway:
        hook = Hook(folder, gateway.control, sys.executable)
        fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts)
        fleet.config["fleet"] |= {"connect_rate": 20, "token_rate": 10, "hang_timeout": 10}
        fleet.config["fleet"]["fleet_rate"] = {"dials": 50, "token_calls": 20}
        fleet.config["defaults"] = json.loads(json.dumps(FAST)) | {
            "heartbeat_interval": 2.0,
            "heartbeat_timeout": 4.0,
            "heartbeat_send_timeout": 1.0,
            "open_timeout": 10,
            "register_timeout": 10,
        }
        fleet.config["refresh"] = {
            "command": ["./hook"],
            "cooldown": 600,
            "timeout": 30,
            "max_concurrent": 5,
            **refresh,
        }
        fleet.config["accounts"] = [account(i, proxy=proxies.urls[i % ways]) for i in range(accounts)]
        with running(fleet):
            made = Station(fleet, gateway, proxies, hook, Figures(accounts=accounts, ways=ways))
            made.figures.started_in = made.wait_all(180)
            yield made
            made.count()
