"""Serves the API on the fleet's Unix socket. Shell."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from aiohttp import web

from xyfleet.supervisor.api.http_connection import ApiConnection, ConnectionFaults
from xyfleet.supervisor.api.requests import SILENCE
from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.common import paths
from xyfleet.supervisor.control.types import Control


class ApiServer:
    """The API on a Unix socket that only its owner may use."""

    def __init__(self, control: Control, path: Path) -> None:
        self.path = path
        self._control = control
        app, name = make_app(control), control.health().name

        async def sign(_request: web.Request, answer: web.StreamResponse) -> None:
            answer.headers["X-Xyfleet-Fleet"] = name  # so that a command need not ask first who answers

        app.on_response_prepare.append(sign)
        # A silent connection is closed after the keep-alive time; streams end with `EventLog.close`.
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self._faults = ConnectionFaults()
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen. Only the holder of the fleet's lock may call this: a left-over socket is removed. Raises OSError."""
        await self._runner.setup()
        await self._listen()

    async def ensure(self) -> bool:
        """Listen again if the socket file is gone or another's; say whether that was needed. Raises OSError."""
        if self.is_there():
            return False
        await self._listen()
        return True

    def is_there(self) -> bool:
        """Say whether the socket file is there, and ours. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            return self.path.stat().st_ino == self._inode
        return False

    async def close(self) -> None:
        """Stop listening, end streams, give running requests a second to end."""
        if self._server is not None:
            self._server.close()
        self._control.events.close()
        self._control.mail.close()
        await self._runner.cleanup()
        if self._server is not None:
            self.path.unlink(missing_ok=True)

    async def _listen(self) -> None:
        old, listener = self._server, paths.private_socket(self.path)
        self._inode = self.path.stat().st_ino
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, sock=listener, backlog=128)
        if old is not None:
            old.close()

    def _connection(self) -> ApiConnection:
        assert self._runner.server is not None
        return ApiConnection(self._runner.server, SILENCE, self._faults)
