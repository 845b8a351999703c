"""The running fleet: its members and everything they share. Shell."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

import msgspec

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.credentials.fleet_document import CanaryTurn
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.messages.service import MailService
from xyfleet.supervisor.settings import Account, Settings
from xyfleet.supervisor.settings import Fleet as FleetSettings
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account import FleetPorts, Settled, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish, Worker
from xyfleet.supervisor.supervision.account_users import AccountUsers
from xyfleet.supervisor.supervision.drift import FleetDrift
from xyfleet.supervisor.supervision.event_record import EventRecord
from xyfleet.supervisor.supervision.image_uploads import ImageUploads
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.logins import Logins
from xyfleet.supervisor.supervision.machine_clock import MachineClock
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.past import past_of, restored, same_past
from xyfleet.supervisor.supervision.qr_logins import QrLogins
from xyfleet.supervisor.supervision.renewals import Renewals
from xyfleet.supervisor.supervision.restart_policy import RestartRules, restart_rules
from xyfleet.supervisor.supervision.tickets import TicketIssuer, ticket_of
from xyfleet.supervisor.supervision.worker_briefs import WorkerBriefs
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_queue import StartQueue
from xyfleet.supervisor.workers.watchdog import HangWatchdog
from xyfleet.supervisor.workers.worker_config import Gateway, gateway_of
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import (
    Apply,
    CatchUpRequest,
    Change,
    Go,
    Hello,
    Redone,
    Report,
    Sent,
    Strange,
    TicketRequest,
    Up,
    UploadRequest,
)
from xyfleet.worker.process.build_id import build_id
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.states import State

log = logging.getLogger(__name__)


class Fleet:
    """Owns the accounts; what their conditions ask for is done here or passed on to who can."""

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        *,
        forkserver: Forkserver,
        store: Store,
        events: EventLog,
        tokens: TokenService,
        hooks: HookService,
        verbose: bool,
        webhook_socket: Path,
        user_locks: Path | None = None,
    ) -> None:
        """
        Args:
            user_locks: The folder in which fleets of this machine lock their users; None: they do not.
        """
        self.settings = settings
        self.gateway = gateway
        self.store = store
        self.events = events
        self.tokens = tokens
        self.drift = FleetDrift()
        tokens.strange = self.drift.answered
        self.hooks = hooks
        self.members: dict[str, SupervisedAccount] = {}
        self.jobs = Jobs()
        self.record = EventRecord(events, self._label)
        self.users = AccountUsers(store, settings.fleet.state_dir, user_locks, lambda: self.settings.fleet.endpoint)
        self._ports = self._account_ports()
        self.notes: dict[str, Text] = {}
        """What a person should know, by topic."""
        self.recovery = OutageRecovery(self.members, self._probe, self.record.outage, tokens.hurry, self._keep_canaries)
        self._remember_canaries()
        self.desk = TicketIssuer(tokens, self.recovery, settings.fleet, self.jobs.run)
        self.logins = Logins(
            self.members,
            store,
            tokens,
            hooks,
            lambda: self.gateway.endpoint,
            self.jobs.run,
            self.recovery.up_to_date,
            self.recovery.pass_doubt,
            self.users.lock_for_login,
        )
        self.qr = QrLogins(self.members, store, tokens, self.users.lock_for_login, self._free_user)
        self.renewals = Renewals(self.members, store, tokens, self._login_troubled, self.record.account)
        self.images = ImageUploads(store, tokens, self._login_troubled)
        self.watch = HangWatchdog(self._slots, lambda: self.settings.fleet.hang_timeout)
        self.launcher = StartQueue(forkserver, self._slots)
        self.clock = MachineClock()
        self.mail = MailService(settings, webhook_socket, self.store.inbox, self._label, events, self.notes)
        self._briefs = WorkerBriefs(store, self.users, self.mail.hub.known_row, webhook_socket, verbose=verbose)
        self._marker = build_id()

    # Members come and go.

    def enlist(self, account: Account) -> SupervisedAccount:
        """Take an account in, without starting it yet."""
        stop = self.store.stopped(account.name)
        self.logins.adopt(account)
        held = self.store.get(account.name)
        self.users.learn(account.name, held.unb)
        wish = Wish.DISABLED if not account.enabled else Wish.RUN if stop is None else Wish.STOPPED
        condition = Condition(wish=wish, user=held.device_id is not None)
        if held.needs_human:
            condition = msgspec.structs.replace(condition, login=Login.PERSON, person="hook_says")
        condition = restored(condition, held.past, time.monotonic(), time.time(), self._rules())
        member = SupervisedAccount(account, condition, self._ports)
        if stop is not None:
            member.stopped_by = f"{stop.by} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(stop.at))}"
        self.members[account.name] = member
        return member

    def begin(self, member: SupervisedAccount) -> None:
        """Have an account that was just taken in do what is wanted of it."""
        faults = member.faults
        self.recovery.moved(member)
        member.begin()
        if member.faults == faults:
            member.settled = Settled(member.account, self.settings.fleet)

    def discharge(self, member: SupervisedAccount) -> None:
        """Forget a removed account; its worker is gone by now, its state stays on disk."""
        self.users.drop(member)
        self.desk.cancel(member.name)
        self.logins.cancel(member.name)
        self.tokens.hurry_account(member.name)
        self.mail.forget(member.name)
        self.store.forget(member.name)
        del self.members[member.name]
        self.drift.forget(member.name)
        self.recovery.leave(member.name)  # last: it asks whether there is such an account still

    def apply(self, settings: Settings) -> None:
        """Take new settings; accounts that differ are the caller's part."""
        self.settings = settings
        if settings.fleet.simulator is None:
            self.gateway = gateway_of(settings.fleet)
            self.tokens.url = self.gateway.token_url
        self.desk.apply(settings.fleet)
        self.tokens.apply(token_limits(settings.fleet))
        self.hooks.settings = settings.refresh
        self.mail.apply(settings)

    def brief(self, member: SupervisedAccount) -> None:
        """Tell a live worker its settings as they are now."""
        if member.child is not None:
            member.child.send(Apply(settings=self._brief(member)))

    # What accounts have done.

    def _account_ports(self) -> FleetPorts:
        return FleetPorts(
            rules=self._rules,
            go=self._go,
            carry_out=self.carry_out,
            stands=self._stands,
            failed=self.failed,
            heard=self.heard,
            changed=self._changed,
            gone=lambda member, child: self.mail.worker_gone(member.name, child),
        )

    def _stands(self, member: SupervisedAccount) -> None:
        """An account's condition changed: its user is free for another name when there is nothing left of it."""
        it = member.condition
        self._free_user(member)
        if it.wish is not Wish.REMOVED and not same_past(it, member.remembered):
            held = self.store.get(member.name)
            past = past_of(it, time.monotonic(), time.time())
            self.store.put(self.store.key(member.name), held.but(past=past))
        member.remembered = it
        self.recovery.stands(member)

    def _login_troubled(self, member: SupervisedAccount) -> bool:
        """Whether an outage holds an account's calls back, or a login by code is under way for it."""
        return any(self.recovery.gates(member)) or member.name in self.qr.running

    def _free_user(self, member: SupervisedAccount) -> None:
        """Leave its user to another name if neither a worker nor a login of the account needs him."""
        it = member.condition
        logs_in = it.login is Login.HOOK_RUNNING or it.waits_for == "place" or member.name in self.qr.running
        if it.worker is Worker.NONE and not logs_in:
            self.users.leave(member)

    def carry_out(self, member: SupervisedAccount, action: Action) -> None:
        """Do what an account's condition asks for."""
        match action:
            case do.Queue():
                self._queue_start(member)
            case do.Unqueue():
                self.launcher.remove(member.slot)
            case do.Brief():
                self.brief(member)
            case do.AskHook(number, cause):
                self.logins.ask(member, number, cause)
            case do.CancelHook():
                self.logins.cancel(member.name)
            case do.CancelTicket():
                self.desk.cancel(member.name)
                if not member.wanted:
                    self.tokens.unwanted(member.name)
            case do.VoidToken():
                self.tokens.void(member.name)
            case do.ForgiveToken():
                self.tokens.forgive(member.name)
                self.forget_person(member.name)
            case do.Note(kind, to, why, reason, cause):
                self.record.account(member, kind, to, why=why, reason=reason, cause=cause)

    def heard(self, member: SupervisedAccount, child: WorkerProcess, message: Up) -> None:
        """A worker says something that is not about its connection's state, or a whole report."""
        match message:
            case TicketRequest():
                self.desk.ask(member, child, message)
            case Hello():
                self._check_marker(member, message.marker, message.imported)
            case Report():
                self.mail.reported(member.name, message.mail)
                self._hear_of_clock(message.clock)
            case UploadRequest():
                self.jobs.run(self.images.answer(member, child, message))
            case Strange():
                self.drift.heard(message.place, message.name, message.shape)
            case Sent() | Redone() | CatchUpRequest():
                self.mail.heard(child, message)

    def _hear_of_clock(self, ahead: float | None) -> None:
        """One event for the fleet: its accounts share the machine's clock."""
        if self.clock.take(ahead, time.monotonic()):
            self.record.clock(self.clock.size())

    def _queue_start(self, member: SupervisedAccount) -> None:
        """Start the account's worker when its dial's turn comes; without a token it has to ask first anyway."""
        self.users.take(member, lambda: self.launcher.put(member.slot, partial(self._start_turn, member)))

    async def _start_turn(self, member: SupervisedAccount) -> None:
        if self._token_at_hand(member):
            await self.desk.dial_turn(member)

    def waits(self) -> dict[str, Reason]:
        """Return what each account waits for now that waits for a turn or a place."""
        starts = self.launcher.places()
        waits = {name: Reason("wait_start", {"turn": place + 1}) for name, place in starts.items() if place}
        waits |= {m.name: Reason("wait_user", {"name": other.name}) for m, other in self.users.waiting()}
        for member in self.members.values():
            if member.report is not None and member.report.user_elsewhere:
                waits[member.name] = Reason("wait_other_fleet")
        return waits | self.recovery.waits() | self.hooks.waits() | self.desk.waits() | self.tokens.waits()

    def tidy(self) -> None:
        """Forget the ways out, proxies' passwords with them, that no account goes any more."""
        proxies = {member.account.proxy for member in self.members.values()}
        self.desk.keep(proxies)
        self.tokens.keep(proxies)

    def _changed(self, member: SupervisedAccount, change: Change) -> None:
        self.record.state(member, change)
        if change.new is State.CONNECTED:
            self.forget_person(member.name)

    def forget_person(self, name: str) -> None:
        """Forget whatever the login hook said of a person once: the account connects, or is to try again."""
        held = self.store.get(name)
        if held.needs_human:
            self.store.put(self.store.key(name), held.but(needs_human=False))

    def failed(self, member: SupervisedAccount, event: Event) -> None:
        """Let the account's condition know that it is FAILED, once it is clear whose trouble that is."""
        self.jobs.run(self._look_and_tell(member, event))

    async def _look_and_tell(self, member: SupervisedAccount, event: Event) -> None:
        child = member.child
        await self.recovery.look_whose_trouble(member, event.cause or Cause.BUG)
        if member.child is child and member.state is State.FAILED:
            self.recovery.up_to_date(member)
            member.failed_again = True
            member.happened(event)

    def _check_marker(self, member: SupervisedAccount, found: str, imported: list[str]) -> None:
        """Refuse workers of another program than ours: its files were changed under the live fleet."""
        if imported:
            log.debug("%s imported by itself: %s", member.name, ", ".join(imported))
        if found == self._marker:
            return
        if "program" not in self.notes:
            text = N_("xyfleet's files were changed while it runs: no new worker is started; stop and start the fleet")
            self.notes["program"] = Text(text)
            log.error("%s", self.notes["program"].say("en"))
        self.launcher.closed = True
        member.happened(Event(kind=Kind.FOREIGN))

    # The inside.

    def _remember_canaries(self) -> None:
        shift = time.time() - time.monotonic()
        for scope, turn in self.store.canaries().items():
            self.recovery.watch.remember(scope, turn.at - shift, turn.wait, time.monotonic())

    def _keep_canaries(self) -> None:
        shift = time.time() - time.monotonic()
        turns = self.recovery.watch.turns().items()
        self.store.keep_canaries({scope: CanaryTurn(at=at + shift, wait=wait) for scope, (at, wait) in turns})

    async def let_go(self, name: str) -> None:
        """End what is under way for an account, so that nothing about it is written any more."""
        self.logins.cancel(name)
        await self.desk.end(name)

    def note_forgotten(self, name: str, by: str) -> None:
        """Put on record that an account's files were deleted."""
        self.recovery.leave(name)
        self.mail.forget(name)
        self.record.forgotten(name, by)

    async def stop_all(self) -> None:
        """End every worker politely and wait until all are gone; nothing that was asked for goes on."""
        self.launcher.closed = True
        members = list(self.members.values())
        for member in members:
            member.happened(Event(kind=Kind.REMOVED))
        self.jobs.cancel_all()
        for member in members:
            await member.slot.wait_gone()
        await self.jobs.wait_ended()

    def kill_all(self) -> None:
        """End every worker at once."""
        for member in self.members.values():
            member.slot.kill("operator")

    def _token_at_hand(self, member: SupervisedAccount) -> bool:
        return not self.recovery.holds(member) and self.tokens.held(member.name) is not None

    def _go(self, member: SupervisedAccount) -> Go:
        token = self.tokens.held(member.name) if self._token_at_hand(member) else None
        return Go(settings=self._brief(member), ticket=None if token is None else ticket_of(token, 0))

    def _slots(self) -> list[WorkerSlot]:
        return [member.slot for member in self.members.values()]

    def _brief(self, member: SupervisedAccount) -> WorkerSettings:
        return self._briefs.settings(member, self.settings, self.gateway)

    def _label(self, name: str) -> str:
        member = self.members.get(name)
        return "" if member is None else member.account.label

    def _rules(self) -> RestartRules:
        return restart_rules(self.settings)

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return await self.tokens.probe(self.gateway.endpoint, proxy)


def token_limits(fleet: FleetSettings) -> TokenLimits:
    """Return how often tokens may be asked for."""
    return TokenLimits(rate=fleet.token_rate, over_fleet=fleet.fleet_rate.token_calls)
