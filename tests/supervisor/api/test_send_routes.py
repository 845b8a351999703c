"""The routes that act on messages, over the real Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.standin import StandIn, account, failed
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.errors import NotTaken
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.worker.causes import Cause

GOOD = {"name": "a", "conversation": "57", "text": "有货"}


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a"), failed("b", Cause.AUTH)])


@pytest.fixture
async def http(control: StandIn) -> AsyncIterator[aiohttp.ClientSession]:
    server = ApiServer(control, control.folder / "control.sock")
    await server.start()
    connector = aiohttp.UnixConnector(str(control.folder / "control.sock"))
    async with aiohttp.ClientSession("http://xyfleet", connector=connector) as session:
        yield session
    await server.close()


async def post(http: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Any]:
    async with http.post(path, json=body) as response:
        return response.status, await response.json()


async def test_text_is_handed_on_with_its_wait(http: aiohttp.ClientSession, control: StandIn) -> None:
    """20 seconds unless said otherwise; ids may carry the domain that they have on the wire."""
    await post(http, "/v1/send", GOOD)
    more = {"conversation": "57@goofish", "to": "22@goofish", "wait": 0.5}
    status, body = await post(http, "/v1/send", GOOD | more)

    assert (status, body) == (200, {"state": "sent", "number": 1, "message_id": "4021.PNM", "reason": None})
    assert control.letters == [
        (SendRequest(account="a", conversation="57", text="有货"), 20.0),
        (SendRequest(account="a", conversation="57", text="有货", receiver="22"), 0.5),
    ]


async def test_every_state_is_an_answer(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Only what was not taken at all is an error."""
    control.delivery = Delivery(state="unknown", reason="no answer")
    assert await post(http, "/v1/send", GOOD) == (
        200,
        {"state": "unknown", "number": None, "message_id": None, "reason": "no answer"},
    )
    control.delivery = NotTaken(Text("nothing was sent: %(why)s", {"why": "x"}))
    status, body = await post(http, "/v1/send", GOOD)

    assert (status, body) == (409, {"error": {"code": "not_taken", "message": "nothing was sent: x"}})


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": " \n"},
        {"text": "字" * 4001},
        {"text": None},
        {"conversation": ""},
        {"conversation": "5 7"},
        {"conversation": "57\n"},
        {"conversation": "5" * 129},
        {"to": ""},
        {"wait": -1},
        {"wait": 301},
        {"wait": "20"},
    ],
)
async def test_wrong_requests_are_refused(
    http: aiohttp.ClientSession, control: StandIn, change: dict[str, Any]
) -> None:
    """400, and nothing is sent; the text is never repeated."""
    status, body = await post(http, "/v1/send", GOOD | change)

    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert "字" not in body["error"]["message"]
    assert control.letters == []


async def test_longest_text_is_taken(http: aiohttp.ClientSession, control: StandIn) -> None:
    """4000 characters of any kind."""
    status, _ = await post(http, "/v1/send", GOOD | {"text": "😀" * 4000})

    assert status == 200


@pytest.mark.parametrize("name", ["*", "@x", "z"])
async def test_one_account_is_meant(http: aiohttp.ClientSession, control: StandIn, name: str) -> None:
    """A text is sent by one account, and one is forgotten."""
    for path in ("/v1/send", "/v1/forget"):
        status, body = await post(http, path, GOOD | {"name": name})

        assert (status, body["error"]["code"]) == (404, "unknown_account")


async def test_retry_counts_by_account(http: aiohttp.ClientSession, control: StandIn) -> None:
    """And says of the others why not."""
    assert await post(http, "/v1/messages/retry", {"names": ["a"], "ids": ["1.PNM"]}) == (
        200,
        {"done": {"a": 2}, "refused": {}},
    )
    _, body = await post(http, "/v1/messages/retry", {"names": ["b"]})

    assert body == {"done": {}, "refused": {"b": "worker ended: x"}}
    assert control.redone == [(["a"], ["1.PNM"]), (["b"], [])]


@pytest.mark.parametrize("body", [{"names": []}, {"names": ["a"], "ids": ["x"] * 1001}, {"names": ["a"], "ids": [""]}])
async def test_wrong_retries_are_refused(http: aiohttp.ClientSession, control: StandIn, body: Any) -> None:
    """No names are not all names, and a request that no pipe could carry is none."""
    status, answer = await post(http, "/v1/messages/retry", body)

    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert control.redone == []


async def test_forget_says_what_is_gone(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Who asked is noted; an account that runs is refused."""
    status, body = await post(http, "/v1/forget", {"name": "b"})

    assert (status, body["name"], body["listed"]) == (200, "b", True)
    assert [act[:2] for act in control.acts] == [("forget", ["b"])]
    assert (await post(http, "/v1/forget", {"name": "a"}))[0] == 409
