"""The HTTP API over a running fleet, described in docs/api.md. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from xyfleet.supervisor.advice import advised, down
from xyfleet.supervisor.control import ACTIONS, Control, Refused, UnknownName, sentences
from xyfleet.supervisor.i18n import LANGUAGES
from xyfleet.worker.secret import Secret

MAX_BODY: Final = 256 * 1024
"""Bytes of a request's body; the longest real one is a cookie of some KiB."""
MAX_FOLLOWERS: Final = 32
"""Streams of events at one time."""
SILENCE: Final = 10.0
"""Seconds that a client may take to send its request, or to read what it is sent, before it is cut off."""
FOLLOW_CHECK: Final = 5.0
"""Seconds between two looks at whether a follower is still there while nothing happens."""

HTTP_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_entity_too_large",
    503: "service_unavailable",
}
"""The error codes of refusals that HTTP itself knows. Not the reason phrases: those differ from Python to Python."""

_Body = TypeVar("_Body", bound=msgspec.Struct)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CONTROL: Final = web.AppKey("control", Control)

log = logging.getLogger(__name__)


class _Names(msgspec.Struct):
    names: list[str]


class _Login(msgspec.Struct):
    name: str
    cookie: str


class _BadRequest(Exception):
    """The request itself is wrong; the text is for programmers and English."""


def make_app(control: Control) -> web.Application:
    """Return the application; the same for every listener."""
    app = web.Application(middlewares=[_answer], client_max_size=MAX_BODY)
    app[_CONTROL] = control
    app.add_routes(
        [
            web.get("/v1/health", _health),
            web.get("/v1/status", _status),
            web.post("/v1/accounts/{action}", _act),
            web.post("/v1/login", _login),
            web.post("/v1/reload", _reload),
            web.post("/v1/stop", _stop),
            web.get("/v1/events", _events),
            web.get("/v1/logs/{name}", _logs),
        ]
    )
    return app


class ApiServer:
    """The API on a Unix socket that only its owner may use."""

    def __init__(self, control: Control, path: Path) -> None:
        self.path = path
        self._control = control
        # A silent connection is closed after the keep-alive time; streams end with `EventLog.close`.
        self._runner = web.AppRunner(
            make_app(control), keepalive_timeout=SILENCE, shutdown_timeout=1.0, access_log=None
        )
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen. Only the holder of the fleet's lock may call this: a left-over socket is removed. Raises OSError."""
        await self._runner.setup()
        await self._listen()

    async def ensure(self) -> bool:
        """Listen again if the socket file is gone or another's; say whether that was needed. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:
                return False
        await self._listen()
        return True

    async def close(self) -> None:
        """Stop listening, end streams, give running requests a second to end."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
        self._control.events.close()
        await self._runner.cleanup()

    async def _listen(self) -> None:
        old, listener = self._server, _private_socket(self.path)
        self._inode = self.path.stat().st_ino
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._runner.server, sock=listener, backlog=128)
        if old is not None:
            old.close()


def _private_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux gives the file this mode at bind: it is never open to others
        listener.bind(os.fspath(path))
    except OSError:
        listener.close()
        raise
    return listener


@web.middleware
async def _answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn every refusal and fault into JSON, and cut off a client that does not take its answer."""
    try:
        response = await handler(request)
    except Refused as refusal:
        message = refusal.text.say(_language(request))
        response = _error(refusal.status, refusal.code, message, **refusal.facts)
    except _BadRequest as error:
        response = _error(400, "bad_request", str(error))
    except web.HTTPException as error:
        response = _error(error.status, HTTP_CODES.get(error.status, "http"), f"{request.method} {request.path}")
    except ConnectionError:
        return web.Response()  # nobody is there to get it
    except Exception:
        log.exception("fault while answering %s %s", request.method, request.path)
        response = _error(500, "fault", "a fault in xyfleet; its log has more")
    with contextlib.suppress(ConnectionError):
        async with _limited(request):
            await response.prepare(request)
            await response.write_eof()
    return response


@contextlib.asynccontextmanager
async def _limited(request: web.Request) -> AsyncIterator[None]:
    """Let the kernel take all that is written inside, or cut off a client that does not read."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.set_write_buffer_limits(0)  # so that `drain` waits for the last byte
    try:
        async with asyncio.timeout(SILENCE):
            yield
            await request.writer.drain()
    except TimeoutError:
        transport.abort()
        raise ConnectionResetError("the client does not read") from None


def _error(status: int, code: str, message: str, **facts: Any) -> web.Response:
    return _json({"error": {"code": code, "message": message, **facts}}, status=status)


def _json(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )


def _language(request: web.Request) -> str:
    for wanted in request.headers.get("Accept-Language", "").split(","):
        language = wanted.strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return request.app[_CONTROL].language


def _operator(request: web.Request) -> str:
    """Return who is at the other end of the Unix socket: the kernel knows."""
    peer = request.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _one(name: str) -> str:
    """Return the name of one account, or refuse what could mean several."""
    if name.startswith("@") or set(name) & set("*?["):
        raise UnknownName([name])
    return name


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    try:
        async with asyncio.timeout(SILENCE):
            data = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise _BadRequest(str(error)) from None


async def _health(request: web.Request) -> web.StreamResponse:
    return _json(request.app[_CONTROL].health())


async def _status(request: web.Request) -> web.StreamResponse:
    view = advised(request.app[_CONTROL].status(request.query.getall("name", [])), _language(request))
    missing, wanted = down(view)
    return _json(view, headers={"X-Xyfleet-Down": f"{missing}/{wanted}"})


async def _act(request: web.Request) -> web.StreamResponse:
    action = next((action for action in ACTIONS if action == request.match_info["action"]), None)
    if action is None:
        raise web.HTTPNotFound
    names = (await _body(request, _Names)).names
    if not names:
        raise _BadRequest('no names; ["*"] means all accounts')
    outcome = await request.app[_CONTROL].act(action, names, _operator(request))
    return _json({"done": outcome.done, "refused": sentences(outcome.refused, _language(request))})


async def _login(request: web.Request) -> web.StreamResponse:
    login = await _body(request, _Login)
    await request.app[_CONTROL].login(_one(login.name), Secret(login.cookie), _operator(request))
    return _json({"done": [login.name]})


async def _reload(request: web.Request) -> web.StreamResponse:
    return _json(await request.app[_CONTROL].reload(_operator(request)))


async def _stop(request: web.Request) -> web.StreamResponse:
    control = request.app[_CONTROL]
    control.stop(_operator(request))
    return _json({"pid": control.health().pid}, status=202)


async def _logs(request: web.Request) -> web.StreamResponse:
    path = request.app[_CONTROL].log_path(_one(request.match_info["name"]))
    return _json({"path": None if path is None else str(path)})


async def _events(request: web.Request) -> web.StreamResponse:
    events = request.app[_CONTROL].events
    last = request.query.get("since", "0")
    if not last.isdecimal():
        raise _BadRequest("since is not a number")
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
    with request.app[_CONTROL].events.follow(last) as follower:
        await response.prepare(request)
        while not follower.ended and request.transport is not None:
            news = await follower.take(FOLLOW_CHECK)
            async with _limited(request):
                await response.write(encoder.encode_lines(news))
    return response
