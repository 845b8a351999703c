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

from support.inboxes import HANDLED, NOW, store, write
from support.places import DOCS
from support.standin import StandIn, account, failed
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
from xyfleet.worker.ipc.talks import TalkAnswer
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.shop import Item, Order, OrderPage, Shipped
from xyfleet.worker.protocol.talk_calls import ListedTalk
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

API = (DOCS / "api.md").read_text(encoding="utf-8")
STATUS = (DOCS / "status.md").read_text(encoding="utf-8")
WHEN = 1767323045.0


def examples() -> list[tuple[str, str]]:
    """Return each curl command of the document, and the answer shown under it."""
    blocks = re.findall(r"```console\n(.*?)```", API, re.DOTALL)
    return [
        (command, answer) for block in blocks for command, answer in re.findall(r"\$ (curl .*)\n((?:[^$].*\n)*)", block)
    ]


def control(folder: Path) -> StandIn:
    """Return the fleet of the document's examples."""
    because = Reason("session_expired")
    reason = str(because)
    why: dict[str, Any] = {"reason": reason, "because": because}
    one = StandIn(
        folder,
        [account("shop-001", tags=("phones",)), failed("shop-002", Cause.AUTH, Process.NEEDS_LOGIN, **why)],
    )
    last = Message(
        account="shop-001",
        id="3842.PNM",
        conversation="60123",
        item="8123",
        sender="2200000000099",
        sender_name="小王",
        kind="text",
        text="还有货吗？",
        content_type=1,
        time="2026-01-02T03:04:06.000Z",
    )
    talk = ListedTalk(
        conversation="60123",
        peer="2200000000099",
        peer_name="小王",
        item="8123",
        item_title="测试商品",
        unread=1,
        last=last,
    )
    one.talked = TalkAnswer(state="done", talks=[talk], messages=[last], conversation="60123", count=2)
    one.log_folder = Path("/home/li/state/logs")
    one.events.add("state", "shop-002", time=WHEN, old="CONNECTING", new="RECONNECTING", cause="auth", **why)
    one.events.add("state", "shop-002", time=WHEN, old="RECONNECTING", new="FAILED", cause="auth", **why)
    one.events.add("refresh", "shop-002", time=WHEN, new="needs_login", cause="auth")
    one.answers = {
        "item8123": Item(
            id="8123",
            title="会员月卡",
            price="12.50",
            description="自动发货",
            stock=7,
            seller="2200000000001",
            status="在线",
        ),
        "order5100000000000000001": Order(
            id="5100000000000000001",
            item="8123",
            title="会员月卡",
            spec="时长:月",
            amount="12.50",
            buyer="2200000000099",
            buyer_name="小王",
            status="paid",
            status_text="待发货",
            time="2026-01-02T03:04:05.000Z",
        ),
        "orders2": OrderPage(orders=[], more=False),
        "ship5100000000000000001": Shipped(order="5100000000000000001"),
        "call": {"itemId": "8123"},
    }
    with store(folder, "shop-001") as inbox:
        write(inbox, "3841.PNM", item="8123", sender="2200000000099", now=NOW)
        rules, text = HANDLED, "还有货吗？"
        row = write(inbox, "3842.PNM", item="8123", sender="2200000000099", text=text, now=NOW + 1000, rules=rules)
        for calls in range(4):
            inbox.begin(row, calls)
            inbox.again(row, NOW)
        inbox.give_up(row, "failed", "it raised ValueError")
    return one


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
    """What the document shows is what the API answers."""
    curl = Curl(command)
    fleet = control(tmp_path)
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
    for route in make_app(control(tmp_path)).router.routes():
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
