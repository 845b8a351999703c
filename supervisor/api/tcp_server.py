"""The HTTP API on TCP (`fleet.http`), for whoever has the token. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
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
        if isinstance(request.protocol, ApiConnection):
            request.protocol.known = True
        return await handler(request)

    return check


class _Visit:
    """A connection from its first moment on, before it is the application's: that of a TLS handshake too."""

    def __init__(self, connection: ApiConnection) -> None:
        self.connection = connection
        self.greeting: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.greeting is not None and self.greeting.done() and self.connection.transport is None

    def end(self) -> None:
        """End it now."""
        if self.connection.transport is not None:
            self.connection.transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()


class TcpServer:
    """
    Serves an application, which should have the `guard`, on the listener's sockets.

    A life (`run`) that raises may be followed by another: who dials meanwhile waits, and connections go on.
    """

    def __init__(self, app: web.Application, door: TcpListener) -> None:
        self._door = door
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self._faults = ConnectionFaults()
        self._visits: list[_Visit] = []
        """The first one came first."""

    @property
    def port(self) -> int:
        """The port, chosen by the system where the file says 0."""
        port: int = self._door.sockets[0].getsockname()[1]
        return port

    async def run(self) -> None:
        """Accept connections for ever. Cancelled, it leaves those there are to `close`."""
        if self._runner.server is None:
            await self._runner.setup()
        accepting = [asyncio.create_task(self._accept(one)) for one in self._door.sockets]
        try:
            done, _ = await asyncio.wait(accepting, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in accepting:
                task.cancel()

    async def close(self) -> None:
        """Stop listening, and give running requests a second to end."""
        for visit in self._visits:
            if visit.connection.transport is None:
                visit.end()
        await self._runner.cleanup()
        self._door.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _address = await loop.sock_accept(listener)
            except ConnectionError:
                continue  # it had gone before its turn
            if self._has_room():
                self._begin(connection)
            else:
                connection.close()

    def _has_room(self) -> bool:
        """
        Return whether there is a place for another connection.

        If none is free, whoever came first of those who have not shown the token makes room: 64 of them would shut the
        owner out for good.
        """
        self._visits = [visit for visit in self._visits if not visit.over]
        if len(self._visits) < MAX_CONNECTIONS:
            return True
        stranger = next((visit for visit in self._visits if not visit.connection.known), None)
        if stranger is None:
            return False
        stranger.end()
        self._visits.remove(stranger)
        return True

    def _begin(self, connection: socket.socket) -> None:
        server = self._runner.server
        assert server is not None
        visit = _Visit(ApiConnection(server, SILENCE, self._faults))
        visit.greeting = asyncio.create_task(self._greet(connection, visit.connection))
        self._visits.append(visit)

    async def _greet(self, connection: socket.socket, protocol: ApiConnection) -> None:
        """Have the application take a connection, after its handshake; whose handshake fails is let go."""
        tls = self._door.tls
        with contextlib.suppress(OSError):  # TLS errors are such too
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else SILENCE,
            )
