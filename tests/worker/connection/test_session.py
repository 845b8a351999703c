"""One connection against the built-in gateway and against servers that misbehave in their own ways."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import raw_server, receive, registered, stop_reading
from support.station import FAST, UNB, OneSession, end_of, log_time, read_log, start, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.session import KickedOut, TokenRefused

pytestmark = pytest.mark.pythons
NewLoop = Callable[[], asyncio.AbstractEventLoop]
Work = Callable[[], object]


@pytest.mark.timing
async def test_a_good_life(gateway: Gateway, tmp_path: Path) -> None:
    """A session registers, confirms the sync position, acks the first push, beats on the grid, and leaves politely."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one, answers=4)
    one.session.leave("done")
    await task
    stats = gateway.stats(UNB)
    window = one.metrics.window(0.0)

    assert one.ear.registrations == 1
    assert (stats["regs_ok"], stats["calls"], stats["acks"], stats["bad_acks"]) == (1, 2, 1, 0)
    assert stats["beats"] == window.sent == window.answered == window.due
    assert stats["closes"] == {"1000": 1}
    assert stats["bad_frames"] == 0
    assert window.pushes == 1
    beats = [log_time(line) for line in read_log(tmp_path, "心跳包已发送")]
    assert all(0.05 < second - first < 0.15 for first, second in itertools.pairwise(beats))


async def test_first_beat_comes_right_after_the_registration(gateway: Gateway, tmp_path: Path) -> None:
    """The first beat does not wait for the interval."""
    slow = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)
    one = OneSession(gateway.endpoint, tmp_path, slow)
    task = await start(one)
    one.session.leave("done")
    await task

    assert gateway.stats(UNB)["beats"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "mute"},
        {"kind": "wrong_mid"},
        {"kind": "other_answer"},
        {"kind": "non_200"},
        {"kind": "late", "seconds": 0.6},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_without_its_answer_a_connection_is_dead(gateway: Gateway, tmp_path: Path, fault: dict[str, Any]) -> None:
    """No answer, another call's, one with a wrong mid, a late one, a non-200: none keeps the connection."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one, answers=2)
    gateway.fault(UNB, **fault)
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is Cause.HEARTBEAT
    assert one.metrics.window(0.0).expired >= 1
    assert read_log(tmp_path, "WebSocket连接异常")[0]["cause"] == "heartbeat"
    abnormal = read_log(tmp_path, "心跳响应异常")
    assert bool(abnormal) is (fault["kind"] == "non_200")
    await until(lambda: gateway.stats(UNB)["sockets"] == 0)


@pytest.mark.timing
async def test_dead_within_100_ms_after_the_deadline(gateway: Gateway, tmp_path: Path) -> None:
    """A mute gateway is found out at the deadline of the first unanswered beat, never before it."""
    for number in range(3):
        logs = tmp_path / str(number)
        one = OneSession(gateway.endpoint, logs)
        task = await start(one, answers=2)
        fault = gateway.fault(UNB, kind="mute")
        with pytest.raises(ConnectionLost):
            await task
        ended = time.time()
        gateway.clear(fault)
        answered = {line["mid"] for line in read_log(logs, "心跳响应正常")}
        silent = [line for line in read_log(logs, "心跳包已发送") if line["mid"] not in answered]
        deadline = log_time(silent[0]) + FAST.heartbeat_timeout

        assert -0.002 <= ended - deadline < 0.1


async def test_answers_with_a_body_count(gateway: Gateway, tmp_path: Path) -> None:
    """An answer is the beat's by its mid, with or without a body."""
    gateway.fault(UNB, kind="answer_with_body")
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one, answers=6)
    one.session.leave("done")
    await task

    assert one.metrics.window(0.0).expired == 0


LOOPS = pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
"""Loops differ in what they do first after a standstill: read input or fire timers."""


async def stand_still(one: OneSession, task: asyncio.Task[None], folder: Path, pause: float, meanwhile: Work) -> None:
    """Block the loop right after a beat, from a timer's callback; then see that beats are answered again."""
    sent = len(read_log(folder, "心跳包已发送"))
    await until(lambda: len(read_log(folder, "心跳包已发送")) > sent)
    meanwhile()
    before = one.ear.answers
    asyncio.get_running_loop().call_later(0.001, time.sleep, pause)
    await until(lambda: task.done() or one.ear.answers > before + 1)
    assert not task.done(), task.exception()


@pytest.mark.timing
@LOOPS
@pytest.mark.parametrize(
    "pauses", [(0.27, 0.3, 0.31, 0.5), pytest.param((0.35, 0.9, 1.6), marks=pytest.mark.long)], ids=["short", "long"]
)
def test_standstill_with_the_answer_in_the_kernel(
    gateway: Gateway, tmp_path: Path, new_loop: NewLoop, pauses: tuple[float, ...]
) -> None:
    """A loop that stood still past the deadline reads the answers that came meanwhile, and lives."""
    gateway.fault(UNB, kind="late", seconds=0.05)

    async def live() -> OneSession:
        one = OneSession(gateway.endpoint, tmp_path)
        task = await start(one)
        for pause in pauses:
            await stand_still(one, task, tmp_path, pause, lambda: None)
        one.session.leave("done")
        await task
        return one

    with asyncio.Runner(loop_factory=new_loop) as runner:
        one = runner.run(live())

    assert one.metrics.window(0.0).expired == 0


@pytest.mark.timing
@LOOPS
def test_standstill_with_the_answer_behind_a_download(gateway: Gateway, tmp_path: Path, new_loop: NewLoop) -> None:
    """An answer that lies behind megabytes of pushes after a standstill is read before the verdict."""
    gateway.fault(UNB, kind="late", seconds=0.02)

    async def live() -> OneSession:
        one = OneSession(gateway.endpoint, tmp_path)
        task = await start(one)
        for _ in range(2):
            push = functools.partial(gateway.fault, UNB, kind="big_frame", size=5 << 20)
            await stand_still(one, task, tmp_path, 0.4, push)
        one.session.leave("done")
        await task
        return one

    with asyncio.Runner(loop_factory=new_loop) as runner:
        one = runner.run(live())

    assert one.metrics.window(0.0).expired == 0


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (1000, Cause.CLOSED),
        (1001, Cause.CLOSED),
        (1012, Cause.CLOSED),
        (1013, Cause.CLOSED),
        (1005, Cause.CLOSED),
        (4001, Cause.CLOSED),
        (1002, Cause.PROTOCOL),
        (1003, Cause.PROTOCOL),
        (1007, Cause.PROTOCOL),
        (1009, Cause.PROTOCOL),
        (1011, Cause.PROTOCOL),
        (1008, Cause.REFUSED),
        ("none", Cause.CLOSED),
        ("reset", Cause.CLOSED),
    ],
)
async def test_every_end_has_its_cause(gateway: Gateway, tmp_path: Path, how: int | str, cause: Cause) -> None:
    """Close codes and broken connections become causes; a close frame is told apart in the log."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.drop(UNB, how)
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is cause
    frame = isinstance(how, int)
    line = read_log(tmp_path, "WebSocket连接已关闭" if frame else "WebSocket连接异常")[0]
    assert line["level"] == ("WARNING" if frame else "ERROR")
    assert not frame or str(how) in line["reason"]
    assert one.log.note() is None


async def test_peer_that_stops_reading_with_a_full_buffer(tmp_path: Path) -> None:
    """A write that the peer does not take in time ends the connection at once, whatever lies in the buffer."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        head = {"mid": "1 0", "sid": "s", "ua": "x" * 40_000}
        for _ in range(200):  # acks repeat the head
            await connection.send(json.dumps({"lwp": "/s/sync", "headers": head}))
        await stop_reading(connection)

    slow = msgspec.structs.replace(FAST, heartbeat_timeout=20.0)
    async with raw_server(script, receive_buffer=4096) as endpoint:
        one = OneSession(endpoint, tmp_path, slow)
        began = time.monotonic()
        lost = await end_of(one)

    assert lost.cause is Cause.HEARTBEAT
    assert "not sent within" in str(lost.reason)
    assert time.monotonic() - began < 2


async def test_reader_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    """Answers are read while acks wait for a peer that reads slowly."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        beat = await receive(connection)
        while beat["lwp"] != "/!":
            beat = await receive(connection)
        connection.transport.pause_reading()
        for number in range(100):
            await connection.send(json.dumps({"lwp": "/s/sync", "headers": {"mid": f"{number} 0", "ua": "x" * 50_000}}))
        await connection.send(json.dumps({"code": 200, "headers": {"mid": beat["headers"]["mid"]}}))
        await connection.wait_closed()

    patient = msgspec.structs.replace(FAST, heartbeat_timeout=20.0, heartbeat_send_timeout=5.0)
    async with raw_server(script, receive_buffer=4096) as endpoint:
        one = OneSession(endpoint, tmp_path, patient)
        task = await start(one, answers=1)
        one.session.leave("done", polite=False)
        await task

    assert one.metrics.window(0.0).pushes == 100


async def test_never_answered_registration(gateway: Gateway, tmp_path: Path) -> None:
    """No answer to `/reg` within its time is a failed attempt; the session was never registered."""
    gateway.fault(kind="never_reg")
    one = OneSession(gateway.endpoint, tmp_path, msgspec.structs.replace(FAST, register_timeout=0.2))
    lost = await end_of(one)

    assert (lost.cause, str(lost.reason)) == (Cause.NETWORK, "no answer to /reg within 0.2 s")
    assert one.ear.registrations == 0


@pytest.mark.parametrize("close", [None, 1000, "reset"])
async def test_refused_token(gateway: Gateway, tmp_path: Path, close: int | str | None) -> None:
    """A 401 is a refused token, also when the connection is closed right behind it."""
    gateway.fault(kind="reg_401", close=close)
    lost = await end_of(OneSession(gateway.endpoint, tmp_path))

    assert isinstance(lost, TokenRefused)
    assert (lost.cause, str(lost.reason)) == (Cause.REFUSED, "/reg refused: 401 invalid token")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "reg_limit"}, Cause.LIMIT),
        ({"kind": "reg_limit", "reason": "session remove", "field": "msg"}, Cause.LIMIT),
        ({"kind": "reg_limit", "reason": "too many", "field": "ret", "where": "headers"}, Cause.LIMIT),
        ({"kind": "reg_other"}, Cause.PROTOCOL),
    ],
)
async def test_refused_registration(gateway: Gateway, tmp_path: Path, fault: dict[str, Any], cause: Cause) -> None:
    """A limit and any other refusal are told apart."""
    gateway.fault(**fault)
    lost = await end_of(OneSession(gateway.endpoint, tmp_path))

    assert lost.cause is cause
    assert not isinstance(lost, TokenRefused)


async def test_registered_and_closed_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """A close right behind the good answer is a success followed by a drop."""
    gateway.fault(kind="reg_then_close", after=0)
    one = OneSession(gateway.endpoint, tmp_path)
    lost = await end_of(one)

    assert lost.cause is Cause.CLOSED
    assert one.ear.registrations == 1


async def test_kick_out(gateway: Gateway, tmp_path: Path) -> None:
    """A kick-out is acked, ends the session and says what it was."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    await until(lambda: gateway.stats(UNB)["acks"] == 1)
    gateway.fault(UNB, kind="kickout", close=None)
    with pytest.raises(KickedOut) as caught:
        await task

    assert caught.value.cause is Cause.CLOSED
    await until(lambda: gateway.stats(UNB)["acks"] == 2)


async def test_session_removed(gateway: Gateway, tmp_path: Path) -> None:
    """A session that was ended elsewhere is its own cause."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="session_remove", close=None)
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is Cause.REMOVED


async def test_new_rhythm_takes_effect_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """New heartbeat settings change the beats of a live connection."""
    slow = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)
    one = OneSession(gateway.endpoint, tmp_path, slow)
    task = await start(one)
    one.session.apply(msgspec.structs.replace(one.settings, cycle=FAST))
    await until(lambda: one.ear.answers >= 4, timeout=3)
    gateway.fault(UNB, kind="mute")
    with pytest.raises(ConnectionLost) as caught:
        await task

    assert caught.value.cause is Cause.HEARTBEAT


async def test_token_never_in_the_log(tmp_path: Path) -> None:
    """A server that repeats the token in its reason does not get it into the log."""

    async def script(connection: ServerConnection) -> None:
        frame = await receive(connection)
        reason = f"invalid token {frame['headers']['token']}"
        head = {"mid": frame["headers"]["mid"]}
        await connection.send(json.dumps({"code": 401, "headers": head, "body": {"reason": reason}}))
        await connection.wait_closed()

    async with raw_server(script) as endpoint:
        one = OneSession(endpoint, tmp_path)
        one.log.hide(one.session._token)
        await end_of(one)

    assert "sim-" not in (tmp_path / "a0.log").read_text()
    assert "invalid token ***" in (tmp_path / "a0.log").read_text()
