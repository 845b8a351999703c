"""Many logins die at once: one account, the canary, logs in for all, once in its turn."""

from __future__ import annotations

import time
from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, expire_login, with_hook

ACCOUNTS = 4


def expired(folder: Path, gateway: Gateway) -> tuple[Fleet, Path]:
    """Return a fleet with a hook that is good, and the file of its calls."""
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts=ACCOUNTS)
    return fleet, with_hook(fleet, cooldown=600)


def canaries(fleet: Fleet) -> list[str]:
    """Return who went ahead so far."""
    return [event["account"] for event in fleet.events("outage") if event["to"] == "canary"]


def test_a_canary_logs_in_for_all(tmp_path: Path, gateway: Gateway) -> None:
    """
    All logins really died: the first canary is told so by its token call, logs in and connects; then all others do.

    (Found by scripts/policy: the canary had failed with that token call, and its hook never ran.)
    """
    fleet, calls = expired(tmp_path, gateway)
    with running(fleet):
        fleet.wait_connected()
        for index in range(ACCOUNTS):
            expire_login(gateway, unb(index))
        fleet.until(lambda: canaries(fleet), "an outage, and one goes ahead")
        fleet.wait_connected()
        assert len(canaries(fleet)) == 1
        assert len(calls_in(calls)) == ACCOUNTS


def test_a_canary_logs_in_once_in_its_turn(tmp_path: Path, gateway: Gateway) -> None:
    """Its new login is refused too: it does not log in again, whatever its cool-down; the next turn is not its own."""
    fleet, calls = expired(tmp_path, gateway)
    fleet.config["refresh"]["cooldown"] = 0.2
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(kind="session_expired", logins=True)
        gateway.fault(kind="reg_401")
        gateway.drop()
        fleet.until(lambda: calls_in(calls), "the canary logs in")
        time.sleep(2.5)  # a dozen cool-downs
        assert len(calls_in(calls)) == 1
        assert len(canaries(fleet)) == 1
