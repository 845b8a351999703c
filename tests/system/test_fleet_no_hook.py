"""Reviewer's 10 on a running fleet: without a login hook, what the platform says to all is nobody's own trouble."""

from __future__ import annotations

from pathlib import Path

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from support.loginhook import expire_login


def test_session_expired_to_all_sends_nobody_to_a_person(tmp_path: Path, gateway: Gateway) -> None:
    """An outage begins and all wait for its end; the owner's new cookie of one account passes at once, and ends it."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=5)
    with running(fleet):
        fleet.wait_connected()
        for index in range(5):
            expire_login(gateway, unb(index))
        fleet.until(lambda: fleet.status()["fleet"]["outages"], "an outage")
        fleet.until(lambda: {each["process"] for each in fleet.accounts().values()} == {"waiting"}, "all wait")
        assert {each["waits"]["code"] for each in fleet.accounts().values()} == {"wait_outage"}
        gateway.clear()
        cookie = f"unb={unb(3)}; cookie2=sim-new"
        fleet.client.post("/v1/login", {"name": "a3", "cookie": cookie})
        fleet.until(lambda: fleet.connected("a3"), "the new login passes", 5.0)
        fleet.until(lambda: not fleet.status()["fleet"]["outages"], "the outage is over", 5.0)
