"""When the orders that wait for shipment are listed, and what becomes of the list; the platform is a made-up one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.jobs import until
from support.stores import ASKS, NOW, incoming
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.ipc.talks import OpenTalk, TalkAnswer, TalkQuestion
from xyfleet.worker.messaging.order_list import STRANGE, OrderList
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import rfc3339
from xyfleet.worker.protocol.shop import Order, OrderPage
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import LogSettings, MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Add, Find, Waiting
from xyfleet.worker.storage.results import Added
from xyfleet.worker.storage.schema import LISTED, Row
from xyfleet.worker.telemetry.account_log import AccountLog

RULES = ASKS._replace(orders=True)
QUICK = 0.3
"""The `orders_every` of these tests: all other times are a fraction of it."""


def order(number: int, **more: Any) -> Order:
    """Return an order that waits for shipment."""
    said: dict[str, Any] = {"item": "i1", "quantity": 1, "amount": "1.00", "buyer": f"b{number}", "status": "paid"}
    return Order(id=str(5_100_000_000_000_000_000 + number), **said | more)


class Platform:
    """What is asked, and what it says."""

    def __init__(self) -> None:
        self.pages: list[list[Order]] = [[]]
        self.reason: Reason | None = None
        self.asked: list[str] = []
        self.opened: list[str] = []
        self.state = "done"

    async def ask(self, question: Ask) -> Answered:
        """Answer a page."""
        self.asked.append(question.id)
        if self.reason is not None:
            return Answered(request=1, reason=self.reason)
        page = OrderPage(orders=self.pages[int(question.id) - 1], more=int(question.id) < len(self.pages))
        return Answered(request=1, value=msgspec.to_builtins(page))

    async def talk(self, question: TalkQuestion) -> TalkAnswer:
        """Open a conversation."""
        assert isinstance(question, OpenTalk)
        self.opened.append(question.user)
        if self.state != "done":
            return TalkAnswer(state=self.state)  # type: ignore[arg-type]
        return TalkAnswer(state="done", conversation=f"opened-{question.user}")


class Desk:
    """A list at work."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.platform = Platform()
        rules: dict[str, Any] = {"handler": "m:f", "orders_every": QUICK} | settings
        self.settings = MailSettings(file=str(folder / "inbox" / "a0.db"), **rules)
        self.log_file = folder / "a0.log"
        self.log = AccountLog("a0", LogSettings(dir=str(folder), format="json"))
        self.inbox = AsyncStore(self.settings, "a0", lambda: None, clock=lambda: NOW)
        self.rows: list[Row] = []
        self.told: list[str] = []
        self.list = OrderList(
            self.inbox,
            self.settings,
            self.log,
            self.platform.ask,
            self.platform.talk,
            lambda found: RULES,
            self._added,
            lambda: None,
            self.told.append,
        )

    def _added(self, added: Added) -> None:
        self.rows += added.rows

    def connect(self) -> None:
        """A connection comes, and what was missed is caught up with."""
        self.list.connected()
        self.list.caught_up()

    async def listed(self, count: int = 1) -> None:
        """Wait until so many first pages were asked for, and what followed is over."""
        await until(lambda: self.platform.asked.count("1") >= count)
        await self.inbox.do(Waiting(0, 1))


@asynccontextmanager
async def desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    """Give a list at work."""
    it = Desk(folder, **settings)
    running = asyncio.create_task(it.list.run())
    try:
        yield it
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await it.inbox.close()
        it.log.close()
        assert running.cancelled(), running.exception()


async def test_a_list_after_each_connection(tmp_path: Path) -> None:
    """All its pages are read; what is news is handed over, once, in the conversation that is known or opened."""
    async with desk(tmp_path) as it:
        await it.inbox.do(Add([incoming("1.PNM", sender="b1", conversation="c1", item="i1")], False, RULES))
        it.platform.pages = [[order(1), order(2, status="refunding"), order(4, status=None)], [order(3)]]
        await asyncio.sleep(0.02)
        early = list(it.platform.asked)
        it.connect()
        await until(lambda: len(it.rows) == 2)
        await it.listed(3)

    assert early == [], "nothing is asked before what was missed is in the inbox"
    assert it.platform.asked[:2] == ["1", "2"]
    assert "订单状态无法识别" in it.log_file.read_text("utf-8")
    told = [(row.state, row.message.recovered, row.message.buyer, row.message.conversation) for row in it.rows]
    assert told == [("waiting", True, "b1", "c1"), ("waiting", True, "b3", "opened-b3")]


async def test_a_lost_connection_does_not_ask_each_time(tmp_path: Path) -> None:
    """Between two lists is some time, however often the connection is lost; while it is lost none is asked for."""
    async with desk(tmp_path, orders_every=9.0) as it:
        for _ in range(5):
            it.connect()
            await asyncio.sleep(0.03)
            it.list.disconnected()
        await it.listed()
        first = len(it.platform.asked)
        it.connect()
        await it.listed(2)

    assert first == 1


def paid(id: str, talk: str, order: str | None) -> IncomingItem:
    """Return a notice that an order is paid, which names it or not."""
    return incoming(id, kind="order", conversation=talk, sender=None, order=order, order_status="paid")


async def test_a_paid_notice_that_names_no_order(tmp_path: Path) -> None:
    """Where no message names the order soon, before or after it, the list does: not half an hour later."""
    async with desk(tmp_path, orders_every=30.0) as it:
        it.connect()
        await it.listed()
        for found in (paid("1.PNM", "c1", None), paid("2.PNM", "c1", "77"), paid("3.PNM", "c1", None)):
            it.list.heard((await it.inbox.do(Add([found], False, RULES))).rows)
        await asyncio.sleep(1.5)
        first = it.platform.asked.count("1")
        it.platform.pages = [[order(1, buyer="b9")]]
        it.list.heard((await it.inbox.do(Add([paid("4.PNM", "c2", None)], False, RULES))).rows)
        await until(lambda: it.rows)

    assert first == 1, "its card came beside it"
    assert it.rows[0].message.order == order(1).id


async def test_words_that_are_not_known(tmp_path: Path) -> None:
    """A person hears of it, and a late notice of such an order is a dead letter."""
    async with desk(tmp_path) as it:
        late = incoming("1.PNM", kind="card", order=order(1).id, order_status="paid", time=NOW - 3_600_000)
        await it.inbox.do(Add([late], False, RULES))
        it.platform.pages = [[order(1, status=None, status_text="2")]]
        it.connect()
        await until(lambda: it.inbox.counts.dead)

    assert it.told[:1] == [STRANGE]


async def test_one_that_no_list_is_due_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `orders_every: 0` too the list is asked for a notice that names no order."""
    for name in ("_SPREAD", "_LEAST_GAP", "_PATIENCE"):
        monkeypatch.setattr(f"xyfleet.worker.messaging.order_list.{name}", 0.02)
    async with desk(tmp_path, orders_every=0.0) as it:
        it.connect()
        await it.listed()
        it.platform.pages = [[order(1)]]
        it.list.heard((await it.inbox.do(Add([paid("1.PNM", "c1", None)], False, RULES))).rows)
        await until(lambda: it.rows)

    assert it.rows[0].message.order == order(1).id


async def test_nobody_hears_of_orders(tmp_path: Path) -> None:
    """Without a handler nothing is listed, unless it is asked for; that is live."""
    async with desk(tmp_path, handler=None) as it:
        it.connect()
        await asyncio.sleep(0.05)
        before = len(it.platform.asked)
        it.list.apply(msgspec.structs.replace(it.settings, orders=True))
        await it.listed()

    assert before == 0


async def test_no_list(tmp_path: Path) -> None:
    """It is tried again; after three times the late orders that wait for it are dead letters, which say why."""
    late = incoming("1.PNM", kind="card", order="51", order_status="paid", time=NOW - 3_600_000)
    async with desk(tmp_path) as it:
        (row,) = (await it.inbox.do(Add([late], False, RULES))).rows
        it.platform.reason = Reason("ask_risk")
        it.connect()
        await until(lambda: it.inbox.counts.dead == 1)
        await until(lambda: "迟到的订单无法核对" in it.log_file.read_text("utf-8"))

    assert row.state == "kept"
    assert len(it.platform.asked) >= 3


async def test_no_list_for_a_while(tmp_path: Path) -> None:
    """An outage passes: what came late waits longer for the list, which then says what it is."""
    late = incoming("1.PNM", kind="card", order=order(1).id, order_status="paid", time=NOW - 3_600_000)
    async with desk(tmp_path) as it:
        await it.inbox.do(Add([late], False, RULES))
        it.platform.reason = Reason("ask_outage")
        it.connect()
        await it.listed(4)
        dead = it.inbox.counts.dead
        it.platform.reason, it.platform.pages = None, [[order(1)]]
        await until(lambda: it.rows)

    assert dead == 0
    assert it.rows[0].state == "waiting"


async def test_a_conversation_that_can_t_be_opened_now(tmp_path: Path) -> None:
    """The order is left for the next list, which comes soon; one that the platform refuses is handed over without."""
    async with desk(tmp_path, orders_every=3.0) as it:
        it.platform.pages, it.platform.state = [[order(1)]], "busy"
        it.connect()
        await it.listed(2)
        waiting = list(it.rows)
        it.platform.state = "rejected"
        await until(lambda: it.rows)

    assert waiting == []
    assert (it.rows[0].state, it.rows[0].message.conversation) == ("waiting", None)


async def test_orders_from_before_xyfleet(tmp_path: Path) -> None:
    """What was paid before the account came to xyfleet is its owner's."""
    async with desk(tmp_path, since=NOW) as it:
        it.platform.pages = [[order(1, time="2020-01-01T00:00:00.000Z"), order(2, time="2030-01-01T00:00:00.000Z")]]
        it.connect()
        await until(lambda: it.rows)
        await it.listed(2)

    assert [row.message.buyer for row in it.rows] == ["b2"]


async def test_a_late_notice_of_an_order_from_before_xyfleet(tmp_path: Path) -> None:
    """Bought before and paid after, it is handed over from the list; what says so has a row behind it."""
    late = incoming("1.PNM", kind="card", order=order(1).id, order_status="paid", time=NOW - 3_600_000)
    async with desk(tmp_path, since=NOW - 4_000_000) as it:
        await it.inbox.do(Add([late], False, RULES))
        it.platform.pages = [[order(1, time="2020-01-01T00:00:00.000Z"), order(2, time="2020-01-01T00:00:00.000Z")]]
        it.connect()
        await until(lambda: it.rows)
        await it.listed(2)
        late_row = await it.inbox.do(Find("1.PNM"))

    assert [(row.state, row.message.order, row.message.conversation) for row in it.rows] == [
        ("waiting", order(1).id, "c1")
    ]
    assert late_row is not None
    assert late_row.reason == LISTED


async def test_lists_say_whole_seconds(tmp_path: Path) -> None:
    """Paid in the second in which the account came to xyfleet, an order is not of the time before."""
    async with desk(tmp_path, since=NOW + 900) as it:
        it.platform.pages = [[order(1, time=rfc3339(NOW)), order(2, time=rfc3339(NOW - 1000))]]
        it.connect()
        await until(lambda: it.rows)
        await it.listed(2)

    assert [row.message.buyer for row in it.rows] == ["b1"]
