"""One token call over HTTP: sent once, answered once, nothing decided. Shell."""

from __future__ import annotations

from typing import Final, NamedTuple

import aiohttp

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.tokens import mtop
from xyfleet.supervisor.tokens.egress import FAILURES, SENT, describe
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

MAX_ANSWER: Final = 1024 * 1024
"""Bytes of an answer that are read; a real one has some hundred."""
CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, TCP, proxy and TLS."""
_ORIGIN: Final = "https://www.goofish.com"


class CallFailed(Exception):
    """No answer. `reached`: the request was sent, so the server may have seen it."""

    def __init__(self, reason: Reason, *, reached: bool) -> None:
        self.reason = reason
        self.reached = reached
        super().__init__(str(reason))


class RawAnswer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    set_cookie: list[str]
    location: str = ""
    """Where a redirect leads to; none is followed."""


def headers(identity: Identity, origin: str = _ORIGIN, referer: str = f"{_ORIGIN}/") -> dict[str, str]:
    """Return what the page's own call has beside its cookie."""
    return {
        "accept": "application/json",
        "cache-control": "no-cache",
        "origin": origin,
        "pragma": "no-cache",
        "referer": referer,
        **({"priority": "u=1, i"} if identity.brands else {}),
        "sec-fetch-dest": "empty",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "same-site",
        **identity.headers(),
    }


async def post(
    session: aiohttp.ClientSession,
    url: str,
    *,
    cookie: Secret,
    device_id: str,
    identity: Identity,
    page: str,
    now: float,
    timeout: float,
    proxy: Secret | None = None,
) -> RawAnswer:
    """
    Make the call.

    Args:
        identity: the browser whose headers it has.
        page: id of the page view that it belongs to.
        now: wall time.
        timeout: seconds for all of it.
        proxy: what of it must not be shown; the session has the way.

    Raises:
        CallFailed: there was no answer.
    """
    data = mtop.form_data(device_id)
    return await post_signed(
        session,
        url,
        mtop.query(cookies.sign_token(cookie), str(int(now * 1000)), data, page),
        data,
        headers(identity),
        cookie=cookie,
        timeout=timeout,
        proxy=proxy,
    )


async def post_signed(
    session: aiohttp.ClientSession,
    url: str,
    query: dict[str, str],
    data: str,
    headers: dict[str, str],
    *,
    cookie: Secret,
    timeout: float,
    proxy: Secret | None = None,
) -> RawAnswer:
    """Make any signed call; arguments and errors as of `post`."""
    mark: dict[str, bool] = {}
    try:
        async with session.post(
            url,
            params=query,
            data={"data": data},
            headers={**headers, "cookie": cookies.sendable(cookie).reveal()},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_TIMEOUT)),
            trace_request_ctx=mark,
        ) as response:
            said = response.headers
            set_cookie = said.getall("Set-Cookie", [])
            return RawAnswer(response.status, await read_body(response), set_cookie, said.get("Location", ""))
    except FAILURES as error:
        raise CallFailed(describe(error, proxy), reached=SENT in mark) from None


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body, cut where it is too long to be a real one."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            break  # Cut, it is no JSON any more, and counts as such.
    return body
