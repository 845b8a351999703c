"""Conversations asked about through a whole fleet, by the commands."""

from __future__ import annotations

import json
import subprocess
import sys
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
COMMAND = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]
BUYER = "3300000000002"
LONG = "长" * 3000
"""A text of 9 KB: its answer goes up the pipe in pieces."""


def command(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the fleet."""
    return subprocess.run(
        [*COMMAND, *words, "--fleet", "test"], env=fleet.env, capture_output=True, text=True, timeout=30
    )


def test_talks_through_a_whole_fleet(gateway: Gateway, tmp_path: Path) -> None:
    """Recalled, listed, read, opened, by a handler too; nothing is stored; a stop in the middle is answered."""
    (tmp_path / "counts.py").write_text(HANDLER)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] |= {"send_rate": 0, "catch_up_every": 0, "handler": "counts:answer"}
    old = {"conversation": "61", "peer": BUYER, "item": "8001", "time": int(time.time() * 1000) - 86_400_000}
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), items=[{**old, "text": LONG}, {**old, "text": "在\x1b[2J吗"}], deliver=False)
        taken_back(fleet)
        looking(fleet)
        opening(fleet)
        gateway.push(unb(0), items=[{"text": "几条", "conversation": "63", "peer": BUYER}])
        fleet.until(lambda: gateway.messages(unb(0))[-1]["text"] == "2", "the handler knows the talk")
        stored = fleet.client.get("/v1/messages").body.decode()
        stopped_in_the_middle(fleet, gateway)
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
    """For people in printable characters; for programs whole."""
    listed, read = command(fleet, "talks", "a0"), command(fleet, "talk", "a0", "61", "--json")
    found = json.loads(fleet.client.get("/v1/talks/a0/61", limit="1").body)

    assert (listed.returncode, read.returncode) == (0, 0), (listed, read)
    assert BUYER in listed.stdout
    assert "[recalled]" in listed.stdout
    assert "\x1b" not in listed.stdout
    assert [json.loads(line)["text"] for line in read.stdout.splitlines()] == [LONG, "在\x1b[2J吗"]
    assert ([one["text"] for one in found["messages"]], found["more"]) == (["在\x1b[2J吗"], True)


def opening(fleet: Fleet) -> None:
    """One that is there is found; another one is opened."""
    assert ask(fleet, "open", buyer=BUYER, item="8001") == {"state": "found", "reason": None, "conversation": "61"}
    opened = ask(fleet, "open", buyer=BUYER, item="8002")
    assert (opened["state"], opened["conversation"].isdecimal()) == ("done", True)
    assert ask(fleet, "read", conversation="61") == {"state": "done", "reason": None, "count": 2}


def stopped_in_the_middle(fleet: Fleet, gateway: Gateway) -> None:
    """Who asked learns what is known, at once; then there is nobody to ask, and that is said at once too."""
    gateway.fault(unb(0), kind="call_silent")
    threading.Timer(0.2, lambda: fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)).start()
    began = time.monotonic()
    cut_off = ask(fleet, "recall", message="1.PNM")
    assert (cut_off["state"], cut_off["reason"]) == ("unknown", "the connection was lost before the answer came")
    with pytest.raises(Refused, match="xyfleet status a0 says why"):
        fleet.client.get("/v1/talks/a0")
    assert time.monotonic() - began < 5
