"""An account's handler in its worker: what it hears of, and what it may do beside answering. Shell."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from xyfleet.worker.clock import ServerClock
from xyfleet.worker.fleet_users import FleetUsers
from xyfleet.worker.handlers.alerts import Alerts
from xyfleet.worker.handlers.api import HandlerPorts, Question
from xyfleet.worker.handlers.base import Handler, HandOver
from xyfleet.worker.handlers.dispatcher import Dispatcher
from xyfleet.worker.handlers.outgoing_words import word_in
from xyfleet.worker.handlers.python import PythonHandler, Renewal
from xyfleet.worker.handlers.webhook import WebhookHandler
from xyfleet.worker.ipc.messages import HandlerRenewed, RenewHandler, Told, Up
from xyfleet.worker.messaging.order_list import lists_orders
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.messaging.talks import TalkDesk
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.results import Added, HandlerRules
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.text import cut


class HandlerDesk:
    """
    One account's handler, or none.

    Args:
        account: Its name.
        ask: Asks the platform.
        send: Writes to the supervisor.
        changed: Called when a figure changed.
        stuck: Called with the reason when a handler blocks for good, so that only a new process helps.
        used: Called when the handler is about to use the outbox.
    """

    def __init__(
        self,
        inbox: AsyncStore,
        outbox: OutboxSender,
        talks: TalkDesk,
        settings: MailSettings,
        account: str,
        log: AccountLog,
        clock: ServerClock,
        ask: Question,
        send: Callable[[Up], None],
        changed: Callable[[], None],
        stuck: Callable[[Reason], None],
        used: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._log = log
        self._send = send
        self._changed = changed
        self._used = used
        self._users = FleetUsers(settings.users)
        self._alerts = Alerts()
        self._told = itertools.count(1)
        ports = HandlerPorts(self._answer_later, ask, talks.ask, self.alert)
        self._handler = self._make(account, ports, stuck)
        self._dispatcher: Dispatcher | None = None
        if self._handler is not None:
            self._dispatcher = Dispatcher(
                inbox,
                self._handler,
                settings,
                log,
                changed,
                outbox.wake,
                clock.time,
                handed_over=self._tell_handed_over,
                alert=self.alert,
            )

    @property
    def trouble(self) -> Reason | None:
        """Why the handler can't be called, for people."""
        return None if self._handler is None else self._handler.trouble

    @property
    def stale(self) -> str | None:
        """A file of the handler's that is not what was loaded."""
        return self._handler.stale if isinstance(self._handler, PythonHandler) else None

    @property
    def bounded(self) -> str | None:
        """A conversation that is left to a person because it had too many automatic messages; the latest."""
        return None if self._dispatcher is None else self._dispatcher.bounded

    def rules(self, found: Sequence[IncomingItem]) -> HandlerRules:
        """Return what the inbox needs to know to take these messages in."""
        settings = self._settings
        return HandlerRules(
            handler=self._handler is not None,
            max_age=int(settings.reply_max_age * 1000),
            takeover=int(settings.takeover_pause * 1000),
            groups=settings.answer_groups,
            orders=lists_orders(settings),
            fleet=() if settings.answer_fleet else self._users.among(each.sender for each in found if not each.own),
        )

    def added(self, added: Added) -> None:
        """Hear of messages that were stored."""
        if self._dispatcher is not None:
            self._dispatcher.added([*added.uncalled, *added.rows])

    def wake(self) -> None:
        """Old messages may wait again."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings; another handler needs another worker."""
        self._settings = settings
        if self._dispatcher is not None:
            self._dispatcher.apply(settings)
        if isinstance(self._handler, PythonHandler):
            self._handler.apply(settings)

    def renew(self, asked: RenewHandler) -> None:
        """Have the handler loaded anew if its files changed, or only looked at, and tell what came of it."""
        request = asked.request
        if not isinstance(self._handler, PythonHandler):
            self._send(HandlerRenewed(request=request, renewed=False))
            return

        def tell(renewal: asyncio.Task[Renewal]) -> None:
            if not renewal.cancelled():
                done = renewal.result()
                trouble = None if done.trouble is None else done.trouble.cleaned(cut)
                answer = HandlerRenewed(request=request, renewed=done.renewed, trouble=trouble, stale=done.stale)
                self._send(answer)

        job = self._handler.look() if asked.only_look else self._handler.renew(only_stale=True)
        job.add_done_callback(tell)

    def rest(self) -> None:
        """Begin no call from now on."""
        if self._dispatcher is not None:
            self._dispatcher.rest()

    async def run(self) -> None:
        """Call the handler until cancelled."""
        if self._dispatcher is not None:
            await self._dispatcher.run()

    def _make(self, account: str, ports: HandlerPorts, stuck: Callable[[Reason], None]) -> Handler | None:
        settings = self._settings
        if settings.handler is not None:
            return PythonHandler(settings, account, ports, self._log, self._changed, stuck)
        if settings.webhook is not None:
            return WebhookHandler(
                settings.webhook, (settings.fleet, account), self._changed, folder=settings.handler_path
            )
        return None

    # What it does beside answering.

    async def _answer_later(self, conversation: str, text: str, image: str | None) -> bool:
        """Send for a handler; return whether it was taken. Raises ValueError for what no automatic message may hold."""
        if (word := word_in([text], self._settings.outgoing_block)) is not None:
            raise ValueError(f"account.send() got a text that holds {word!r} (outgoing_block)")
        self._used()
        return (await self._outbox.queue(conversation, text, None, automatic=True, image=image)).letter is not None

    def _tell_handed_over(self, conversation: str, hand_over: HandOver) -> None:
        self._send(
            Told(
                number=next(self._told),
                kind="handed_over",
                text=hand_over.why,
                conversation=conversation,
                minutes=hand_over.minutes,
            )
        )

    def alert(self, text: str) -> None:
        """Tell a person, not too often."""
        if self._alerts.may(text, time.monotonic()):
            self._send(Told(number=next(self._told), kind="handler_alert", text=cut(text)))
