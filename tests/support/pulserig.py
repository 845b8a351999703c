"""One heart at work on a connection with a tiny send buffer, to a server that can stop reading."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

from support.rawserver import raw_server
from support.station import FAST, Ear
from xyfleet.worker.connection.connect import Socket
from xyfleet.worker.connection.keepalive import Keepalive
from xyfleet.worker.connection.writer import FrameWriter
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.settings import Cycle, LogSettings
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics

DEAF = msgspec.structs.replace(FAST, heartbeat_interval=0.3, heartbeat_timeout=30.0, heartbeat_send_timeout=0.05)
FILLING = b'{"x":"' + b"x" * 300_000 + b'"}'


class Rig:
    """A pulse on a connection with a tiny send buffer, to a server that can stop reading."""

    def __init__(self, client: Socket, server: ServerConnection, logs: Path, cycle: Cycle) -> None:
        self.client = client
        self.server = server
        self.outlet = FrameWriter(client, cycle.heartbeat_send_timeout)
        self.metrics = Metrics()
        self.log = AccountLog("a0", LogSettings(dir=str(logs), format="json"))
        self.pulse = Keepalive(cycle, self.outlet, Mids(time.time, lambda: 0.5), self.metrics, self.log, Ear())

    def fill(self) -> None:
        """Have the server stop reading, and write more than all buffers take."""
        self.server.transport.pause_reading()
        self.outlet.write(FILLING)
        self.outlet.write(FILLING)


@asynccontextmanager
async def rig(logs: Path, cycle: Cycle = DEAF) -> AsyncIterator[Rig]:
    """Connect both ends."""
    arrived: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def script(connection: ServerConnection) -> None:
        arrived.set_result(connection)
        await connection.wait_closed()

    async with raw_server(script, receive_buffer=4096) as endpoint:
        tiny = socket.socket()
        tiny.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        tiny.setblocking(False)
        await asyncio.get_running_loop().sock_connect(tiny, ("127.0.0.1", urlsplit(endpoint).port))
        client = await connect(
            endpoint, sock=tiny, proxy=None, compression=None, ping_interval=None, create_connection=Socket
        )
        assert isinstance(client, Socket)
        made = Rig(client, await arrived, logs, cycle)
        try:
            yield made
        finally:
            made.log.close()
            await made.outlet.end(polite=False)
