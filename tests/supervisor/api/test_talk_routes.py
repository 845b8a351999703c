"""The routes about conversations, over the real Unix socket."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from support.standin import StandIn
from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import Text
from xyfleet.worker.ipc.talks import ListTalks, MarkRead, OpenTalk, ReadHistory, RecallMessage, TalkAnswer


async def ask(http: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and body of an answer."""
    method = "GET" if body is None else "POST"
    async with http.request(method, path, json=body) as response:
        return response.status, await response.json()


async def test_questions_are_handed_on(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Limits have their usual values; ids may carry the domain that they have on the wire."""
    await ask(http, "/v1/talks/a")
    await ask(http, "/v1/talks/a?limit=200")
    await ask(http, "/v1/talks/a/61@goofish")
    await ask(http, "/v1/talks/open", {"name": "a", "buyer": "33@goofish", "item": "8001"})
    await ask(http, "/v1/talks/read", {"name": "a", "conversation": "61"})
    await ask(http, "/v1/talks/recall", {"name": "a", "message": "1.PNM"})

    assert [question for _, question in control.questions] == [
        ListTalks(50),
        ListTalks(200),
        ReadHistory("61", 20),
        OpenTalk("33", "8001"),
        MarkRead("61"),
        RecallMessage("1.PNM"),
    ]


async def test_every_end_of_a_change_is_an_answer(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Only what changed nothing for certain, and was not refused by the platform, is an error."""
    control.talked = TalkAnswer(state="unknown", reason="no answer")
    assert await ask(http, "/v1/talks/recall", {"name": "a", "message": "1"}) == (
        200,
        {"state": "unknown", "reason": "no answer"},
    )
    control.talked = TalkAnswer(state="found", conversation="61")
    status, body = await ask(http, "/v1/talks/open", {"name": "a", "buyer": "33", "item": "8"})
    assert (status, body) == (200, {"state": "found", "reason": None, "conversation": "61"})
    control.talked = NotPossible(Text("not connected"))
    status, body = await ask(http, "/v1/talks/a")
    assert (status, body["error"]["code"]) == (409, "not_possible")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/talks/a?limit=0", None),
        ("/v1/talks/a?limit=201", None),
        ("/v1/talks/a?limit=٣", None),
        ("/v1/talks/a/%E5%9C%A8", None),
        ("/v1/talks/a/" + "6" * 129, None),
        ("/v1/talks/a/6%201", None),
        ("/v1/talks/open", {"name": "a", "buyer": "33"}),
        ("/v1/talks/open", {"name": "a", "buyer": "3 3", "item": "8"}),
        ("/v1/talks/recall", {"name": "a", "message": "在"}),
        ("/v1/talks/read", {"name": "a"}),
    ],
)
async def test_wrong_requests(http: aiohttp.ClientSession, control: StandIn, path: str, body: Any) -> None:
    """They are refused before anything is asked."""
    status, answer = await ask(http, path, body)

    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert control.questions == []


async def test_one_account_only(http: aiohttp.ClientSession, control: StandIn) -> None:
    """A glob or a name that is nobody's is an unknown account."""
    assert (await ask(http, "/v1/talks/*"))[0] == 404
    assert (await ask(http, "/v1/talks/read", {"name": "@t", "conversation": "61"}))[0] == 404
    assert control.questions == []
