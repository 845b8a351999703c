"""Inboxes that are ruined or removed under a whole fleet, and the place of a reader of all its messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway

HANDLER = """
import pathlib
async def note(message, account):
    with open(pathlib.Path(__file__).with_name("handed"), "a") as file:
        file.write(message.text + "\\n")
"""


def messages(fleet: Fleet, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
    """Return the messages of the fleet, behind a place if one is given, and the place behind them."""
    if after is None:
        answer = fleet.client.get("/v1/messages")
        return [json.loads(line) for line in answer.body.splitlines()], answer.headers["x-xyfleet-next"]
    found: list[dict[str, Any]] = []
    for line in fleet.client.lines("/v1/messages/stream", silence=5, after=after):
        if line.startswith(b"id: "):
            after = line.removeprefix(b"id: ").decode().strip()
        elif line.startswith(b"data: "):
            found.append(json.loads(line.removeprefix(b"data: ")))
        elif found or line.startswith(b": beat"):
            break
    return found, after


@pytest.mark.long
def test_a_lost_and_a_ruined_inbox(tmp_path: Path, gateway: Gateway) -> None:
    """H2, D8: both are begun anew and said; what is fetched again is a person's, handed over by nobody; no login."""
    (tmp_path / "noting.py").write_text(HANDLER)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 2)
    fleet.config["defaults"]["handler"] = "noting:note"
    inboxes = tmp_path / "state" / "inbox"
    with running(fleet):
        fleet.wait_connected()
        for index in (0, 1):
            gateway.push(unb(index), f"first {index}")
        fleet.until(lambda: len(messages(fleet)[0]) == 2, "both are stored")
        fleet.until(lambda: (tmp_path / "handed").exists(), "handed over")
        fleet.until(lambda: len((tmp_path / "handed").read_text().split("\n")) == 3, "both handed over")
        _, place = messages(fleet)
        fleet.stop()
        for end in ("", "-wal", "-shm"):
            (inboxes / f"{unb(0)}.db{end}").unlink(missing_ok=True)
        (inboxes / f"{unb(1)}.db").write_bytes(b"garbage" * 1000)
        fleet.start()
        fleet.wait_connected()
        for index in (0, 1):
            gateway.push(unb(index), f"second {index}")
        fleet.until(lambda: all(one["messages"]["note"] for one in fleet.accounts().values()), "both are said")
        fleet.until(lambda: len((tmp_path / "handed").read_text().split("\n")) == 5, "the new ones handed over")
        fleet.until(
            lambda: sum(one["messages"]["dead"] for one in fleet.accounts().values()) == 2, "the old parked", 20
        )
        behind: list[str] = []
        while not {"second 0", "second 1"} <= set(behind):
            found, place = messages(fleet, place)
            behind += [one["text"] for one in found]
        dead = json.loads(fleet.client.get("/v1/messages", failed="1").body.splitlines()[0])
        states = {one["state"] for one in fleet.accounts().values()}
        events = fleet.events()

    assert sorted((tmp_path / "handed").read_text().split("\n")) == [
        "",
        *("first 0", "first 1", "second 0", "second 1"),
    ]
    assert dead["reason"] == "inbox was lost"
    assert {path.name.partition(".ruined-")[0] for path in inboxes.glob("*.ruined-*")} == {f"{unb(1)}.db"}
    assert states == {"CONNECTED"}
    assert {event["to"] for event in events if event["kind"] == "message"} >= {"inbox"}
    assert "refresh" not in {event["kind"] for event in events}
    assert behind.count("second 0") == behind.count("second 1") == 1
