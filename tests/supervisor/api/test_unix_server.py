"""The API's Unix socket: private, made anew when it is removed, and shut to clients that stall."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from support.apicalls import get
from support.standin import StandIn, account, until
from xyfleet.supervisor.api import middleware, requests, unix_server
from xyfleet.supervisor.api.unix_server import ApiServer


async def test_socket_is_private(server: ApiServer, control: StandIn) -> None:
    """Only the owner may connect, whatever the umask."""
    mode = (control.folder / "control.sock").stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale the patience with clients down."""
    for module in (middleware, requests, unix_server):
        monkeypatch.setattr(module, "SILENCE", 0.2)


@contextlib.asynccontextmanager
async def raw(control: StandIn, data: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Connect, send some bytes, and do nothing more."""
    reader, writer = await asyncio.open_unix_connection(str(control.folder / "control.sock"), limit=1)
    writer.write(data)
    try:
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("data", [b"", b"GET /v1/st", b"GET /v1/status HTTP/1.1\r\nHost:"])
async def test_client_that_never_asks_is_cut_off(control: StandIn, data: bytes) -> None:
    """Nothing, or half a request head: the connection is closed after a while."""
    server = ApiServer(control, control.folder / "control.sock")
    await server.start()
    async with raw(control, data) as reader, asyncio.timeout(5):
        assert await reader.read() == b""
    await server.close()


@pytest.mark.usefixtures("hasty")
async def test_client_that_never_sends_its_body_is_told(control: StandIn) -> None:
    """Half a body is answered with 408, and nothing was done."""
    server = ApiServer(control, control.folder / "control.sock")
    await server.start()
    head = b"POST /v1/accounts/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    async with raw(control, head) as reader, asyncio.timeout(5):
        assert (await reader.read(12)) == b"HTTP/1.1 408"
    await server.close()
    assert control.acts == []


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("path", ["/v1/status", "/v1/events?follow=1"])
async def test_client_that_never_reads_is_cut_off(tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client that takes nothing loses its connection without a word in the log; others are served meanwhile."""
    control = StandIn(tmp_path, [account(f"a{i}", label="x" * 2000) for i in range(400)])
    for _ in range(400):
        control.events.add("message", time=0, reason="x" * 2000)
    server = ApiServer(control, tmp_path / "control.sock")
    await server.start()
    connections = server._runner.server
    assert connections is not None
    async with raw(control, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()):
        await until(lambda: connections.connections)
        connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
        async with aiohttp.ClientSession("http://xyfleet", connector=connector) as other:
            assert (await get(other, "/v1/health"))[0] == 200
        await until(lambda: not connections.connections)
    assert control.events.followers == 0
    assert caplog.text == ""
    await server.close()


async def test_removed_socket_is_made_anew(server: ApiServer, control: StandIn) -> None:
    """A cleaner that removes the socket file does not lock the owner out; an untouched one is left alone."""
    path = control.folder / "control.sock"
    assert not await server.ensure()
    path.unlink()

    assert await server.ensure()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(str(path))) as http:
        assert (await get(http, "/v1/health"))[0] == 200
    assert not await server.ensure()


async def test_left_over_socket_is_replaced_and_removed_at_the_end(control: StandIn) -> None:
    """What a killed supervisor left is no obstacle, and a polite end leaves nothing."""
    path = control.folder / "control.sock"
    path.write_text("left over")
    server = ApiServer(control, path)
    await server.start()
    assert stat.S_ISSOCK(path.stat().st_mode)

    await server.close()

    assert not path.exists()


async def test_socket_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    """A missing folder is told to the caller, who knows what to do; nothing is left open."""
    server = ApiServer(StandIn(tmp_path), tmp_path / "missing" / "control.sock")
    with pytest.raises(FileNotFoundError):
        await server.start()
    await server.close()
