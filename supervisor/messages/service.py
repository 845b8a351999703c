"""The messages of a fleet: what its workers say of theirs, and what they share for them. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.catch_up_queue import CatchUpQueue
from xyfleet.supervisor.messages.change_events import HandlerTroubles, MessageEvents, why
from xyfleet.supervisor.messages.followers import MessageFeed
from xyfleet.supervisor.messages.requests import MessageRequests
from xyfleet.supervisor.messages.talk_requests import TalkRequests
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.webhooks.process_manager import WebhookProcessManager
from xyfleet.supervisor.webhooks.protocol import table_of
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.figures import MailFigures
from xyfleet.worker.ipc.messages import CatchUpRequest, HandlerRenewed, Redone, Sent, TalkPiece
from xyfleet.worker.reasons import Reason


class MailService:
    """Hears the workers on messages, and owns what serves all accounts."""

    def __init__(
        self,
        settings: Settings,
        webhook_socket: Path,
        inbox: Callable[[str], Path],
        label: Callable[[str], str],
        events: EventLog,
        notes: MutableMapping[str, Text],
    ) -> None:
        """
        Args:
            inbox: Returns where an account's messages are; called in any thread.
        """
        self.post = MessageRequests()
        self.talks = TalkRequests()
        self.hub = MessageFeed(inbox, settings.fleet.state_dir)
        self.webhooks = WebhookProcessManager(webhook_socket, settings.fleet.name, notes)
        self.webhooks.apply(table_of(settings.accounts.values()))
        self._turns = CatchUpQueue(settings.fleet.catch_up_rate)
        self._label = label
        """Returns an account's label."""
        self._told: dict[str, MessageEvents] = {}
        """What was told of each account's messages so far, over the lives of its workers."""
        self._events = events
        self._troubles = HandlerTroubles()
        self._troubles_alarm: asyncio.TimerHandle | None = None

    def apply(self, settings: Settings) -> None:
        """Take new settings."""
        self._turns.apply(settings.fleet.catch_up_rate)
        self.webhooks.apply(table_of(settings.accounts.values()))

    def heard(self, child: WorkerProcess, message: Sent | Redone | HandlerRenewed | TalkPiece | CatchUpRequest) -> None:
        """A worker answers a request, or wants its turn to look for missed messages."""
        if isinstance(message, CatchUpRequest):
            self._turns.ask(child)
        elif isinstance(message, TalkPiece):
            self.talks.heard(child, message)
        else:
            self.post.heard(child, message)

    def reported(self, name: str, mail: MailFigures) -> None:
        """Put on record what is new of an account, and tell who follows the messages."""
        told = self._told.setdefault(name, MessageEvents())
        for event in told.take(mail):
            self._record(name, event.to, **event.facts)
        self._hear_of_handler(name, mail.handler_trouble)
        if told.changed(mail):
            self.hub.changed(name, mail.stored)

    def worker_gone(self, name: str, child: WorkerProcess) -> None:
        """Nothing more comes from this worker; the next one counts from zero."""
        self.post.gone(child)
        self.talks.gone(child)
        self._turns.gone(child)
        self._hear_of_handler(name, None)
        if name in self._told:
            self._told[name].worker_started()

    def forget(self, name: str) -> None:
        """The account is gone, or all that was stored about it is."""
        self._told.pop(name, None)

    def _record(self, name: str, to: str, **facts: Any) -> None:
        self._events.add("message", name, time=time.time(), label=self._label(name), new=to, **facts)

    def _hear_of_handler(self, name: str, trouble: Reason | None) -> None:
        """Remember why the account's handler can't be called; one event tells of all accounts that it hits."""
        self._troubles.take(name, trouble, time.monotonic())
        if trouble is not None and self._troubles_alarm is None:
            self._tell_troubles()

    def _tell_troubles(self) -> None:
        """Put the handlers' troubles on record that are due, and come back when others are."""
        now = time.monotonic()
        for reason, names in self._troubles.due(now):
            one = names[0] if len(names) == 1 else None
            self._events.add(
                "message",
                one,
                time=time.time(),
                label="" if one is None else self._label(one),
                new="handler_trouble",
                accounts=len(names),
                **why(reason),
            )
        due = self._troubles.next_due()
        self._troubles_alarm = None
        if due is not None:
            self._troubles_alarm = asyncio.get_running_loop().call_later(max(0.0, due - now), self._tell_troubles)
