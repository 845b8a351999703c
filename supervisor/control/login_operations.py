"""An operator's logins: a cookie given, or a code that the owner scans. Shell."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from xyfleet.supervisor.common.browser_names import browser_name
from xyfleet.supervisor.common.errors import BadCookie
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.paths import browser_profile
from xyfleet.supervisor.common.reason_texts import said
from xyfleet.supervisor.control.types import BrowserPlace, QrStep
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.passport.qr_login import Check, Ended, LoggedIn, Scanned, ShowCode, Step
from xyfleet.supervisor.passport.sites import DOMAIN, REAL, sites_of
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.supervision.qr_logins import WrongUser
from xyfleet.worker.secret import Secret

_CHECK: Final = N_(
    "the platform asks for a further check, which only a person can pass: log in by hand in the browser that this"
    " account shows itself as (%(browser)s), copy its cookie, and run: xyfleet login %(name)s"
)
_SECOND: Final = N_(
    "the platform asks the owner of %(name)s to prove who he is: have him scan this second code with the same app, and"
    " do there what it asks for"
)
_SOME: Final = N_("the one whose cookie it has")


class LoginOperations:
    """What becomes of them. `want` has accounts run from now on."""

    def __init__(self, fleet: Fleet, want: Callable[[Sequence[SupervisedAccount]], None]) -> None:
        self._fleet = fleet
        self._want = want

    async def login(self, member: SupervisedAccount, cookie: Secret, by: str, identity: Identity | None) -> Text | None:
        """Store a cookie and connect with it; return a doubt about it. Raises `BadCookie`."""
        problem = self._fleet.logins.take(member, cookie, identity)
        if problem is not None:
            raise BadCookie(problem)
        return await self._logged_in(member, by)

    def browser_place(self, member: SupervisedAccount) -> BrowserPlace:
        """Return what a browser needs in which a person logs the account in: its own profile, its way out."""
        sites = sites_of(self._fleet.tokens.url)
        return BrowserPlace(
            profile=self._profile(member.name),
            url=f"{sites.web}/im",
            domain=DOMAIN if sites == REAL else urlsplit(sites.web).hostname or "",
            language=member.account.next_identity().language.partition(",")[0],
            proxy=member.account.proxy,
        )

    def _profile(self, name: str) -> Path:
        """Return the profile of an account's user: under another name it must not be another user's."""
        state_dir, user = self._fleet.settings.fleet.state_dir, self._fleet.store.user(name)
        first, profile = browser_profile(state_dir, None, name), browser_profile(state_dir, user, name)
        if first.is_dir() and not profile.exists():  # it was nobody at its first login
            first.rename(profile)
        return profile

    async def by_code(self, member: SupervisedAccount, by: str) -> AsyncGenerator[QrStep, None]:
        """Log in by a code that the owner scans; yield what happens, the end last. Raises `NotPossible`."""
        try:
            async with aclosing(self._fleet.qr.run(member)) as steps:
                async for step in steps:
                    if isinstance(step, LoggedIn):
                        yield QrStep(step="done", text=await self._logged_in(member, by))
                    else:
                        yield _shown(step, member)
        except WrongUser as wrong:
            yield QrStep(step="failed", text=wrong.text)

    async def _logged_in(self, member: SupervisedAccount, by: str) -> Text | None:
        """A login is stored: go on with it; return a doubt about it when it is on disk."""
        self._fleet.record.account(member, "operator", "login", by=by)
        self._want([member])
        member.happened(Event(kind=Kind.COOKIE, why="login"))
        member.happened(Event(kind=Kind.WANT))
        await self._fleet.store.saved(member.name)  # on disk before it is said to be done
        return self._fleet.logins.doubt(member)


def _shown(step: Step, member: SupervisedAccount) -> QrStep:
    match step:
        case ShowCode(text, seconds, second):
            why = Text(_SECOND, {"name": member.name}) if second else None
            return QrStep(step="code", code=text, seconds=seconds, text=why)
        case Scanned():
            return QrStep(step="scanned")
        case Check():
            browser = browser_name(member.account.next_identity().user_agent) or Text(_SOME)
            return QrStep(step="check", text=Text(_CHECK, {"browser": browser, "name": member.name}))
        case Ended(reason):
            return QrStep(step="failed", text=said(reason))
    return QrStep(step="waiting")
