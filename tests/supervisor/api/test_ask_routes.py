"""The routes that ask the platform: what they ask, and how they are refused."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from support.apicalls import get, post
from support.standin import StandIn
from xyfleet.supervisor.common.errors import NotAnswered
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.worker.ipc.messages import Ask


@pytest.mark.parametrize(
    ("path", "body", "question"),
    [
        ("/v1/items/a/812", None, Ask(request=0, what="item", id="812")),
        ("/v1/orders/a/51", None, Ask(request=0, what="order", id="51")),
        ("/v1/orders/a", None, Ask(request=0, what="orders", id="1")),
        ("/v1/orders/a?page=12", None, Ask(request=0, what="orders", id="12")),
        ("/v1/ship", {"name": "a", "order": "51"}, Ask(request=0, what="ship", id="51")),
        ("/v1/ship", {"name": "a", "order": "51", "again": True}, Ask(request=0, what="ship", id="51", again=True)),
        (
            "/v1/call",
            {"name": "a", "api": "mtop.x.y", "data": {"k": "值"}},
            Ask(request=0, what="call", api="mtop.x.y", version="1.0", data='{"k":"值"}'),
        ),
    ],
)
async def test_what_is_asked(
    http: aiohttp.ClientSession, control: StandIn, path: str, body: Any, question: Ask
) -> None:
    """Each route asks its own question, and answers what comes of it."""
    control.answer = {"found": 1}
    status, answer = await (get(http, path) if body is None else post(http, path, body))

    assert (status, answer) == (200, {"found": 1})
    assert control.asked == [question]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/items/a/x1", None),
        ("/v1/items/a/²", None),
        ("/v1/orders/a?page=0", None),
        ("/v1/ship", {"name": "a", "order": "5 1"}),
        ("/v1/ship", {"name": "a", "order": 51}),
        ("/v1/call", {"name": "a", "api": "mtop.x/../y", "data": {}}),
        ("/v1/call", {"name": "a", "api": "mtop.x.y", "data": []}),
    ],
)
async def test_what_is_no_question(http: aiohttp.ClientSession, control: StandIn, path: str, body: Any) -> None:
    """Ids are digits, names are names, data is an object."""
    status, answer = await (get(http, path) if body is None else post(http, path, body))

    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert not control.asked


async def test_a_refusal_keeps_its_code(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Why there is no answer is a code for programs and a sentence in the reader's language."""
    text = Text(N_("the platform wants a person to pass a check first"))
    control.answer = NotAnswered("risk", text, seconds=12.5)
    status, answer = await get(http, "/v1/items/a/812", **{"Accept-Language": "zh"})

    assert (status, answer["error"]) == (
        409,
        {"code": "risk", "message": "平台要求先由本人通过验证", "seconds": 12.5},
    )
