"""Orders that are to be shipped when it may be done; against the built-in gateway (finding F9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.jobs import until
from support.platform import UNB, Rig
from xyfleet.supervisor.credentials import state_files
from xyfleet.supervisor.platform_calls.service import AskRefused
from xyfleet.supervisor.supervision import wanted_shipments
from xyfleet.supervisor.supervision.account_state import Condition, Wish
from xyfleet.supervisor.supervision.wanted_shipments import Pace
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.protocol.shop import Shipped

ORDER = "5100000000000000077"
SHIP = Ask(request=0, what="ship", id=ORDER)
LATER = Ask(request=0, what="ship", id=ORDER, later=True)
WANTED = Shipped(order=ORDER, later=True)
QUICK = Pace(first=0.05, longest=0.1)


@pytest.fixture
async def rig(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """Give an account with one order that waits for shipment; a busy machine's disk may take its time."""
    monkeypatch.setattr(state_files, "SAVE_WAIT", 30.0)
    sell(gateway, "paid")
    it = Rig(tmp_path, gateway.token_url)
    it.asks.wanted.pace = QUICK
    yield it
    await it.close()


def sell(gateway: Gateway, status: str) -> None:
    """Have the order be in this state."""
    gateway.ask("POST", "shop", {"unb": UNB, "orders": [{"id": ORDER, "status": status}]})


def asked(gateway: Gateway) -> int:
    """Return how often the order was to be marked as shipped."""
    return len(gateway.ask("GET", f"shop?unb={UNB}")["asked"])


def wanted(rig: Rig) -> int:
    """Return how many orders wait."""
    return len(rig.store.get("a0").wanted)


async def until_over(rig: Rig) -> None:
    """Wait until none waits."""
    await until(lambda: not wanted(rig))


def fewer(rig: Rig, gateway: Gateway) -> Callable[[], object]:
    gateway.fault(UNB, kind="ask_ret", ret="RGV587_ERROR::SM::哎哟喂,被挤爆啦", count=1)
    return lambda: rig.free()


def stop(rig: Rig, gateway: Gateway) -> Callable[[], object]:
    rig.member.condition = Condition(wish=Wish.STOPPED)
    return lambda: setattr(rig.member, "condition", Condition(wish=Wish.RUN))


def outage(rig: Rig, gateway: Gateway) -> Callable[[], object]:
    rig.troubled = True
    return lambda: setattr(rig, "troubled", False)


def risk(rig: Rig, gateway: Gateway) -> Callable[[], object]:
    rig.verdict(Cause.RISK)
    return lambda: rig.verdict(None)


def dead(rig: Rig, gateway: Gateway) -> Callable[[], object]:
    rig.verdict(Cause.AUTH)
    return lambda: rig.verdict(None)


@pytest.mark.parametrize("forbid", [fewer, stop, outage, risk, dead])
async def test_what_is_kept_back_is_done_later(gateway: Gateway, rig: Rig, forbid: Any) -> None:
    """The handler is answered at once; the order is shipped once, when calls may be made again; no alarm."""
    allow = forbid(rig, gateway)
    answers = [await rig.asks.ask(rig.member, LATER) for _ in range(2)]
    await asyncio.sleep(0.2)
    waited, made = wanted(rig), asked(gateway)
    allow()
    await until_over(rig)

    assert (answers, waited, made) == ([WANTED] * 2, 1, 0)
    assert asked(gateway) == 1
    assert not any("not_shipped" in note for note in rig.notes)
    assert await rig.asks.ask(rig.member, LATER) == Shipped(order=ORDER, already=True)


async def test_the_next_supervisor_goes_on(gateway: Gateway, tmp_path: Path) -> None:
    """What is wanted is on disk: a supervisor that begins anew ships it."""
    sell(gateway, "paid")
    first = Rig(tmp_path, gateway.token_url)
    first.troubled = True
    await first.asks.ask(first.member, LATER)
    await first.close()
    second = Rig(tmp_path, gateway.token_url)
    second.asks.wanted.pace = QUICK
    second.asks.wanted.resume(second.member)
    await until_over(second)
    await second.close()

    assert asked(gateway) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("shipped", []),
        ("refunded", [f"message not_shipped order {ORDER}: the order is refunded"]),
        ("closed", [f"message not_shipped order {ORDER}: the order is closed"]),
    ],
)
async def test_an_order_that_became_another(gateway: Gateway, rig: Rig, status: str, told: list[str]) -> None:
    """What was shipped in the app, refunded or closed while it waited is not asked for; the latter is told."""
    rig.asks.wanted.pace = QUICK._replace(fresh=0.0)
    rig.troubled = True
    await rig.asks.ask(rig.member, LATER)
    sell(gateway, status)
    rig.troubled = False
    await until_over(rig)

    assert asked(gateway) == 0
    assert rig.notes == told


async def test_an_unknown_end_is_an_end(gateway: Gateway, rig: Rig) -> None:
    """The answer is lost: that is told, and nothing is tried again."""
    await rig.asks.ask(rig.member, Ask(request=0, what="item", id="1"))
    gateway.fault(UNB, kind="ask_lost")
    await rig.asks.ask(rig.member, LATER)
    await until_over(rig)

    assert asked(gateway) == 1
    (told,) = rig.notes
    assert told.startswith(f"message not_shipped order {ORDER}: nobody knows")
    with pytest.raises(AskRefused, match="nobody knows"):
        await rig.asks.ask(rig.member, LATER)


async def test_not_for_ever(gateway: Gateway, rig: Rig) -> None:
    """After a day without a moment for it the order is left to a person."""
    rig.troubled = True
    rig.asks.wanted.pace = QUICK._replace(life=0.1)
    await rig.asks.ask(rig.member, LATER)
    await until_over(rig)

    assert rig.notes == [f"message not_shipped order {ORDER}: it could not be done for 0 hours"]
    assert asked(gateway) == 0


async def test_who_asks_at_once_ends_it(gateway: Gateway, rig: Rig) -> None:
    """`POST /v1/ship` ships it meanwhile: nothing waits any more."""
    rig.asks.wanted.pace = Pace()
    rig.troubled = True
    await rig.asks.ask(rig.member, LATER)
    await asyncio.sleep(0.05)
    rig.troubled = False
    await rig.asks.ask(rig.member, SHIP)

    assert (wanted(rig), asked(gateway), rig.notes) == (0, 1, [])


async def test_a_forgotten_account_ships_nothing(gateway: Gateway, rig: Rig) -> None:
    """`forget` ends what waits, though a look at the order is under way."""
    rig.asks.wanted.pace = QUICK._replace(fresh=0.0)
    gateway.fault(UNB, kind="ask_slow", seconds=0.2, count=1)
    await rig.asks.ask(rig.member, LATER)
    await asyncio.sleep(0.1)
    rig.asks.wanted.leave("a0")
    await rig.store.erase("a0")
    await asyncio.sleep(0.3)

    assert (wanted(rig), asked(gateway), rig.notes) == (0, 0, [])


async def test_so_many_and_no_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is refused, which the handler tells; `again` is of a call that is made now."""
    monkeypatch.setattr(wanted_shipments, "MOST", 1)
    rig.troubled = True
    await rig.asks.ask(rig.member, LATER)
    codes = []
    for odd in ({"id": "5100000000000000078"}, {"again": True}):
        with pytest.raises(AskRefused) as caught:
            await rig.asks.ask(rig.member, Ask(**{"request": 0, "what": "ship", "id": ORDER, "later": True} | odd))  # type: ignore[arg-type]
        codes.append(caught.value.reason.code)

    assert codes == ["ask_busy", "ask_bad"]
