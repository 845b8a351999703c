"""Where workers get their tickets: permission to dial, and a token. Shell.

The rule: a request is answered at once, with the ticket, with a refusal and its cause, or with "queued", repeated
until there is one of the others (docs/decisions.md, "Tickets").
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, TypeAlias

from xyfleet.supervisor.common.turns import EgressTurns
from xyfleet.supervisor.settings import Account, Fleet
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Worker
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.tokens.token_values import HeldBack, Token, TokenAccount, TokenRefused
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Queued, Refusal, Ticket, TicketRequest
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.text import cut

FIRST_WORD: Final = 0.5
"""Seconds after which a request that is still open gets its first "queued"."""
SAY_AGAIN: Final = 5.0
"""Seconds between two of them."""
DIAL_GAP: Final = 1.0
"""Least seconds between two dials of an account, over the lives of its workers too (docs/heartbeat.md, rule 8)."""

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

log = logging.getLogger(__name__)


class TicketIssuer:
    """Gives tickets out, paced per egress and over the fleet."""

    def __init__(self, tokens: TokenService, recovery: OutageRecovery, fleet: Fleet, run: Run) -> None:
        """
        Args:
            run: Runs a job beside the loop.
        """
        self._tokens = tokens
        self._recovery = recovery
        self._dials = EgressTurns(fleet.connect_rate, fleet.fleet_rate.dials)
        self._last_dial: dict[str, float] = {}
        self._run = run
        self._asking: dict[str, asyncio.Task[None]] = {}

    def apply(self, fleet: Fleet) -> None:
        """Take another pace from now on, for those who wait too."""
        self._dials.pace(fleet.connect_rate, fleet.fleet_rate.dials)

    def keep(self, proxies: Collection[Secret | None]) -> None:
        """Forget ways out that no account goes any more, and dials that hold nobody back any more."""
        self._dials.keep(proxies)
        since = time.monotonic() - DIAL_GAP
        self._last_dial = {name: at for name, at in self._last_dial.items() if at > since}

    def waits(self) -> dict[str, Reason]:
        """Return what each account waits for now that waits for its dial's turn."""
        return {
            name: Reason("wait_dial", {"turn": place.before + 1, "seconds": place.seconds or 0.0})
            for name, place in self._dials.places().items()
        }

    async def dial_turn(self, member: SupervisedAccount) -> None:
        """Return when the account may dial."""
        gap = self._last_dial.get(member.name, float("-inf")) + DIAL_GAP - time.monotonic()
        if gap > 0:
            await asyncio.sleep(gap)
        await self._dials.take(member.account.proxy, member.name)
        self._last_dial[member.name] = time.monotonic()

    def ask(self, member: SupervisedAccount, child: WorkerProcess, request: TicketRequest) -> None:
        """
        Get a ticket, or a refusal, and send it; a newer request replaces an older one.

        A worker that is on its way out gets none: nobody would end what is done for it, a token call above all.
        """
        if member.condition.worker is Worker.LIVE:
            self.cancel(member.name)
            self._asking[member.name] = self._run(self.answer(member, child, request))

    def cancel(self, name: str) -> None:
        """End what is under way for an account's request."""
        job = self._asking.pop(name, None)
        if job is not None:
            job.cancel()

    async def end(self, name: str) -> None:
        """Cancel it, and return when it is gone."""
        job = self._asking.get(name)
        self.cancel(name)
        if job is not None:
            await asyncio.wait([job])

    async def answer(self, member: SupervisedAccount, child: WorkerProcess, request: TicketRequest) -> None:
        """Answer one request, whatever goes wrong. Cancel it when the worker is gone or asks anew."""
        talk = asyncio.ensure_future(self._say_queued(child, request))
        try:
            child.send(await self._ticket(member, child, request))
        except TokenRefused as refused:
            child.send(Refusal(request=request.request, cause=refused.cause, reason=refused.reason.cleaned(cut)))
        except Exception as error:
            log.exception("fault while a ticket was made account=%s", member.name)
            reason = Reason("fault_in_supervisor", {"words": type(error).__name__})
            child.send(Refusal(request=request.request, cause=Cause.BUG, reason=reason))
        finally:
            talk.cancel()

    async def _ticket(self, member: SupervisedAccount, child: WorkerProcess, request: TicketRequest) -> Ticket:
        def waits(why: Reason) -> None:
            child.send(Queued(request=request.request, why=why))

        def held_back() -> bool:
            return any(self._recovery.gates(member))

        turn = False
        while True:
            await self._recovery.pass_reach(member)
            if self._tokens.held(member.name, request.stale) is None:
                await self._recovery.pass_login(member)
            try:
                token = await self._tokens.get(token_account(member.account), request.stale, waits, held_back)
            except HeldBack:
                continue
            if token.fresh:
                self._recovery.token_given(member)
            if self._recovery.holds(member):
                turn = False
                await self._recovery.pass_reach(member)
            if not turn:
                # Only who passed the gate takes a turn: else all whose turn came meanwhile would dial at once.
                await self.dial_turn(member)
            # A token that did not live that long costs another call, but no other turn: it would end like this one.
            turn = not self._recovery.holds(member)
            if turn and self._tokens.held(member.name, request.stale) is not None:
                return ticket_of(token, request.request)

    async def _say_queued(self, child: WorkerProcess, request: TicketRequest) -> None:
        await asyncio.sleep(FIRST_WORD)
        while True:
            child.send(Queued(request=request.request))
            await asyncio.sleep(SAY_AGAIN)


def token_account(account: Account) -> TokenAccount:
    """Return what a token call needs to know of an account."""
    return TokenAccount(name=account.name, user_agent=account.next_identity().user_agent, proxy=account.proxy)


def ticket_of(token: Token, request: int) -> Ticket:
    """Return a token as the ticket for a request; 0 = the first one, which a new process carries."""
    return Ticket(request=request, serial=token.serial, token=token.text, fresh=token.fresh)
