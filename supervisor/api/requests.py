"""What all routes of the HTTP API share: how requests are read, refused and answered. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from xyfleet.supervisor.common.errors import Refused, UnknownName
from xyfleet.supervisor.common.i18n import LANGUAGES
from xyfleet.supervisor.control.types import Control

SILENCE: Final = 10.0
"""Seconds that a client may take to send its request, or read nothing of what it is sent, before it is cut off."""

HTTP_CODES: Final = {
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_entity_too_large",
    503: "service_unavailable",
}
"""The error codes of refusals that HTTP itself knows. Not the reason phrases: those differ from Python to Python."""

_Body = TypeVar("_Body", bound=msgspec.Struct)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTROL: Final = web.AppKey("control", Control)

log = logging.getLogger(__name__)


class BadRequest(Exception):
    """The request itself is wrong; the text is for programmers and English."""


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and fault into JSON, and cut off a client that does not take its answer."""
    try:
        response = await handler(request)
    except Refused as refusal:
        message = refusal.text.say(language(request))
        response = error_answer(refusal.status, refusal.code, message, **refusal.facts)
    except BadRequest as error:
        response = error_answer(400, "bad_request", str(error))
    except web.HTTPException as error:
        response = error_answer(error.status, HTTP_CODES.get(error.status, "http"), f"{request.method} {request.path}")
        if "WWW-Authenticate" in error.headers:
            response.headers["WWW-Authenticate"] = error.headers["WWW-Authenticate"]
    except ConnectionError:
        return web.Response()  # nobody is there to get it
    except Exception:
        log.exception("fault while answering %s %s", request.method, request.path)
        response = error_answer(500, "fault", "a fault in xyfleet; its log has more")
    with contextlib.suppress(ConnectionError):
        async with limited(request):
            await response.prepare(request)
            await response.write_eof()
    return response


@contextlib.asynccontextmanager
async def limited(request: web.Request) -> AsyncIterator[None]:
    """Let the kernel take all that is written inside, or cut off a client that reads nothing of it for a while."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    transport.set_write_buffer_limits(0)  # so that `drain` waits for the last byte
    watch: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(SILENCE) as patience:
            watch = asyncio.create_task(_watch(transport, patience))
            yield
            await request.writer.drain()
    except TimeoutError:
        transport.abort()
        raise ConnectionResetError("the client does not read") from None
    finally:
        if watch is not None:
            watch.cancel()


async def _watch(transport: asyncio.WriteTransport, patience: asyncio.Timeout) -> None:
    """Be patient with who reads, slow as the line may be: over a small server's, 16 MiB take a minute."""
    left = transport.get_write_buffer_size()
    while True:
        await asyncio.sleep(SILENCE / 4)
        before, left = left, transport.get_write_buffer_size()
        if left < before and not patience.expired():
            patience.reschedule(asyncio.get_running_loop().time() + SILENCE)


def error_answer(status: int, code: str, message: str, **facts: Any) -> web.Response:
    """Return a refusal as docs/api.md describes them."""
    return json_answer({"error": {"code": code, "message": message, **facts}}, status=status)


def json_answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a value as a JSON answer."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )


def language(request: web.Request) -> str:
    """Return `zh` or `en`: the first of the two that the client wants, else the fleet's."""
    for wanted in request.headers.get("Accept-Language", "").split(","):
        found = wanted.strip().lower()[:2]
        if found in LANGUAGES:
            return found
    return request.app[CONTROL].language


def operator(request: web.Request) -> str:
    """Return who is at the other end of the Unix socket, the kernel knows; over TCP a token is all that is known."""
    peer = request.get_extra_info("socket")
    if peer.family != socket.AF_UNIX:
        return "http"
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def one(name: str) -> str:
    """Return the name of one account, or refuse what could mean several."""
    if name.startswith("@") or set(name) & set("*?["):
        raise UnknownName([name])
    return name


async def body(request: web.Request, kind: type[_Body]) -> _Body:
    """Return the request's body. Raises `BadRequest` for one of another shape."""
    try:
        async with asyncio.timeout(SILENCE):
            data = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(str(error)) from None
