"""Texts sent through a whole fleet, and what status and events say of messages."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import Refused

pytestmark = pytest.mark.pythons

TALK = "57001"


@pytest.fixture
def fleet(tmp_path: Path, fresh_gateway: Gateway) -> Iterator[Fleet]:
    """Three accounts that are CONNECTED, with a handler that is not there."""
    found = Fleet(tmp_path, fresh_gateway.endpoint, fresh_gateway.token_url, accounts=3)
    found.config["defaults"] |= {"handler": "no_such_module_here:answer", "send_rate": 0}
    with running(found):
        found.wait_connected()
        yield found


def send(fleet: Fleet, text: str, **more: Any) -> dict[str, Any]:
    """Send a text as a0."""
    body = {"name": "a0", "conversation": TALK, "text": text, "wait": 5} | more
    answer: dict[str, Any] = fleet.client.post("/v1/send", body, timeout=20)
    return answer


def refusal(fleet: Fleet, text: str, **more: Any) -> Refused:
    """Return why nothing was taken."""
    with pytest.raises(Refused) as refused:
        send(fleet, text, **more)
    return refused.value


def test_messages_through_a_whole_fleet(fleet: Fleet, fresh_gateway: Gateway) -> None:
    """One fleet for all of it; while the others go on, a trouble that all accounts share is told."""
    gateway = fresh_gateway
    assert refusal(fleet, "谁").code == "not_taken"
    for index in range(3):
        gateway.push(unb(index), items=[{"type": "text", "text": "在吗", "conversation": TALK}])
    fleet.until(lambda: all(a["messages"]["stored"] == 1 for a in fleet.accounts().values()), "all are stored")
    texts_find_their_way(fleet, gateway)
    a_dead_worker_leaves_it_unknown(fleet, gateway)
    a_text_waits_for_the_connection(fleet, gateway)
    one_missing_module_is_one_event(fleet)
    fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
    assert "has no worker now" in refusal(fleet, "没有").message
    seen = fleet.console() + fleet.own_log() + fleet.log_of("a0") + str(fleet.events()) + str(fleet.status())
    assert not [text for text in ("在吗", "在的", "以后", "没有") if text in seen]


def texts_find_their_way(fleet: Fleet, gateway: Gateway) -> None:
    """To who wrote last, or whom one names; sent with the server's id, or refused for good."""
    sent = send(fleet, "在的")
    kept = {message["id"]: message["text"] for message in gateway.messages(unb(0))}

    assert sent["state"] == "sent"
    assert kept[sent["message_id"]] == "在的"
    assert send(fleet, "你好", conversation="57002", to="2200000077777")["state"] == "sent"
    gateway.fault(unb(0), kind="send_rejected", count=1)
    rejected = send(fleet, "坏")
    assert (rejected["state"], rejected["message_id"]) == ("rejected", None)
    assert rejected["reason"]


def a_dead_worker_leaves_it_unknown(fleet: Fleet, gateway: Gateway) -> None:
    """That is said at once, not after the wait."""
    gateway.fault(unb(0), kind="send_silent")
    before = fleet.pids()["a0"]
    assert before is not None
    threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()

    assert send(fleet, "丢", wait=15)["state"] == "unknown"
    gateway.clear()
    fleet.until(lambda: fleet.pids()["a0"] not in (None, before) and fleet.connected(), "it is replaced")


def a_text_waits_for_the_connection(fleet: Fleet, gateway: Gateway) -> None:
    """The answer says so, and it is sent later."""
    gateway.fault(kind="refuse", connections="all")
    fleet.until(lambda: not fleet.connected("a0"), "a0 is cut off")

    assert send(fleet, "以后", wait=0.1)["state"] == "queued"
    fleet.until(lambda: fleet.accounts()["a0"]["messages"]["unsent"] == 1, "it is shown")
    gateway.clear()
    fleet.until(lambda: "以后" in {m["text"] for m in gateway.messages(unb(0))}, "it is sent")


def one_missing_module_is_one_event(fleet: Fleet) -> None:
    """All accounts have the trouble, each shows it with advice, and none is quarantined."""

    def told() -> list[dict[str, Any]]:
        return [event for event in fleet.events("message") if event["to"] == "handler_trouble"]

    fleet.until(lambda: told() and fleet.connected(), "it is told")
    (event,) = told()
    assert (event["account"], event["accounts"]) == (None, 3)
    assert "no_such_module_here" in event["reason"]
    fleet.until(lambda: fleet.accounts()["a0"]["messages"]["handler_trouble"], "the new worker has it too")
    for seen in fleet.accounts().values():
        assert (seen["state"], seen["process"]) == ("CONNECTED", "running")
        assert "no_such_module_here" in seen["messages"]["handler_trouble"]
        assert "The handler can't be called" in seen["advice"]
        assert seen["messages"]["waiting"] == 1
        assert seen["messages"]["last"] is None or seen["messages"]["last"].endswith("Z")
    answer = fleet.client.post("/v1/messages/retry", {"names": ["*"]}, timeout=20)
    assert answer == {"done": {"a0": 0, "a1": 0, "a2": 0}, "refused": {}}
    assert len(told()) == 1
