"""Takes in what is pushed: decoded, stored, and only then acked. Shell.

What can't be stored is not acked: the server sends it again, and catching up looks for it. That goes for a message at
which the program fails only if not even its payload can be kept (`xyfleet.worker.storage.taking_in`).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Final

from xyfleet.worker.messaging.catchup import CatchUp
from xyfleet.worker.protocol import frames, items
from xyfleet.worker.protocol.frames import Push
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.known import LWPS, odd_types, strange
from xyfleet.worker.protocol.shape import shape, shape_of_bytes
from xyfleet.worker.storage.inbox import AsyncStore, Closed
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import Added, HandlerRules
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.drift import Drift

MOST_HELD: Final = 32 * 1024 * 1024
"""Bytes of pushes that wait for the disk at one time, before no more are taken in; decoded they take several times as
much, and whatever is not acked the server has still."""
AT_ONCE: Final = 256 * 1024
"""Bytes of a push that is decoded as soon as it comes, which takes 2 ms at most; one of 5 MiB would take 30."""


class PushIntake:
    """
    One account's. Lives across connections; `run()` it once.

    Args:
        me: The account's own user id.
        drift: Hears of what is unknown in pushes.
        catch_up: Looks for what was not taken in.
        rules: Returns what the inbox needs to know about handlers to take messages in.
        coming: Called when there are messages, before they are stored.
        added: Called with what came of storing them.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        me: str,
        log: AccountLog,
        drift: Drift,
        catch_up: CatchUp,
        rules: Callable[[Sequence[IncomingItem]], HandlerRules],
        coming: Callable[[], None],
        added: Callable[[Added], None],
    ) -> None:
        self._inbox = inbox
        self._me = me
        self._log = log
        self._drift = drift
        self._catch_up = catch_up
        self._rules = rules
        self._coming = coming
        self._added = added
        self._held = 0
        self._large: asyncio.Queue[tuple[bytes, Callable[[], None]]] = asyncio.Queue()
        self._late = 0
        """Pushes that are not decoded yet: later ones stay behind them."""

    def take(self, push: Push, ack: Callable[[], None]) -> None:
        """Store what was pushed, then ack."""
        if frames.wants_state(push):
            self._catch_up.missed()
        body = bytes(push.body)
        if push.lwp not in LWPS:
            self._drift.met("lwp", push.lwp, lambda: shape_of_bytes(body))
        if len(body) <= AT_ONCE:
            for number, form in odd_types(body):
                self._drift.met("objectType", number, functools.partial(str, form))
        if len(body) <= AT_ONCE and not self._late:
            self._take_in(items.pushed(body, self._me), len(body), ack)
        elif self._held + len(body) > MOST_HELD:
            self._leave_unacked()
        else:
            self._held += len(body)
            self._late += 1
            self._large.put_nowait((body, ack))

    async def run(self) -> None:
        """Decode large pushes, and those that came behind them, an item at a time: the loop has beats to send."""
        while True:
            body, ack = await self._large.get()
            found: list[IncomingItem] = []
            for incoming in items.each_pushed(body, self._me):
                if incoming is not None:
                    found.append(incoming)
                await asyncio.sleep(0)
            self._held -= len(body)
            self._late -= 1
            self._take_in(found, len(body), ack)

    def _take_in(self, found: list[IncomingItem], size: int, ack: Callable[[], None]) -> None:
        if not found:
            ack()
            return
        self._coming()
        for incoming in found:
            for place, name in strange(incoming):
                self._drift.met(place, name, functools.partial(shape, incoming.raw))
        if self._inbox.full() or self._held + size > MOST_HELD:
            self._leave_unacked()
            return
        if any(each.partial for each in found):
            self._log.say(log_texts.PUSH_TOO_LARGE, bytes=size)
            self._catch_up.refused()
        self._held += size
        stored = self._inbox.do(Add(found, False, self._rules(found)))
        stored.add_done_callback(functools.partial(self._stored, ack, size))

    def _stored(self, ack: Callable[[], None], size: int, stored: asyncio.Future[Added]) -> None:
        self._held -= size
        if stored.cancelled():
            return
        error = stored.exception()
        if isinstance(error, Closed):
            self._log.say(log_texts.PUSH_REFUSED, reason=str(error))
            return
        if error is not None:
            self._log.bug(error, where="storing a push; it is not acked, so the server sends it again")
            return
        added = stored.result()
        if all(each.kept for each in added.unfit):
            ack()
        self._catch_up.heard()
        self._added(added)

    def _leave_unacked(self) -> None:
        self._log.say(log_texts.PUSH_REFUSED, reason=str(self._inbox.trouble))
        self._catch_up.refused()
