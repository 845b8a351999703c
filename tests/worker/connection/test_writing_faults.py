"""Sends that fail, sockets below TLS that are full, and looks after a standstill."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from pathlib import Path

import msgspec
import pytest

from support.gateway import Gateway
from support.imclient import UNB
from support.pulserig import DEAF, rig
from support.station import FAST, OneSession, read_log, settings_for, start, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.connect import Socket, dial
from xyfleet.worker.connection.writer import FrameWriter
from xyfleet.worker.protocol.frames import Response, parse


async def kept(client: Socket) -> bool:
    """Whether what is not sent stays so for a while."""
    await asyncio.sleep(0.1)
    return client.unsent() > 0


async def test_what_the_transport_below_tls_holds_counts(tmp_path: Path) -> None:
    """A peer that reads nothing is noticed on TLS as soon as on plain sockets (M9)."""
    with Gateway("--tls") as gateway:
        tls = ssl.create_default_context(cafile=gateway.ca_file)
        client = await dial(settings_for(gateway.endpoint, tmp_path), tls)
        assert isinstance(client, Socket)
        outlet = FrameWriter(client, 0.05)
        client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        gateway.process.send_signal(19)  # SIGSTOP
        try:
            for _ in range(2000):
                outlet.write(b'{"x":"' + b"x" * 1000 + b'"}')
                await asyncio.sleep(0)
                if client.unsent() and await kept(client):
                    break
            assert client.transport.get_write_buffer_size() == 0
            assert client.unsent() > 0
            assert not await outlet.drained()
        finally:
            gateway.process.send_signal(18)  # SIGCONT
            await outlet.end(polite=False)


async def test_a_write_that_fails_is_a_failed_send(tmp_path: Path) -> None:
    """What the socket did not take was not sent: it is logged, counted and tried again as such (M9)."""
    async with rig(tmp_path) as made:
        made.client.transport.abort()
        beating = made.pulse.beat()
        beating.send(None)  # at once: the loop is about to tell of the end
        beating.close()

    window = made.metrics.window(0.0)
    assert window.sent == 0
    (line,) = read_log(tmp_path, "心跳发送失败")
    assert line["reason"].startswith("not written: ")


async def test_the_third_failed_send_comes_before_the_verdict(tmp_path: Path) -> None:
    """At the seed's proportions the third failed send is a moment behind the deadline; it is what is said then."""
    seed = msgspec.structs.replace(
        DEAF,
        heartbeat_interval=0.6,
        heartbeat_timeout=1.2,
        heartbeat_send_timeout=0.08,
        heartbeat_retry_delay=0.2,
    )
    async with rig(tmp_path, seed) as made:
        beat = asyncio.create_task(made.pulse.beat())
        watch = asyncio.create_task(made.pulse.watch())
        await until(lambda: made.metrics.window(0.0).sent == 1)
        made.fill()
        done, pending = await asyncio.wait((beat, watch), timeout=5, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    assert done == {beat}
    error = beat.exception()
    assert isinstance(error, ConnectionLost)
    assert (error.cause, str(error.reason)) == (Cause.HEARTBEAT, "heartbeats not sent: 3 in a row")
    assert read_log(tmp_path, "心跳连续失败")


async def test_the_verdict_comes_when_the_last_try_succeeds(tmp_path: Path) -> None:
    """A beat that could be sent after all proves nothing about those that were never answered."""
    seed = msgspec.structs.replace(
        DEAF, heartbeat_interval=0.6, heartbeat_timeout=1.2, heartbeat_send_timeout=0.08, heartbeat_retry_delay=0.2
    )
    async with rig(tmp_path, seed) as made:
        beat = asyncio.create_task(made.pulse.beat())
        watch = asyncio.create_task(made.pulse.watch())
        await until(lambda: made.metrics.window(0.0).sent == 1)
        made.fill()
        await until(lambda: len(read_log(tmp_path, "心跳发送失败")) == 2)
        made.server.transport.resume_reading()
        with pytest.raises(ConnectionLost, match="no answer to a heartbeat"):
            await asyncio.wait_for(watch, 3)
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)


async def test_a_pause_after_a_standstill_is_not_the_end_of_input(tmp_path: Path) -> None:
    """The window of TCP opens again after a round trip, in which no byte comes: the answer may lie behind it."""
    slow = msgspec.structs.replace(DEAF, heartbeat_interval=20.0, heartbeat_timeout=0.3)
    async with rig(tmp_path, slow) as made:
        beat = asyncio.create_task(made.pulse.beat())
        watch = asyncio.create_task(made.pulse.watch())
        mid = json.loads(await made.server.recv())["headers"]["mid"]
        pieces = [b"\x81\x7e" + (3000).to_bytes(2, "big"), b"x" * 3000]

        async def answer_late() -> None:
            for piece in pieces:
                made.server.transport.write(piece)
                await asyncio.sleep(0.06)
            await made.server.send(json.dumps({"code": 200, "headers": {"mid": mid}}))

        async def read() -> None:
            while True:
                raw = await made.client.recv(decode=False)
                if raw.startswith(b"{"):
                    response = parse(raw)
                    assert isinstance(response, Response)
                    assert made.pulse.take(response)

        answering = asyncio.create_task(answer_late())
        reading = asyncio.create_task(read())
        time.sleep(0.4)  # noqa: ASYNC251 - the whole process stands still
        await asyncio.wait((watch,), timeout=1.0)
        judged = watch.done()
        for task in (beat, watch, answering, reading):
            task.cancel()
        await asyncio.gather(beat, watch, answering, reading, return_exceptions=True)

    assert not judged
    assert made.metrics.window(0.0).answered == 1


async def test_long_calls_of_a_stalled_tls_gateway_end_the_session(tmp_path: Path) -> None:
    """The send limit holds on TLS for whole sessions: a gateway that stops reading is left within seconds (M9)."""
    with Gateway("--tls") as gateway:
        patient = msgspec.structs.replace(FAST, heartbeat_interval=10.0, heartbeat_timeout=30.0)
        one = OneSession(gateway.endpoint, tmp_path, patient, ca_file=gateway.ca_file)
        one.session._tls = ssl.create_default_context(cafile=gateway.ca_file)
        task = await start(one)
        gateway.fault(UNB, kind="stall", connections="live")
        asking = asyncio.create_task(one.session.ask("/r/x", "x" * 6_000_000))
        with pytest.raises(ConnectionLost, match="a frame was not sent within"):
            await asyncio.wait_for(task, 5)
        await asyncio.gather(asking, return_exceptions=True)
