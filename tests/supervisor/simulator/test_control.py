"""The control routes: what they accept, refuse and tell."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from typing import Any

import pytest

from support.gateway import Gateway, GatewayError
from support.imclient import OTHER, UNB, connected


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Gateway:
    """Use the gateway that serves the whole run."""
    return fresh_gateway


def test_fault_gets_an_id_and_is_listed(gateway: Gateway) -> None:
    """A fault can be seen with its strikes while it can still strike."""
    first = gateway.fault(kind="mute")
    second = gateway.fault(UNB, kind="risk", at=60)
    found = gateway.ask("GET", "faults")["faults"]

    assert second > first
    assert found == [
        {"id": first, "kind": "mute", "unb": ["*"], "strikes": 0, "in_force": True},
        {"id": second, "kind": "risk", "unb": [UNB], "strikes": 0, "in_force": False},
    ]


def test_faults_can_be_lifted_one_by_one(gateway: Gateway) -> None:
    """Lifting one leaves the others; one that is not there is an error."""
    first, second = gateway.fault(kind="mute"), gateway.fault(kind="risk")
    gateway.clear(first)

    assert [fault["id"] for fault in gateway.ask("GET", "faults")["faults"]] == [second]
    with pytest.raises(GatewayError, match=f"404: no fault {first}"):
        gateway.clear(first)
    gateway.clear()
    assert gateway.ask("GET", "faults")["faults"] == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "mut"}, "did you mean mute"),
        ({"kind": "late"}, "seconds is missing"),
        ({"kind": "mute", "x": 1, "at": -1}, "at: .*; unknown key x"),
        (["mute"], "mapping"),
        ("mute", "mapping"),
    ],
)
def test_wrong_faults_are_refused(gateway: Gateway, entry: object, words: str) -> None:
    """With every problem of the entry in the answer."""
    with pytest.raises(GatewayError, match=f"400: .*{words}"):
        gateway.ask("POST", "faults", entry)


@pytest.mark.parametrize("path", ["faults", "push", "drop"])
def test_bodies_that_are_no_json_are_refused(gateway: Gateway, path: str) -> None:
    """400 and what the parser says."""
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}/_sim/{path}", b"{", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert answer.code == 400
        assert b"error" in answer.read()


def test_wrong_fault_id_is_refused(gateway: Gateway) -> None:
    """An id is a number."""
    with pytest.raises(GatewayError, match="400: id must be a number"):
        gateway.ask("DELETE", "faults?id=x")


def test_control_is_on_both_ports(gateway: Gateway) -> None:
    """The gateway's own port has the same routes as the one that is always reachable."""
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}/_sim/stats") as answer:
        assert answer.status == 200


def test_stats_tell_the_time(gateway: Gateway) -> None:
    """`now` is this machine's monotonic clock, as in `dial_times`."""
    before = time.monotonic()
    now = gateway.ask("GET", "stats")["now"]

    assert before <= now <= time.monotonic()


def test_stats_of_chosen_accounts(gateway: Gateway) -> None:
    """Only those asked for are listed; the totals are over all."""
    for unb in (UNB, OTHER):
        gateway.push(unb, "a")
    found = gateway.ask("GET", f"stats?unb={UNB}&unb=1")

    assert set(found["accounts"]) == {UNB, "1"}
    assert set(gateway.all_stats()) == {UNB, OTHER}


@pytest.mark.parametrize(("how", "seen"), [("none", 1006), ("reset", 1006), (1001, 1001), (4000, 4000)])
async def test_drop_ends_live_connections(gateway: Gateway, how: Any, seen: int) -> None:
    """Everybody's, in the way asked for."""
    async with connected(gateway) as mine, connected(gateway, OTHER) as other:
        assert gateway.drop("*", how) == 2
        assert [await mine.closed(), await other.closed()] == [seen, seen]


async def test_drop_of_one_account(gateway: Gateway) -> None:
    """Only the one named."""
    async with connected(gateway) as mine, connected(gateway, OTHER) as other:
        assert gateway.drop(UNB) == 1
        assert await mine.closed() == 1006
        assert (await other.call("/!"))["code"] == 200
    await asyncio.sleep(0)


@pytest.mark.parametrize("wrong", [{"how": 1}, {"how": "x"}, []])
def test_wrong_drops_are_refused(gateway: Gateway, wrong: object) -> None:
    """An ending that does not exist."""
    with pytest.raises(GatewayError, match="400"):
        gateway.ask("POST", "drop", wrong)


def test_messages_of_an_unknown_account(gateway: Gateway) -> None:
    """None, and no error."""
    assert gateway.messages("1") == []


def test_messages_have_all_their_fields(gateway: Gateway) -> None:
    """A kept message is shown whole, oldest first."""
    gateway.push(UNB, "a", "b", items=[{"type": "card", "time": 5}])
    card, first, second = gateway.messages(UNB)

    assert (card["time"], card["content_type"]) == (5, 26)
    assert (first["text"], second["text"]) == ("a", "b")
    assert {"id", "conversation", "sender", "name", "text", "time", "item"} <= set(first)
