"""Calls as a page makes them: with cookies of its own, by the account's way out, following no redirect. Shell."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import aiohttp

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.passport.page_headers import Maker, page_headers
from xyfleet.supervisor.passport.sites import Sites
from xyfleet.supervisor.tokens import answer_words
from xyfleet.supervisor.tokens.call import CONNECT_TIMEOUT, RawAnswer, read_body
from xyfleet.supervisor.tokens.egress import FAILURES, Egress, Unreachable, describe
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

TIMEOUT: Final = 20.0
"""Seconds for one call."""
MOST_REDIRECTS: Final = 6


class NoAnswer(Exception):
    """The service could not be reached; `reason` says why, free of secrets."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class CheckWanted(Exception):
    """The service wants a person to pass a check."""


class BrowserCalls:
    """
    One visit to the service's pages.

    Args:
        identity: The browser that makes it.
        jar: Its cookies; grows by what answers set, whose login it is too.
    """

    def __init__(
        self, way: Egress, sites: Sites, identity: Identity, jar: dict[str, str], proxy: Secret | None = None
    ) -> None:
        self.sites = sites
        self.jar = jar
        self.set_cookie: list[str] = []
        """All that was set, in order."""
        self._way = way
        self.identity = identity
        self._proxy = proxy

    async def ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | aiohttp.FormData | None = None,
        page: str | None = None,
        maker: Maker = "fetch",
        headers: Mapping[str, str] | None = None,
        passing: bool = False,
    ) -> RawAnswer:
        """
        Make one call.

        Args:
            page: where it is made from, and `maker` by what there.
            headers: further ones, or others than a page's; lower case.
            passing: Whether a person is passing a check, whose pages may follow; sliders and the like may not.

        Raises:
            NoAnswer: there was none.
            CheckWanted: it leads to a check.
        """
        names = page_headers(maker, method, url, page, hints=bool(self.identity.brands))
        sent = {**self.identity.headers(), **names, **(headers or {})}
        if self.jar:
            sent["cookie"] = cookies.sendable(cookies.render(self.jar)).reveal()
        try:
            async with (
                self._way.session() as session,
                session.request(
                    method,
                    url,
                    params=query,
                    data=form,
                    headers=sent,
                    skip_auto_headers=("content-type",) if form is None else (),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=CONNECT_TIMEOUT),
                ) as response,
            ):
                said = response.headers
                set_cookie = said.getall("Set-Cookie", [])
                answer = RawAnswer(response.status, await read_body(response), set_cookie, said.get("Location", ""))
        except Unreachable as error:
            raise NoAnswer(error.reason) from None
        except FAILURES as error:
            raise NoAnswer(describe(error, self._proxy)) from None
        self._take(answer.set_cookie)
        wanted = answer_words.slider_page if passing else answer_words.person_page
        if wanted(answer.location):
            raise CheckWanted
        return answer

    async def visit(self, url: str, *, passing: bool = False) -> RawAnswer:
        """Open a page as a document, and go where it sends us on, inside the service. Arguments and errors of `ask`."""
        answer = await self.ask("GET", url, maker="document", passing=passing)
        for _ in range(MOST_REDIRECTS):
            following = self.sites.onward(url, answer.location)
            if following is None:
                break
            url = following
            answer = await self.ask("GET", url, maker="document", passing=passing)
        return answer

    def _take(self, set_cookie: list[str]) -> None:
        """Keep what an answer sets; host-only cookies of the login page are wanted everywhere."""
        self.set_cookie += set_cookie
        user = self.jar.get(cookies.IDENTITY)
        for line in set_cookie:
            name, _, value = line.partition(";")[0].partition("=")
            if name.strip() == cookies.IDENTITY and cookies.is_user(value.strip()):
                user = value.strip()
        merged = cookies.parse(cookies.merge(cookies.render(self.jar), set_cookie, time.time()).reveal())
        self.jar.clear()
        self.jar.update(merged)
        if user is not None:
            self.jar[cookies.IDENTITY] = user
