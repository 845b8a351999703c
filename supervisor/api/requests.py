"""What all routes of the HTTP API share: how requests are read, refused and answered. Shell."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from xyfleet.supervisor.api.user_names import UserNames
from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.common.i18n import LANGUAGES
from xyfleet.supervisor.control.types import Control

SILENCE: Final = 10.0
"""Seconds that a client may take to send its request, or read nothing of what it is sent, before it is cut off."""


_Body = TypeVar("_Body", bound=msgspec.Struct)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTROL: Final = web.AppKey("control", Control)
USERS: Final = web.AppKey("users", UserNames)


OVER_TCP: Final = "http"
"""Who asks over TCP: a token is all that is known of him."""


class BadRequest(Exception):
    """The request itself is wrong; the text is for programmers and English."""


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


async def operator(request: web.Request) -> str:
    """
    Return who is at the other end of the Unix socket, the kernel knows; over TCP a token is all that is known.

    Raises:
        ConnectionResetError: nobody is there any more.
    """
    peer = request.get_extra_info("socket")
    if peer is None:
        raise ConnectionResetError
    if peer.family != socket.AF_UNIX:
        return OVER_TCP
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return await request.app[USERS].of(uid)


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
    except web.RequestPayloadError:
        raise BadRequest("the body is not encoded as its headers say") from None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(str(error)) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON that can be read: {type(error).__name__}") from None
