"""A fleet on a machine whose clock is wrong: it says so, once for all accounts."""

from __future__ import annotations

from pathlib import Path

from support.fleet import Fleet, running
from support.gateway import Gateway


def test_a_wrong_clock_is_said_with_its_size(tmp_path: Path, gateway: Gateway) -> None:
    """`status` has a note and the events have one, however many accounts notice (M13, X10)."""
    gateway.fault(kind="clock", seconds=-1200)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    with running(fleet):
        fleet.wait_connected()
        fleet.until(lambda: fleet.status()["fleet"]["notes"], "a note")
        (note,) = fleet.status()["fleet"]["notes"]
        told = [event for event in fleet.events("message") if event["to"] == "clock_wrong"]

    assert "1200 s ahead" in note
    assert [(event["account"], event["counts"]) for event in told] == [(None, {"ahead": 1200})]
