"""Beats into a socket that does not take them: failed sends, retries, the third in a row."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from support.pulserig import DEAF, FILLING, rig
from support.station import read_log, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection import writer
from xyfleet.worker.protocol.frames import Response, parse


@pytest.mark.timing
async def test_third_failed_send_in_a_row(tmp_path: Path) -> None:
    """A beat that can't be written fails after the send timeout, is tried again, and the third failure is the end."""
    async with rig(tmp_path) as made:
        made.fill()
        left = made.client.transport.get_write_buffer_size()
        began = time.monotonic()
        with pytest.raises(ConnectionLost) as caught:
            await made.pulse.beat()
        took = time.monotonic() - began

        assert caught.value.cause is Cause.HEARTBEAT
        # Three send timeouts and two retry delays of 0.05 s each.
        assert 0.25 <= took < 0.6
        # Nothing was queued behind what could not be sent.
        assert 0 < made.client.transport.get_write_buffer_size() <= left

    window = made.metrics.window(0.0)
    assert (window.sent, window.due, window.streak) == (0, 1, 0)
    assert [line["failures"] for line in read_log(tmp_path, "心跳发送失败")] == [1, 2, 3]
    assert [line["failures"] for line in read_log(tmp_path, "心跳连续失败")] == [3]


async def test_good_send_forgets_failures(tmp_path: Path) -> None:
    """When the peer reads again, the beat goes out, the row of failures ends, and the grid goes on."""
    async with rig(tmp_path) as made:
        made.fill()
        task = asyncio.create_task(made.pulse.beat())
        await until(lambda: len(read_log(tmp_path, "心跳发送失败")) == 1)
        made.server.transport.resume_reading()
        await until(lambda: made.metrics.window(0.0).sent == 2)
        made.fill()
        await until(lambda: len(read_log(tmp_path, "心跳发送失败")) >= 3 or task.done())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    failures = [line["failures"] for line in read_log(tmp_path, "心跳发送失败")]
    assert failures.count(1) == 2
    assert made.metrics.window(0.0).due >= 3


async def test_as_many_failures_as_the_settings_say(tmp_path: Path) -> None:
    """The number of failures that end it is a setting."""
    async with rig(tmp_path, msgspec.structs.replace(DEAF, max_heartbeat_failures=1)) as made:
        made.fill()
        with pytest.raises(ConnectionLost, match="1 in a row"):
            await made.pulse.beat()


@pytest.mark.timing
async def test_posted_frame_past_its_deadline(tmp_path: Path) -> None:
    """A frame that is no beat gets one send timeout and no second try."""
    async with rig(tmp_path) as made:
        made.server.transport.pause_reading()
        made.outlet.post(FILLING)
        made.outlet.post(b'{"never":"written"}')
        began = time.monotonic()
        with pytest.raises(ConnectionLost) as caught:
            await made.outlet.run()

        assert caught.value.cause is Cause.HEARTBEAT
        assert 0.04 < time.monotonic() - began < 0.3


async def test_posted_frames_keep_their_order(tmp_path: Path) -> None:
    """Frames are written in the order of posting, also when the peer is slow."""
    async with rig(tmp_path, msgspec.structs.replace(DEAF, heartbeat_send_timeout=5.0)) as made:
        for number in range(20):
            made.outlet.post(b'{"n":%d,"x":"%s"}' % (number, b"x" * 5000))
        task = asyncio.create_task(made.outlet.run())
        got = [msgspec.json.decode(await made.server.recv())["n"] for _ in range(20)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert got == list(range(20))


@pytest.mark.timing
async def test_abort_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full buffer a rude end takes no time, and a polite one as long as it may."""
    monkeypatch.setattr(writer, "CLOSE_TIMEOUT", 0.4)
    async with rig(tmp_path) as made:
        made.fill()
        began = time.monotonic()
        await made.outlet.end(polite=False)
        assert time.monotonic() - began < 0.2
    async with rig(tmp_path) as made:
        made.fill()
        began = time.monotonic()
        await made.outlet.end(polite=True)
        assert 0.3 < time.monotonic() - began < 1.4


async def test_no_beat_into_a_closed_socket(tmp_path: Path) -> None:
    """The state is looked at before each send: nothing is written, and nothing counts as sent."""
    async with rig(tmp_path) as made:
        made.server.transport.abort()
        await made.client.wait_closed()
        await made.pulse.beat()

    assert made.metrics.window(0.0).sent == 0


async def test_proven_needs_age_and_an_answer(tmp_path: Path) -> None:
    """A connection that is old, or that was answered, is not proven by one of these alone."""
    async with rig(tmp_path, msgspec.structs.replace(DEAF, stable_after=0.3)) as made:
        task = asyncio.create_task(made.pulse.beat())
        mid = msgspec.json.decode(await made.server.recv())["headers"]["mid"]
        await asyncio.sleep(0.35)
        assert not made.pulse.proven()

        response = parse(msgspec.json.encode({"code": 200, "headers": {"mid": mid}}))
        assert isinstance(response, Response)
        assert made.pulse.take(response)
        assert made.pulse.proven()
        assert not made.pulse.take(response)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with rig(tmp_path, msgspec.structs.replace(DEAF, stable_after=30.0)) as made:
        assert not made.pulse.proven()
