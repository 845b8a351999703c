"""The API's document is true: every example in it is run, every field and event is in it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.described import conforms
from support.docfleet import documented
from support.places import DOCS
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.event_log import KINDS, Event
from xyfleet.supervisor.control.status_schema import (
    AccountView,
    FleetView,
    HeartbeatView,
    MessagesView,
    OutageView,
    RefreshView,
)
from xyfleet.supervisor.presentation.event_text import RESULTS, WHY_RESTART
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.states import State

API = (DOCS / "api.md").read_text(encoding="utf-8")
STATUS = (DOCS / "status.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, str]]:
    """Return each curl command of the document, and the answer shown under it."""
    blocks = re.findall(r"```console\n(.*?)```", API, re.DOTALL)
    return [
        (command, answer) for block in blocks for command, answer in re.findall(r"\$ (curl .*)\n((?:[^$].*\n)*)", block)
    ]


class Curl:
    """The few options of curl that the examples use."""

    def __init__(self, command: str) -> None:
        self.method, self.data, self.headers, self.url = "GET", None, {}, ""
        words = iter(shlex.split(command)[1:])
        for word in words:
            match word:
                case "--unix-socket":
                    assert next(words) == "control.sock"
                case "-d":
                    self.method, self.data = "POST", next(words)
                case "-X":
                    self.method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    self.headers[name] = value
                case _:
                    self.url = word


@pytest.mark.parametrize(("command", "answer"), examples(), ids=[command for command, _ in examples()])
async def test_example_is_true(tmp_path: Path, command: str, answer: str) -> None:
    """What the document shows is what the API answers, in the form that openapi.json describes."""
    curl = Curl(command)
    fleet = documented(tmp_path)
    server = ApiServer(fleet, tmp_path / "control.sock")
    await server.start()
    fleet.mail.feed.grow({})
    fleet.mail.feed.close()
    feed = fleet.mail.feed.id
    curl.url, answer = curl.url.replace("5f3a09c1d2e4", feed), answer.replace("5f3a09c1d2e4", feed)
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "control.sock"))) as http,
        http.request(curl.method, curl.url, data=curl.data, headers=curl.headers) as response,
    ):
        if response.content_type == "text/event-stream":  # which has no end
            answer = _masked(answer)
            text = _masked("".join([(await response.content.readline()).decode() for _ in answer.splitlines()]))
        else:
            text = await response.text()
        lines = response.content_type == "application/x-ndjson"
    await server.close()

    if response.content_type != "text/event-stream":
        conforms(curl.method, response.url.path, response.status, text.encode())
    assert text == answer or _values(text, lines) == _values(answer, lines)


def _masked(stream: str) -> str:
    """Return a stream's text without its ids, in which the present time is."""
    return re.sub(r"^id: [\w-]+$", "id: X", stream, flags=re.MULTILINE)


def _values(text: str, lines: bool) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()] if lines else [json.loads(text)]


def test_every_route_has_an_example(tmp_path: Path) -> None:
    """No route is left out of the document."""
    shown = [
        (curl.method, curl.url.removeprefix("http://xyfleet").partition("?")[0])
        for curl in (Curl(c) for c, _ in examples())
    ]
    for route in make_app(documented(tmp_path)).router.routes():
        if route.method != "HEAD":
            assert route.resource is not None
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", route.resource.canonical) + "$")
            assert any(method == route.method and pattern.match(path) for method, path in shown), route


@pytest.mark.parametrize("kind", [FleetView, AccountView, HeartbeatView, MessagesView, RefreshView, OutageView])
def test_every_field_is_listed(kind: type[msgspec.Struct]) -> None:
    """A new field needs its line."""
    assert [field for field in kind.__struct_fields__ if f"`{field}`" not in STATUS] == []


def test_every_value_is_listed() -> None:
    """States, process states and causes are all named."""
    assert [value for value in (*State, *Process, *Cause) if f"`{value}`" not in STATUS] == []


def test_every_event_is_listed() -> None:
    """Kinds, results, reasons and fields of events are all named."""
    words = {*KINDS, *WHY_RESTART, *(result for _, result in RESULTS)}

    assert [word for word in sorted(words) if f"`{word}`" not in API] == []
    assert [name for name in Event.__struct_encode_fields__ if f'"{name}"' not in API] == []
