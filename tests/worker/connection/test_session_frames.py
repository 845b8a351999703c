"""Frames that come on a connection: pushes, garbage, frames too long, and what of them ends it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import raw_server, registered, serve_on
from support.station import FAST, UNB, OneSession, end_of, read_log, start, until
from xyfleet.worker.causes import Cause, ConnectionLost

pytestmark = pytest.mark.pythons


async def test_push_before_the_answer(gateway: Gateway, tmp_path: Path) -> None:
    """A push that comes before the answer to `/reg` is acked like any other."""
    gateway.fault(kind="push_before_reg")
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    one.session.leave("done")
    await task

    assert gateway.stats(UNB)["acks"] == 2


async def test_unanswered_sync_position_ends_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Without an answer to getState there is a line in the log, and the connection goes on."""
    gateway.fault(kind="zombie")
    one = OneSession(gateway.endpoint, tmp_path, msgspec.structs.replace(FAST, register_timeout=0.2))
    task = await start(one, answers=5)
    one.session.leave("done")
    await task

    assert [line["code"] for line in read_log(tmp_path, "同步位点失败")] == ["none"]


async def test_too_long_push_asks_for_the_position_again(tmp_path: Path) -> None:
    """A push with `syncExtraType` 1 or 2 is followed by getState and by ackDiff of its answer, others are not."""
    frames: list[dict[str, Any]] = []

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        for number, kind in enumerate((3, 2)):
            push = {"lwp": "/s/sync", "headers": {"mid": f"{number} 0"}, "body": {"syncExtraType": {"type": kind}}}
            asyncio.get_running_loop().call_later(0.2 * (number + 1), connection.transport.write, _text_frame(push))
        await serve_on(connection, frames)

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, tmp_path)
        task = await start(one, answers=8)
        one.session.leave("done")
        await task

    calls = [frame for frame in frames if frame.get("lwp", "").startswith("/r/")]
    assert [frame["lwp"].rpartition("/")[2] for frame in calls] == ["getState", "ackDiff"] * 2
    assert calls[1]["body"] == calls[3]["body"] == [{"topic": "sync", "pts": 5}]


def _text_frame(value: object) -> bytes:
    data = json.dumps(value).encode()
    assert len(data) < 126
    return bytes((0x81, len(data))) + data


@pytest.mark.parametrize("what", ["text", "utf8", "binary"])
async def test_one_garbage_frame_is_ignored(gateway: Gateway, tmp_path: Path, what: str) -> None:
    """One frame that can't be read is a line in the log; the connection proves itself by its beats."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    for number in range(1, 5):
        gateway.fault(UNB, kind="garbage_frame", what=what)
        await until(lambda: len(read_log(tmp_path, "无法识别的数据已忽略")) == number)  # noqa: B023 (awaited here)
        answers = one.ear.answers
        await until(lambda: one.ear.answers > answers + 1)  # noqa: B023
    one.session.leave("done")
    await task

    assert len(read_log(tmp_path, "无法识别的数据已忽略")) == len(one.ear.odd) == 4


async def test_frames_of_no_class_are_ignored(tmp_path: Path) -> None:
    """JSON that is neither push nor response is a line in the log and gets no ack, however often it comes."""
    frames: list[dict[str, Any]] = []

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        for text in ('{"lwp":"/!"}', "[]", "5", '{"code":200}', '{"lwp":"/s/sync","headers":{"sid":"s"}}'):
            await connection.send(text)
        await serve_on(connection, frames)

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, tmp_path)
        task = await start(one, answers=3)
        one.session.leave("done")
        await task

    assert len(read_log(tmp_path, "无法识别的数据已忽略")) == 4
    assert all("lwp" in frame for frame in frames)
    assert one.metrics.window(0.0).pushes == 0


async def test_garbage_alone_is_a_protocol_error(tmp_path: Path) -> None:
    """Nothing but garbage ends the connection."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        for _ in range(3):
            await connection.send("<html>")
        await connection.wait_closed()

    async with raw_server(script) as endpoint:
        lost = await end_of(OneSession(endpoint, tmp_path))

    assert (lost.cause, str(lost.reason)) == (Cause.PROTOCOL, "unreadable frames: 3 in a row")


async def test_broken_framing(gateway: Gateway, tmp_path: Path) -> None:
    """A frame that breaks the WebSocket protocol itself ends the connection as a protocol error."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="garbage_frame", what="frame")
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is Cause.PROTOCOL


async def test_big_and_crowded_frames(gateway: Gateway, tmp_path: Path) -> None:
    """A frame of 5 MiB and one of 32 items are acked once each while the beats go on."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="big_frame")
    gateway.fault(UNB, kind="items32")
    await until(lambda: gateway.stats(UNB)["acks"] == 3)
    seen = one.ear.answers
    await until(lambda: one.ear.answers > seen + 2)
    one.session.leave("done")
    await task

    assert one.metrics.window(0.0).expired == 0
    assert gateway.stats(UNB)["bad_acks"] == 0


async def test_frame_above_the_limit(gateway: Gateway, tmp_path: Path) -> None:
    """More than 8 MiB in a frame is a protocol error."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="big_frame", size=9 << 20)
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is Cause.PROTOCOL
    assert "1009" in str(caught.value.reason)
