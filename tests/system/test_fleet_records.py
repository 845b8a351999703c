"""What is on record and counted: when an account tries again, why a worker was restarted, how often."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway


def test_events_say_when_and_why(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 37: a lost connection's event has the next attempt, a restart's by a reload or a command its reason."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=2)
    with running(fleet):
        fleet.wait_connected()
        gateway.drop(unb(0))
        fleet.until(lambda: [e for e in fleet.events("state", "a0") if e["to"] == "RECONNECTING"], "it is lost")
        (lost,) = [event for event in fleet.events("state", "a0") if event["to"] == "RECONNECTING"]
        assert lost["time"] <= lost["next_attempt"]
        fleet.wait_connected()
        assert {event["next_attempt"] for event in fleet.events("state", "a0") if event["to"] == "CONNECTED"} == {None}
        (fleet.folder / "replies.py").write_text("async def answer(message, account):\n    return None\n")
        fleet.config["accounts"][0] = account(0, handler="replies:answer")
        fleet.write()
        fleet.client.post("/v1/reload")
        fleet.client.post("/v1/accounts/restart", {"names": ["a1"]})
        assert [(e["account"], e["to"], e["why"]) for e in fleet.events("restart")] == [
            ("a0", "starting", "settings"),
            ("a1", "starting", "operator"),
        ]
        assert [seen["restarts"] for seen in fleet.accounts().values()] == [0, 0]


def test_restarts_are_counted_after_an_operators_first_start(tmp_path: Path, gateway: Gateway) -> None:
    """Finding 43: an account that was stopped at the fleet's start and is started by an operator counts from there."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=1)
    with running(fleet):
        fleet.client.post("/v1/accounts/stop", {"names": ["a0"]})
    with running(fleet):
        fleet.client.post("/v1/accounts/restart", {"names": ["a0"]})
        fleet.wait_connected()
        assert fleet.accounts()["a0"]["restarts"] == 0
        pid = fleet.pids()["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        fleet.until(lambda: fleet.pids()["a0"] not in (None, pid), "it is back")
        assert fleet.accounts()["a0"]["restarts"] == 1
