"""The API's routes about conversations: list them, read one, open one, mark one as read, recall a message. Shell."""

from __future__ import annotations

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from xyfleet.supervisor.api.answers import History, MarkedRead, Opened, Recalled, Talks
from xyfleet.supervisor.api.requests import CONTROL, BadRequest, body, json_answer, one
from xyfleet.supervisor.api.send_routes import DOMAIN, Id
from xyfleet.worker.ipc.talks import (
    MOST_LISTED,
    ListTalks,
    MarkRead,
    OpenTalk,
    ReadHistory,
    RecallMessage,
    TalkAnswer,
    TalkQuestion,
)

DEFAULT_TALKS: Final = 50
DEFAULT_MESSAGES: Final = 20
_LONGEST_ID: Final = 128


class OpenOrder(Struct):
    """Whom to talk with, about which item."""

    name: str
    buyer: Id
    item: Id


class ReadOrder(Struct):
    """Which conversation was read."""

    name: str
    conversation: Id


class RecallOrder(Struct):
    """Which own message to take back."""

    name: str
    message: Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]


async def _talks(request: web.Request) -> web.StreamResponse:
    answer = await _ask(request, request.match_info["name"], ListTalks(_limit(request, DEFAULT_TALKS)))
    return json_answer(Talks(answer.talks, answer.more))


async def _history(request: web.Request) -> web.StreamResponse:
    talk = _bare(request.match_info["conversation"])
    if not (len(talk) <= _LONGEST_ID and talk.isascii() and talk.isprintable() and " " not in talk and talk):
        raise BadRequest("the conversation is no id")
    answer = await _ask(request, request.match_info["name"], ReadHistory(talk, _limit(request, DEFAULT_MESSAGES)))
    return json_answer(History(answer.messages, answer.more))


async def _open(request: web.Request) -> web.StreamResponse:
    asked = await body(request, OpenOrder)
    answer = await _ask(request, asked.name, OpenTalk(_bare(asked.buyer), _bare(asked.item)))
    return json_answer(Opened(answer.state, answer.reason, answer.conversation))


async def _read(request: web.Request) -> web.StreamResponse:
    asked = await body(request, ReadOrder)
    answer = await _ask(request, asked.name, MarkRead(_bare(asked.conversation)))
    return json_answer(MarkedRead(answer.state, answer.reason, answer.count))


async def _recall(request: web.Request) -> web.StreamResponse:
    asked = await body(request, RecallOrder)
    answer = await _ask(request, asked.name, RecallMessage(asked.message))
    return json_answer(Recalled(answer.state, answer.reason))


async def _ask(request: web.Request, name: str, question: TalkQuestion) -> TalkAnswer:
    return await request.app[CONTROL].talk(one(name), question)


def _bare(id_: str) -> str:
    return id_.removesuffix(DOMAIN)


def _limit(request: web.Request, usual: int) -> int:
    limit = request.query.get("limit", str(usual))
    if not (
        len(limit) <= len(str(MOST_LISTED)) and limit.isascii() and limit.isdecimal() and 0 < int(limit) <= MOST_LISTED
    ):
        raise BadRequest(f"limit is not a number from 1 to {MOST_LISTED}")
    return int(limit)


TALK_ROUTES: Final = (
    web.get("/v1/talks/{name}", _talks),
    web.get("/v1/talks/{name}/{conversation}", _history),
    web.post("/v1/talks/open", _open),
    web.post("/v1/talks/read", _read),
    web.post("/v1/talks/recall", _recall),
)
