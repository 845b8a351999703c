"""Whoever waits for a login shows what for (F4): `status` tells it of every kind of waiting."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.jobs import until
from support.outage_world import World
from xyfleet.supervisor.control.status import what_it_waits_for
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, HookEnd, Kind
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason


def answered(end: HookEnd) -> SupervisedAccount:
    """Return an account with a dead login whose hook was asked for, and did not run for ten minutes."""
    found = World({f"a{number}": None for number in range(5)})
    found.lose("a0", Cause.AUTH)
    member = found.members["a0"]
    number = member.condition.hook
    member.happened(Event(kind=Kind.HOOK_ENDED, number=number, end=end, reason=Reason("not_allowed"), wait=600.0))
    assert member.process is Process.WAITING
    return member


async def test_cooldown_is_shown_with_its_end() -> None:
    """In how many seconds the hook may run again."""
    waits = what_it_waits_for(answered("not_allowed"), {}, time.monotonic() + 100.0)

    assert waits is not None
    assert (waits.code, waits.fields) == ("wait_hook_cooldown", {"seconds": pytest.approx(500.0, abs=5.0)})


async def test_a_silent_proxy_is_shown() -> None:
    """The hook waits until it works."""
    assert what_it_waits_for(answered("proxy"), {}, time.monotonic()) == Reason("wait_hook_proxy")


async def test_doubt_is_shown_while_it_lasts() -> None:
    """All have lost their connections, and the first answer is "session expired": it waits for what others are told."""
    found = World({f"a{number}": None for number in range(10)})
    for member in found.members.values():
        member.happened(Event(kind=Kind.LOST, cause=Cause.CLOSED))
    found.lose("a0", Cause.AUTH)
    asking = found.members["a0"]
    job = asyncio.create_task(found.recovery.pass_doubt(asking))
    await until(lambda: found.recovery.waits() != {})
    assert what_it_waits_for(asking, found.recovery.waits(), time.monotonic()) == Reason("wait_doubt")
    found.connect("a1")
    await job
    assert found.recovery.waits() == {}


async def test_doubt_ends_with_the_hook_that_is_not_wanted_any_more() -> None:
    """A stop in the middle of it leaves no account behind that seems to wait."""
    found = World({f"a{number}": None for number in range(10)})
    for member in found.members.values():
        member.happened(Event(kind=Kind.LOST, cause=Cause.CLOSED))
    found.lose("a0", Cause.AUTH)
    job = asyncio.create_task(found.recovery.pass_doubt(found.members["a0"]))
    await until(lambda: found.recovery.waits() != {})
    job.cancel()
    await asyncio.wait([job])
    assert found.recovery.waits() == {}
