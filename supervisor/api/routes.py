"""The HTTP API over a running fleet, described in docs/api.md. Shell."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.api.answers import Acted, Ending, LogFile
from xyfleet.supervisor.api.ask_routes import ASK_ROUTES
from xyfleet.supervisor.api.login_routes import LOGIN_ROUTES
from xyfleet.supervisor.api.message_routes import MAIL_ROUTES
from xyfleet.supervisor.api.middleware import answer, limited
from xyfleet.supervisor.api.requests import CONTROL, USERS, BadRequest, body, json_answer, language, one, operator
from xyfleet.supervisor.api.send_routes import SEND_ROUTES
from xyfleet.supervisor.api.talk_routes import TALK_ROUTES
from xyfleet.supervisor.api.tcp_server import guard
from xyfleet.supervisor.api.user_names import UserNames
from xyfleet.supervisor.common.i18n import sentences
from xyfleet.supervisor.control.types import ACTIONS, Control
from xyfleet.supervisor.presentation.advice import advised, down
from xyfleet.worker.secret import Secret

MAX_BODY: Final = 256 * 1024
"""Bytes of a request's body; the longest real one is a cookie of some KiB."""
MAX_FOLLOWERS: Final = 32
"""Streams of events at one time."""
MAX_DIGITS: Final = 18
"""Of an event's id."""
FOLLOW_CHECK: Final = 5.0
"""Seconds between two looks at whether a follower is still there while nothing happens."""


class Names(msgspec.Struct):
    """Accounts by name, glob or @tag, and whether what may be a mistake is meant."""

    names: list[str]
    yes: bool = False


class ReloadOrder(msgspec.Struct):
    """Whether a reload that would end a large part of the fleet is meant."""

    yes: bool = False


def make_app(control: Control, token: Secret | None = None) -> web.Application:
    """Return the application, the same for every listener; with `token`, for those only who send it."""
    guards = [] if token is None else [guard(token)]
    app = web.Application(middlewares=[answer, *guards], client_max_size=MAX_BODY)
    app[CONTROL] = control
    app[USERS] = UserNames()
    app.add_routes(
        [
            web.get("/v1/health", _health),
            web.get("/v1/status", _status),
            web.post("/v1/accounts/{action}", _act),
            web.post("/v1/reload", _reload),
            web.post("/v1/stop", _stop),
            web.get("/v1/events", _events),
            web.get("/v1/logs/{name}", _logs),
            web.get("/v1/trace/{name}", _trace),
            web.get("/v1/wire/{name}", _wire),
            web.get("/v1/simulator", _simulator),
            *ASK_ROUTES,
            *LOGIN_ROUTES,
            *MAIL_ROUTES,
            *SEND_ROUTES,
            *TALK_ROUTES,
        ]
    )
    return app


async def _health(request: web.Request) -> web.StreamResponse:
    return json_answer(request.app[CONTROL].health())


async def _simulator(request: web.Request) -> web.StreamResponse:
    return json_answer(request.app[CONTROL].simulator(one(request.query.get("name", ""))))


async def _status(request: web.Request) -> web.StreamResponse:
    view = advised(request.app[CONTROL].status(request.query.getall("name", [])), language(request))
    missing, wanted = down(view)
    return json_answer(view, headers={"X-Xyfleet-Down": f"{missing}/{wanted}"})


async def _act(request: web.Request) -> web.StreamResponse:
    action = next((action for action in ACTIONS if action == request.match_info["action"]), None)
    if action is None:
        raise web.HTTPNotFound
    asked = await body(request, Names)
    if not asked.names:
        raise BadRequest('no names; ["*"] means all accounts')
    outcome = await request.app[CONTROL].act(action, asked.names, await operator(request), sure=asked.yes)
    return json_answer(Acted(outcome.done, sentences(outcome.refused, language(request))))


async def _reload(request: web.Request) -> web.StreamResponse:
    sure = request.can_read_body and (await body(request, ReloadOrder)).yes
    return json_answer(await request.app[CONTROL].reload(await operator(request), sure=sure))


async def _stop(request: web.Request) -> web.StreamResponse:
    control = request.app[CONTROL]
    control.stop(await operator(request))
    return json_answer(Ending(control.health().pid), status=202)


async def _logs(request: web.Request) -> web.StreamResponse:
    path = request.app[CONTROL].log_path(one(request.match_info["name"]))
    return json_answer(LogFile(None if path is None else str(path)))


async def _trace(request: web.Request) -> web.StreamResponse:
    found = request.app[CONTROL].trace(one(request.match_info["name"]))
    return web.Response(body=msgspec.json.Encoder().encode_lines(found), content_type="application/x-ndjson")


async def _wire(request: web.Request) -> web.StreamResponse:
    return json_answer(request.app[CONTROL].wire_report(one(request.match_info["name"])))


async def _events(request: web.Request) -> web.StreamResponse:
    events = request.app[CONTROL].events
    last = request.query.get("since", "0")
    if not last.isdecimal() or len(last) > MAX_DIGITS:
        raise BadRequest("since is not a number")
    if request.query.get("follow", "0") in ("", "0"):
        return web.Response(
            body=msgspec.json.Encoder().encode_lines(events.since(int(last))), content_type="application/x-ndjson"
        )
    if events.followers >= MAX_FOLLOWERS:
        raise web.HTTPServiceUnavailable
    return await _follow(request, int(last))


async def _follow(request: web.Request, last: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Connection": "close"})
    encoder = msgspec.json.Encoder()
    with request.app[CONTROL].events.follow(last) as follower:
        await response.prepare(request)
        while not follower.ended and request.transport is not None:
            news = await follower.take(FOLLOW_CHECK)
            async with limited(request):
                await response.write(encoder.encode_lines(news))
    return response
