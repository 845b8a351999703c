"""What supervision saw and decided can be read, and played again."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import msgspec

from support.fleet import Fleet, running
from support.gateway import Gateway
from xyfleet.supervisor.supervision.account_events import Event
from xyfleet.supervisor.supervision.account_state import Condition
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition


class Replayed(msgspec.Struct):
    """As much of a traced event as a replay needs."""

    event: Event
    condition: Condition


def test_a_trace_is_read_and_replayed(tmp_path: Path, gateway: Gateway) -> None:
    """A worker's death is in the trace with what followed; the table makes the same of the same events."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.wait_connected()
        before = fleet.pids()
        pid = before["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        fleet.until(lambda: fleet.replaced(before), "it is back")
        lines = fleet.client.get("/v1/trace/a0").body.splitlines()
        notes = fleet.status()["fleet"]["notes"]
    kinds = [json.loads(line)["event"]["kind"] for line in lines]

    assert kinds[:4] == ["begin", "turn", "spawned", "connected"]
    assert "gone" in kinds
    assert notes == []
    it = Condition()
    for line in lines:
        traced = msgspec.json.decode(line, type=Replayed)
        done = transition(it, traced.event, 0.0, RestartRules(), 0.0)
        assert (done.condition.worker, done.condition.login) == (traced.condition.worker, traced.condition.login)
        it = done.condition
