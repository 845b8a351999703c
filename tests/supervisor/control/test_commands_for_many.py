"""Commands for many accounts at once: what is stored is stored once, and the loop goes on turning."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, FunctionType
from typing import cast

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.common.errors import NotConfirmed
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.control.types import Action
from xyfleet.supervisor.credentials.fleet_book import FleetBook
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group, Outage
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.causes import Cause


@contextlib.contextmanager
def counted(method: FunctionType) -> Iterator[list[None]]:
    """Count a method's calls in this thread: the list grows by one with each."""
    calls: list[None] = []

    def look(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code is method.__code__:
            calls.append(None)

    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def test_a_stop_of_many_is_stored_once(tmp_path: Path, forkserver: Forkserver) -> None:
    """Finding 44: `stop '*'` and `restart '*'` store the list of stops once each, not once for each account."""
    listed = [{"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x"} for number in range(40)]
    wanted: list[tuple[Action, int, Wish]] = [("stop", 40, Wish.STOPPED), ("restart", 0, Wish.RUN)]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        for action, stops, wish in wanted:
            with counted(
                cast(FunctionType, FleetBook.set_running if action == "restart" else FleetBook.set_stopped)
            ) as stored:
                assert len((await control.act(action, ["*"], "test")).done) == 40
            assert len(stored) == 1
            await fleet.store.flush()
            assert (tmp_path / "state" / "fleet.json").read_text().count('"by":"test"') == stops
            assert {member.condition.wish for member in fleet.members.values()} == {wish}


async def test_who_is_stopped_is_in_no_outage(tmp_path: Path, forkserver: Forkserver) -> None:
    """In an outage, nine that are wanted are not restarted unasked; nine that were stopped are started all the same."""
    listed = [{"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x"} for number in range(9)]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        fleet.recovery.watch.outages[PLATFORM, Group.REACH] = Outage(
            PLATFORM, Group.REACH, Cause.NETWORK, since=0.0, accounts=9, next_try=1e9, probe_wait=60.0, canary_wait=60.0
        )
        with pytest.raises(NotConfirmed):
            await control.act("restart", ["*"], "test")
        await control.act("stop", ["*"], "test")
        assert len((await control.act("restart", ["*"], "test")).done) == 9
