"""An outage goes on over a restart of the supervisor: nobody logs in or dials because the supervisor is a new one."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, expire_login, with_hook

ACCOUNTS = 4
FAILING = 'print(json.dumps({"error": "wrong password"}))'


def outage(fleet: Fleet) -> dict[str, Any]:
    """Return the outage that goes on."""
    (found,) = fleet.status()["fleet"]["outages"]
    return dict(found)


def begun(fleet: Fleet) -> float:
    """Return when it began, in whole seconds."""
    return datetime.fromisoformat(outage(fleet)["since"]).timestamp()


def again(fleet: Fleet, how: str) -> None:
    """End the supervisor and start another one."""
    if how == "killed":
        fleet.kill()
    else:
        fleet.stop()
    fleet.start(wait=False)
    fleet.until(fleet.answers, "it answers")


@pytest.mark.long
def test_an_outage_of_logins_outlives_the_supervisor(tmp_path: Path, gateway: Gateway) -> None:
    """
    Its canary has failed: a restart, however it came, makes no login and no token call; it is the same outage still.

    The short form: tests/supervisor/supervision/test_outage_memory.py.
    """
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=ACCOUNTS)
    calls = with_hook(fleet, FAILING, cooldown=600)
    with running(fleet):
        fleet.wait_connected()
        for index in range(ACCOUNTS):
            expire_login(gateway, unb(index))
        fleet.until(lambda: [e["to"] for e in fleet.events("refresh")][-1:] == ["failed"], "a canary failed")
        fleet.until(lambda: sum(a["process"] == "waiting" for a in fleet.accounts().values()) == ACCOUNTS, "all wait")
        since, asked = begun(fleet), gateway.stats()["token_calls"]
        told = [event["to"] for event in fleet.events("outage")]
        time.sleep(0.7)  # what there is to remember is kept twice a second
        for how in ("killed", "stopped"):
            again(fleet, how)
            time.sleep(1.0)
            assert (len(calls_in(calls)), gateway.stats()["token_calls"]) == (1, asked)
            assert abs(since - begun(fleet)) <= 1.0
        assert [event["to"] for event in fleet.events("outage")] == told
        gateway.clear()
        for index in range(ACCOUNTS):
            fleet.client.post("/v1/login", {"name": f"a{index}", "cookie": f"unb={unb(index)}; cookie2=sim-new"})
        fleet.wait_connected(10.0)
        fleet.until(lambda: not fleet.status()["fleet"]["outages"], "it is over")


def test_an_outage_of_the_way_outlives_the_supervisor(tmp_path: Path, gateway: Gateway) -> None:
    """After a restart no worker is started while nothing answers; a probe ends it, and all connect."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=ACCOUNTS)
    fleet.config["defaults"]["max_connection_failures"] = 2
    with running(fleet):
        fleet.wait_connected()
        gone = gateway.fault(kind="refuse")
        gateway.drop()
        fleet.until(lambda: fleet.status()["fleet"]["outages"], "an outage")
        time.sleep(0.7)
        again(fleet, "killed")
        time.sleep(0.6)
        assert outage(fleet)["accounts"] >= 3
        assert set(fleet.pids().values()) == {None}
        gateway.clear(gone)
        fleet.wait_connected()
        assert fleet.status()["fleet"]["outages"] == []
