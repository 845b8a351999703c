"""Has the orders that wait for shipment listed, and hands over those that no notice was handed over for. Shell.

After each reconnect, when what was missed is caught up with, and every half hour. The supervisor asks the platform; it
refuses in an outage and under risk. A paid order that came too late to be believed waits for what the list says of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.ipc.talks import OpenTalk, TalkAnswer, TalkQuestion
from xyfleet.worker.messaging.nameless_orders import NamelessOrders
from xyfleet.worker.protocol import listed_orders
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import millis
from xyfleet.worker.protocol.shop import Order, OrderPage
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore, Closed
from xyfleet.worker.storage.operations import Add, Count, NewOrders, SettleLate
from xyfleet.worker.storage.results import Added, HandlerRules
from xyfleet.worker.storage.schema import Row
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

MOST_PAGES: Final = 20
"""Pages of one list; each has 30 orders."""
FAILURES: Final = 3
"""Lists in a row that can't be had, after which late orders are dead letters."""
PATIENCE: Final = 8
"""The same, where what is in the way passes by itself: some two hours."""
STRANGE: Final = "the list of orders has some in words that are not known; they are not handed over: look into the app"
"""What a person is told; which ones stands in the account's log."""
_PASSING: Final = frozenset(
    {"ask_outage", "ask_slower", "ask_budget", "ask_busy", "ask_late", "ask_stopped", "ask_network"}
)
_FIRST_RETRY: Final = 60.0
_LONGEST_RETRY: Final = 1800.0
_LEAST_GAP: Final = 60.0
"""Seconds between two lists, however often the connection is lost."""
_SPREAD: Final = 10.0
"""Seconds within which accounts that connect at one time ask, each at another moment."""
_PATIENCE: Final = 20.0
"""Seconds between a paid notice that names no order, and one that does: else the list is asked for."""
_NORMAL: Final = 1800.0
"""The `orders_every` that these seconds are for; with a shorter one they are shorter too."""
_JITTER: Final = 0.2
_MOST_OPENED: Final = 20
"""Conversations opened for orders of one list of which none is known; the others come with the next list."""
_AGAIN: Final = frozenset({"offline", "busy", "late", "crowded", "stopped"})
"""States of a question about a conversation that another time may answer."""
_LATER: Final = TalkAnswer(state="crowded")


class OrderList:
    """
    One account's. `run()` it once.

    Args:
        ask: Asks the platform, through the supervisor.
        talk: Asks about conversations, over the connection.
        rules: Returns by what a handler hears of messages.
        added: Called with what came of adding messages.
        used: Called when the inbox is about to be used.
        alert: Called with what a person should hear.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        settings: MailSettings,
        log: AccountLog,
        ask: Callable[[Ask], Awaitable[Answered]],
        talk: Callable[[TalkQuestion], Awaitable[TalkAnswer]],
        rules: Callable[[Sequence[IncomingItem]], HandlerRules],
        added: Callable[[Added], None],
        used: Callable[[], None],
        alert: Callable[[str], None],
    ) -> None:
        self._inbox = inbox
        self._settings = settings
        self._log = log
        self._ask = ask
        self._talk = talk
        self._rules = rules
        self._added = added
        self._used = used
        self._alert = alert
        self._wait = InterruptibleWait()
        self._online = False
        self._fresh = False
        """Whether nothing was listed on this connection yet."""
        self._due: float | None = None
        """By the loop's clock; None: not before the next connection."""
        self._last = float("-inf")
        self._failures = 0
        self._nameless = NamelessOrders()
        self._more = False
        """Whether some of the latest list are left for another one soon."""

    def connected(self) -> None:
        """There is a registered connection."""
        self._online = self._fresh = True

    def disconnected(self) -> None:
        """There is none any more."""
        self._online = False

    def caught_up(self) -> None:
        """What was missed is in the inbox: a list asked for now finds the conversations of its orders there."""
        if self._fresh:
            self._fresh = False
            now = self._now()
            self._due = max(now + random.uniform(0, _SPREAD) * self._scale, self._last + _LEAST_GAP * self._scale)
            self._wait.ring()

    def heard(self, rows: Sequence[Row]) -> None:
        """Hear of new messages: of a paid notice that names no order the list says which one it is."""
        patience = _PATIENCE * self._scale
        self._nameless.hear((row.message for row in rows), self._now(), patience)
        if self._nameless.due(patience) is not None:
            self._wait.ring()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings."""
        self._settings = settings
        self._wait.ring()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            left = self._left()
            if left is None or left > 0:
                await self._wait.wait(left)
                continue
            try:
                listed = await self._round()
            except Closed:
                return
            except Exception as error:  # noqa: BLE001 (a bug in this must not end all of the account's messages)
                self._log.bug(error, where="listing orders")
                listed = False
            self._last = self._now()
            self._failures = 0 if listed else self._failures + 1
            self._due = self._following()

    def _left(self) -> float | None:
        """Return in how many seconds the next list is due, None = not before something happens."""
        if not self._online or not lists_orders(self._settings):
            return None
        dues = [] if self._due is None else [self._due]
        nameless = self._nameless.due(_PATIENCE * self._scale)
        if nameless is not None and not self._failures and not (self._fresh and self._due is None):
            dues.append(max(nameless, self._last + _LEAST_GAP * self._scale))
        return min(dues) - self._now() if dues else None

    def _following(self) -> float | None:
        """Return when the next list is due."""
        if self._failures:
            wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(self._failures - 1, 30)) * self._scale
        elif self._more:
            wait = _LEAST_GAP * self._scale
        elif not self._settings.orders_every:
            return None
        else:
            wait = self._settings.orders_every
        return self._now() + wait * (1 + _JITTER * random.uniform(-1, 1))

    @property
    def _scale(self) -> float:
        every = self._settings.orders_every
        return min(1.0, every / _NORMAL) if every else 1.0

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # One list.

    async def _round(self) -> bool:
        """Hand over what the list has that is news; return whether there was a list."""
        self._more = False
        self._nameless.asked()
        last = (await self._inbox.do(Count())).stored if self._inbox.exists() else 0
        orders: list[Order] = []
        for page in range(1, MOST_PAGES + 1):
            answer = await self._ask(Ask(request=0, what="orders", id=str(page)))
            if answer.reason is not None:
                await self._hand_over(orders)
                await self._fail(last, answer.reason)
                return False
            found = msgspec.convert(answer.value, OrderPage)
            orders += found.orders
            if not found.more:
                break
        news = await self._hand_over(orders)
        if last and not found.more:
            strange = [order.id for order in orders if order.status is None]
            late = await self._inbox.do(SettleLate([one.id for one in orders if _waits(one)], last, strange=strange))
            self._say(news, len(orders), late.over)
            self._say_dead(late.dead)
        else:
            self._say(news, len(orders), 0)
        return True

    def _say(self, news: int, orders: int, over: int) -> None:
        line = log_texts.ORDERS_LISTED if news or over else log_texts.ORDERS_KNOWN
        self._log.say(line, orders=orders, new=news, over=over)

    async def _hand_over(self, orders: list[Order]) -> int:
        """Put into the inbox what nobody has heard of; return how many these are."""
        for order in orders:
            if order.status is None:
                self._log.say(log_texts.ORDER_STRANGE, order=order.id, words=order.status_text)
                self._alert(STRANGE)
        there = self._inbox.exists()  # else no message names one of the time before
        waiting = {order.id: order for order in orders if _waits(order) and (there or not self._is_older(order))}
        if not waiting:
            return 0
        self._used()
        asked = [(order.id, order.buyer, order.item) for order in waiting.values()]
        found: list[IncomingItem] = []
        opened = 0
        for new in await self._inbox.do(NewOrders(asked)):
            order, talk = waiting[new.order], new.conversation
            if self._is_older(order) and not new.noticed:
                continue
            if talk is None:
                opened += 1
                answer = await self._open(order) if opened <= _MOST_OPENED else _LATER
                if answer.state in _AGAIN:
                    self._more = True
                    continue
                talk = answer.conversation
            found.append(listed_orders.message_of(order, talk))
        if found:
            self._added(await self._inbox.do(Add(found, True, self._rules(found))))
        return len(found)

    async def _open(self, order: Order) -> TalkAnswer:
        """Find the conversation with an order's buyer at the platform, or open one."""
        if order.buyer is None or order.item is None:
            return TalkAnswer(state="rejected", reason="neither buyer nor item is said")
        answer = await self._talk(OpenTalk(user=order.buyer, item=order.item))
        if answer.conversation is None:
            self._log.say(log_texts.ORDER_HOMELESS, order=order.id, state=answer.state, reason=answer.reason)
        return answer

    def _is_older(self, order: Order) -> bool:
        """Whether it is of the time before xyfleet, and may have been delivered then. Lists say whole seconds."""
        return order.time is not None and millis(order.time) + 1000 <= self._settings.since

    async def _fail(self, last: int, reason: Reason) -> None:
        """There is no list: after a few times, what waits for it is left to a person."""
        self._log.say(log_texts.ORDERS_UNLISTED, reason=str(reason))
        if last and self._failures + 1 >= (PATIENCE if reason.code in _PASSING else FAILURES):
            words = f"a late order, and the list of orders can't be had: {reason}"
            late = await self._inbox.do(SettleLate([], last, words))
            self._say_dead(late.dead)

    def _say_dead(self, count: int) -> None:
        if count:
            self._log.say(log_texts.ORDERS_DEAD, orders=count)


def lists_orders(settings: MailSettings) -> bool:
    """Whether an account's orders are listed: unless it says otherwise, where somebody hears of them."""
    wanted = settings.orders
    return settings.handler is not None or settings.webhook is not None if wanted is None else wanted


def _waits(order: Order) -> bool:
    """Whether it waits for shipment by its own words too."""
    return order.status == "paid"
