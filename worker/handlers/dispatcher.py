"""Hands waiting messages to the handler: in order, a few at a time, again after a failure. Shell.

At least once: that a call begins is on disk before it does. Which messages wait tells `backlog`; nothing is looked for
on a clock: news ring a bell, waits are timers.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final, Literal

from xyfleet.worker.handlers import fitness
from xyfleet.worker.handlers.backlog import Backlog
from xyfleet.worker.handlers.base import Handler, HandlerFailed, HandlerUnsure, NotCalled, Reply
from xyfleet.worker.handlers.ready_queue import Entry
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore, Closed
from xyfleet.worker.storage.operations import Again, Begin, Finish, GiveUp, TakeBack
from xyfleet.worker.storage.schema import ASKED, Row
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

LONGEST_DELAY: Final = 300.0
"""Seconds before a further call, at most."""
PATIENCE: Final = 1.0
"""Seconds that calls have to end by themselves when the worker stops, and again to end when cancelled."""


class Dispatcher:
    """
    The calls of one account's handler. `run()` it once; when cancelled it lets the calls end, and closes the handler.

    Args:
        changed: Called when a figure changed.
        replied: Called when a reply is in the outbox.
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
    ) -> None:
        self._inbox = inbox
        self._handler = handler
        self._settings = settings
        self._log = log
        self._changed = changed
        self._replied = replied
        self._wall = wall
        self._patience = patience
        self._backlog = Backlog(inbox)
        self._bell = asyncio.Event()
        self._bell.set()
        self._stopping = False
        self._bounded = fitness.BoundedTalk()
        self._calls: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def added(self, rows: Sequence[Row]) -> None:
        """Hear of new rows of the store."""
        self._backlog.added(rows)
        self._bell.set()

    def wake(self) -> None:
        """Look at the store anew: old rows may wait again."""
        self._backlog.reread()
        self._bell.set()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings; another handler needs another dispatcher."""
        self._settings = settings
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
        while self._has_hands() and (entry := self._backlog.queue.next()) is not None:
            call = asyncio.create_task(self._serve(entry))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            call.add_done_callback(lambda _: self._bell.set())

    async def _serve(self, entry: Entry) -> None:
        """See one call through."""
        try:
            following = await self._call(entry)
        except Closed:
            return  # the worker ends, and the disk did not take how far the call came
        except Exception as error:  # noqa: BLE001 (a bug in the treatment of one message must not end the others')
            await self._lose(entry, error)
            following = None
        if following is None:
            self._backlog.queue.done(entry)
            return
        delay, entry = following
        self._backlog.queue.rest(entry)
        self._timers[entry.talk] = asyncio.get_running_loop().call_later(delay, self._release, entry.talk)

    async def _lose(self, entry: Entry, error: Exception) -> None:
        """Leave a message whose treatment failed by our own fault to a person: nobody knows how far it came."""
        self._log.bug(error, row=entry.row)
        reason = f"a fault in xyfleet: {type(error).__name__}"
        try:
            await self._inbox.do(GiveUp(entry.row, "parked", reason))
        except Exception as worse:  # noqa: BLE001 (the store's; the row is settled at the next start)
            self._log.bug(worse, row=entry.row)
        self._changed()

    def _release(self, talk: str) -> None:
        del self._timers[talk]
        self._backlog.queue.release(talk)
        self._bell.set()

    async def _call(self, entry: Entry) -> tuple[float, Entry] | None:
        """Call the handler if it may be; return after how many seconds to call it again, None = not at all."""
        row = await self._begin(entry)
        self._changed()
        if row is None:
            return None
        try:
            reply = await self._handler.call(row.message, self._settings.handler_timeout)
        except NotCalled:
            await self._inbox.do(TakeBack(entry.row, row.message.attempt))
            return 0.0, entry
        except HandlerUnsure as error:
            return await self._unsure(entry, row, error.reason)
        except HandlerFailed as error:
            return await self._failed(entry, row, error.reason, error.trace)
        except Exception as error:  # noqa: BLE001 (a bug of ours is no reason to call for ever)
            self._log.bug(error, message=row.message.id)
            return await self._failed(entry, row, f"a fault in xyfleet: {type(error).__name__}", None)
        await self._finish(row, reply)
        return None

    async def _begin(self, entry: Entry) -> Row | None:
        """Note that a call begins, unless it is not to, which may turn out while the disk takes its time."""
        row: Row | None = None
        if (unfit := self._unfit(entry)) is None and not self._stopping:
            row = await self._inbox.do(Begin(entry.row, entry.attempt, fitness.bound(self._settings)))
            unfit = self._unfit(entry)
        if unfit is not None:
            await self._inbox.do(GiveUp(entry.row, "failed", unfit))
            return None
        if row is not None and row.state == "failed":
            self._say_bounded(row)
            return None
        if row is not None and self._stopping:
            await self._inbox.do(TakeBack(entry.row, row.message.attempt))
            return None
        return row

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

    async def _finish(self, row: Row, reply: str | Reply | None) -> None:
        """Note the end of a good call, and queue its reply."""
        # What goes over the wire as its uuid is given when it goes.
        text, image = (reply.text, reply.image) if isinstance(reply, Reply) else (reply, None)
        done = await self._inbox.do(Finish(row.row, text, uuid.uuid4().hex, image))
        if done.number is not None:
            self._replied()
        elif done.dropped is not None:
            line = log_texts.REPLY_UNSENDABLE if done.dead else log_texts.REPLY_DROPPED
            self._log.say(line, message=row.message.id, reason=done.dropped)
        self._changed()

    async def _unsure(self, entry: Entry, row: Row, reason: str) -> tuple[float, Entry] | None:
        if self._settings.on_unknown == "retry":
            return await self._failed(entry, row, reason, None)
        await self._give_up(row, "parked", reason, None)
        return None

    async def _failed(self, entry: Entry, row: Row, reason: str, trace: str | None) -> tuple[float, Entry] | None:
        """Let another call follow, or make it a dead letter."""
        attempt, retries = row.message.attempt, self._settings.handler_retries
        # What a person asked for once more has as many attempts once more.
        tries = (attempt - 1) % (retries + 1) + 1 if row.reason == ASKED else attempt
        if tries > retries:
            await self._give_up(row, "failed", reason, trace)
            return None
        wait = min(self._settings.handler_retry_delay * 2 ** min(tries - 1, 60), LONGEST_DELAY)
        self._say(log_texts.HANDLER_FAILED, row, reason, trace, wait)
        follows = await self._inbox.do(Again(row.row))
        self._changed()
        return (wait, entry._replace(attempt=attempt)) if follows else None

    async def _give_up(self, row: Row, state: Literal["failed", "parked"], reason: str, trace: str | None) -> None:
        self._say(log_texts.HANDLER_GAVE_UP, row, reason, trace, None)
        await self._inbox.do(GiveUp(row.row, state, reason))
        self._changed()

    def _say(self, line: log_texts.LogText, row: Row, reason: str, trace: str | None, wait: float | None) -> None:
        message = row.message
        self._log.say(line, message=message.id, attempt=message.attempt, reason=reason, wait=wait, traceback=trace)

    def _now(self) -> int:
        return int(self._wall() * 1000)

    # The end.

    async def _wind_up(self) -> None:
        """Let calls end by themselves, cancel what does not, and leave the rest to `on_unknown`."""
        self._stopping = True
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
