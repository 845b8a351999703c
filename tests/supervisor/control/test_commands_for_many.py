"""Commands for many accounts at once: what is stored is stored once, and the loop goes on turning."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, FunctionType
from typing import cast

from support.idlefleet import idle_fleet
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.control.types import Action
from xyfleet.supervisor.credentials.fleet_book import FleetBook
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.workers.forkserver import Forkserver


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
