"""Hands waiting messages to the handler: in order, a few at a time, again after a failure. Shell.

At least once: that a call begins is on disk before it does. Which messages wait tells `backlog`; nothing is looked for
on a clock: news ring a bell, waits are timers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from xyfleet.worker.handlers import fitness
from xyfleet.worker.handlers.backlog import Backlog
from xyfleet.worker.handlers.base import Handler, HandlerFailed, HandlerUnsure, HandOver, NotCalled
from xyfleet.worker.handlers.call_ends import CallEnds, Following
from xyfleet.worker.handlers.gathering import Gathering, joined
from xyfleet.worker.handlers.ready_queue import Entry, entry_of
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore, Closed
from xyfleet.worker.storage.operations import Begin, GiveUp, TakeBack, Together
from xyfleet.worker.storage.schema import Row
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

PATIENCE: Final = 1.0
"""Seconds that calls have to end by themselves when the worker stops, and again to end when cancelled."""


class Dispatcher:
    """
    The calls of one account's handler. `run()` it once; when cancelled it lets the calls end, and closes the handler.

    Args:
        changed: Called when a figure changed.
        replied: Called when a reply is in the outbox.
        handed_over: Called with a conversation that the handler gives to a person.
        alert: Called with what a person should hear.
        patience: See `PATIENCE`.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        handler: Handler,
        settings: MailSettings,
        log: AccountLog,
        changed: Callable[[], None],
        replied: Callable[[], None],
        wall: Callable[[], float] = time.time,
        patience: float = PATIENCE,
        handed_over: Callable[[str, HandOver], None] = lambda talk, hand_over: None,
        alert: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._inbox = inbox
        self._handler = handler
        self._settings = settings
        self._log = log
        self._changed = changed
        self._wall = wall
        self._patience = patience
        self._ends = CallEnds(inbox, settings, log, changed, replied, handed_over, alert)
        self._backlog = Backlog(inbox)
        self._bell = asyncio.Event()
        self._bell.set()
        self._stopping = False
        self._bounded = fitness.BoundedTalk()
        self._calls: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._gathering = Gathering(self._backlog.queue.hold, self._let_go)

    def added(self, rows: Sequence[Row]) -> None:
        """Hear of new rows of the store."""
        self._backlog.added(rows)
        for entry in (entry_of(row) for row in rows if row.state == "waiting"):
            if self._settings.handler_gather and entry.line is not None:
                self._gathering.heard(entry, self._settings.handler_gather)
        self._bell.set()

    def wake(self) -> None:
        """Look at the store anew: old rows may wait again."""
        self._backlog.reread()
        self._bell.set()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings; another handler needs another dispatcher."""
        self._settings = settings
        self._ends.apply(settings)
        self._bell.set()

    def rest(self) -> None:
        """Begin no call from now on; those that are on may go on until `run()` is cancelled."""
        self._stopping = True

    async def run(self) -> None:
        """Work until cancelled."""
        self._handler.start()
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                await self._backlog.load()
                if self._backlog.queue.has_next and self._has_hands():
                    await self._handler.ready()
                    self._begin_calls()
        finally:
            await self._wind_up()

    # Calling.

    def _has_hands(self) -> bool:
        return len(self._calls) < self._settings.handler_concurrency

    def _begin_calls(self) -> None:
        together = self._settings.handler_gather > 0
        while self._has_hands() and (entries := self._backlog.queue.next(together=together)):
            for entry in entries:  # one that rested and is called with a later line
                if (timer := self._timers.pop(entry.row, None)) is not None:
                    timer.cancel()
            call = asyncio.create_task(self._serve(entries))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            call.add_done_callback(lambda _: self._bell.set())

    async def _serve(self, entries: list[Entry]) -> None:
        """See one call through."""
        try:
            following = await self._call(entries)
        except Closed:
            return  # the worker ends, and the disk did not take how far the call came
        except Exception as error:  # noqa: BLE001 (a bug in the treatment of one message must not end the others')
            await self._lose(entries, error)
            following = []
        again = {each.entry.row for each in following}
        for each in following:
            self._backlog.queue.rest(each.entry, strict=not each.after)
            release = asyncio.get_running_loop().call_later(each.after, self._release, each.entry)
            self._timers[each.entry.row] = release
        for entry in entries:
            if entry.row not in again:
                self._backlog.queue.done(entry)

    async def _lose(self, entries: list[Entry], error: Exception) -> None:
        """Leave messages whose treatment failed by our own fault to a person: nobody knows how far it came."""
        self._log.bug(error, row=entries[-1].row)
        reason = f"a fault in xyfleet: {type(error).__name__}"
        try:
            await self._inbox.do(Together([GiveUp(entry.row, "parked", reason) for entry in entries]))
        except Exception as worse:  # noqa: BLE001 (the store's; the row is settled at the next start)
            self._log.bug(worse, row=entries[-1].row)
        self._changed()

    def _release(self, entry: Entry) -> None:
        del self._timers[entry.row]
        self._backlog.queue.release(entry)
        self._bell.set()

    def _let_go(self, talk: str) -> None:
        self._backlog.queue.let_go(talk)
        self._bell.set()

    async def _call(self, entries: list[Entry]) -> list[Following]:
        """Call the handler if it may be; return who is to be called again, and when."""
        rows = await self._begin(entries)
        self._changed()
        if not rows:
            return []
        message = joined([row.message for row in rows])
        try:
            answer = await self._handler.call(message, self._settings.handler_timeout)
        except NotCalled:
            await self._inbox.do(Together([TakeBack(row.row, row.message.attempt) for row in rows]))
            return [Following(0.0, entry) for entry in entries if entry.row in {row.row for row in rows}]
        except HandlerUnsure as error:
            return await self._ends.unsure(rows, error.reason)
        except HandlerFailed as error:
            end = self._ends.put_off if error.later else self._ends.failed
            return await end(rows, error.reason, error.trace)
        except Exception as error:  # noqa: BLE001 (a bug of ours: nobody knows how far the call came)
            self._log.bug(error, message=message.id)
            return await self._ends.unsure(rows, f"a fault in xyfleet: {type(error).__name__}")
        await self._ends.finish(rows, answer)
        return []

    async def _begin(self, entries: list[Entry]) -> list[Row]:
        """Note that a call begins, unless it is not to, which may turn out while the disk takes its time."""
        fit = await self._fit(entries)
        begins = [] if self._stopping else [Begin(one.row, one.attempt, fitness.bound(self._settings)) for one in fit]
        if not begins:
            return []
        begun = (await self._inbox.do(Together(list(begins)))).begun
        rows = [row for row in begun if row is not None and row.state == "calling"]
        for row in begun:
            if row is not None and row.state == "failed":
                self._say_bounded(row)
        still_fit = {entry.row for entry in await self._fit(fit)}
        rows = [row for row in rows if row.row in still_fit]
        if rows and self._stopping:
            await self._inbox.do(Together([TakeBack(row.row, row.message.attempt) for row in rows]))
            return []
        return rows

    async def _fit(self, entries: list[Entry]) -> list[Entry]:
        """Return those that may still be handed over; the others are dead letters now."""
        unfit = [(entry, why) for entry in entries if (why := self._unfit(entry)) is not None]
        if unfit:
            await self._inbox.do(Together([GiveUp(entry.row, "failed", why) for entry, why in unfit]))
        return [entry for entry in entries if entry not in [other for other, _ in unfit]]

    @property
    def bounded(self) -> str | None:
        """The conversation that was last left to a person because it had too many automatic messages, for a while."""
        return self._bounded.at(time.monotonic())

    def _say_bounded(self, row: Row) -> None:
        self._bounded.note(row.message.conversation, time.monotonic() + self._settings.reply_limit_window)
        self._log.say(log_texts.REPLIES_BOUNDED, message=row.message.id, reason=row.reason)
        self._changed()

    def _unfit(self, entry: Entry) -> str | None:
        return fitness.unfit(entry, self._settings, self._now())

    def _now(self) -> int:
        return int(self._wall() * 1000)

    # The end.

    async def _wind_up(self) -> None:
        """Let calls end by themselves, cancel what does not, and leave the rest to `on_unknown`."""
        self._stopping = True
        self._gathering.close()
        for timer in self._timers.values():
            timer.cancel()
        await self._wait_for_calls()
        await self._handler.close()
        await self._wait_for_calls()
        for call in self._calls:
            call.cancel()
        await self._wait_for_calls()

    async def _wait_for_calls(self) -> None:
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._patience)
