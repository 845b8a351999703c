"""Conversations asked about through a whole fleet."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Refused

HANDLER = """
async def answer(message, account):
    if message.text == "几条":
        return str(len(await account.history("61")))
"""
BUYER = "3300000000002"
LONG = "长" * 3000
"""A text of 9 KB: its answer goes up the pipe in pieces."""


def test_talks_through_a_whole_fleet(gateway: Gateway, tmp_path: Path) -> None:
    """A stop in the middle is answered; recalled, listed, read, found, by a handler too; and nothing is stored."""
    (tmp_path / "counts.py").write_text(HANDLER)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 2)
    fleet.config["defaults"] |= {"send_rate": 0, "catch_up_every": 0, "handler": "counts:answer"}
    old = {"conversation": "61", "peer": BUYER, "item": "8001", "time": int(time.time() * 1000) - 86_400_000}
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), items=[{**old, "text": LONG}, {**old, "text": "在吗"}], deliver=False)
        stopped_in_the_middle(fleet)
        taken_back(fleet)
        looking(fleet)
        opening(fleet)
        gateway.push(unb(0), items=[{"text": "几条", "conversation": "63", "peer": BUYER}])
        fleet.until(lambda: gateway.messages(unb(0))[-1]["text"] == "2", "the handler knows the talk")
        stored = fleet.client.get("/v1/messages").body.decode()
    assert "在" not in stored + fleet.log_of("a0") + fleet.own_log() + fleet.console()
    assert "说错了" in stored


def ask(fleet: Fleet, what: str, **asked: str) -> dict[str, Any]:
    """Have something done as a0."""
    answer: dict[str, Any] = fleet.client.post(f"/v1/talks/{what}", {"name": "a0", **asked}, timeout=20)
    return answer


def taken_back(fleet: Fleet) -> None:
    """What was sent a moment ago; what is no message of this account is refused by the platform."""
    body = {"name": "a0", "conversation": "62", "to": BUYER, "text": "说错了", "wait": 5}
    sent = fleet.client.post("/v1/send", body, timeout=20)["message_id"]
    assert ask(fleet, "recall", message=sent) == {"state": "done", "reason": None}
    refused = ask(fleet, "recall", message="no-such.PNM")
    assert (refused["state"], "只能撤回" in refused["reason"]) == ("rejected", True)


def looking(fleet: Fleet) -> None:
    """Whole, however long a text is; and the end of it alone."""
    talks = read(fleet, "/v1/talks/a0")["talks"]
    whole, last = read(fleet, "/v1/talks/a0/61"), read(fleet, "/v1/talks/a0/61?limit=1")

    assert [(talk["conversation"], talk["peer"], talk["last"]["kind"]) for talk in talks] == [
        ("62", BUYER, "recall"),
        ("61", BUYER, "text"),
    ]
    assert ([one["text"] for one in whole["messages"]], whole["more"]) == ([LONG, "在吗"], False)
    assert ([one["text"] for one in last["messages"]], last["more"]) == (["在吗"], True)


def read(fleet: Fleet, path: str) -> dict[str, Any]:
    """Return an answer about conversations."""
    path, _, limit = path.partition("?limit=")
    answer: dict[str, Any] = json.loads(fleet.client.get(path, limit=limit or "50").body)
    return answer


def opening(fleet: Fleet) -> None:
    """One that is there is found, and can be marked as read."""
    assert ask(fleet, "open", buyer=BUYER, item="8001") == {"state": "found", "reason": None, "conversation": "61"}
    assert ask(fleet, "read", conversation="61") == {"state": "done", "reason": None, "count": 2}


def stopped_in_the_middle(fleet: Fleet) -> None:
    """Who asked learns so at once; then there is nobody to ask, and that is said at once too."""
    threading.Timer(0.2, lambda: fleet.client.post("/v1/accounts/stop", {"names": ["a1"]}, timeout=20)).start()
    began = time.monotonic()
    for why in ("a1", "xyfleet status a1 says why"):
        with pytest.raises(Refused, match=why):
            fleet.client.get("/v1/talks/a1")
    assert time.monotonic() - began < 2.5
