"""Every header and frame of xyfleet, held against what the page sends (the table in docs/protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from outsiders.page_table import NOT_SENT, SAME, TABLE, differences
from outsiders.recorder import Recorder, Request
from support.fleet import Fleet, running, unb
from support.gateway import Gateway


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Request, list[Request]]]:
    """The handshake of an account with all its frames, and its token calls."""
    with Gateway("--strict", "--list-wait", "0") as gateway, Recorder(gateway.port) as recorder:
        port = str(recorder.port)
        endpoint, url = (each.replace(str(gateway.port), port) for each in (gateway.endpoint, gateway.token_url))
        fleet = Fleet(tmp_path_factory.mktemp("fleet"), endpoint, url, accounts=1)
        fleet.config["defaults"]["send_rate"] = 0
        with running(fleet):
            fleet.wait_connected()
            gateway.push(unb(0), "你好")
            said = {"name": "a0", "conversation": "51000000001", "to": "3300000000002", "text": "在"}
            sent = fleet.client.post("/v1/send", said, timeout=20)["message_id"]
            for what, asked in (
                ("open", {"buyer": "3300000000003", "item": "900000000001"}),
                ("read", {"conversation": "51000000001"}),
                ("recall", {"message": sent}),
            ):
                fleet.client.post(f"/v1/talks/{what}", {"name": "a0", **asked}, timeout=20)
            listed = "/r/Conversation/listNewestPagination"
            fleet.until(lambda: listed in [each.get("lwp") for each in _socket(recorder).frames()], "a list")
        calls = [each for each in recorder.requests() if each.method == "POST"]
        yield _socket(recorder), calls


def _socket(recorder: Recorder) -> Request:
    return next(each for each in recorder.requests() if each.path == "/")


def test_handshake(seen: tuple[Request, list[Request]]) -> None:
    """Its headers are those of the table, none twice, and no cookie among them (F7, F8)."""
    assert differences("socket header", seen[0].headers) == []
    assert seen[0].doubles == 0


def test_token_call(seen: tuple[Request, list[Request]]) -> None:
    """Both calls of one page view: headers and query (F3, F4); one page id for both."""
    first, second = seen[1]
    for call in (first, second):
        assert differences("token header", call.headers) == []
        assert differences("token query", call.query) == []
    assert list(second.query) == [name for name, row in TABLE["token query"].items() if row.wanted != NOT_SENT]
    assert first.query["log_id"] == second.query["log_id"]


def test_registration(seen: tuple[Request, list[Request]]) -> None:
    """The headers of /reg, its `ua` of the very browser of all other headers (F1)."""
    (reg,) = [frame for frame in seen[0].frames() if frame.get("lwp") == "/reg"]

    assert differences("/reg header", reg["headers"]) == []
    assert reg["headers"]["ua"].startswith(seen[0].headers["user-agent"] + " DingTalk(2.2.0) ")
    assert {call.headers["user-agent"] for call in seen[1]} == {seen[0].headers["user-agent"]}


def test_frames(seen: tuple[Request, list[Request]]) -> None:
    """Each kind of frame has the parts and the body of its rows; there is none without a row (F9-F15)."""
    bodies: dict[str, str] = {}
    for frame in seen[0].frames():
        parts = " ".join([*(key for key in frame if key != "headers"), *sorted(frame["headers"])])
        name = frame.get("lwp", "ack")
        assert name in TABLE["frame"], name
        if name != "/reg":
            assert parts == TABLE["frame"][name].wanted
        if "body" in frame:
            bodies.setdefault(name, json.dumps(frame["body"], separators=(",", ":")))
    assert differences("body", bodies) == []


def test_every_difference_has_its_reason() -> None:
    """Where xyfleet does not do as the page, the table says why."""
    assert len(TABLE) == 12
    rows = [(place, name, row) for place, named in TABLE.items() for name, row in named.items()]
    assert [(place, name) for place, name, row in rows if row.ours != SAME and not row.why] == []
