"""What the accounts of a running fleet share: its parts, made and tied together. Shell."""

from __future__ import annotations

import time
from pathlib import Path

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.messages.service import MailService
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.supervision import outage_memory
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Worker
from xyfleet.supervisor.supervision.account_users import AccountUsers
from xyfleet.supervisor.supervision.drift import FleetDrift
from xyfleet.supervisor.supervision.event_record import EventRecord
from xyfleet.supervisor.supervision.image_uploads import ImageUploads
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.logins import Logins
from xyfleet.supervisor.supervision.machine_clock import MachineClock
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.platform_asks import PlatformAsks
from xyfleet.supervisor.supervision.qr_logins import QrLogins
from xyfleet.supervisor.supervision.renewals import Renewals
from xyfleet.supervisor.supervision.restart_policy import RestartRules, restart_rules
from xyfleet.supervisor.supervision.tickets import TicketIssuer
from xyfleet.supervisor.supervision.worker_briefs import WorkerBriefs
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_queue import StartQueue
from xyfleet.supervisor.workers.watchdog import HangWatchdog
from xyfleet.supervisor.workers.worker_config import Gateway
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings


class FleetParts:
    """The parts, and what they ask of one another."""

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
        tokens.answers.strange = self.drift.answered
        self.hooks = hooks
        self.members: dict[str, SupervisedAccount] = {}
        self.jobs = Jobs()
        self.record = EventRecord(events, self._label)
        self.users = AccountUsers(store, settings.fleet.state_dir, user_locks, lambda: self.settings.fleet.endpoint)
        self.notes: dict[str, Text] = {}
        """What a person should know, by topic."""
        self.recovery = OutageRecovery(self.members, self._probe, self.record.outage, tokens.hurry, self._keep_outages)
        self._restore_outages()
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
        self.qr = QrLogins(self.members, store, tokens, self.users.lock_for_login, self.free_user)
        self.renewals = Renewals(self.members, store, tokens, self._login_troubled, self.record.account)
        self.images = ImageUploads(store, tokens, self._login_troubled)
        self.asks = PlatformAsks(self.members, store, tokens, self._login_troubled, self.record.account, self.jobs)
        self.watch = HangWatchdog(self._slots, lambda: self.settings.fleet.hang_timeout)
        self.launcher = StartQueue(forkserver, self._slots)
        self.clock = MachineClock()
        self.mail = MailService(settings, webhook_socket, self.store.inbox, self._label, events, self.notes)
        self._briefs = WorkerBriefs(store, self.users, self.mail.hub.known_row, webhook_socket, verbose=verbose)

    def rules(self) -> RestartRules:
        """Return the rules of restarts as the settings are now."""
        return restart_rules(self.settings)

    def brief_of(self, member: SupervisedAccount) -> WorkerSettings:
        """Return what a worker is told of its settings as they are now."""
        return self._briefs.settings(member, self.settings, self.gateway)

    def waits(self) -> dict[str, Reason]:
        """Return what each account waits for now that waits for a turn or a place."""
        starts = self.launcher.places()
        waits = {name: Reason("wait_start", {"turn": place + 1}) for name, place in starts.items() if place}
        waits |= {m.name: Reason("wait_user", {"name": other.name}) for m, other in self.users.waiting()}
        for member in self.members.values():
            if member.report is not None and member.report.user_elsewhere:
                waits[member.name] = Reason("wait_other_fleet")
        return waits | self.recovery.waits() | self.hooks.waits() | self.desk.waits() | self.tokens.waits()

    def drift_of(self, member: SupervisedAccount) -> dict[str, int]:
        """Return how often an account met what this version does not know."""
        return self.drift.counts(member.name, {} if member.last is None else member.last.mail.strange)

    def tidy(self) -> None:
        """Forget the ways out, proxies' passwords with them, that no account goes any more."""
        proxies = {member.account.proxy for member in self.members.values()}
        self.desk.keep(proxies)
        self.tokens.keep(proxies)
        self.asks.calls.keep(self.members, proxies)

    def forget_person(self, name: str) -> None:
        """Forget whatever the login hook said of a person once: the account connects, or is to try again."""
        held = self.store.get(name)
        if held.needs_human:
            self.store.put(self.store.key(name), held.but(needs_human=False))

    def _login_troubled(self, member: SupervisedAccount) -> bool:
        """Whether an outage holds an account's calls back, or a login by code is under way for it."""
        return any(self.recovery.gates(member)) or member.name in self.qr.running

    def free_user(self, member: SupervisedAccount) -> None:
        """Leave its user to another name if neither a worker nor a login of the account needs him."""
        it = member.condition
        logs_in = it.login is Login.HOOK_RUNNING or it.waits_for == "place" or member.name in self.qr.running
        if it.worker is Worker.NONE and not logs_in:
            self.users.leave(member)

    def _restore_outages(self) -> None:
        document = self.store.book.now
        proxies = {each.proxy for each in self.settings.accounts.values()} | {None}
        outages, down = outage_memory.restored(document.outages, proxies, time.monotonic(), time.time())
        self.recovery.restore(outages, down, document.went_ahead)

    def _keep_outages(self) -> None:
        watch = self.recovery.watch
        found = outage_memory.kept(watch, time.monotonic(), time.time())
        self.store.book.keep_outages(found, watch.canaries.went())

    def _slots(self) -> list[WorkerSlot]:
        return [member.slot for member in self.members.values()]

    def _label(self, name: str) -> str:
        member = self.members.get(name)
        return "" if member is None else member.account.label

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return await self.tokens.probe(self.gateway.endpoint, proxy)
