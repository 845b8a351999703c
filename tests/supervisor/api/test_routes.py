"""The API over its real Unix socket."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.apicalls import get, post
from support.standin import StandIn, failed, until
from xyfleet.supervisor.api import routes
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.errors import BadFile
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.control.types import Reloaded
from xyfleet.worker.causes import Cause

COOKIE = "unb=2200000000001; cookie2=sim-secret"


async def test_status_has_counts_in_a_header_and_advice(http: aiohttp.ClientSession) -> None:
    """The answer is the view; who only wants the exit code need not read it."""
    async with http.get("/v1/status") as response:
        view = await response.json()

    assert response.headers["X-Xyfleet-Down"] == "1/2"
    assert set(view) == set(StatusView.__struct_fields__)
    assert [one["advice"] is None for one in view["accounts"]] == [True, False]


@pytest.mark.parametrize(
    ("header", "start"),
    [("zh-CN,en;q=0.5", "xyfleet 正在"), ("en", "xyfleet waits"), ("fr, zh", "xyfleet 正在"), ("", "xyfleet waits")],
)
async def test_language_is_chosen_by_header(http: aiohttp.ClientSession, header: str, start: str) -> None:
    """The first known language wins, the fleet's own is the default."""
    _, view = await get(http, "/v1/status?name=b", **{"Accept-Language": header})

    assert start in view["accounts"][0]["advice"]


async def test_status_selects(http: aiohttp.ClientSession) -> None:
    """Names, globs and tags choose; a stranger is 404 with what it was, in the language asked for."""
    assert [one["name"] for one in (await get(http, "/v1/status?name=@t"))[1]["accounts"]] == ["a"]
    status, body = await get(http, "/v1/status?name=a&name=zz", **{"Accept-Language": "zh"})

    assert status == 404
    assert body == {
        "error": {"code": "unknown_account", "message": "没有符合的账号：zz", "names": ["zz"], "similar": []}
    }


async def test_health(http: aiohttp.ClientSession) -> None:
    """The short answer has the counts."""
    status, body = await get(http, "/v1/health")

    assert (status, body["wanted"], body["connected"], body["name"]) == (200, 2, 1, "shops")


@pytest.mark.parametrize("action", ["stop", "restart", "reconnect", "refresh"])
async def test_actions_reach_the_fleet_with_their_operator(
    http: aiohttp.ClientSession, control: StandIn, action: str
) -> None:
    """Who acts is what the kernel says of the other end."""
    status, body = await post(http, f"/v1/accounts/{action}", {"names": ["a"]})

    assert (status, body) == (200, {"done": ["a"], "refused": {}})
    assert control.acts == [(action, ["a"], getpass.getuser())]


async def test_partly_refused_action_says_why(http: aiohttp.ClientSession) -> None:
    """What could be done is done, and the rest explained."""
    _, body = await post(http, "/v1/accounts/refresh", {"names": ["*"]})

    assert body == {"done": ["a"], "refused": {"b": "worker ended: x"}}


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"names": "a"}, {"names": []}, {"names": [1]}],
)
async def test_wrong_body_is_refused(http: aiohttp.ClientSession, control: StandIn, body: Any) -> None:
    """A body of another shape is 400 and does nothing; no names are not all names."""
    status, answer = await post(http, "/v1/accounts/stop", body)

    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert control.acts == []


async def test_malformed_json_is_refused(http: aiohttp.ClientSession) -> None:
    """Bytes that are no JSON are 400."""
    async with http.post("/v1/login", data=b'{"name": "a", \xff') as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/status/x", 404, "not_found"),
        ("POST", "/v1/accounts/explode", 404, "not_found"),
        ("POST", "/v1/status", 405, "method_not_allowed"),
        ("GET", "/v1/events?since=x", 400, "bad_request"),
        ("GET", "/v1/logs/zz", 404, "unknown_account"),
        ("GET", "/v1/logs/*", 404, "unknown_account"),
        ("GET", "/v1/logs/@t", 404, "unknown_account"),
    ],
)
async def test_errors_are_json(http: aiohttp.ClientSession, method: str, path: str, status: int, code: str) -> None:
    """Every error has a code for programs and a message for people."""
    async with http.request(method, path) as response:
        body = await response.json()

    assert (response.status, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


async def test_too_large_body_is_refused(http: aiohttp.ClientSession) -> None:
    """A body beyond any cookie's size is cut off."""
    status, body = await post(http, "/v1/login", {"name": "a", "cookie": "x" * routes.MAX_BODY})

    assert (status, body["error"]["code"]) == (413, "request_entity_too_large")


async def test_login_keeps_the_cookie_secret(
    http: aiohttp.ClientSession, control: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """The cookie reaches the fleet, and neither an answer nor a log."""
    caplog.set_level(logging.DEBUG)
    status, body = await post(http, "/v1/login", {"name": "a", "cookie": COOKIE})
    refused_status, refused = await post(http, "/v1/login", {"name": "a", "cookie": "secret"})
    wrong_status, wrong = await post(http, "/v1/login", {"name": "a", "cookie": ["secret"]})

    assert (status, body) == (200, {"done": ["a"], "warnings": []})
    assert control.cookies["a"].reveal() == COOKIE
    assert (refused_status, refused["error"]["code"]) == (422, "bad_cookie")
    assert (wrong_status, wrong["error"]["code"]) == (400, "bad_request")
    for text in (str(body), str(refused), str(wrong), caplog.text):
        assert "secret" not in text


async def test_reload_tells_what_changed_or_what_is_wrong(http: aiohttp.ClientSession, control: StandIn) -> None:
    """A good file gives names, a bad one all its problems."""
    assert await post(http, "/v1/reload") == (
        200,
        {
            "added": ["shop-009"],
            "removed": [],
            "restarted": [],
            "applied": [],
            "renewed": [],
            "unchanged": 2,
            "unfinished": [],
            "warnings": [],
        },
    )
    control.reloaded = BadFile(["f:1: bad", "f:2: worse"])
    status, body = await post(http, "/v1/reload")

    assert (status, body["error"]["code"], body["error"]["problems"]) == (422, "bad_file", ["f:1: bad", "f:2: worse"])
    assert "f:2: worse" in body["error"]["message"]


async def test_stop_is_answered_before_it_happens(http: aiohttp.ClientSession, control: StandIn) -> None:
    """The answer names the process to wait for; a second stop is refused."""
    assert await post(http, "/v1/stop") == (202, {"pid": control.fleet.pid})
    status, body = await post(http, "/v1/stop")

    assert control.stopped_by == getpass.getuser()
    assert (status, body["error"]["code"]) == (409, "not_possible")


async def test_log_path_or_null(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Without log files the path is null."""
    assert await get(http, "/v1/logs/a") == (200, {"path": str(control.folder / "a.log")})
    control.log_folder = None
    assert await get(http, "/v1/logs/a") == (200, {"path": None})


async def test_fault_is_logged_and_not_shown(
    http: aiohttp.ClientSession, control: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug answers 500 without its insides; the log has them."""
    control.reloaded = ZeroDivisionError("inside")
    status, body = await post(http, "/v1/reload")

    assert (status, body["error"]["code"]) == (500, "fault")
    assert "inside" not in str(body)
    assert "ZeroDivisionError: inside" in caplog.text


async def test_events_since(http: aiohttp.ClientSession, control: StandIn) -> None:
    """Kept events come as lines, those after a number when asked so."""
    for number in range(3):
        control.events.add("message", time=0, reason=str(number))
    async with http.get("/v1/events?since=1") as response:
        lines = [json.loads(line) for line in (await response.text()).splitlines()]

    assert response.content_type == "application/x-ndjson"
    assert [line["reason"] for line in lines] == ["1", "2"]


async def test_events_follow(http: aiohttp.ClientSession, control: StandIn, server: ApiServer) -> None:
    """A stream brings kept events, then new ones as they happen, and ends with the server."""
    control.events.add("message", time=0, reason="old")
    async with http.get("/v1/events?follow=1") as response:
        assert json.loads(await response.content.readline())["reason"] == "old"
        control.events.add("message", time=0, reason="new")
        assert json.loads(await response.content.readline())["reason"] == "new"
        await server.close()
        assert await response.content.readline() == b""


async def test_departed_follower_is_forgotten(
    http: aiohttp.ClientSession, control: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that goes away while nothing happens does not stay in the list."""
    monkeypatch.setattr(routes, "FOLLOW_CHECK", 0.05)
    async with http.get("/v1/events?follow=1") as response:
        assert response.status == 200
        assert control.events.followers == 1
        response.close()
    await until(lambda: control.events.followers == 0)
    assert caplog.text == ""


async def test_followers_are_limited(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, control: StandIn
) -> None:
    """One follower too many is refused, the others go on."""
    monkeypatch.setattr(routes, "MAX_FOLLOWERS", 1)
    async with http.get("/v1/events?follow=1") as first:
        status, body = await get(http, "/v1/events?follow=1")
        control.events.add("message", time=0, reason="still here")

        assert (status, body["error"]["code"]) == (503, "service_unavailable")
        assert b"still here" in await first.content.readline()


async def test_status_of_a_thousand_accounts_is_quick(tmp_path: Path) -> None:
    """The supervisor's loop is not held for long by a big status."""
    control = StandIn(tmp_path, [failed(f"a{i}", Cause.NETWORK) for i in range(1000)])
    server = ApiServer(control, tmp_path / "control.sock")
    await server.start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    async with aiohttp.ClientSession("http://xyfleet", connector=connector) as http:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, view = await get(http, "/v1/status")
        assert loop.time() - began < 1
    await server.close()

    assert (status, len(view["accounts"])) == (200, 1000)


def test_reloaded_is_complete() -> None:
    """Every field of the answer to a reload has a default, so that older fields never go away."""
    assert Reloaded() == Reloaded(added=[], removed=[], restarted=[], applied=[], unchanged=0, warnings=[])
