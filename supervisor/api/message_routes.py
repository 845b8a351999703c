"""The API's routes that read messages: the newest ones, and all new ones as they come. Shell."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from typing import Final

from aiohttp import web

from xyfleet.supervisor.api.middleware import limited
from xyfleet.supervisor.api.requests import CONTROL, BadRequest, error_answer, language
from xyfleet.supervisor.common.i18n import Text, sentences
from xyfleet.supervisor.messages.feed_file import BadCursor, Gone
from xyfleet.supervisor.messages.followers import Follower, Piece
from xyfleet.supervisor.messages.query import Question, since

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 10_000
"""Messages in one answer."""
MAX_STREAMS: Final = 32
"""Streams of messages at one time."""
BEAT: Final = 10.0
"""Seconds of silence after which a stream says that it lives."""
RETRY: Final = 3000
"""Milliseconds after which a browser connects again."""
MAX_NAMED: Final = 4000
"""Bytes of a header that names accounts: clients refuse long lines, most of them at 8 KiB."""
MAX_DIGITS: Final = 9


async def _messages(request: web.Request) -> web.StreamResponse:
    control, asked = request.app[CONTROL], _question(request.query)
    found, cursor = await control.mail.listing(control.names(request.query.getall("name", [])), asked)
    headers = {"X-Xyfleet-Next": cursor}
    if found.troubles:
        headers["X-Xyfleet-Unreadable"] = _named(found.troubles, language(request))
    body = b"".join(line + b"\n" for line in found.lines)
    return web.Response(body=body, headers=headers, content_type="application/x-ndjson")


def _question(query: Mapping[str, str]) -> Question:
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (len(limit) <= MAX_DIGITS and limit.isdecimal() and limit.isascii() and 0 < int(limit) <= MAX_LIMIT):
        raise BadRequest(f"limit is not a number from 1 to {MAX_LIMIT}")
    return Question(
        limit=int(limit),
        since=_since(query["since"]) if query.get("since") else None,
        failed=query.get("failed", "0") not in ("", "0"),
        conversation=query.get("conversation") or None,
    )


def _since(text: str) -> int:
    try:
        return since(text.replace(" ", "+"), int(time.time() * 1000))  # a `+` that was not quoted
    except ValueError:
        raise BadRequest("since is neither an RFC 3339 time with a zone nor a span like 30m, 2h or 3d") from None


def _named(troubles: Mapping[str, Text], wanted: str) -> str:
    """Return what can't be read as JSON for a header: ASCII, as many of them as fit, a long first one cut."""
    room, parts = MAX_NAMED, list[str]()
    for account, why in sentences(troubles, wanted).items():
        part = json.dumps({account: why})[1:-1]
        room -= len(part) + 2
        if room < 0 and parts:
            break
        parts.append(part if room >= 0 else json.dumps({account: why[:200]})[1:-1])
    return "{" + ", ".join(parts) + "}"


async def _stream(request: web.Request) -> web.StreamResponse:
    try:
        return await _streamed(request)
    except BadCursor:
        raise BadRequest("the id is none that this stream gave") from None
    except Gone:
        way_on = "GET /v1/messages?since=… has what came meanwhile, and in X-Xyfleet-Next the id to go on with"
        return error_answer(410, "gone", f"the id is of another feed, or too old: {way_on}")


async def _streamed(request: web.Request) -> web.StreamResponse:
    control = request.app[CONTROL]
    after = request.headers.get("Last-Event-ID") or request.query.get("after") or None
    words = request.query.getall("name", [])
    if control.mail.followers >= MAX_STREAMS:
        raise web.HTTPServiceUnavailable
    with control.mail.follow(lambda: control.names(words), after) as follower:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Connection": "close"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await _write(request, response, b"retry: %d\n\n" % RETRY)
        await _follow(request, response, follower)
    return response


async def _follow(request: web.Request, response: web.StreamResponse, follower: Follower) -> None:
    """Write what is new, and a beat when nothing is, until one side leaves."""
    loop = asyncio.get_running_loop()
    written = loop.time()
    while not follower.ended and request.transport is not None:
        pieces = await follower.take(max(0.0, written + BEAT - loop.time()))
        if pieces or loop.time() >= written + BEAT:
            await _write(request, response, _events(pieces, language(request)) or b": beat\n\n")
            written = loop.time()


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    async with limited(request):
        await response.write(data)


def _events(pieces: Iterable[Piece], wanted: str) -> bytes:
    return b"".join(_event(one, wanted) for one in pieces)


def _event(piece: Piece, wanted: str) -> bytes:
    """Return a piece as an event; one without data only moves the reader's last id on."""
    if piece.trouble is not None:
        data = json.dumps({"account": piece.account, "reason": piece.trouble.say(wanted)}).encode()
        return b"event: unreadable\ndata: %b\n\n" % data
    if piece.data is None:
        return b"id: %b\n\n" % piece.cursor.encode()
    return b"id: %b\nevent: message\ndata: %b\n\n" % (piece.cursor.encode(), piece.data)


MAIL_ROUTES: Final = (
    web.get("/v1/messages", _messages),
    web.get("/v1/messages/stream", _stream),
)
