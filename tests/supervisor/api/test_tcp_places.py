"""The places of the API on TCP: few, and nobody without the token keeps one from the owner."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from support.standin import StandIn, account
from xyfleet.supervisor import simulator
from xyfleet.supervisor.api import tcp_server
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.tcp_listener import open_listener
from xyfleet.supervisor.api.tcp_server import TcpServer
from xyfleet.supervisor.settings import Http, Tls

pytestmark = pytest.mark.pythons

PEMS = Path(simulator.__file__).parent
CERT, KEY = PEMS / "loopback-test-cert.pem", PEMS / "loopback-test-key.pem"
PLACES = 3
REQUEST = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door:
    """A running server, and who knocks at it."""

    def __init__(self, server: TcpServer, token: str) -> None:
        self._server = server
        self.token = token

    async def knock(self, *words: bytes) -> Stream:
        """Open a connection, and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        writer.writelines(words)
        return reader, writer

    async def ask(self, scheme: str = "http") -> int:
        """Return what the owner is answered."""
        trust = ssl.create_default_context(cafile=CERT)
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.get(f"{scheme}://127.0.0.1:{self._server.port}/v1/health", ssl=trust) as response,
        ):
            return response.status


@asynccontextmanager
async def serving(folder: Path, tls: Tls | None = None) -> AsyncIterator[Door]:
    """Serve a stand-in's API on a free port of loopback."""
    door = open_listener(Http(host="127.0.0.1", port=0, tls=tls), folder)
    server = TcpServer(make_app(StandIn(folder, [account("a")]), door.token), door)
    running = asyncio.create_task(server.run())
    try:
        yield Door(server, door.token.reveal())
    finally:
        running.cancel()
        await server.close()


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are enough to be shut out from."""
    monkeypatch.setattr(tcp_server, "MAX_CONNECTIONS", PLACES)


async def ended(stream: Stream) -> None:
    """Wait until the server has hung up."""
    with suppress(ConnectionError):
        async with asyncio.timeout(5):
            await stream[0].read()
    stream[1].close()


@pytest.mark.parametrize("said", [b"", REQUEST, b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"])
async def test_strangers_keep_nobody_out(tmp_path: Path, said: bytes) -> None:
    """Silent ones, slow ones, those that never end their body (B17): who came first makes room, one for one."""
    async with serving(tmp_path) as door:
        strangers = [await door.knock(said) for _ in range(PLACES)]
        await asyncio.sleep(0.05)
        assert await door.ask() == 200
        await ended(strangers[0])
        for _, writer in strangers[1:]:
            assert not writer.is_closing()
            writer.close()


async def test_handshakes_that_never_end_keep_nobody_out(tmp_path: Path) -> None:
    """They count from the first moment on (finding 45), and make room as others do."""
    async with serving(tmp_path, Tls(cert=CERT, key=KEY)) as door:
        silent = [await door.knock() for _ in range(PLACES)]
        assert await door.ask("https") == 200
        await ended(silent[0])
        for _, writer in silent[1:]:
            writer.close()


async def test_who_has_shown_the_token_keeps_his_place(tmp_path: Path) -> None:
    """Where all have, the next one is hung up on, and may come again later."""
    async with serving(tmp_path) as door:
        key = f"Authorization: Bearer {door.token}\r\n\r\n".encode()
        owners = [await door.knock(REQUEST, key) for _ in range(PLACES)]
        for reader, _ in owners:
            assert b" 200 " in await reader.readline()
        await ended(await door.knock())
        owners[0][1].close()
        await asyncio.sleep(0.05)
        assert await door.ask() == 200
        for _, writer in owners[1:]:
            writer.close()


async def test_a_wrong_token_is_answered_once_a_connection(tmp_path: Path) -> None:
    """The answer says that the connection ends, and it does."""
    async with serving(tmp_path) as door:
        reader, writer = await door.knock(REQUEST, b"\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer
