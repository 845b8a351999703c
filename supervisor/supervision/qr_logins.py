"""Logins by a code that the owner scans: one per account at a time, its user held, late ones dropped. Shell."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple

from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.rate_limit import recent
from xyfleet.supervisor.credentials.cookies import InvalidCookie, unb
from xyfleet.supervisor.credentials.record import OtherUser
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.qr_login import Check, Ended, LoggedIn, QrPace, Step, qr_login
from xyfleet.supervisor.passport.sites import sites_of
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.user_lock import UserLock

AT_ONCE: Final = 3
"""Logins of this kind over the whole fleet at one time."""
PER_HOUR: Final = 10
"""Begun for one account."""
HOUR: Final = 3600.0


class WrongUser(Exception):
    """The code was scanned with another user's app; the text names both."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(text.say("en"))


class _Epoch(NamedTuple):
    """What must still be so when the answer comes."""

    member: SupervisedAccount
    login: int
    wish: Wish
    stopped_by: str | None


class QrLogins:
    """
    Runs them.

    Args:
        user_lock: Gives the lock of an account's user, None if somebody else has it.
        freed: Told when an account's login is over, and its user perhaps not needed any more.
    """

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        store: Store,
        tokens: TokenService,
        user_lock: Callable[[SupervisedAccount], UserLock | None],
        freed: Callable[[SupervisedAccount], None],
    ) -> None:
        self.pace = QrPace()
        self.running: set[str] = set()
        """Names of the accounts for which one is under way."""
        self._members = members
        self._store = store
        self._tokens = tokens
        self._user_lock = user_lock
        self._freed = freed
        self._begun: dict[str, list[float]] = {}

    async def run(self, member: SupervisedAccount) -> AsyncGenerator[Step, None]:
        """
        Yield what happens; at `LoggedIn` the cookie is stored.

        Raises:
            NotPossible: none may be begun now.
            WrongUser: another user's app scanned the code; nothing is stored.
        """
        lock = self._begin(member)
        end: Step = Ended(Reason("login_superseded"))
        try:
            epoch = _Epoch(member, self._store.get(member.name).login, member.condition.wish, member.stopped_by)
            identity = member.account.next_identity()
            await self._tokens.turn(member.name, member.account.proxy)
            async with aclosing(qr_login(self._calls(member.account, identity), self.pace)) as steps:
                async for step in steps:
                    end = step if self._holds(epoch) else Ended(Reason("login_superseded"))
                    if isinstance(end, LoggedIn | Check | Ended):
                        break
                    yield step
            if not self._holds(epoch):  # while its steps were closed
                end = Ended(Reason("login_superseded"))
            if isinstance(end, LoggedIn):
                self._take(member, end.cookie, identity)
        finally:
            lock.release()
            self.running.discard(member.name)
            self._freed(member)
        yield end  # only now: its worker, that is started with the cookie, takes the lock itself

    def _begin(self, member: SupervisedAccount) -> UserLock:
        now = time.monotonic()
        begun = self._begun[member.name] = recent(self._begun.get(member.name, []), now, HOUR)
        if member.name in self.running:
            raise NotPossible(Text(N_("a login by code is under way for it already")))
        if member.condition.login is Login.HOOK_RUNNING:
            raise NotPossible(Text(N_("its refresh hook is running already")))
        if len(self.running) >= AT_ONCE:
            raise NotPossible(
                Text(N_("%(count)d logins by code are under way, no more at one time"), {"count": AT_ONCE})
            )
        if len(begun) >= PER_HOUR:
            raise NotPossible(
                Text(N_("%(count)d logins by code were begun for it within an hour"), {"count": PER_HOUR})
            )
        lock = self._user_lock(member)
        if lock is None:
            raise NotPossible(Text(N_("another account, or another fleet of this machine, has its user now")))
        self.running.add(member.name)
        begun.append(now)
        return lock

    def _calls(self, account: Account, identity: Identity) -> BrowserCalls:
        way = self._tokens.way(account.proxy)
        return BrowserCalls(way, sites_of(self._tokens.url), identity, {}, account.proxy)

    def _holds(self, epoch: _Epoch) -> bool:
        """Whether nobody stopped or removed the account, nor gave it another login, since the code was asked for."""
        member = epoch.member
        return (
            self._members.get(member.name) is member
            and self._store.get(member.name).login == epoch.login
            and member.condition.wish in (Wish.RUN, epoch.wish)
            and member.stopped_by in (None, epoch.stopped_by)
        )

    def _take(self, member: SupervisedAccount, cookie: Secret, identity: Identity) -> None:
        held, user = self._store.get(member.name).unb, unb(cookie) or ""
        holder = self._members.get(self._store.holder(user) or "")
        if holder is not None and holder is not member:
            text = N_("it was scanned with the app of %(other)s, not of %(name)s; scan with the right shop's app")
            raise WrongUser(Text(text, {"other": _shown(holder), "name": _shown(member)}))
        try:
            self._store.replace(member.name, cookie, "login", identity)
        except OtherUser:
            text = N_("it was scanned by user %(other)s, but %(name)s is user %(user)s; scan with the right shop's app")
            raise WrongUser(Text(text, {"other": user, "name": _shown(member), "user": held or ""})) from None
        except InvalidCookie as error:
            raise WrongUser(Text(N_("the cookie can't be used: %(why)s"), {"why": error.text})) from None


def _shown(member: SupervisedAccount) -> str:
    label = member.account.label
    return f"{member.name} ({label})" if label else member.name
