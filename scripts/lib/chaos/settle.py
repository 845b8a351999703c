"""After the last fault: everyone who can be connected is, in time. Shell."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from scripts.lib.chaos.mail import DONE
from scripts.lib.chaos.observer import Observer
from scripts.lib.chaos.operator_faults import give_cookie
from scripts.lib.chaos.promises import Broken
from scripts.lib.chaos.world import World

ENDS: Final = ("wait_token_pause", "wait_token_budget", "wait_outage")
"""Waits with an end of their own, which may be far; turns and places come soon."""
STANDS: Final = 15.0
"""Seconds after which those who are excused are taken to wait for long."""
PROMISE: Final = "everyone who can be connected is, in time"


def settle(world: World, observer: Observer, limit: float) -> tuple[float, dict[str, str]]:
    """
    End all faults, and wait.

    Who waits for a person, a hold, a cool-down or an outage that named its own end is excused, and connected by the
    owner's new cookie then.

    Returns:
        The seconds until everybody else was connected, and who was excused, with what he waited for.
    """
    _heal(world)
    began = time.monotonic()
    left = _wait(observer, limit, excuse=True)
    took = time.monotonic() - began
    _judge(world, observer, left)
    excused = {name: _excuse(seen) for name, seen in observer.looks[-1].accounts.items() if not _is_up(seen)}
    for name in excused:
        give_cookie(world, name)
    left = _wait(observer, limit, excuse=False)
    _judge(world, observer, {name: seen for name, seen in left.items() if _waits_for(seen) != "wait_token_budget"})
    world.mail.greet(sorted(world.users().values()))
    end = time.monotonic() + DONE
    while not world.mail.is_done() and time.monotonic() < end:
        time.sleep(0.5)
    return took, excused


def _heal(world: World) -> None:
    world.due(everything=True)
    world.gateway.clear()
    world.hook.mood("good")
    process = world.fleet.process
    if process is None or process.poll() is not None:
        world.start()
    accounts = world.fleet.config["accounts"]
    accounts += world.set_aside
    world.set_aside.clear()
    for entry in accounts:
        entry["enabled"] = True
    world.fleet.until(world.fleet.answers, "the API answers", 30)
    world.fleet.write()
    world.note("everything is healed")
    world.commands.append((time.monotonic(), "*", "healed"))
    world.client(60.0).post("/v1/reload", {"yes": True})
    time.sleep(1.0)
    seen = json.loads(world.client(10.0).get("/v1/status").body)["accounts"]
    stopped = [each["name"] for each in seen if each["desired"] == "stopped"]
    if stopped:
        world.client(60.0).post("/v1/accounts/restart", {"names": stopped, "yes": True})


def _wait(observer: Observer, limit: float, *, excuse: bool) -> Mapping[str, Mapping[str, Any]]:
    """Wait until everybody is connected, or excused and nothing moves; return who is not."""
    end = time.monotonic() + limit
    looked = moved = time.monotonic()
    before: set[str] = set()
    while time.monotonic() < end + STANDS:
        time.sleep(0.1)
        if observer.looks[-1].at <= looked:
            continue
        down = {name: seen for name, seen in observer.looks[-1].accounts.items() if not _is_up(seen)}
        left = {name: seen for name, seen in down.items() if not (excuse and _excuse(seen))}
        if down.keys() != before:
            before, moved = set(down), time.monotonic()
        stands = not down or time.monotonic() - moved > STANDS
        if (stands and not left) or time.monotonic() > end:
            return left
    return {}


def _is_up(seen: Mapping[str, Any]) -> bool:
    return bool(seen["state"] == "CONNECTED")


def _excuse(seen: Mapping[str, Any]) -> str:
    """Return the named thing with an end of its own that an account waits for; empty = none."""
    if seen["process"] == "needs_login":
        return "a person"
    if (code := _waits_for(seen)) in ENDS:
        return code
    return "" if code or seen["process"] != "waiting" else f"a hold or cool-down after {seen['cause']}"


def _waits_for(seen: Mapping[str, Any]) -> str:
    return "" if seen["waits"] is None else str(seen["waits"]["code"])


def _judge(world: World, observer: Observer, left: Mapping[str, Mapping[str, Any]]) -> None:
    for name, seen in left.items():
        shown = {key: seen[key] for key in ("state", "process", "cause", "reason", "next_attempt", "waits", "pid")}
        observer.take([Broken(PROMISE, name, f"{shown}")])
