"""What the fleet does for its accounts when their conditions ask for it, and when their workers speak. Shell."""

from __future__ import annotations

import logging
import time
from functools import partial

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.fleet_parts import FleetParts
from xyfleet.supervisor.supervision.past import past_of, same_past
from xyfleet.supervisor.supervision.tickets import ticket_of
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import (
    Apply,
    Ask,
    CatchUpRequest,
    Go,
    HandlerRenewed,
    Hello,
    Redone,
    Report,
    Sent,
    Strange,
    TalkPiece,
    TicketRequest,
    Told,
    Up,
    UploadRequest,
)
from xyfleet.worker.process.build_id import build_id
from xyfleet.worker.states import State

log = logging.getLogger(__name__)


class AccountServices:
    """Serves the accounts with the fleet's parts."""

    def __init__(self, parts: FleetParts) -> None:
        self._parts = parts
        self._marker = build_id()

    def ports(self) -> FleetPorts:
        """Return what each account has done by these."""
        return FleetPorts(
            rules=self._parts.rules,
            go=self._go,
            carry_out=self._carry_out,
            stands=self._stands,
            failed=self._failed,
            heard=self._heard,
            changed=self._changed,
            gone=self._gone,
        )

    def brief(self, member: SupervisedAccount) -> None:
        """Tell a live worker its settings as they are now."""
        if member.child is not None:
            member.child.send(Apply(settings=self._parts.brief_of(member)))

    # What a condition asks for.

    def _carry_out(self, member: SupervisedAccount, action: Action) -> None:
        """Do what an account's condition asks for."""
        match action:
            case do.Queue():
                self._queue_start(member)
            case do.Unqueue():
                self._parts.launcher.remove(member.slot)
            case do.Brief():
                self.brief(member)
            case do.AskHook(number, cause):
                self._parts.logins.ask(member, number, cause)
            case do.CancelHook():
                self._parts.logins.cancel(member.name)
            case do.CancelTicket():
                self._parts.desk.cancel(member.name)
                if not member.wanted:
                    self._parts.tokens.unwanted(member.name)
            case do.VoidToken():
                self._parts.tokens.void(member.name)
            case do.ForgiveToken():
                self._parts.tokens.forgive(member.name)
                self._parts.forget_person(member.name)
            case do.Note(kind, to, why, reason, cause):
                self._parts.record.account(member, kind, to, why=why, reason=reason, cause=cause)

    def _queue_start(self, member: SupervisedAccount) -> None:
        """Start the account's worker when its dial's turn comes; without a token it has to ask first anyway."""
        self._parts.users.take(member, lambda: self._parts.launcher.put(member.slot, partial(self._start_turn, member)))

    async def _start_turn(self, member: SupervisedAccount) -> None:
        if self._token_at_hand(member):
            await self._parts.desk.dial_turn(member)

    def _go(self, member: SupervisedAccount) -> Go:
        token = self._parts.tokens.held(member.name) if self._token_at_hand(member) else None
        return Go(settings=self._parts.brief_of(member), ticket=None if token is None else ticket_of(token, 0))

    def _token_at_hand(self, member: SupervisedAccount) -> bool:
        return not self._parts.recovery.holds(member) and self._parts.tokens.held(member.name) is not None

    # What becomes of an account.

    def _stands(self, member: SupervisedAccount) -> None:
        """An account's condition changed: its user is free for another name when there is nothing left of it."""
        it = member.condition
        self._parts.free_user(member)
        if it.wish is not Wish.REMOVED and not same_past(it, member.remembered):
            held = self._parts.store.get(member.name)
            past = past_of(it, time.monotonic(), time.time())
            self._parts.store.put(self._parts.store.key(member.name), held.but(past=past))
        member.remembered = it
        self._parts.recovery.stands(member)

    def _changed(self, member: SupervisedAccount, change: Change) -> None:
        self._parts.record.state(member, change)
        if change.new is State.CONNECTED:
            self._parts.forget_person(member.name)

    def _failed(self, member: SupervisedAccount, event: Event) -> None:
        """Let the account's condition know that it is FAILED, once it is clear whose trouble that is."""
        self._parts.jobs.run(self._look_and_tell(member, event))

    async def _look_and_tell(self, member: SupervisedAccount, event: Event) -> None:
        child = member.child
        await self._parts.recovery.look_whose_trouble(member, event.cause or Cause.BUG)
        if member.child is child and member.state is State.FAILED:
            self._parts.recovery.up_to_date(member)
            member.failed_again = True
            member.happened(event)

    # What workers say.

    def _heard(self, member: SupervisedAccount, child: WorkerProcess, message: Up) -> None:
        """A worker says something that is not about its connection's state, or a whole report."""
        match message:
            case TicketRequest():
                self._parts.desk.ask(member, child, message)
            case Hello():
                self._check_marker(member, message.marker, message.imported)
            case Report():
                self._parts.mail.reported(member.name, message.mail)
                self._hear_of_clock(message.clock)
            case UploadRequest():
                self._parts.jobs.run(self._parts.images.answer(member, child, message), child)
            case Ask():
                self._parts.jobs.run(self._parts.asks.answer(member, child, message), child)
            case Strange():
                self._parts.drift.heard(message.place, message.name, message.shape)
            case Told():
                self._parts.record.told(member, message)
            case Sent() | Redone() | HandlerRenewed() | TalkPiece() | CatchUpRequest():
                self._parts.mail.heard(child, message)

    def _gone(self, member: SupervisedAccount, child: WorkerProcess) -> None:
        """A worker is proven gone: what it asked for is nobody's, and the next one asks again."""
        self._parts.jobs.leave(child)
        self._parts.mail.worker_gone(member.name, child)

    def _hear_of_clock(self, ahead: float | None) -> None:
        """One event for the fleet: its accounts share the machine's clock."""
        if self._parts.clock.take(ahead, time.monotonic()):
            self._parts.record.clock(self._parts.clock.size())

    def _check_marker(self, member: SupervisedAccount, found: str, imported: list[str]) -> None:
        """Refuse workers of another program than ours: its files were changed under the live fleet."""
        if imported:
            log.debug("%s imported by itself: %s", member.name, ", ".join(imported))
        if found == self._marker:
            return
        if "program" not in self._parts.notes:
            text = N_("xyfleet's files were changed while it runs: no new worker is started; stop and start the fleet")
            self._parts.notes["program"] = Text(text)
            log.error("%s", self._parts.notes["program"].say("en"))
        self._parts.launcher.closed = True
        member.happened(Event(kind=Kind.FOREIGN))
