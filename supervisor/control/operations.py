"""What an operator can ask of the running fleet: the `Control` behind the API. Shell."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xyfleet.supervisor.common.errors import NotPossible, Stopping
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.control.account_operations import BEING_FORGOTTEN, BEING_REMOVED, AccountOperations
from xyfleet.supervisor.control.fleet_notes import notes_of
from xyfleet.supervisor.control.login_operations import LoginOperations
from xyfleet.supervisor.control.message_operations import MessageOperations
from xyfleet.supervisor.control.reload import reload
from xyfleet.supervisor.control.selection import select
from xyfleet.supervisor.control.status import (
    account_view,
    outage_view,
    refresh_view,
    states,
    what_it_waits_for,
)
from xyfleet.supervisor.control.status_schema import AccountView, FleetView, StatusView
from xyfleet.supervisor.control.talk_operations import ask
from xyfleet.supervisor.control.types import (
    Action,
    BrowserPlace,
    Forgotten,
    Health,
    Outcome,
    QrStep,
    Reloaded,
    Retried,
    SimulatorPlace,
    WireReport,
)
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_facts import Traced
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.states import State
from xyfleet.worker.version import VERSION


class FleetOperations:
    """Implements `Control` over a fleet."""

    def __init__(
        self, fleet: Fleet, env: Mapping[str, str], *, language: str, detached: bool, end: Callable[[], None]
    ) -> None:
        self.language = language
        self.events = fleet.events
        self.mail = fleet.mail.hub
        self.detached = detached
        self._fleet = fleet
        self._env = env
        self._end = end
        self._ending = False
        self._started = time.monotonic()
        self._reloading = asyncio.Lock()
        self._reload: asyncio.Task[Reloaded] | None = None
        self.on_reload: tuple[Callable[[], None], Callable[[], None]] = (_nothing, _nothing)
        """Called before and after each reload."""
        self._office = MessageOperations(fleet)
        self._accounts = AccountOperations(fleet, self._office.forgetting)
        self._logins = LoginOperations(fleet, self._accounts.want)

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
            waiting_for_person=sum(member.waits_for_person for member in wanted),
            timezone=fleet.timezone,
        )

    def status(self, names: Sequence[str]) -> StatusView:
        """Return what `status` shows. Raises `UnknownName`."""
        turns = self._fleet.waits()
        accounts = [self._view(member, turns) for member in self._chosen(names)]
        return StatusView(fleet=self._fleet_view(), accounts=accounts)

    def names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the accounts that `names` mean. Raises `UnknownName`."""
        return [member.name for member in self._chosen(names)]

    def trace(self, name: str) -> Sequence[Traced]:
        """Return the account's latest events. Raises `UnknownName`."""
        (member,) = self._chosen([name])
        return list(member.trace)

    def log_path(self, name: str) -> Path | None:
        """Return the account's log file. Raises `UnknownName`."""
        (member,) = self._chosen([name])
        folder = self._fleet.settings.fleet.log.dir
        return None if folder is None else folder / f"{member.name}.log"

    def _view(self, member: SupervisedAccount, turns: Mapping[str, Reason]) -> AccountView:
        held = self._fleet.store.get(member.name)
        refresh = refresh_view(held, self._fleet.settings.refresh, time.time())
        return account_view(
            member,
            refresh,
            held,
            what_it_waits_for(member, turns, time.monotonic()),
            drift=self._fleet.drift_of(member),
        )

    def simulator(self, name: str) -> SimulatorPlace:
        """Return where a rehearsal's gateway has an account. Raises `UnknownName`, `NotPossible`."""
        (member,) = self._chosen([name])
        gateway, unb = self._fleet.gateway, self._fleet.store.get(member.name).unb
        if self._fleet.settings.fleet.simulator is None or unb is None:
            raise NotPossible(Text(N_("this fleet does not rehearse: fleet.endpoint is not simulator")))
        parts = urlsplit(gateway.token_url)
        return SimulatorPlace(url=f"{parts.scheme}://{parts.netloc}", unb=unb, ca_file=gateway.ca_file)

    def wire_report(self, name: str) -> WireReport:
        """Return the shapes of what the account met that is unknown. Raises `UnknownName`."""
        (member,) = self._chosen([name])
        return WireReport(version=VERSION, unknown=self._fleet.drift.report(self._fleet.drift_of(member)))

    def _fleet_view(self) -> FleetView:
        fleet, settings = self._fleet, self._fleet.settings
        found = fleet.recovery.watch.outages.values()
        outages = [outage_view(each, time.monotonic(), time.time()) for each in found]
        return FleetView(
            name=settings.fleet.name,
            pid=os.getpid(),
            version=VERSION,
            simulator=settings.fleet.simulator is not None,
            uptime=round(time.monotonic() - self._started, 1),
            outage=next(iter(outages), None),
            outages=outages,
            states=states(fleet.members.values()),
            file=str(settings.path),
            detached=self.detached,
            timezone=settings.fleet.timezone,
            notes=[text.say(self.language) for text in notes_of(fleet)],
        )

    def _chosen(self, names: Sequence[str]) -> list[SupervisedAccount]:
        members = self._fleet.members
        return [members[name] for name in select(names, {n: m.account.tags for n, m in members.items()})]

    # Acting.

    async def act(self, action: Action, names: Sequence[str], by: str, *, sure: bool = False) -> Outcome:
        """Do `action` to the accounts; `stop` returns when they are closed. Raises `Refused`."""
        self._refuse_when_ending()
        return await self._accounts.act(action, self._chosen(names), by, sure=sure)

    async def login(self, name: str, cookie: Secret, by: str, identity: Identity | None = None) -> Text | None:
        """Store a cookie for the account and connect with it; return a doubt about it. Raises `Refused`."""
        return await self._logins.login(self._for_login(name), cookie, by, identity)

    def browser_place(self, name: str) -> BrowserPlace:
        """Return what a browser needs in which a person logs the account in. Raises `Refused`."""
        return self._logins.browser_place(self._for_login(name))

    async def qr_login(self, name: str, by: str) -> AsyncGenerator[QrStep, None]:
        """Log an account in by a code that its owner scans; yield what happens, the end last. Raises `Refused`."""
        async with aclosing(self._logins.by_code(self._for_login(name), by)) as steps:
            async for step in steps:
                self._refuse_when_ending()
                yield step

    def _for_login(self, name: str) -> SupervisedAccount:
        """Return the account that may take a login now. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([name])
        if member.condition.wish is Wish.REMOVED:
            raise NotPossible(BEING_REMOVED)
        if member.name in self._office.forgetting:
            raise NotPossible(BEING_FORGOTTEN)
        return member

    async def send(self, letter: SendRequest, wait: float) -> Delivery:
        """Send a text. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([letter.account])
        return await self._office.send(member, letter, wait)

    async def talk(self, name: str, question: TalkQuestion) -> TalkAnswer:
        """Ask the platform about conversations, or do something in one. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([name])
        return await ask(self._fleet, member, question)

    async def ask(self, name: str, question: Ask) -> Any:
        """Ask the platform something for an account. Raises `Refused`."""
        self._refuse_when_ending()
        (member,) = self._chosen([name])
        return await self._office.ask(member, question)

    async def retry(self, names: Sequence[str], ids: Sequence[str]) -> Retried:
        """Give dead letters to handlers again. Raises `Refused`."""
        self._refuse_when_ending()
        return await self._office.retry(self._chosen(names), ids)

    async def forget(self, name: str, by: str) -> Forgotten:
        """Delete all that is stored about an account. Raises `Refused`; not while a reload touches accounts."""
        self._refuse_when_ending()
        async with self._reloading:
            self._refuse_when_ending()
            return await self._office.forget(name, by)

    async def reload(self, by: str, *, sure: bool = False) -> Reloaded:
        """Read the file again and touch only what changed. Raises `Refused`; nothing is changed then."""
        self._refuse_when_ending()
        async with self._reloading:
            self._refuse_when_ending()
            begins, ends = self.on_reload
            begins()
            self._reload = asyncio.create_task(reload(self._fleet, self._env, by, sure=sure))
            try:
                return await self._reload
            except asyncio.CancelledError:
                self._refuse_when_ending()
                raise
            finally:
                if not self._ending:
                    ends()

    async def settle(self) -> None:
        """End what changes the accounts just now: a reload at once, a `forget` by itself."""
        if self._reload is not None:
            self._reload.cancel()
        async with self._reloading:
            return

    def stop(self, by: str) -> None:
        """Begin to end the supervisor, and return at once."""
        if not self._ending:
            self._ending = True
            self.events.add("operator", time=time.time(), new="shutdown", by=by)
            self._end()

    def _refuse_when_ending(self) -> None:
        if self._ending:
            raise Stopping


def _nothing() -> None:
    """Nobody wants to know."""
