"""The gateway's listening sockets, which faults shut and open again. Shell."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from aiohttp import web

from xyfleet.supervisor.simulator.first_head import FirstHead

_BACKLOG: Final = 4096


class Listener:
    """The listening socket. Its port stays ours while it is shut: a second socket, which never listens, holds it."""

    def __init__(
        self, runner: web.AppRunner, port: int, tls: ssl.SSLContext | None, *, take_doubles: bool = False
    ) -> None:
        self._runner = runner
        self._take_doubles = take_doubles
        self._tls = tls
        self._keeper = _bound(port)
        self.port: int = self._keeper.getsockname()[1]
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Take connections, at once: the kernel holds them until the loop comes to serve them."""
        if self._socket is None:
            self._socket = _bound(self.port)
            self._socket.listen(_BACKLOG)
            self._serving = asyncio.ensure_future(self._serve(self._socket))

    async def _serve(self, listening: socket.socket) -> None:
        factory = self._runner.server
        assert factory is not None
        if self._socket is not listening:
            return  # shut before the loop came to it
        loop = asyncio.get_running_loop()
        make: Callable[[], asyncio.Protocol] = (lambda: FirstHead(factory)) if self._take_doubles else factory
        server = await loop.create_server(make, sock=listening, ssl=self._tls, backlog=_BACKLOG)
        if self._socket is listening:
            self._server = server
        else:
            server.close()  # shut meanwhile

    def shut(self) -> None:
        """Refuse connections from now on; those that stand are left alone."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        self._socket = self._server = None

    def close(self) -> None:
        """Give the port back."""
        self.shut()
        self._keeper.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
