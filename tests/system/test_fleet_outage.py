"""Everybody's trouble is nobody's login: fleet outages with real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import calls_in, with_hook

ACCOUNTS = 6


def make(tmp_path: Path, gateway: Gateway) -> tuple[Fleet, Path]:
    """Return a fleet of six with a hook, and the file of the hook's calls."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=ACCOUNTS)
    fleet.config["defaults"]["max_connection_failures"] = 2
    return fleet, with_hook(fleet)


def test_gateway_gone_is_an_outage_without_any_login(tmp_path: Path, gateway: Gateway) -> None:
    """Refused dials for all: hooks, token calls and restarts wait; when it is back, all connect."""
    fleet, calls = make(tmp_path, gateway)
    with running(fleet):
        fleet.wait_connected()
        before = gateway.stats()["token_calls"]
        gone = gateway.fault(kind="refuse")
        gateway.drop()
        fleet.until(lambda: fleet.status()["fleet"]["outage"] is not None, "an outage")
        time.sleep(3.0)  # a probe every two seconds
        assert fleet.status()["fleet"]["outage"]["cause"] in ("network", "closed")
        gateway.clear(gone)
        fleet.wait_connected()
        assert fleet.status()["fleet"]["outage"] is None
        assert not calls_in(calls)
        assert gateway.stats()["token_calls"] == before
        assert not fleet.events("restart")
        assert [e["to"] for e in fleet.events("outage")][-1] == "over"


@contextmanager
def dropping(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """Have a gateway that accepts and drops everybody, until after the first probe; nobody logs in meanwhile."""
    fleet, calls = make(tmp_path, gateway)
    with running(fleet):
        fleet.wait_connected()
        fault = gateway.fault(kind="reg_then_close", code=1001)
        gateway.drop(how=1001)
        fleet.until(lambda: len(outages(fleet, "begun")) == 2, "the trouble is back after the first probe")
        time.sleep(1.0)
        dials = max(gateway.stats(unb(i))["dials"] for i in range(ACCOUNTS))
        assert dials <= 3, "about one dial per probe, not one per second"
        gateway.clear(fault)
        yield fleet
        assert not calls_in(calls)


def test_gateway_dropping_everybody_is_no_storm(tmp_path: Path, gateway: Gateway) -> None:
    """Accept-then-drop for all: about one dial per probe, and nobody logs in. How all recover: the next one."""
    with dropping(tmp_path, gateway) as fleet:
        assert outages(fleet, "over")


@pytest.mark.long
def test_after_a_gateway_that_dropped_everybody_all_recover(tmp_path: Path, gateway: Gateway) -> None:
    """Probes get rarer as long as the trouble comes back, and once it does not all are CONNECTED."""
    with dropping(tmp_path, gateway) as fleet:
        fleet.wait_connected(timeout=40)
        waits = [over - begun for begun, over in zip(outages(fleet, "begun"), outages(fleet, "over"), strict=True)]
        assert all(wait >= least for wait, least in zip(waits, (1.9, 3.9), strict=True)), "probes get rarer"


def outages(fleet: Fleet, what: str) -> list[float]:
    """Return when outages began, or were over."""
    return [datetime.fromisoformat(e["time"]).timestamp() for e in fleet.events("outage") if e["to"] == what]


def canary_failed(fleet: Fleet) -> bool:
    """Whether the account that tries first has failed again."""
    events = fleet.events()
    sent = next(index for index, e in enumerate(events) if e["kind"] == "outage" and e["to"] == "canary")
    later = [e for e in events[sent:] if e["kind"] == "state" and e["account"] == events[sent]["account"]]
    return any(e["from"] == "CONNECTING" and e["to"] != "CONNECTED" for e in later)


def test_401_for_all_costs_one_canary_login_at_most(tmp_path: Path, gateway: Gateway) -> None:
    """A gateway that refuses every token is not answered with a login of every account."""
    fleet, calls = make(tmp_path, gateway)
    with running(fleet):
        fleet.wait_connected()
        refusing = gateway.fault(kind="reg_401")
        gateway.drop()
        fleet.until(lambda: outages(fleet, "canary"), "an outage, and one account tries first")
        fleet.until(lambda: canary_failed(fleet), "it was refused too")
        time.sleep(3.0)  # six looks at what is to be done
        assert len(calls_in(calls)) <= 1
        canaries = [e["account"] for e in fleet.events("outage") if e["to"] == "canary"]
        assert len(canaries) == 1
        gateway.clear(refusing)
        fleet.client.post("/v1/accounts/reconnect", {"names": canaries})


def test_one_accounts_trouble_is_no_outage(tmp_path: Path, gateway: Gateway) -> None:
    """One account that can't connect holds nobody back."""
    fleet, _ = make(tmp_path, gateway)
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="mute")
        fleet.until(
            lambda: sum(e["cause"] == "heartbeat" for e in fleet.events("state", "a0")) >= 2, "a0 loses its connection"
        )
        assert fleet.status()["fleet"]["outage"] is None
        assert not fleet.events("outage")
        assert fleet.connected(*(f"a{i}" for i in range(1, ACCOUNTS)))
