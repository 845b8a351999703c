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
from support.rawserver import raw_server, receive, registered, serve_on, stop_reading
from support.station import FAST, UNB, OneSession, log_time, open_sockets, read_log, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.session import KickedOut, TokenRefused

pytestmark = pytest.mark.pythons

NewLoop = Callable[[], asyncio.AbstractEventLoop]
Work = Callable[[], object]


async def end_of(one: OneSession) -> ConnectionLost:
    """Run the session to its end and return what that was."""
    with pytest.raises(ConnectionLost) as caught:
        await one.run()
    return caught.value


async def start(one: OneSession, answers: int = 1) -> asyncio.Task[None]:
    """Run the session as a task and wait until beats were answered."""
    task = asyncio.create_task(one.run())
    await one.connected(task, answers)
    return task


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
    for _ in range(5):
        one = OneSession(gateway.endpoint, tmp_path)
        task = await start(one, answers=2)
        fault = gateway.fault(UNB, kind="mute")
        with pytest.raises(ConnectionLost):
            await task
        ended = time.time()
        gateway.clear(fault)
        answered = {line["mid"] for line in read_log(tmp_path, "心跳响应正常")}
        silent = [line for line in read_log(tmp_path, "心跳包已发送") if line["mid"] not in answered]
        deadline = log_time(silent[0]) + FAST.heartbeat_timeout
        (tmp_path / "a0.log").unlink()

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
def test_standstill_with_the_answer_in_the_kernel(gateway: Gateway, tmp_path: Path, new_loop: NewLoop) -> None:
    """A loop that stood still past the deadline reads the answers that came meanwhile, and lives."""
    gateway.fault(UNB, kind="late", seconds=0.05)

    async def live() -> OneSession:
        one = OneSession(gateway.endpoint, tmp_path)
        task = await start(one)
        for pause in (0.27, 0.3, 0.31, 0.35, 0.5, 0.9, 1.6):
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
        for _ in range(4):
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
        head = {"mid": "1 0", "sid": "s", "ua": "x" * 4_000_000}
        await connection.send(json.dumps({"lwp": "/s/sync", "headers": head}))
        await connection.send(json.dumps({"lwp": "/s/sync", "headers": head}))
        await stop_reading(connection)

    slow = msgspec.structs.replace(FAST, heartbeat_timeout=20.0)
    async with raw_server(script, receive_buffer=4096) as endpoint:
        one = OneSession(endpoint, tmp_path, slow)
        began = time.monotonic()
        lost = await end_of(one)

    assert lost.cause is Cause.HEARTBEAT
    assert "not sent within" in lost.reason
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

    assert (lost.cause, lost.reason) == (Cause.NETWORK, "no answer to /reg within 0.2 s")
    assert one.ear.registrations == 0


@pytest.mark.parametrize("close", [None, 1000, "reset"])
async def test_refused_token(gateway: Gateway, tmp_path: Path, close: int | str | None) -> None:
    """A 401 is a refused token, also when the connection is closed right behind it."""
    gateway.fault(kind="reg_401", close=close)
    lost = await end_of(OneSession(gateway.endpoint, tmp_path))

    assert isinstance(lost, TokenRefused)
    assert (lost.cause, lost.reason) == (Cause.REFUSED, "/reg refused: 401 invalid token")


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


async def test_push_before_the_answer(gateway: Gateway, tmp_path: Path) -> None:
    """A push that comes before the answer to `/reg` is acked like any other."""
    gateway.fault(kind="push_before_reg")
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    one.session.leave("done")
    await task

    assert gateway.stats(UNB)["acks"] == 2


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

    assert len(read_log(tmp_path, "无法识别的数据已忽略")) == 4


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

    assert (lost.cause, lost.reason) == (Cause.PROTOCOL, "unreadable frames: 3 in a row")


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
    assert "1009" in caught.value.reason


async def test_leaving_while_dialling(gateway: Gateway, tmp_path: Path) -> None:
    """A session can be left before it is open; nothing stays behind."""
    before = open_sockets()
    gateway.fault(kind="half_open")
    one = OneSession(gateway.endpoint, tmp_path)
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0.2)
    one.session.leave("done")
    await task

    await asyncio.sleep(0.05)
    assert open_sockets() <= before


async def test_leaving_before_running(gateway: Gateway, tmp_path: Path) -> None:
    """A session that was told to leave before it began ends at once."""
    one = OneSession(gateway.endpoint, tmp_path)
    one.session.leave("done")
    await one.run()

    assert one.ear.registrations == 0


async def test_polite_end_is_bounded(gateway: Gateway, tmp_path: Path) -> None:
    """A gateway that does not answer the close frame holds nobody up for more than about 2 s."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="stall", connections="live")
    began = time.monotonic()
    one.session.leave("done")
    await task

    assert 1.5 < time.monotonic() - began < 3.5


async def test_end_without_an_answer_to_the_close_frame_is_an_end_like_any(gateway: Gateway, tmp_path: Path) -> None:
    """Leaving a gateway that does not answer the close frame raises nothing, on no Python."""
    before = open_sockets()
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="stall", connections="live")
    one.session.leave("done")
    await task

    assert open_sockets() <= before


@pytest.mark.timing
async def test_impolite_end_is_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """Breaking off waits for nobody and sends no close frame."""
    one = OneSession(gateway.endpoint, tmp_path)
    task = await start(one)
    gateway.fault(UNB, kind="stall", connections="live")
    began = time.monotonic()
    one.session.leave("done", polite=False)
    await task

    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("moment", ["dial", "reg", "live"])
async def test_cancelled_session_leaves_nothing(gateway: Gateway, tmp_path: Path, moment: str) -> None:
    """Cancelling at any moment is passed on, and no socket and no task is left."""
    before, tasks = open_sockets(), len(asyncio.all_tasks())
    if moment != "live":
        gateway.fault(kind="half_open" if moment == "dial" else "never_reg")
    one = OneSession(gateway.endpoint, tmp_path)
    task = asyncio.create_task(one.run())
    if moment == "live":
        await one.connected(task)
    else:
        await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.sleep(0.05)
    assert open_sockets() <= before
    assert len(asyncio.all_tasks()) == tasks


async def test_server_that_closes_without_hanging_up(tmp_path: Path) -> None:
    """A close frame without a TCP end is noticed at the next beat, and keeps its cause."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        connection.transport.write(bytes((0x88, 2)) + (1001).to_bytes(2, "big"))
        await stop_reading(connection)

    async with raw_server(script) as endpoint:
        lost = await end_of(OneSession(endpoint, tmp_path))

    assert lost.cause is Cause.CLOSED
    assert "1001" in lost.reason


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
