"""Requests that are no HTTP, or bodies that are no JSON: answered as JSON, no byte of them there or in a log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.standin import StandIn, account
from xyfleet.supervisor.api.http_connection import SPAN, ConnectionFaults
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.tcp_listener import open_listener
from xyfleet.supervisor.api.tcp_server import TcpServer
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.settings import Http

pytestmark = pytest.mark.pythons

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MARK = b"MARKCOOKIE1"
GET = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"
LOGIN = b"POST /v1/login HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "blank before the colon": GET + b"Authorization : Bearer MARKCOOKIE1\r\n\r\n",
    "folded header": GET + b"Authorization: Bearer\r\n MARKCOOKIE1\r\n\r\n",
    "NUL": GET + b"Authorization: Bearer MARKCOOKIE1\0\r\n\r\n",
    "bare line feeds": b"GET /v1/health HTTP/1.1\nAuthorization: Bearer MARKCOOKIE1\n\n",
    "no request line": b"MARKCOOKIE1\r\n\r\n",
    "method": b"M@RK MARKCOOKIE1 / HTTP/1.1\r\n\r\n",
    "version": b"GET /MARKCOOKIE1 HTTP/9.9\r\n\r\n",
    "address": b"GET http://[MARKCOOKIE1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": GET + b"Authorization: " + MARK * 2000 + b"\r\n\r\n",
    "length": LOGIN + b"Content-Length: MARKCOOKIE1\r\n\r\n",
    "unchunked body": LOGIN + b'Transfer-Encoding: chunked\r\n\r\n{"cookie":"MARKCOOKIE1"}\r\n',
    "unknown encoding": LOGIN + b"Content-Encoding: br\r\nContent-Length: 11\r\n\r\nMARKCOOKIE1",
    "expectation": LOGIN + b"Expect: MARKCOOKIE1\r\nContent-Length: 2\r\n\r\n{}",
    "expectation nowhere": b"POST /v1/no HTTP/1.1\r\nHost: x\r\nExpect: MARKCOOKIE1\r\nContent-Length: 2\r\n\r\n{}",
}
BODIES = {
    "UTF-8": LOGIN + b'Content-Length: 22\r\n\r\n{"name":"MARKCOOKIE1\xff"}',
    "deep": LOGIN + b'Content-Length: 20015\r\n\r\n{"MARKCOOKIE1":' + b"[" * 20_000,
    "no gzip": LOGIN + b"Content-Encoding: gzip\r\nContent-Length: 11\r\n\r\nMARKCOOKIE1",
    "no deflate": LOGIN + b"Content-Encoding: deflate\r\nContent-Length: 11\r\n\r\nMARKCOOKIE1",
}


@contextlib.asynccontextmanager
async def on_unix(folder: Path) -> AsyncIterator[Streams]:
    """A connection to the Unix socket."""
    server = ApiServer(StandIn(folder, [account("a")]), folder / "control.sock")
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
    yield reader, writer
    writer.close()
    await server.close()


@contextlib.asynccontextmanager
async def on_tcp(folder: Path) -> AsyncIterator[Streams]:
    """A connection to the port, for clients without the token."""
    door = open_listener(Http(host="127.0.0.1", port=0), folder)
    server = TcpServer(make_app(StandIn(folder, [account("a")]), door.token), door)
    running = asyncio.create_task(server.run())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield reader, writer
    writer.close()
    running.cancel()
    await server.close()


async def answer_to(data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
    """Send; return the answer's status and all its bytes."""
    writer.write(data)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length"))
        return int(head.split()[1]), head + await reader.readexactly(int(length))


@pytest.mark.parametrize("listener", [on_unix, on_tcp])
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_request_is_shown_nowhere(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    listener: Callable[[Path], contextlib.AbstractAsyncContextManager[Streams]],
    data: bytes,
) -> None:
    """The answer is the API's JSON; neither it nor a log holds what was sent: a token or a cookie may be in it (B8)."""
    caplog.set_level(logging.INFO)
    async with listener(tmp_path) as (reader, writer):
        status, answer = await answer_to(data, reader, writer)
    gc.collect()

    assert status in (400, 417)
    assert MARK not in answer
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]) == {"code", "message"}
    assert MARK.decode() not in caplog.text


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES.keys())
async def test_unreadable_body_is_the_clients_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    """Broken UTF-8, depth without end and a false Content-Encoding are 400, and no fault of ours in the log (B19)."""
    async with on_unix(tmp_path) as (reader, writer):
        status, answer = await answer_to(data, reader, writer)

    assert (status, json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]) == (400, "bad_request")
    assert MARK not in answer
    assert "fault" not in caplog.text
    assert MARK.decode() not in caplog.text


async def test_flood_of_malformed_requests_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has no token can't push what the log says out of it (B9)."""
    async with on_unix(tmp_path):
        for _ in range(300):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
            await answer_to(MALFORMED["NUL"], reader, writer)
            writer.close()

    assert len(caplog.records) == 1
    assert len(caplog.text) < 300


def test_fault_is_said_once_in_a_span(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind by itself: its type and place, how many were left out, and never its own words (B9)."""
    now = 0.0
    faults = ConnectionFaults(lambda: now)
    for _ in range(3):
        faults.say(ValueError("MARKCOOKIE1"))
    faults.say(OSError("MARKCOOKIE1"))
    now = SPAN
    faults.say(ValueError("MARKCOOKIE1"))

    said = [record.getMessage().splitlines()[0] for record in caplog.records]
    assert said == [
        "fault on a connection: ValueError (and 0 before it, not logged)",
        "fault on a connection: OSError (and 0 before it, not logged)",
        "fault on a connection: ValueError (and 2 before it, not logged)",
    ]
    assert "MARKCOOKIE1" not in caplog.text
