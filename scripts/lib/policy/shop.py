"""One account of the month: its login and token, and the life of its worker (worker/account.py in small). Shell."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from scripts.lib.policy.clock import spawn
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.tokens.token_values import Token
from xyfleet.worker.causes import FATAL, Cause, ConnectionLost
from xyfleet.worker.connection.backoff import delay
from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import Message, Reconnect, Refusal, Report, Stop, Ticket, TicketRequest
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.settings import Cycle
from xyfleet.worker.states import State

if TYPE_CHECKING:
    from scripts.lib.policy.fleet import MonthFleet

CYCLE: Final = Cycle()
DIAL: Final = 0.5
"""Seconds of a dial that is answered."""


class Worker:
    """What stands for a worker process: takes messages, and lives a connection's life."""

    garbage: str | None = None
    exit_code: int | None = 0

    def __init__(self, shop: Shop, member: SupervisedAccount, carried: Ticket | None) -> None:
        self.pid = shop.index + 1
        self.ended: asyncio.Future[Cause] | None = None
        """While connected: what ends the connection."""
        self._shop = shop
        self._member = member
        self._carried = carried
        self._requests = 0
        self._asked: asyncio.Future[Ticket] | None = None
        self._stale: int | None = None
        self._serial = 0
        self._state = State.DISCONNECTED
        self._failures = 0
        self._delay = 0.0
        self._hurry = asyncio.Event()
        self._last_dial = float("-inf")
        self._job = spawn(self._live())
        self._job.add_done_callback(lambda job: member.gone(self))  # type: ignore[arg-type]

    def send(self, message: Message) -> None:
        """Take what the supervisor says."""
        match message:
            case Stop():
                self._job.cancel()
            case Ticket() | Refusal():
                self._answer(message)
            case Reconnect(_, drop, stale):
                if stale:
                    self._stale = max(self._serial, self._shop.serial)
                    self._carried = None
                self._hurry.set()
                if drop and self.ended is not None and not self.ended.done():
                    self.ended.set_result(Cause.CLOSED)

    def signal(self, number: int) -> None:
        """Be killed."""
        self._job.cancel()

    def _answer(self, message: Ticket | Refusal) -> None:
        if self._asked is None or self._asked.done() or message.request != self._requests:
            return
        if isinstance(message, Ticket):
            self._asked.set_result(message)
        else:
            self._asked.set_exception(ConnectionLost(message.cause, message.reason))

    async def _live(self) -> None:
        while True:
            if self._state is State.FAILED:
                await self._hurry.wait()
                self._failures, self._delay = 0, 0.0
                self._move(State.RECONNECTING)
            elif not self._hurry.is_set():
                await self._rest()
            try:
                ticket = await self._ticket()
                self._hurry.clear()
                await self._connect(ticket)
            except ConnectionLost as lost:
                self._lose(lost.cause, lost.reason)

    async def _rest(self) -> None:
        if self._delay > 0:
            try:
                async with asyncio.timeout(self._delay):
                    await self._hurry.wait()
            except TimeoutError:
                return

    async def _ticket(self) -> Ticket:
        if self._carried is not None:
            ticket, self._carried = self._carried, None
            return ticket
        self._requests += 1
        self._asked = asyncio.get_running_loop().create_future()
        self._member.heard(self, TicketRequest(request=self._requests, stale=self._stale))  # type: ignore[arg-type]
        return await self._asked

    async def _connect(self, ticket: Ticket) -> None:
        await self._dial()
        if self._shop.refuses(ticket.serial):
            self._stale = ticket.serial
            if ticket.fresh:
                raise ConnectionLost(Cause.AUTH, words("invalid token"))
            ticket = await self._ticket()
            await self._dial()
            if self._shop.refuses(ticket.serial):
                raise ConnectionLost(Cause.AUTH, words("invalid token"))
        self._serial = ticket.serial
        self._move(State.CONNECTED)
        self.ended = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        self._shop.lit(True)
        try:
            cause = await self.ended
        finally:
            self.ended = None
            self._shop.lit(False)
        if time.monotonic() - began > CYCLE.stable_after:
            self._failures = 0
        raise ConnectionLost(cause, words(""))

    async def _dial(self) -> None:
        await asyncio.sleep(max(0.0, self._last_dial + 1.0 - time.monotonic()))
        if self._state is not State.CONNECTING:
            self._move(State.CONNECTING)
        self._last_dial = time.monotonic()
        self._shop.month.figures.dials[int(self._last_dial)] += 1
        if not self._shop.reachable:
            await asyncio.sleep(CYCLE.open_timeout)
            raise ConnectionLost(Cause.NETWORK, Reason("timeout"))
        await asyncio.sleep(DIAL)

    def _lose(self, cause: Cause, reason: Reason) -> None:
        self._failures += 1
        self._delay = delay(CYCLE.retry, cause, self._failures, random.random)
        if self._state is State.DISCONNECTED:
            self._move(State.CONNECTING)
        self._move(State.RECONNECTING, cause)
        if cause in FATAL or self._failures >= CYCLE.max_connection_failures:
            self._hurry.clear()
            self._move(State.FAILED, cause, reason)

    def _move(self, new: State, cause: Cause | None = None, reason: Reason | None = None) -> None:
        change = Change(time=time.time(), old=self._state, new=new, cause=cause)
        self._state = new
        report = Report(
            state=new, since=change.time, cause=cause, reason=reason, failures=self._failures, changes=[change]
        )
        self._member.heard(self, report)  # type: ignore[arg-type]


class Shop:
    """One account's lot."""

    def __init__(self, index: int, way: int, month: MonthFleet) -> None:
        self.index = index
        self.name = f"s{index}"
        self.way = way
        self.month = month
        self.token: Token | None = None
        self.serial = 0
        self.calls: list[float] = []
        self.verdict: Cause | None = None
        self.login_good = True
        self.risky = False
        """Its next token call meets risk control."""
        self.void_below = 0
        """The platform refuses tokens of lower serials."""
        self.worker: Worker | None = None
        self._dark_since: float | None = time.monotonic()

    @property
    def reachable(self) -> bool:
        """Whether the platform can be reached by its way now."""
        return self.month.ways.reaches(self.way)

    def refuses(self, serial: int) -> bool:
        """Whether the platform refuses the token with this serial."""
        return serial < self.void_below or not self.login_good or self.month.ways.expired

    def drop(self, cause: Cause) -> None:
        """End its connection, if there is one."""
        if self.worker is not None and self.worker.ended is not None and not self.worker.ended.done():
            self.worker.ended.set_result(cause)

    def void(self) -> None:
        """Void the token it has."""
        self.void_below = self.serial + 1

    def logged_in(self) -> None:
        """There is a new login."""
        self.login_good, self.verdict, self.token = True, None, None
        self.void()

    def lit(self, on: bool) -> None:
        """Count the time in the dark."""
        now = time.monotonic()
        if on and self._dark_since is not None:
            dark = self.month.figures.dark
            dark[self.index] = dark.get(self.index, 0.0) + now - self._dark_since
        self._dark_since = None if on else now
