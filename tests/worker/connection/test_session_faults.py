"""Odd ends and odd answers: each is said for what it is, and none leaves a connection that is of no use."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import answer, raw_server, receive, registered, serve_on, stop_reading
from support.station import FAST, UNB, OneSession, end_of, read_log, start, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import NeverWritten

SLOW = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)


def close_frame(code: int) -> bytes:
    """Return a server's close frame."""
    return bytes((0x88, 2)) + code.to_bytes(2, "big")


async def test_401_to_a_call_ends_the_connection(gateway: Gateway, tmp_path: Path) -> None:
    """Beats may be answered as before: whoever is not registered any more needs a new connection (M6)."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="call_401")
    response = await one.session.ask("/r/Conversation/listNewestPagination", [1, 1])
    with pytest.raises(Exception, match="401 to a call") as caught:
        await task

    assert response.code == 401
    assert getattr(caught.value, "cause", None) is Cause.CLOSED


async def test_too_long_a_frame_is_no_polite_end(tmp_path: Path) -> None:
    """We close with 1009: that is an error of the connection, and the line says who closed."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await connection.send("x" * (9 << 20))
        await connection.wait_closed()

    async with raw_server(script) as endpoint:
        lost = await end_of(OneSession(endpoint, tmp_path))

    assert lost.cause is Cause.PROTOCOL
    assert str(lost.reason).startswith("we closed with 1009")
    assert len(read_log(tmp_path, "WebSocket连接异常")) == 1
    assert not read_log(tmp_path, "WebSocket连接已关闭")


async def test_a_program_error_has_its_end_line(gateway: Gateway, tmp_path: Path) -> None:
    """Whatever ended a connection, one of the two lines says so."""
    one = OneSession(gateway.endpoint, tmp_path)

    def broken(line: RpcChannel) -> None:
        raise ZeroDivisionError

    one.ear.registered = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await one.run()

    (line,) = read_log(tmp_path, "WebSocket连接异常")
    assert (line["cause"], line["reason"]) == ("bug", "program error: ZeroDivisionError")


async def test_a_beats_answer_without_a_code(tmp_path: Path) -> None:
    """It is malformed, which is abnormal, not foreign; it proves nothing."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        while (frame := await receive(connection))["lwp"] != "/!":
            await answer(connection, frame, {"topic": "sync"})
        await connection.send(json.dumps({"headers": {"mid": frame["headers"]["mid"]}}))
        await connection.send(json.dumps({"headers": {"mid": "99 0"}}))
        await serve_on(connection)

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, tmp_path)
        task = await start(one, answers=2)
        one.session.leave("done")
        await task

    assert len(read_log(tmp_path, "心跳响应异常")) == 1
    assert len(read_log(tmp_path, "无法识别的数据已忽略")) == 1
    assert one.metrics.window(0.0).abnormal == 1


@pytest.mark.parametrize(("before_reg", "code", "cause"), [(False, 1001, Cause.CLOSED), (True, 1008, Cause.REFUSED)])
async def test_a_close_frame_without_a_tcp_end(tmp_path: Path, before_reg: bool, code: int, cause: Cause) -> None:
    """It is noticed within a second or so, not at the next beat, and keeps its cause before `/reg` too."""

    async def script(connection: ServerConnection) -> None:
        if before_reg:
            await receive(connection)
        else:
            await registered(connection)
        connection.transport.write(close_frame(code))
        await stop_reading(connection)

    patient = msgspec.structs.replace(SLOW, register_timeout=10.0)
    began = time.monotonic()
    async with raw_server(script) as endpoint:
        lost = await end_of(OneSession(endpoint, tmp_path, patient))

    assert (lost.cause, str(code) in str(lost.reason)) == (cause, True)
    assert time.monotonic() - began < 3.5


async def test_settings_that_are_none_of_the_hearts(gateway: Gateway, tmp_path: Path) -> None:
    """New settings that leave the rhythm as it is, however often they come, delay no beat."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    beats = gateway.stats(UNB)["beats"]
    for number in range(20):
        cycle = msgspec.structs.replace(FAST, max_connection_failures=5 + number)
        one.session.apply(msgspec.structs.replace(one.settings, cycle=cycle))
        await asyncio.sleep(0.04)
    assert gateway.stats(UNB)["beats"] >= beats + 4
    one.session.leave("done")
    await task


async def test_a_call_that_was_never_written(tmp_path: Path) -> None:
    """What was still waiting to be written when the connection ended was not carried out, and says so (M12)."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await stop_reading(connection)

    ends: list[Any] = []
    patient = msgspec.structs.replace(SLOW, heartbeat_send_timeout=3.0)
    async with raw_server(script, receive_buffer=4096) as endpoint:
        one = OneSession(endpoint, tmp_path, patient)
        task = asyncio.create_task(one.run())
        await until(lambda: one.ear.registrations)
        asks = [asyncio.create_task(one.session.ask("/r/x", "x" * 9_000_000)) for _ in range(2)]
        await asyncio.sleep(0.3)
        one.session.leave("done", polite=False)
        ends = await asyncio.gather(*asks, return_exceptions=True)
        await task

    assert [isinstance(end, NeverWritten) for end in ends] == [False, True]
