"""Gets tickets from the supervisor: the permission to dial, and the token to register with. Shell.

Fails open: a supervisor that answers nothing at all must not keep an account off the air that has a token in hand
(docs/decisions.md, tickets).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from xyfleet.worker.causes import ConnectionLost
from xyfleet.worker.clock import Timing
from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.ipc.messages import Queued, Refusal, Ticket, TicketRequest
from xyfleet.worker.reasons import Reason
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog


class TicketClient:
    """Holds the latest ticket, and asks for the next one."""

    def __init__(
        self,
        send: Callable[[TicketRequest], None],
        wakeup: InterruptibleWait,
        pace: Timing,
        log: AccountLog,
        carried: Ticket | None,
    ) -> None:
        self._send = send
        self._wakeup = wakeup
        self._pace = pace
        self._log = log
        self._request = 0
        self._carried = carried
        self._hand: Ticket | None = None
        self._void = False
        self._asking = False
        self._answer: Ticket | Refusal | None = None
        self._heard = 0.0
        self._queued: Reason | None = None
        self._queue_said = False
        self._tell_queued: Callable[[Reason | None], None] = lambda why: None
        self._opened = float("-inf")
        if carried is not None:
            self._keep(carried)

    def take(self, message: Ticket | Queued | Refusal) -> None:
        """Take what the supervisor says; an answer to an older request at most brings a newer token."""
        self._heard = time.monotonic()
        if isinstance(message, Ticket):
            self._keep(message)
        if message.request != self._request:
            return
        if isinstance(message, Queued):
            self._say_queued(message.why)
        else:
            self._answer = message
        self._wakeup.ring()

    def void(self) -> None:
        """Never use the token in hand again; a request that is on its way is replaced by one that says so."""
        self._void = self._hand is not None
        self._carried = None
        if self._asking:
            self._answer = None
            self._ask()

    async def get(
        self, delay: float, *, patient: bool = True, queued: Callable[[Reason | None], None] = lambda why: None
    ) -> Ticket | None:
        """
        Return a ticket: the one that the process carried, one from the supervisor, or, when it answers nothing at
        all, the one in hand once more.

        Args:
            delay: The wait before this attempt; an attempt without permission waits as long again.
            patient: Whether to go on waiting when the supervisor is silent and there is no token to use; else None
                is returned.
            queued: Called with the reason when the supervisor says that it will take a while.

        Raises:
            ConnectionLost: the supervisor refused.
            Stopped: it is time to leave.
        """
        carried, self._carried = self._carried, None
        if carried is not None:
            return carried
        self._answer = None
        self._heard = time.monotonic()
        self._asking = True
        self._tell_queued = queued
        self._ask()
        try:
            return await self._wait(delay, patient)
        finally:
            self._asking = False
            self._tell_queued = lambda why: None

    async def _wait(self, delay: float, patient: bool) -> Ticket | None:
        while self._answer is None:
            usable = None if self._void else self._hand
            end = self._opens(delay) if usable is not None else self._heard + self._pace.answer_timeout
            left = end - time.monotonic()
            if left > 0:
                await self._wakeup.wait(left)
            elif usable is not None:
                return self._open(usable)
            elif patient:
                await self._ask_again()
            else:
                return None
        if isinstance(self._answer, Refusal):
            raise ConnectionLost(self._answer.cause, self._answer.reason)
        return self._answer

    async def _ask_again(self) -> None:
        left = self._heard + self._pace.ask_again - time.monotonic()
        if left > 0:
            await self._wakeup.wait(left)
        else:
            self._heard = time.monotonic()
            self._send_request()

    def _opens(self, delay: float) -> float:
        """Return when a silent supervisor is no longer waited for."""
        return max(self._heard + self._pace.answer_timeout + delay, self._opened + self._pace.fail_open_every)

    def _open(self, hand: Ticket) -> Ticket:
        self._opened = time.monotonic()
        self._log.say(log_texts.TICKET_MISSING)
        return msgspec.structs.replace(hand, fresh=False)

    def _say_queued(self, why: Reason | None) -> None:
        if why != self._queued or not self._queue_said:
            self._log.say(log_texts.TICKET_QUEUED, reason=None if why is None else str(why))
        self._queued, self._queue_said = why, True
        self._tell_queued(why)

    def _ask(self) -> None:
        self._request += 1
        self._queue_said = False
        self._send_request()

    def _send_request(self) -> None:
        stale = self._hand.serial if self._hand is not None and self._void else None
        self._send(TicketRequest(request=self._request, stale=stale))

    def _keep(self, ticket: Ticket) -> None:
        if self._hand is None or ticket.serial > self._hand.serial:
            self._hand = ticket
            self._void = False
            self._log.hide(ticket.token)
