"""The API's routes about conversations: list them, read one, open one, mark one as read, recall a message. Shell."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from msgspec import Meta, Struct

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


class _Open(Struct):
    name: str
    buyer: Id
    item: Id


class _Read(Struct):
    name: str
    conversation: Id


class _Recall(Struct):
    name: str
    message: Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]


async def _talks(request: web.Request) -> web.StreamResponse:
    answer = await _ask(request, request.match_info["name"], ListTalks(_limit(request, DEFAULT_TALKS)))
    return json_answer({"talks": answer.talks, "more": answer.more})


async def _history(request: web.Request) -> web.StreamResponse:
    talk = _bare(request.match_info["conversation"])
    if not (len(talk) <= _LONGEST_ID and talk.isascii() and talk.isprintable() and " " not in talk and talk):
        raise BadRequest("the conversation is no id")
    answer = await _ask(request, request.match_info["name"], ReadHistory(talk, _limit(request, DEFAULT_MESSAGES)))
    return json_answer({"messages": answer.messages, "more": answer.more})


async def _open(request: web.Request) -> web.StreamResponse:
    asked = await body(request, _Open)
    answer = await _ask(request, asked.name, OpenTalk(_bare(asked.buyer), _bare(asked.item)))
    return json_answer({**_end(answer), "conversation": answer.conversation})


async def _read(request: web.Request) -> web.StreamResponse:
    asked = await body(request, _Read)
    answer = await _ask(request, asked.name, MarkRead(_bare(asked.conversation)))
    return json_answer({**_end(answer), "count": answer.count})


async def _recall(request: web.Request) -> web.StreamResponse:
    asked = await body(request, _Recall)
    return json_answer(_end(await _ask(request, asked.name, RecallMessage(asked.message))))


async def _ask(request: web.Request, name: str, question: TalkQuestion) -> TalkAnswer:
    return await request.app[CONTROL].talk(one(name), question)


def _end(answer: TalkAnswer) -> dict[str, Any]:
    return {"state": answer.state, "reason": answer.reason}


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
