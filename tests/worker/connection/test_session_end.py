"""Leaving a connection at any moment, politely or not, leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import raw_server, registered, stop_reading
from support.station import UNB, OneSession, end_of, open_sockets, start
from xyfleet.worker.causes import Cause

pytestmark = pytest.mark.pythons


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
    assert "1001" in str(lost.reason)
