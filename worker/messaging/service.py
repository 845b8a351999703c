"""An account's messages in its worker: in from the socket, into the inbox, to the handler, and answers out. Shell.

Lives as long as the worker, across connections. A push is acked when all its messages are on disk, not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Callable
from typing import Final

from xyfleet.worker.clock import ServerClock
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.ipc.figures import MailFigures
from xyfleet.worker.ipc.messages import AboutMessages, Answered, CatchUpRequest, RenewHandler, Strange, Up, Uploaded
from xyfleet.worker.ipc.messages import CatchUpTurn as Turn
from xyfleet.worker.messaging.asks import Asks
from xyfleet.worker.messaging.catchup import CatchUp
from xyfleet.worker.messaging.handler_desk import HandlerDesk
from xyfleet.worker.messaging.intake import PushIntake
from xyfleet.worker.messaging.order_list import OrderList
from xyfleet.worker.messaging.requests import Requests
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.messaging.talks import TalkDesk
from xyfleet.worker.messaging.uploads import Uploads
from xyfleet.worker.protocol.frames import MOST_HEAD, Push
from xyfleet.worker.protocol.known import frame_class
from xyfleet.worker.protocol.shape import shape_of_bytes
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings, WorkerSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.results import Added
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.drift import Drift
from xyfleet.worker.text import cut

LAST_WRITES: Final = 1.0
"""Of the time that the end may take, the seconds that belong to the disk."""
FIRST_LOOK: Final = (1.0, 6.0)
"""Seconds after the first connection within which an inbox that exists is opened: a thousand start side by side."""


class MessageService:
    """
    Everything about one account's messages.

    Args:
        send: Writes to the supervisor.
        changed: Called when a figure changed.
        zombie: Called with the reason when the connection beats but brings no messages, and whether its token is to
            be replaced.
        stuck: Called with the reason when a handler blocks for good, so that only a new process helps.
        clock: The server's, by which messages are old or new.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        log: AccountLog,
        send: Callable[[Up], None],
        changed: Callable[[], None],
        zombie: Callable[[Reason, bool], None],
        stuck: Callable[[Reason], None],
        clock: ServerClock,
    ) -> None:
        self._settings = settings.mail
        self._log = log
        self._send = send
        self._changed = changed
        self._drift = Drift(lambda place, name, shape: send(Strange(place=place, name=name, shape=shape)))
        self._last: float | None = None
        self._life: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        """Set when there is, or was once, a message: the inbox is in use."""
        self._connected = asyncio.Event()
        inbox = self._inbox = AsyncStore(
            settings.mail, settings.account, self._inbox_changed, clock=clock.now, exact=clock.exact
        )
        self._losses = 0
        self._uploads = Uploads(send)
        self._asks = Asks(send)
        mail, account, unb = settings.mail, settings.account, settings.unb
        wanted, asks, again, upload = self._wanted.set, self._asks.ask, self._look_again, self._uploads.upload
        self._outbox = OutboxSender(inbox, mail, unb, log, changed, wall=clock.time, resumed=again, upload=upload)
        self._talks = TalkDesk(inbox, account, unb, clock, lambda: self._settings.send_rate, log)
        self._requests = Requests(inbox, self._outbox, self._talks, log, send, wanted, again)
        self._handler = HandlerDesk(
            inbox, self._outbox, self._talks, mail, account, log, clock, asks, send, changed, stuck, wanted
        )
        rules, added = self._handler.rules, self._added
        self._catch_up = CatchUp(inbox, mail, unb, log, self._ask_turn, added, zombie, rules, clock)
        self._orders = OrderList(inbox, mail, log, asks, self._talks.ask, rules, added, wanted, self._handler.alert)
        self._catch_up.caught_up = self._orders.caught_up
        self._intake = PushIntake(inbox, unb, log, self._drift, self._catch_up, rules, wanted, added)

    # What the socket and the supervisor say.

    def take(self, push: Push, ack: Callable[[], None]) -> None:
        """Store what was pushed, then ack."""
        self._intake.take(push, ack)

    def odd_frame(self, raw: bytes) -> None:
        """Count a frame that is neither a push nor a response."""
        self._drift.met("frame", frame_class(raw), lambda: shape_of_bytes(raw[:MOST_HEAD]))
        self._changed()

    def connected(self, line: RpcChannel) -> None:
        """There is a registered connection."""
        self._connected.set()
        self._outbox.connected(line)
        self._catch_up.connected(line)
        self._orders.connected()
        self._talks.connected(line)

    def disconnected(self) -> None:
        """There is none any more."""
        self._outbox.disconnected()
        self._catch_up.disconnected()
        self._orders.disconnected()
        self._talks.disconnected()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings; another handler needs another worker."""
        self._settings = settings
        for part in (self._inbox, self._outbox, self._catch_up, self._orders, self._handler):
            part.apply(settings)

    def receive(self, message: AboutMessages) -> None:
        """Take what the supervisor says about messages."""
        if isinstance(message, Turn):
            self._catch_up.turn()
        elif isinstance(message, RenewHandler):
            self._handler.renew(message)
        elif isinstance(message, Uploaded):
            self._uploads.heard(message)
        elif isinstance(message, Answered):
            self._asks.heard(message)
        else:
            self._requests.ask(message)

    def figures(self) -> MailFigures:
        """Return how the messages are."""
        counts = self._inbox.counts
        trouble = self._handler.trouble
        return MailFigures(
            stored=counts.stored,
            waiting=counts.waiting,
            dead=counts.dead,
            unsent=counts.unsent,
            recovered=self._catch_up.recovered,
            zombies=self._catch_up.zombies,
            strange=dict(self._drift.counts),
            last=self._last,
            trouble=None if self._inbox.trouble is None else self._inbox.trouble.cleaned(cut),
            inbox_note=None if self._inbox.note is None else self._inbox.note.cleaned(cut),
            handler_stale=self._handler.stale,
            handler_trouble=None if trouble is None else trouble.cleaned(cut),
            bounded=self._handler.bounded,
        )

    @property
    def trouble(self) -> Reason | None:
        """Why messages can't be stored; None = all is well."""
        return self._inbox.trouble

    # The life.

    def start(self, failed: Callable[[], None]) -> None:
        """Begin to work; `failed` is called when a program error in a part ended all."""
        self._life = asyncio.create_task(self._run())
        self._life.add_done_callback(lambda life: None if life.cancelled() else failed())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._catch_up.run())
            tasks.create_task(self._intake.run())
            tasks.create_task(self._requests.run())
            tasks.create_task(self._orders.run())
            await self._first_moment()
            tasks.create_task(self._handler.run())
            if self._inbox.exists():
                self._wanted.set()
            await self._wanted.wait()
            tasks.create_task(self._outbox.run())

    async def pause(self) -> None:
        """Send nothing more on this connection, and wait for what is on its way."""
        await asyncio.gather(self._outbox.rest(), self._talks.rest())

    async def rest(self) -> None:
        """Begin nothing more, for the end comes, and wait for what is on its way."""
        self._handler.rest()
        await self.pause()

    async def end(self, within: float) -> None:
        """
        End the handler and the inbox; what was taken in is on disk then, unless the disk refuses.

        Args:
            within: Seconds that this may take.

        Raises:
            Exception: the program error that ended all before.
        """
        assert self._life is not None
        end = time.monotonic() + within
        self._life.cancel()
        await asyncio.wait((self._life,), timeout=max(within - LAST_WRITES, within / 2))
        await self._inbox.close(max(0.0, end - time.monotonic()))
        await asyncio.wait((self._life,), timeout=max(0.0, end - time.monotonic()))
        if self._life.done() and not self._life.cancelled():
            self._life.result()

    async def _first_moment(self) -> None:
        """Wait for the first message, or until some moment after the first connection."""
        await self._connected.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(*FIRST_LOOK)):
                await self._wanted.wait()

    # Messages.

    def _added(self, added: Added) -> None:
        for each in added.unfit:
            self._drift.met("unstored", each.error, functools.partial(str, each.shape))
            line = log_texts.MESSAGE_UNFIT if each.kept else log_texts.MESSAGE_LOST
            self._log.say(line, error=each.error, at=each.at, shape=each.shape)
        self._handler.added(added)
        if added.rows:
            self._orders.heard(added.rows)
            self._wanted.set()
            self._last = time.time()
            self._changed()

    def _inbox_changed(self) -> None:
        if self._inbox.losses != self._losses:
            self._losses = self._inbox.losses
            self._catch_up.lost()
            self._outbox.lost()
        self._changed()

    def _look_again(self) -> None:
        self._handler.wake()

    def _ask_turn(self) -> None:
        self._send(CatchUpRequest())
