"""Orders marked as shipped: once, on disk before the call, and what is not known is said."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from support.asking import SHOP, UNB, desk
from support.gateway import Gateway
from support.places import TESTS
from xyfleet.supervisor.platform_calls import apis
from xyfleet.supervisor.platform_calls.service import AskRefused, refused
from xyfleet.worker.protocol.shop import Shipped

ORDER = "5100000000000000077"
STEPS = 11
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.asking import SHOP, Desk
from xyfleet.supervisor.platform_calls import apis


def deadly(step):
    def look(event, args):
        nonlocal step
        if event in {"os.rename", "os.remove", "os.link", "open", "socket.connect"} and state in str(args) + "socket":
            step -= 1
            if step == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    state = str(sys.argv[3])
    sys.addaudithook(look)


async def ship(step, order):
    it = Desk(Path(sys.argv[3]) / str(step), sys.argv[2])
    await it.calls.ask(SHOP, apis.item("1"))
    await it.store.flush()
    deadly(step)
    await it.shipments.ship(SHOP, order)
    await it.store.close()


for step, order in enumerate(sys.argv[4:], 1):
    pid = os.fork()
    if pid == 0:
        asyncio.run(ship(step, order))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""Ships each order in a process of its own, which is killed at the step of the order's number."""


def shop(gateway: Gateway, status: str = "paid") -> None:
    """Have the account sell one order."""
    gateway.ask("POST", "shop", {"unb": UNB, "orders": [{"id": ORDER, "status": status}]})


def shipped(gateway: Gateway) -> int:
    """Return how often the order was marked as shipped."""
    return len(gateway.ask("GET", f"shop?unb={UNB}")["shipped"])


def consigned(gateway: Gateway) -> int:
    """Return how often the call came in."""
    return int(gateway.stats(UNB)["asks"].get("mtop.taobao.idle.logistic.consign.dummy", 0))


async def test_an_order_is_shipped_once(gateway: Gateway, tmp_path: Path) -> None:
    """Asked for by three at once, and again later and by the next supervisor, it is one call that does it."""
    shop(gateway)
    async with desk(tmp_path, gateway) as it:
        found = await asyncio.gather(*(it.shipments.ship(SHOP, ORDER) for _ in range(3)))
        later = await it.shipments.ship(SHOP, ORDER)
        made = consigned(gateway)
    async with desk(tmp_path, gateway) as it:
        assert await it.shipments.ship(SHOP, ORDER) == later

    assert found == [Shipped(order=ORDER)] * 3
    assert later == Shipped(order=ORDER, already=True)
    assert (shipped(gateway), consigned(gateway)) == (1, made)


async def test_shipped_by_hand(gateway: Gateway, tmp_path: Path) -> None:
    """An order that was shipped in the app is shipped."""
    shop(gateway, "shipped")
    async with desk(tmp_path, gateway) as it:
        assert await it.shipments.ship(SHOP, ORDER) == Shipped(order=ORDER, already=True)


async def test_a_no_leaves_no_trace(gateway: Gateway, tmp_path: Path) -> None:
    """A refund comes between: the platform's no is certain, so it may be asked for again when that is over."""
    shop(gateway, "refunding")
    async with desk(tmp_path, gateway) as it:
        with pytest.raises(AskRefused) as caught:
            await it.shipments.ship(SHOP, ORDER)
        held = it.store.get("shop").shipments
        shop(gateway)
        found = await it.shipments.ship(SHOP, ORDER)

    assert caught.value.reason.code == "ask_refused"
    assert held == ()
    assert found == Shipped(order=ORDER)


async def test_what_is_not_known_is_said(gateway: Gateway, tmp_path: Path) -> None:
    """The answer is lost: it is not tried again, not by the next supervisor either, until somebody says so."""
    shop(gateway)
    async with desk(tmp_path, gateway) as it:
        await it.calls.ask(SHOP, apis.item("1"))
        gateway.fault(UNB, kind="ask_lost")
        codes = [await code(it.shipments.ship(SHOP, ORDER)) for _ in range(2)]
        made = consigned(gateway)
    gateway.clear()
    async with desk(tmp_path, gateway) as it:
        codes.append(await code(it.shipments.ship(SHOP, ORDER)))
        found = await it.shipments.ship(SHOP, ORDER, again=True)

    assert codes == ["ask_unknown"] * 3
    assert (made, shipped(gateway)) == (1, 1)
    assert found == Shipped(order=ORDER, already=True)


async def code(job: object) -> str:
    """Return the code of a refusal."""
    with pytest.raises(AskRefused) as caught:
        await job  # type: ignore[misc]
    return caught.value.reason.code


async def test_stopped_while_the_disk_writes(gateway: Gateway, tmp_path: Path) -> None:
    """What forbids the call after it was noted takes the note back: nothing was done."""
    shop(gateway)
    asked = iter(range(10))

    def may() -> None:
        if next(asked) == 3:
            raise refused("ask_stopped")

    async with desk(tmp_path, gateway) as it:
        assert await code(it.shipments.ship(SHOP._replace(may=may), ORDER)) == "ask_stopped"
        assert it.store.get("shop").shipments == ()
    assert consigned(gateway) == 0


async def test_killed_at_each_step(gateway: Gateway, tmp_path: Path) -> None:
    """SIGKILL at each file operation and dial around the call: never sent twice, and shipped, or said not to know."""
    orders = [f"{int(ORDER) + step}" for step in range(1, STEPS + 1)]
    gateway.ask("POST", "shop", {"unb": UNB, "orders": [{"id": order} for order in orders]})
    words = [sys.executable, "-c", KILLED, str(TESTS), gateway.token_url, str(tmp_path), *orders]
    run = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=60)
    ends = [int(line) for line in run.stdout.split()]
    before = gateway.ask("GET", f"shop?unb={UNB}")["asked"]
    told = {}
    for step, order in enumerate(orders, 1):
        async with desk(tmp_path / str(step), gateway) as it:
            try:
                told[order] = "already" if (await it.shipments.ship(SHOP, order)).already else "shipped"
            except AskRefused as error:
                told[order] = error.reason.code
    after = gateway.ask("GET", f"shop?unb={UNB}")

    assert (len(ends), ends[0], ends[-1]) == (STEPS, -9, 0), run.stderr
    assert max(after["asked"].count(order) for order in orders) == 1, "no order is asked for twice"
    assert all(told[order] == "ask_unknown" or order in after["shipped"] for order in orders)
    met = {(order in before, told[order]) for order in orders}
    assert met == {(False, "shipped"), (False, "ask_unknown"), (True, "ask_unknown"), (True, "already")}, met
