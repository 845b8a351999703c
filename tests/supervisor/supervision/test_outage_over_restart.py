"""A whole fleet's state folder, left in an outage and taken up again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from support.idlefleet import idle_fleet
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Login, Worker
from xyfleet.supervisor.supervision.outage_values import Group
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.causes import Cause


async def test_a_restart_in_an_outage_asks_for_no_login(tmp_path: Path, forkserver: Forkserver) -> None:
    """All accounts' logins are dead: in the next supervisor each waits as before, and good cookies end it."""
    listed = [{"name": name, "cookie": f"unb=22{ord(name)}; cookie2=x"} for name in "abcd"]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        for member in fleet.members.values():
            member.condition = msgspec.structs.replace(member.condition, worker=Worker.LIVE)
            for kind in (Kind.LOST, Kind.FAILED):
                member.was_down = member.failed_again = True
                member.happened(Event(kind=kind, cause=Cause.AUTH))
        before = dict(fleet.recovery.watch.outages)
        assert list(before) == [(None, Group.LOGIN)]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        watch, members = fleet.recovery.watch, fleet.members.values()
        assert watch.outages.keys() == before.keys()
        assert watch.empty() == []
        assert {member.condition.login for member in members} == {Login.HOOK_WAITING}
        assert {member.condition.worker for member in members} == {Worker.NONE}
        assert {member.was_down for member in members} == {True}
        for member in members:
            member.happened(Event(kind=Kind.COOKIE, why="login"))
            member.happened(Event(kind=Kind.TURN))
            member.condition = msgspec.structs.replace(member.condition, worker=Worker.LIVE)
            member.was_down, member.just_connected = False, True
            member.happened(Event(kind=Kind.CONNECTED))
        assert watch.empty() == list(watch.outages.values())
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        assert {member.condition.worker for member in fleet.members.values()} == {Worker.QUEUED}, "nobody waits now"
