"""A login by a code that the owner scans with the phone's app: shown, asked about, finished. Shell.

No check is solved here: a second code to be scanned is shown; where the service asks for another one, the login ends
and says so. Untested against the live service.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.passport import pages, second_code
from xyfleet.supervisor.passport.browser_calls import BrowserCalls, CheckWanted, NoAnswer
from xyfleet.supervisor.passport.mtop_calls import ask_user
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

MOST_CODES: Final = 3
"""Codes that one login shows, one after the other."""
MOST_UNCLEAR: Final = 5
"""Answers without a word, in a row."""
_ANSWERED: Final = {"accept": "application/json, text/plain, */*"}
"""What the login page's own script asks for."""
MOST_URLS: Final = 5
"""Addresses that are opened to finish a login."""


class QrPace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    poll: float = 2.0
    """Between two questions about a code; a quarter more or less at random."""
    code: float = 180.0
    """For how long one code is asked about; how long the service keeps it is not known."""
    second: float = 300.0
    """The same for a second code, with which the owner passes a check."""


class ShowCode(msgspec.Struct, frozen=True):
    """The code to show, and for how many seconds it is asked about."""

    text: str
    seconds: float
    second: bool = False
    """Whether it follows a confirmed one: the owner passes a check with it."""


class Waiting(msgspec.Struct, frozen=True):
    """Nothing new."""


class Scanned(msgspec.Struct, frozen=True):
    """Scanned; to be confirmed on the phone."""


class LoggedIn(msgspec.Struct, frozen=True):
    """The whole cookie."""

    cookie: Secret


class Check(msgspec.Struct, frozen=True):
    """The service wants a person to pass a further check; the login ends."""


class Ended(msgspec.Struct, frozen=True):
    """The login ends without a cookie."""

    reason: Reason


Step = ShowCode | Waiting | Scanned | LoggedIn | Check | Ended


async def qr_login(calls: BrowserCalls, pace: QrPace) -> AsyncGenerator[Step, None]:
    """Yield what happens, the end last; `calls` has an empty jar. Raises nothing of the network's."""
    try:
        async for step in _Login(calls, pace).run():
            yield step
    except CheckWanted:
        yield Check()
    except NoAnswer as error:
        yield Ended(error.reason)


class _Login:
    def __init__(self, calls: BrowserCalls, pace: QrPace) -> None:
        self._calls = calls
        self._pace = pace
        self._page = self._at("/mini_login.htm")

    async def run(self) -> AsyncGenerator[Step, None]:
        form = await self._form()
        for _ in range(MOST_CODES):
            answer = await self._calls.ask(
                "GET", self._at("/newlogin/qrcode/generate.do"), query=form, page=self._page, headers=_ANSWERED
            )
            code = pages.code_of(answer.body)
            if code is None:
                yield Ended(Reason("qr_no_code", {"status": answer.status}))
                return
            yield ShowCode(code.text, self._pace.code)
            confirmed: pages.Confirmed | None = None
            async for step in self._scan(form | code.keys):
                if isinstance(step, pages.Confirmed):
                    confirmed = step
                else:
                    yield step
                    if isinstance(step, Check | Ended):
                        return
            if confirmed is not None:
                yield await self._finish(confirmed)
                return
        yield Ended(Reason("qr_expired", {"count": MOST_CODES}))

    async def _form(self) -> dict[str, str]:
        query = pages.PAGE_QUERY | {"rnd": f"{random.random():.16f}"}
        home = f"{self._calls.sites.web}/"
        page = await self._calls.ask("GET", self._page, query=query, page=home, maker="iframe")
        form = pages.login_form(page.body.decode(errors="replace"))
        return form or pages.form_without_page(self._calls.jar, self._calls.sites.web)

    async def _scan(
        self, form: dict[str, str]
    ) -> AsyncGenerator[ShowCode | Waiting | Scanned | Check | Ended | pages.Confirmed, None]:
        """Yield how far the owner is, until the code is confirmed or over."""
        until = asyncio.get_running_loop().time() + self._pace.code
        unclear = 0
        while asyncio.get_running_loop().time() < until:
            answer = await self._calls.ask(
                "POST",
                self._at("/newlogin/qrcode/query.do"),
                query=pages.SITE,
                form=form,
                page=self._page,
                headers=_ANSWERED,
            )
            match pages.scan_state(answer.body):
                case pages.Confirmed() as confirmed:
                    yield confirmed
                    return
                case pages.PersonCheck(address):
                    async for step in self._pass(address):
                        yield step
                    return
                case "check":
                    yield Check()
                    return
                case "over":
                    return
                case "unclear":
                    unclear += 1
                    if unclear > MOST_UNCLEAR:
                        yield Ended(Reason("qr_unclear", {"status": answer.status}))
                        return
                    yield Waiting()
                case "scanned":
                    unclear = 0
                    yield Scanned()
                case _:
                    unclear = 0
                    yield Waiting()
            await asyncio.sleep(self._pace.poll * random.uniform(0.75, 1.25))

    async def _pass(self, address: str) -> AsyncGenerator[ShowCode | Waiting | pages.Confirmed, None]:
        """Show the second code until the owner has passed the check with it. Raises `CheckWanted`."""
        asked = await second_code.begin(self._calls, address)
        yield ShowCode(asked.text, self._pace.second, second=True)
        async for end in second_code.passed(self._calls, asked, self._pace.second, self._pace.poll):
            yield Waiting() if end is None else pages.Confirmed(urls=(end,), checked=True)

    async def _finish(self, confirmed: pages.Confirmed) -> Step:
        """Do what the page does after a confirmation, in its order, and take the cookie if it is complete."""
        calls = self._calls
        if confirmed.dialog is not None and calls.sites.ours(confirmed.dialog):
            await calls.ask("POST", confirmed.dialog, page=self._page, headers=_ANSWERED)
        if confirmed.token is not None:
            await self._redeem(confirmed.token)
        for url in confirmed.urls[:MOST_URLS]:
            if calls.sites.ours(url):
                await calls.visit(url, passing=confirmed.checked)
        await calls.visit(f"{calls.sites.web}/im")
        await self._stay_logged_in()
        if cookies.SIGNING not in calls.jar:
            await ask_user(calls, time.time())  # it refuses a call without the signing cookie, and sets it
        missing = [name for name in pages.PROOFS if not calls.jar.get(name)]
        if missing:
            return Ended(Reason("login_incomplete", {"words": ", ".join(missing)}))
        return LoggedIn(cookies.render(calls.jar))

    async def _redeem(self, token: str) -> None:
        query = {
            "token": token,
            "subFlow": "DIALOG_CHECK_LOGIN_RPC",
            "nextCode": "0018",
            "bizScene": "qrcode",
            "confirm": "true",
        }
        form = {"deviceId": self._calls.jar.get("cna", "")}
        await self._calls.ask(
            "POST", self._at("/login_token/login.do"), query=query, form=form, page=self._page, headers=_ANSWERED
        )

    async def _stay_logged_in(self) -> None:
        """Turn the login of 30 days on, as the page's box does."""
        query = pages.SITE | {"bizEntrance": "web"}
        path = self._at("/ac/account/setLoginSettings.do")
        await self._calls.ask("POST", path, query=query, form={"status": "0"}, page=self._page, headers=_ANSWERED)

    def _at(self, path: str) -> str:
        return self._calls.sites.passport + path
