"""Keeps logins alive by the page's own renewals, where asked for: rarely, one at a time, never in trouble. Shell.

What they find out of a login is said; it is never a reason to drop a connection.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from xyfleet.supervisor.common.event_log import Kind as EventKind
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.record import Credentials, alive_as, shown
from xyfleet.supervisor.credentials.store import Key, Store, Superseded
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.renewal import Renewed, renew
from xyfleet.supervisor.passport.renewal_plan import RenewalPace, RenewalPlan
from xyfleet.supervisor.passport.sites import sites_of
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.states import State

LOOK: Final = 2.0
"""Seconds between two looks at who is due."""
LONGEST: Final = 60.0
"""Seconds that one renewal may take."""

log = logging.getLogger(__name__)


class Renewals:
    """
    Renews logins.

    Args:
        troubled: Whether an outage, or another login of it, holds an account's calls back now.
        note: Puts an event of an account on record: its kind and what it came to.
    """

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        store: Store,
        tokens: TokenService,
        troubled: Callable[[SupervisedAccount], bool],
        note: Callable[[SupervisedAccount, EventKind, str], None],
        pace: RenewalPace | None = None,
        look: float = LOOK,
    ) -> None:
        self._members = members
        self._store = store
        self._tokens = tokens
        self._troubled = troubled
        self._note = note
        self._plan = RenewalPlan(pace or RenewalPace())
        self._look = look

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            await asyncio.sleep(self._look)
            name = self._plan.due(self._waiting(), time.time())
            if name is not None:
                await self._renew(self._members[name])
                self._plan.took(time.time(), random.random())

    def _waiting(self) -> list[tuple[str, float]]:
        asked = (member for member in self._members.values() if member.account.renew_login)
        return [(member.name, self._store.get(member.name).alive.next) for member in asked if self._may(member)]

    def _may(self, member: SupervisedAccount) -> bool:
        """Whether nothing speaks against a renewal now: no trouble of any kind, no check asked for before."""
        it, held = member.condition, self._store.get(member.name)
        well = it.wish is Wish.RUN and it.login is Login.FINE and member.state is State.CONNECTED
        good = held.cookie is not None and held.verdict is None and held.alive.over is None
        return well and good and held.alive.state != "dead" and not self._troubled(member)

    def _still(self, member: SupervisedAccount) -> bool:
        return self._members.get(member.name) is member and self._may(member)

    async def _renew(self, member: SupervisedAccount) -> None:
        await self._tokens.turn(member.name, member.account.proxy)
        if not self._still(member):
            return
        key, now = self._store.key(member.name), time.time()
        held = self._store.at(key)
        alive = replace(held.alive, last=now, next=self._plan.next(now, random.random()))
        try:
            # On disk before it is made: who is killed meanwhile must not forget it.
            await self._store.write(key, held.but(alive=alive), held.login)
        except Superseded:
            return
        assert held.cookie is not None, "asked before"
        account, jar = member.account, cookies.parse(held.cookie.reveal())
        calls = BrowserCalls(
            self._tokens.way(account.proxy),
            sites_of(self._tokens.url),
            shown(held, account.identity),
            jar,
            account.proxy,
        )
        found = Renewed()
        try:
            async with asyncio.timeout(LONGEST):
                found = await renew(
                    calls, lambda: self._still(member) and self._store.get(member.name).login == held.login
                )
        except TimeoutError:
            log.warning("renewal took too long account=%s", member.name)
        self._settle(member, key, held, found, calls.set_cookie)

    def _settle(
        self, member: SupervisedAccount, key: Key, asked: Credentials, found: Renewed, set_cookie: list[str]
    ) -> None:
        """Take over what a renewal brought, unless there is another login by now."""
        held, now = self._store.at(key), time.time()
        if held.login != asked.login or held.cookie is None:
            return
        alive = held.alive if found.state == "unknown" else alive_as(held.alive, found.state, now)
        over = "renewal_check" if found.check else None
        alive = replace(alive, renewals=alive.renewals + found.renewed, over=over)
        self._store.put(key, held.but(alive=alive, cookie=cookies.merge(held.cookie, set_cookie, now)))
        log.info("renewal account=%s login=%s renewed=%s check=%s", member.name, *_facts(found))
        if found.check:
            self._note(member, "message", "login_check")
        elif found.state == "dead":
            self._note(member, "message", "login_dead")


def _facts(found: Renewed) -> tuple[str, bool, bool]:
    return found.state, found.renewed, found.check
