"""The HTTP API on TCP (`fleet.http`), for whoever has the token. Shell."""

from __future__ import annotations

import asyncio
import hmac
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from xyfleet.supervisor.api.http_connection import ApiConnection, ConnectionFaults
from xyfleet.supervisor.api.requests import SILENCE, Handler
from xyfleet.supervisor.api.tcp_listener import TcpListener
from xyfleet.worker.secret import Secret

MAX_CONNECTIONS: Final = 64
"""At one time; more would take the files that workers need."""


def guard(token: Secret) -> Middleware:
    """Return a middleware that answers 401 to every request without `Authorization: Bearer <token>`."""
    wanted = token.reveal().encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
        # Bytes, for `compare_digest` takes only ASCII as text; its time tells nothing about the token.
        right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), wanted)
        if scheme.lower() != "bearer" or not right:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Bearer realm="xyfleet"'})
        return await handler(request)

    return check


class TcpServer:
    """Serves an application, which should have the `guard`, on the listener's sockets."""

    def __init__(self, app: web.Application, door: TcpListener) -> None:
        self._door = door
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self._faults = ConnectionFaults()
        self._servers: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """The port, chosen by the system where the file says 0."""
        port: int = self._door.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Accept connections."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        tls = self._door.tls
        patience = None if tls is None else SILENCE
        for one in self._door.sockets:
            server = await loop.create_server(self._protocol, sock=one, ssl=tls, ssl_handshake_timeout=patience)
            self._servers.append(server)

    async def close(self) -> None:
        """Stop listening, and give running requests a second to end."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        self._door.close()

    def _protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= MAX_CONNECTIONS:
            return _TooMany()
        return ApiConnection(server, SILENCE, self._faults)


class _TooMany(asyncio.Protocol):
    """A connection that is closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
