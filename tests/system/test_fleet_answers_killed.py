"""A worker killed between the parts of an answer: what was sent is not sent again, what was not is sent."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway

BOT = """
from xyfleet.handler import HandOver, Reply

async def answer(message, account):
    return ["one", Reply("two", after=2), HandOver(10, "for a person")]
"""


@pytest.mark.long
def test_a_kill_between_the_parts(tmp_path: Path, gateway: Gateway) -> None:
    """The pause, the rest of the answer and the hand-over are on disk; an event tells of the hand-over."""
    (tmp_path / "parts_bot.py").write_text(BOT)
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] = {**FAST, "handler": "parts_bot:answer", "orders": False}

    def said() -> list[str]:
        return [each["text"] for each in gateway.messages(unb(0)) if each["sender"] == unb(0)]

    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), "hi")
        fleet.until(lambda: said() == ["one"], "the first part is said")
        fleet.until(lambda: fleet.accounts()["a0"]["messages"]["unsent"] == 1, "the answer to it is on disk")
        pid = fleet.pids()["a0"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        fleet.until(lambda: fleet.pids().get("a0") not in (None, pid) and fleet.connected("a0"), "it is back")
        gateway.push(unb(0), "are you there?")
        fleet.until(lambda: "two" in said(), "the second part is said")
        figures = fleet.accounts()["a0"]["messages"]

        assert (figures["waiting"], figures["dead"]) == (0, 0)
        assert said() == ["one", "two"]
        assert [event["to"] for event in fleet.events("message") if event["to"] == "handed_over"] == ["handed_over"]
