"""A fault of the program in what an account asks for costs that account a counted restart, and nobody anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from support.station import until
from xyfleet.supervisor.supervision import account as supervised
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Worker
from xyfleet.supervisor.workers.forkserver import Forkserver

LISTED = [{"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x"} for number in range(2)]


async def test_a_failing_action_is_a_counted_restart(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state file breaks under the running fleet: the account does not fall silent, the next one is untouched."""
    monkeypatch.setattr(supervised, "FAULT_PAUSE", 0.01)
    async with idle_fleet(tmp_path, forkserver, LISTED) as fleet:
        member, other = fleet.members["a0"], fleet.members["a1"]
        await fleet.store.flush()
        file = tmp_path / "state" / "users" / "220.json"
        good = file.read_bytes()
        fleet.store.forget("a0")
        file.unlink()
        file.symlink_to(tmp_path / "fleet.yml")
        member.happened(Event(kind=Kind.RESTART, why="operator"))
        assert member.faults > 0
        file.unlink()
        file.write_bytes(good)
        file.chmod(0o600)
        await until(lambda: any(each.event.kind is Kind.FAULT for each in member.trace))
        assert member.condition.crashes == 1
        assert member.condition.worker is Worker.QUEUED
        assert (other.faults, other.condition.crashes, other.condition.worker) == (0, 0, Worker.QUEUED)
