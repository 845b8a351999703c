"""Brings the running fleet to what the accounts file says now, and touches nothing else. Shell.

A reload is a reconciliation: all is looked at before anything is touched; then each account is brought from the
settings that it runs with to the file's, which are remembered last. What an interrupted reload left is the next one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from xyfleet.supervisor.common.errors import BadFile, NotPossible, Refused
from xyfleet.supervisor.common.i18n import N_, Text, said
from xyfleet.supervisor.common.stretches import Stretches
from xyfleet.supervisor.config.diff import diff
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.machine_limits import read_limits
from xyfleet.supervisor.config.reading.problems import BadFile as BadFileFound
from xyfleet.supervisor.control.handler_renewal import renew
from xyfleet.supervisor.control.reload_checks import Plan, Users, check, is_new
from xyfleet.supervisor.control.types import Reloaded
from xyfleet.supervisor.credentials.store import StateRefused
from xyfleet.supervisor.handler_trials import requirements
from xyfleet.supervisor.settings import Fleet as FleetSettings
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_facts import Settled
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.fleet import Fleet

START_WAIT: Final = 30.0
"""Seconds that a reload waits for its added accounts' workers to be started, at most."""
NAMED: Final = 3
"""So many of the accounts that could not be brought to their settings are named."""

log = logging.getLogger(__name__)


async def reload(fleet: Fleet, env: Mapping[str, str], by: str, *, sure: bool = False) -> Reloaded:
    """
    Read the file and bring the fleet to it; one reload at a time. Raises `Refused`; nothing is changed then.

    Args:
        sure: That many accounts end is meant.
    """
    try:
        plan, warnings = await prepare(fleet, env, sure=sure)
    except Refused:
        fleet.events.add("reload", time=time.time(), new="refused", by=by)
        raise
    done = await carry_out(fleet, plan, warnings)
    renewed = await renew(fleet)
    ruled = [name for name in _other_rules(plan) if name not in renewed.troubled]
    names = list(dict.fromkeys([*ruled, *renewed.names]))
    done = msgspec.structs.replace(done, renewed=names, warnings=[*done.warnings, *renewed.warnings])
    counts = {"added": len(done.added), "removed": len(done.removed)}
    counts |= {"restarted": len(done.restarted), "applied": len(done.applied)}
    counts |= {"renewed": len(done.renewed)} if done.renewed else {}
    counts |= {"unfinished": len(done.unfinished)} if done.unfinished else {}
    fleet.events.add("reload", time=time.time(), new="done", by=by, counts=counts)
    return done


def _other_rules(plan: Plan) -> list[str]:
    """Return whose ready handlers go by another replies.yml or deliver.yml now, without a new worker."""
    before, wanted = plan.running.accounts, plan.wanted.accounts
    return [name for name in plan.changes.live if before[name].ready != wanted[name].ready]


async def prepare(fleet: Fleet, env: Mapping[str, str], *, sure: bool) -> tuple[Plan, list[str]]:
    """Return what is to be done, and warnings, when nothing speaks against it. Raises `Refused`; touches no account."""
    before, began = fleet.settings, time.monotonic()
    try:
        wanted, doubts = await asyncio.to_thread(load_with_warnings, before.path, env, before=before)
    except BadFileFound as bad:
        raise BadFile([str(problem) for problem in bad.problems]) from None
    trouble = await asyncio.to_thread(requirements.ensure, wanted, env, lambda text: log.info("%s", said(text)))
    members = [member for member in fleet.members.values() if member.condition.wish is not Wish.REMOVED]
    settled = {member.name: member.settled for member in members if member.settled is not None}
    try:
        found = fleet.store.assignment(wanted.accounts.values())
        held = await fleet.store.read({name: found.users.get(name) for name in wanted.accounts})
    except StateRefused as refusal:
        raise NotPossible(Text(N_("%(why)s; nothing was changed"), {"why": refusal.text})) from None
    # Another user is another account: the old one goes, and the new one is added.
    renamed = frozenset(name for name in found.users if name in settled and fleet.store.user(name) is not None)
    plan = await asyncio.to_thread(_plan, before, settled, wanted, Users(found, held, renamed), sure, began)
    warnings = [*map(str, doubts), *([said(trouble)] if trouble else []), *await asyncio.to_thread(check, plan)]
    if fleet.store.assignment(wanted.accounts.values()) != found:  # somebody logged in meanwhile
        return await prepare(fleet, env, sure=sure)
    return plan, warnings


def _plan(
    before: Settings, settled: Mapping[str, Settled], wanted: Settings, users: Users, sure: bool, began: float
) -> Plan:
    held, renamed = users.held, users.renamed
    accounts = {name: each.account for name, each in settled.items() if name not in renamed}
    running = msgspec.structs.replace(before, accounts=accounts)
    told: dict[str, FleetSettings] = {name: each.fleet for name, each in settled.items()}
    new_cookies = {name for name, account in wanted.accounts.items() if is_new(account, held[name])}
    changes = diff(running, wanted, new_cookies=new_cookies, told=told)
    return Plan(running, wanted, changes, users, read_limits(), sure, began)


async def carry_out(fleet: Fleet, plan: Plan, warnings: list[str]) -> Reloaded:
    """Do it, and return what was done; removed accounts are gone then, and added ones on their way."""
    return await _Work(fleet, plan).carry_out(warnings)


class _Fault(Exception):
    """An event of the account had a fault, which the log has."""


class _Work:
    """One reload being carried out. Each step may be done twice; one that fails is left to the next reload."""

    def __init__(self, fleet: Fleet, plan: Plan) -> None:
        self._fleet = fleet
        self._wanted = plan.wanted
        self._read = plan.read
        self._changes = plan.changes
        self._users = plan.users.assignment.users
        self._renamed = plan.users.renamed
        self._unfinished: list[str] = []
        self._stretches = Stretches()

    async def carry_out(self, warnings: list[str]) -> Reloaded:
        fleet, changes = self._fleet, self._changes
        fleet.apply(self._wanted)
        fleet.logins.files.settings_read(self._read)
        leaving = self._leaving()
        await self._each([member.name for member in leaving], self._remove)
        # A user with a new name: whoever had him is on his way out, and the new one waits until he is gone.
        fleet.store.assign({name: user for name, user in self._users.items() if name not in fleet.members})
        await self._each(changes.restarted, lambda name: self._update(name, restart=True))
        await self._each(changes.live, self._update)
        await self._each(changes.kept, lambda name: self._update(name, news=False))
        await self._each([member.name for member in fleet.members.values()], self._tell_of_hook)
        held_up = {member.name for member in leaving}
        await self._each([name for name in changes.added if name not in held_up], self._add)
        for member in leaving:
            await member.slot.wait_gone()
        await self._each([member.name for member in leaving], self._discharge)
        # Names that are another user now, and such as an interrupted reload was removing and that are wanted again.
        fleet.store.assign({name: user for name, user in self._users.items() if name in held_up})
        await self._each([name for name in changes.added if name in held_up], self._add)
        await self._until_started()
        return self._reloaded(warnings)

    def _leaving(self) -> list[SupervisedAccount]:
        """Return the accounts that the file does not name, or as another user, and those left behind before."""
        members, wanted = self._fleet.members.values(), self._wanted.accounts
        stays = wanted.keys() - self._renamed
        return [m for m in members if m.name not in stays or m.condition.wish is Wish.REMOVED]

    async def _each(self, names: Sequence[str], step: Callable[[str], None]) -> None:
        for name in names:
            try:
                step(name)
            except Exception:
                log.exception("a reload could not be carried out account=%s", name)
                self._unfinished.append(name)
            await self._stretches.pause()

    def _remove(self, name: str) -> None:
        self._fleet.members[name].happened(Event(kind=Kind.REMOVED))

    def _discharge(self, name: str) -> None:
        self._fleet.discharge(self._fleet.members[name])

    def _add(self, name: str) -> None:
        """Take an account in, unless an earlier reload got so far, and start it."""
        account = self._wanted.accounts[name]
        member = self._fleet.members.get(name) or self._fleet.enlist(account)
        member.account = account
        self._fleet.begin(member)
        if member.settled is None:
            raise _Fault

    def _update(self, name: str, *, restart: bool = False, news: bool = True) -> None:
        """Bring an account to its new settings. A change that needs no worker forgives nothing."""
        fleet, member = self._fleet, self._fleet.members[name]
        before, faults = member.settled, member.faults
        member.account = self._wanted.accounts[name]
        if before is None or before.account.proxy != member.account.proxy:
            fleet.recovery.moved(member)
        self._take_cookie(member)
        self._switch(member, restart=restart)
        if news:
            member.happened(Event(kind=Kind.SETTINGS_LIVE))
        if member.faults > faults:
            raise _Fault
        member.settled = Settled(member.account, self._wanted.fleet)

    def _take_cookie(self, member: SupervisedAccount) -> None:
        if self._fleet.logins.adopt(member.account):
            member.happened(Event(kind=Kind.COOKIE, why="new cookie in the file"))

    def _switch(self, member: SupervisedAccount, *, restart: bool) -> None:
        """Have it run, not run, or run anew."""
        if not member.account.enabled:
            if member.wanted:
                member.happened(Event(kind=Kind.DISABLED))
        elif member.condition.wish is Wish.DISABLED:
            stopped = self._fleet.store.book.stopped(member.name) is not None
            member.happened(Event(kind=Kind.UNWANT if stopped else Kind.ENABLED))
        elif restart:
            member.happened(Event(kind=Kind.SETTINGS_RESTART))

    def _tell_of_hook(self, name: str) -> None:
        """A login hook that is there now helps whoever waits for a person for want of one."""
        member = self._fleet.members[name]
        if self._wanted.refresh.command is not None and member.condition.person == "no_hook":
            member.happened(Event(kind=Kind.SETTINGS_LIVE, has_hook=True))

    async def _until_started(self) -> None:
        """Wait until the added accounts' starts were asked for, or have something else to wait for."""
        members = self._fleet.members
        added = [members[name] for name in self._changes.added if name in members]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_WAIT):
                for member in added:
                    await member.start_decided.wait()

    def _reloaded(self, warnings: list[str]) -> Reloaded:
        changes, unfinished = self._changes, self._unfinished
        if unfinished:
            text = N_("%(count)d accounts could not be brought to the file (%(first)s); the next reload tries again")
            first = ", ".join(unfinished[:NAMED])
            warnings = [*warnings, said(Text(text, {"count": len(unfinished), "first": first}))]
        return Reloaded(
            added=[name for name in changes.added if name not in self._renamed],
            removed=list(changes.removed),
            restarted=[*changes.restarted, *(name for name in changes.added if name in self._renamed)],
            applied=list(changes.live),
            unchanged=len(changes.kept),
            unfinished=unfinished,
            warnings=warnings,
        )
