"""A webhook inside a test: a web service on a free port that answers as the path says, and verifies the signature."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from aiohttp import web

SECRET = "a key that nobody else has"
BODIES: Mapping[str, tuple[int, str, bytes]] = {
    "reply": (200, "application/json", '{"reply": "在的"}'.encode()),
    "null": (200, "application/json", b'{"reply": null}'),
    "empty": (200, "application/json", b"{}"),
    "image": (200, "application/json", b'{"image": "guide.png"}'),
    "typo": (200, "application/json", b'{"replay": "yes"}'),
    "number": (200, "application/json", b'{"reply": 7}'),
    "bare": (200, "application/json", b'"yes"'),
    "broken": (200, "application/json", b'{"reply": "ye'),
    "html": (200, "text/html", b"<html><body>private words</body></html>"),
    "error": (500, "text/html", b"<html><body>private words</body></html>"),
    "nothing": (200, "application/json", b""),
    "none": (204, "", b""),
    "long": (200, "application/json", json.dumps({"reply": "x" * 70_000}).encode()),
}
"""Status, type and body by path."""


@dataclass
class Call:
    """What came."""

    path: str
    headers: dict[str, str]
    body: bytes
    signed: bool
    """Whether the signature is right and no older than a minute."""

    @property
    def message(self) -> Any:
        """The JSON that was posted."""
        return json.loads(self.body)


class Receiver:
    """The service. Use as a context manager inside the loop."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.open = 0
        self.most = 0
        """Most calls at one time."""
        self.written = 0
        """Bytes of the endless answer that the asker took."""
        self.go = asyncio.Event()
        """Lets the calls of `/wait` end."""
        self._came = asyncio.Condition()
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()
        await self._runner.cleanup()

    async def called(self, times: int) -> None:
        """Wait until so many calls have come."""
        async with asyncio.timeout(15), self._came:
            await self._came.wait_for(lambda: len(self.calls) >= times)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = request.match_info["path"]
        self.calls.append(Call(path, dict(request.headers), body, _signed(request.headers, body)))
        self.open += 1
        self.most = max(self.most, self.open)
        async with self._came:
            self._came.notify_all()
        try:
            return await self._act(path, request)
        finally:
            self.open -= 1

    async def _act(self, path: str, request: web.Request) -> web.StreamResponse:
        match path:
            case "wait":
                await self.go.wait()
                path = "reply"
            case "endless":
                return await self._pour(request)
            case "away":
                raise web.HTTPFound("/reply")
            case "hang-up":
                assert request.transport is not None
                request.transport.close()
        status, kind, answer = BODIES.get(path, BODIES["none"])
        return web.Response(status=status, body=answer, headers={"Content-Type": kind} if kind else {})

    async def _pour(self, request: web.Request) -> web.StreamResponse:
        """Answer 10 MB."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b" " * 1000)
            self.written += 1000
        return response


def _signed(headers: Mapping[str, str], body: bytes) -> bool:
    stamp = headers.get("X-Xyfleet-Timestamp", "")
    expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    fresh = stamp.isdigit() and abs(time.time() - int(stamp)) < 60
    return fresh and hmac.compare_digest(expected, headers.get("X-Xyfleet-Signature", ""))


class _Replying(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODIES["reply"][2])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def secure_server(tls: ssl.SSLContext) -> Iterator[str]:
    """Run a service that replies over TLS, in a thread: a loop of uvloop can't end while TLS says goodbye in it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Replying) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """Run a server that says these bytes to every request and hangs up; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = serve
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
