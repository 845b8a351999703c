"""Commands for many accounts in an outage have to be meant (supervision.md 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.common.errors import NotConfirmed
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.causes import Cause

ACCOUNTS = [{"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x"} for number in range(7)]


async def test_a_restart_of_many_in_an_outage_has_to_be_meant(tmp_path: Path, forkserver: Forkserver) -> None:
    """Nothing is changed by the refusal, not even the wish of one that an operator stopped; out of an outage none."""
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        await control.act("stop", ["a0"], "test")
        assert len((await control.act("restart", ["a[1-6]", "a0"], "test")).done) == 7, "no outage, no question"
        await control.act("stop", ["a0"], "test")
        for name in ("a1", "a2", "a3"):
            fleet.recovery.watch.stands(name, None, Cause.AUTH, 0.0)
        assert fleet.recovery.watch.outages
        with pytest.raises(NotConfirmed) as refused:
            await control.act("restart", ["*"], "test")
        assert refused.value.facts == {"count": 6}
        assert fleet.members["a0"].condition.wish is Wish.STOPPED
        assert len((await control.act("restart", ["a[1-5]"], "test")).done) == 5, "five are not many"
        assert len((await control.act("restart", ["*"], "test", sure=True)).done) == 7
