"""Runs a session; when it refuses a token that is not fresh, another one with a new token, once. Shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from xyfleet.worker.connection.pause import DialPause
from xyfleet.worker.connection.session import TokenRefused
from xyfleet.worker.connection.tickets import TicketClient
from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.ipc.messages import Ticket
from xyfleet.worker.reasons import Reason


class TokenRenewal:
    """
    One account's.

    Args:
        run: Runs a session with a ticket.
        waits: Called with the reason when the new token takes its time.
        goes_on: Called when that is over.
    """

    def __init__(
        self,
        desk: TicketClient,
        pause: DialPause,
        wakeup: InterruptibleWait,
        run: Callable[[Ticket], Awaitable[None]],
        waits: Callable[[Reason], None],
        goes_on: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._pause = pause
        self._wakeup = wakeup
        self._run = run
        self._waits = waits
        self._goes_on = goes_on

    async def connect(self, ticket: Ticket) -> None:
        """Live through one connection. Raises what ended it."""
        try:
            await self._run(ticket)
        except TokenRefused as refused:
            self._desk.void()
            if ticket.fresh:
                raise
            await self._run(await self._renewed(refused))

    async def _renewed(self, refused: TokenRefused) -> Ticket:
        """
        Return a ticket with a new token. That may take hours, in which nothing is dialled: then the attempt is over.

        That a token is old is no failure, and nothing that others should take for a trouble of logins: no cause.
        """
        over = False

        def queued(why: Reason | None) -> None:
            nonlocal over
            if not over:
                over = True
                self._waits(_renewing(refused.reason, why))

        try:
            renewed = await self._desk.get(0.0, patient=False, queued=queued)
            if renewed is None:
                raise refused
            await self._pause.keep_gap()
        finally:
            if over and not self._wakeup.stopping:
                self._goes_on()
        return renewed


def _renewing(refused: Reason, why: Reason | None) -> Reason:
    if why is None:
        return Reason("renewing", {"of": refused})
    return Reason("renewing_waits", {"of": refused, "why": why})
