"""What an operator can ask of the running fleet: the `Control` behind the API. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from xyfleet.supervisor.config.changes import Changes, diff
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.problems import BadFile as BadFileFound
from xyfleet.supervisor.control import (
    Action,
    BadCookie,
    BadFile,
    Delivery,
    Forgotten,
    Health,
    Letter,
    NotPossible,
    Outcome,
    Reloaded,
    Retried,
    Stopping,
    Text,
)
from xyfleet.supervisor.fleet import Fleet
from xyfleet.supervisor.i18n import N_
from xyfleet.supervisor.mail.follow import Hub
from xyfleet.supervisor.mail.office import Office
from xyfleet.supervisor.member import Member
from xyfleet.supervisor.paths import inbox_file
from xyfleet.supervisor.selection import select
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.view import account_view, outage_view, states
from xyfleet.supervisor.views import AccountView, FleetView, StatusView
from xyfleet.worker.secret import Secret
from xyfleet.worker.states import State
from xyfleet.worker.version import VERSION

RELOAD_START_WAIT: Final = 30.0
"""Seconds that a reload waits for its added accounts' workers to be started, at most."""


class Operate:
    """Implements `Control` over a fleet."""

    def __init__(
        self, fleet: Fleet, env: Mapping[str, str], *, language: str, detached: bool, end: Callable[[], None]
    ) -> None:
        self.language = language
        self.events = fleet.events
        self.detached = detached
        self._fleet = fleet
        self._env = env
        self._end = end
        self._ending = False
        self._started = time.monotonic()
        self._reloading = asyncio.Lock()
        self._office = Office(fleet)
        self.mail = Hub(lambda name: inbox_file(fleet.settings.fleet.state_dir, name))
        fleet.mail_news = self.mail.changed

    # Looking.

    def health(self) -> Health:
        """Return the counts."""
        wanted = [member for member in self._fleet.members.values() if member.wanted]
        fleet = self._fleet.settings.fleet
        return Health(
            name=fleet.name,
            pid=os.getpid(),
            version=VERSION,
            simulator=fleet.simulator is not None,
            wanted=len(wanted),
            connected=sum(member.state is State.CONNECTED for member in wanted),
            timezone=fleet.timezone,
        )

    def status(self, names: Sequence[str]) -> StatusView:
        """Return what `status` shows. Raises `UnknownName`."""
        return StatusView(fleet=self._fleet_view(), accounts=[self._view(member) for member in self._chosen(names)])

    def names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the accounts that `names` mean. Raises `UnknownName`."""
        return [member.name for member in self._chosen(names)]

    def log_path(self, name: str) -> Path | None:
        """Return the account's log file. Raises `UnknownName`."""
        (member,) = self._chosen([name])
        folder = self._fleet.settings.fleet.log.dir
        return None if folder is None else folder / f"{member.name}.log"

    def _view(self, member: Member) -> AccountView:
        return account_view(member, self._fleet.logins.view(member), self._fleet.store.get(member.name).source)

    def _fleet_view(self) -> FleetView:
        fleet, settings = self._fleet, self._fleet.settings
        return FleetView(
            name=settings.fleet.name,
            pid=os.getpid(),
            version=VERSION,
            simulator=settings.fleet.simulator is not None,
            uptime=round(time.monotonic() - self._started, 1),
            outage=outage_view(fleet.outage.current, time.monotonic(), time.time()),
            states=states(fleet.members.values()),
            file=str(settings.path),
            detached=self.detached,
            timezone=settings.fleet.timezone,
            notes=[text.say(self.language) for text in self._notes()],
        )

    def _notes(self) -> list[Text]:
        notes = [*self._fleet.notes.values(), *self._fleet.store.notes()]
        troubled = [m.report.note for m in self._fleet.members.values() if m.report is not None and m.report.note]
        if troubled:
            text = N_("%(count)d workers have a trouble of their own, the first one says: %(why)s")
            notes.append(Text(text, {"count": len(troubled), "why": troubled[0]}))
        if self.events.problem is not None:
            notes.append(Text(N_("events can't be written to disk: %(why)s"), {"why": self.events.problem}))
        return notes

    def _chosen(self, names: Sequence[str]) -> list[Member]:
        members = self._fleet.members
        return [members[name] for name in select(names, {n: m.account.tags for n, m in members.items()})]

    # Acting.

    async def act(self, action: Action, names: Sequence[str], by: str) -> Outcome:
        """Do `action` to the accounts; `stop` returns when they are closed. Raises `Refused`."""
        self._refuse_when_ending()
        outcome = Outcome([], {})
        for member in self._chosen(names):
            refusal = self._do(action, member, by)
            if refusal is None:
                outcome.done.append(member.name)
                self._fleet.note(member, "operator", action, by=by)
            else:
                outcome.refused[member.name] = refusal
        if action == "stop":
            for name in outcome.done:
                await self._fleet.members[name].runner.wait_gone()
        return outcome

    def _do(self, action: Action, member: Member, by: str) -> Text | None:
        if action != "stop" and not member.account.enabled:
            return Text(N_("it is disabled in the accounts file (enabled: false)"))
        if member.name in self._office.forgetting:
            return Text(N_("it is being forgotten just now"))
        match action:
            case "stop":
                self._stop_account(member, by)
            case "restart":
                self._want(member)
                self._fleet.forgive(member)
                member.restart()
            case "reconnect":
                return self._reconnect(member)
            case "refresh":
                return self._refresh(member)
        return None

    def _stop_account(self, member: Member, by: str) -> None:
        now = time.time()
        self._fleet.store.set_stopped([member.name], by, now)
        member.desired = False
        member.desired_by = f"{by} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}"
        self._fleet.outage.forget(member.name, time.monotonic())
        member.stop()

    def _want(self, member: Member) -> None:
        self._fleet.logins.adopt_again(member.account)
        self._fleet.store.set_running([member.name])
        member.desired, member.desired_by = True, None

    def _reconnect(self, member: Member) -> Text | None:
        if not member.desired:
            return Text(N_("it is stopped; xyfleet restart %(name)s starts it"), {"name": member.name})
        self._fleet.forgive(member)
        member.revive("operator", stale=False)
        return None

    def _refresh(self, member: Member) -> Text | None:
        if not member.desired:
            return Text(N_("it is stopped; xyfleet restart %(name)s starts it"), {"name": member.name})
        return self._fleet.logins.ask(member)

    async def login(self, name: str, cookie: Secret, by: str) -> None:
        """Store a cookie for the account and connect with it. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([name])
        problem = self._fleet.logins.take(member, cookie)
        if problem is not None:
            raise BadCookie(problem)
        self._fleet.note(member, "operator", "login", by=by)
        if not member.desired:
            self._want(member)
        member.new_cookie("login")

    async def send(self, letter: Letter, wait: float) -> Delivery:
        """Send a text. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([letter.account])
        return await self._office.send(member, letter, wait)

    async def retry(self, names: Sequence[str], ids: Sequence[str]) -> Retried:
        """Give dead letters to handlers again. Raises `Refused`."""
        self._refuse_when_ending()
        return await self._office.retry(self._chosen(names), ids)

    async def forget(self, name: str, by: str) -> Forgotten:
        """Delete all that is stored about an account. Raises `Refused`; not while a reload touches accounts."""
        self._refuse_when_ending()
        async with self._reloading:
            return await self._office.forget(name, by)

    def stop(self, by: str) -> None:
        """Begin to end the supervisor, and return at once."""
        if not self._ending:
            self._ending = True
            self.events.add("operator", time=time.time(), new="shutdown", by=by)
            self._end()

    def _refuse_when_ending(self) -> None:
        if self._ending:
            raise Stopping

    # Reloading.

    async def reload(self, by: str) -> Reloaded:
        """Read the file again and touch only what changed. Raises `Refused`; nothing is changed then."""
        self._refuse_when_ending()
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(load_with_warnings, self._fleet.settings.path, self._env)
            except BadFileFound as bad:
                self.events.add("reload", time=time.time(), new="refused", by=by)
                raise BadFile([str(problem) for problem in bad.problems]) from None
            settings, warnings = loaded
            changes = diff(self._fleet.settings, settings)
            self._refuse_fleet_changes(changes)
            await self._carry_out(changes, settings)
            done = _reloaded(changes, [str(warning) for warning in warnings])
            counts = {"added": len(done.added), "removed": len(done.removed)}
            counts |= {"restarted": len(done.restarted), "applied": len(done.applied)}
            self.events.add("reload", time=time.time(), new="done", by=by, counts=counts)
            return done

    def _refuse_fleet_changes(self, changes: Changes) -> None:
        if changes.fleet_restart:
            text = N_("a change of %(keys)s needs a stop and a start of the fleet; nothing was changed")
            raise NotPossible(Text(text, {"keys": ", ".join(changes.fleet_restart)}))

    async def _carry_out(self, changes: Changes, settings: Settings) -> None:
        fleet = self._fleet
        fleet.apply(settings)
        removed = [fleet.members[name] for name in changes.removed]
        for member in removed:
            member.desired = False
            member.stop()
        for name in (*changes.live, *changes.restarted):
            self._update(name, settings, restart=name in changes.restarted)
        for name in changes.added:
            fleet.enlist(settings.accounts[name]).start()
        for member in removed:
            await member.runner.wait_gone()
            fleet.discharge(member)
        await self._until_started(changes.added)

    def _update(self, name: str, settings: Settings, *, restart: bool) -> None:
        member = self._fleet.members[name]
        member.account = settings.accounts[name]
        new_cookie = self._fleet.logins.adopt(member.account)
        if not member.account.enabled:
            member.stop()
        elif restart or member.child is None:
            self._fleet.forgive(member)
            member.restart()
        elif new_cookie:
            member.new_cookie("new cookie in the file")
        else:
            self._fleet.brief(member)

    async def _until_started(self, names: Sequence[str]) -> None:
        queued = [self._fleet.members[name] for name in names if self._fleet.members[name].runner.queued]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELOAD_START_WAIT):
                for member in queued:
                    await member.runner.turn_taken.wait()


def _reloaded(changes: Changes, warnings: list[str]) -> Reloaded:
    return Reloaded(
        added=list(changes.added),
        removed=list(changes.removed),
        restarted=list(changes.restarted),
        applied=list(changes.live),
        unchanged=len(changes.kept),
        warnings=warnings,
    )
