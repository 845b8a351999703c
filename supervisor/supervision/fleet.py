"""The running fleet: its accounts come, go and change. Shell."""

from __future__ import annotations

import time
from functools import cached_property

import msgspec

from xyfleet.supervisor.settings import Account, Settings
from xyfleet.supervisor.settings import Fleet as FleetSettings
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_facts import Settled
from xyfleet.supervisor.supervision.account_services import AccountServices
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish
from xyfleet.supervisor.supervision.fleet_parts import FleetParts
from xyfleet.supervisor.supervision.past import restored
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.workers.worker_config import gateway_of


class Fleet(FleetParts):
    """Owns the accounts, and the parts that they share."""

    @cached_property
    def _services(self) -> AccountServices:
        return AccountServices(self)

    def enlist(self, account: Account) -> SupervisedAccount:
        """Take an account in, without starting it yet."""
        stop = self.store.book.stopped(account.name)
        self.logins.adopt(account)
        held = self.store.get(account.name)
        self.users.learn(account.name, held.unb)
        wish = Wish.DISABLED if not account.enabled else Wish.RUN if stop is None else Wish.STOPPED
        condition = Condition(wish=wish, user=held.device_id is not None)
        if held.needs_human:
            condition = msgspec.structs.replace(condition, login=Login.PERSON, person="hook_says")
        condition = restored(condition, held.past, time.monotonic(), time.time(), self.rules())
        down = self.recovery.was_down(account.name)
        if down is not None and condition.login is Login.FINE:
            condition = msgspec.structs.replace(condition, cause=down)
        member = SupervisedAccount(account, condition, self._services.ports())
        member.was_down = down is not None or condition.waits_for == "outage"
        if stop is not None:
            member.stopped_by = f"{stop.by} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(stop.at))}"
        self.members[account.name] = member
        return member

    def begin(self, member: SupervisedAccount) -> None:
        """Have an account that was just taken in do what is wanted of it."""
        faults = member.faults
        self.recovery.joins(member)
        member.begin()
        self.asks.wanted.resume(member)
        if member.faults == faults:
            member.settled = Settled(member.account, self.settings.fleet)

    def discharge(self, member: SupervisedAccount) -> None:
        """Forget a removed account; its worker is gone by now, its state stays on disk."""
        self.users.drop(member)
        self.desk.cancel(member.name)
        self.logins.cancel(member.name)
        self.asks.wanted.leave(member.name)
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
        self._services.brief(member)

    async def let_go(self, name: str) -> None:
        """End what is under way for an account, so that nothing about it is written any more."""
        self.logins.cancel(name)
        self.asks.wanted.leave(name)
        await self.desk.end(name)

    def note_forgotten(self, name: str, by: str) -> None:
        """Put on record that an account's files were deleted."""
        self.recovery.leave(name)
        self.mail.forget(name)
        self.record.forgotten(name, by)

    async def stop_all(self) -> None:
        """End every worker politely and wait until all are gone; nothing that was asked for goes on."""
        self.launcher.closed = True
        self.recovery.end()
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


def token_limits(fleet: FleetSettings) -> TokenLimits:
    """Return how often tokens may be asked for."""
    return TokenLimits(rate=fleet.token_rate, over_fleet=fleet.fleet_rate.token_calls)
