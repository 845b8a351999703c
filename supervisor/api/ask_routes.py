"""The API's routes that ask the platform for an account: items, orders, shipments, further APIs. Shell."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from xyfleet.supervisor.api.requests import CONTROL, BadRequest, body, json_answer, one
from xyfleet.worker.ipc.messages import Ask

_Id = Annotated[str, Meta(pattern=r"^[0-9]{1,32}\Z")]
_Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]{1,200}\Z")]
_MOST_PAGES: Final = 4
"""Digits of a page's number."""


class Ship(Struct):
    """An order to be marked as shipped."""

    name: str
    order: _Id
    again: bool = False
    later: bool = False


class Call(Struct):
    """A call of an API that is named under `apis`."""

    name: str
    api: _Word
    data: dict[str, Any]
    version: _Word = "1.0"


async def _item(request: web.Request) -> web.StreamResponse:
    return await _ask(request, request.match_info["name"], Ask(request=0, what="item", id=_id(request)))


async def _order(request: web.Request) -> web.StreamResponse:
    return await _ask(request, request.match_info["name"], Ask(request=0, what="order", id=_id(request)))


async def _orders(request: web.Request) -> web.StreamResponse:
    page = request.query.get("page", "1")
    if not page.isascii() or not page.isdigit() or len(page) > _MOST_PAGES or page.startswith("0"):
        raise BadRequest("page is a number from 1 on")
    return await _ask(request, request.match_info["name"], Ask(request=0, what="orders", id=page))


async def _ship(request: web.Request) -> web.StreamResponse:
    asked = await body(request, Ship)
    question = Ask(request=0, what="ship", id=asked.order, again=asked.again, later=asked.later)
    return await _ask(request, asked.name, question)


async def _call(request: web.Request) -> web.StreamResponse:
    asked = await body(request, Call)
    data = msgspec.json.encode(asked.data).decode()
    return await _ask(request, asked.name, Ask(request=0, what="call", api=asked.api, version=asked.version, data=data))


async def _ask(request: web.Request, name: str, question: Ask) -> web.StreamResponse:
    return json_answer(await request.app[CONTROL].ask(one(name), question))


def _id(request: web.Request) -> str:
    number = request.match_info["id"]
    if not number.isascii() or not number.isdigit():
        raise BadRequest("the id is a number")
    return number


ASK_ROUTES: Final = (
    web.get("/v1/items/{name}/{id}", _item),
    web.get("/v1/orders/{name}/{id}", _order),
    web.get("/v1/orders/{name}", _orders),
    web.post("/v1/ship", _ship),
    web.post("/v1/call", _call),
)
