"""The API's routes that log accounts in: a cookie given, or a code to be scanned, as a stream. Shell."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.api.answers import BrowserLogin, LoggedIn, QrLine
from xyfleet.supervisor.api.middleware import limited
from xyfleet.supervisor.api.requests import CONTROL, OVER_TCP, BadRequest, body, json_answer, language, one, operator
from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.control.types import QrStep
from xyfleet.supervisor.identity import raw
from xyfleet.worker.secret import Secret


class Login(msgspec.Struct):
    """One account and its new cookie."""

    name: str
    cookie: str
    user_agent: str | None = None


class Named(msgspec.Struct):
    """One account by its name."""

    name: str


async def _login(request: web.Request) -> web.StreamResponse:
    login = await body(request, Login)
    identity = None if login.user_agent is None else raw(login.user_agent)
    if identity is None and login.user_agent is not None:
        raise BadRequest("user_agent: use one line of plain ASCII, as a browser sends it")
    by = await operator(request)
    doubt = await request.app[CONTROL].login(one(login.name), Secret(login.cookie), by, identity)
    return json_answer(LoggedIn([login.name], [] if doubt is None else [doubt.say(language(request))]))


async def _qr_login(request: web.Request) -> web.StreamResponse:
    """Stream how far a login by code is; it ends with the connection. A refusal is an answer like all others."""
    name = one((await body(request, Named)).name)
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Connection": "close"})
    async with aclosing(request.app[CONTROL].qr_login(name, await operator(request))) as steps:
        async for step in steps:
            if not response.prepared:
                await response.prepare(request)
            async with limited(request):
                await response.write(_line(step, language(request)))
    return response


async def _browser(request: web.Request) -> web.StreamResponse:
    """Say what a browser needs in which a person logs in. The proxy's password is for who may read the state only."""
    name = one((await body(request, Named)).name)
    if await operator(request) == OVER_TCP:
        raise NotPossible(Text(N_("a browser is opened by the command on the fleet's own machine only")))
    place = request.app[CONTROL].browser_place(name)
    proxy = None if place.proxy is None else place.proxy.reveal()
    return json_answer(BrowserLogin(str(place.profile), place.url, place.domain, place.language, proxy))


def _line(step: QrStep, spoken: str) -> bytes:
    text = None if step.text is None else step.text.say(spoken)
    return msgspec.json.encode(QrLine(step.step, step.code, step.seconds, text)) + b"\n"


LOGIN_ROUTES: Final = [
    web.post("/v1/login", _login),
    web.post("/v1/login/qr", _qr_login),
    web.post("/v1/login/browser", _browser),
]
