"""The gateway's process: listens, serves until it is told to stop, and leaves politely. Shell."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import ClientConnectionResetError, WSMsgType, web

from xyfleet.supervisor.simulator.acts import Acts
from xyfleet.supervisor.simulator.answers import Answers
from xyfleet.supervisor.simulator.connection import Connection
from xyfleet.supervisor.simulator.control import PREFIX, Control
from xyfleet.supervisor.simulator.fault_kinds import Point, names
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway, Options
from xyfleet.supervisor.simulator.listener import Listener
from xyfleet.supervisor.simulator.passport import Passport
from xyfleet.supervisor.simulator.shop_calls import ShopCalls
from xyfleet.supervisor.simulator.tokencall import TOKEN_PATH, TokenCall
from xyfleet.supervisor.simulator.uploads import Uploads

ORIGIN: Final = "https://www.goofish.com"
CERTIFICATE: Final = Path(__file__).with_name("loopback-test-cert.pem")
_KEY: Final = Path(__file__).with_name("loopback-test-key.pem")
"""Known to everybody who has this program: good for a rehearsal on one machine, for nothing else."""
_LONGEST_FRAME: Final = 64 << 20
_FAREWELL: Final = 0.5
"""Most seconds that clients get to answer our close frames when the gateway stops."""
_CLEANUP: Final = 0.1
"""Most seconds for each of aiohttp's own steps after that."""
_DIAL_FAULTS: Final = names(Point.DIAL)


class Address(msgspec.Struct):
    """What the process prints when it listens."""

    port: int
    endpoint: str
    token_url: str
    ca_file: str | None
    control: str


class Server:
    """Joins the parts and owns their sockets."""

    def __init__(self, options: Options, *, port: int, tls: bool) -> None:
        self.gateway = Gateway(options)
        self._tls = tls
        self._open: set[asyncio.Task[Any]] = set()
        application = web.Application()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_CLEANUP)
        self._door = Listener(self._runner, port, _tls_context() if tls else None, take_doubles=not options.strict)
        self._back_door = Listener(self._runner, 0, None)
        self.acts = Acts(self.gateway, self._door)
        self._answers = Answers(self.gateway, self.acts.registered)
        application.router.add_get("/", self._socket)
        application.router.add_post(TOKEN_PATH, TokenCall(self.gateway))
        application.router.add_routes(Control(self.gateway, self.acts).routes())
        passport = Passport(self.gateway)
        application.router.add_routes([*passport.routes(), *passport.control(PREFIX)])
        application.router.add_routes(Uploads().routes(PREFIX))
        application.router.add_routes(ShopCalls(self.gateway).routes(PREFIX))

    async def start(self, faults: list[Fault]) -> Address:
        """Listen, start the script, and return where."""
        await self._runner.setup()
        self._door.open()
        self._back_door.open()
        for fault in faults:
            self.acts.add(fault)
        secure, host = "s" if self._tls else "", f"127.0.0.1:{self._door.port}"
        return Address(
            port=self._door.port,
            endpoint=f"ws{secure}://{host}/",
            token_url=f"http{secure}://{host}{TOKEN_PATH}",
            ca_file=str(CERTIFICATE) if self._tls else None,
            control=f"http://127.0.0.1:{self._back_door.port}{PREFIX}/",
        )

    async def repush(self) -> None:
        """Look after unacked pushes, for ever."""
        while True:
            await asyncio.sleep(min(0.5, self.gateway.options.repush / 4))
            self.gateway.repush(time.monotonic())

    async def stop(self) -> None:
        """Say goodbye with 1001 to everybody, and be gone soon."""
        self._door.close()
        self._back_door.close()
        for connection in list(self.gateway.connections):
            connection.resume()
            self.gateway.end(connection, 1001)
        if self._open:
            await asyncio.wait(self._open, timeout=_FAREWELL)
        for connection in list(self.gateway.connections):
            connection.transport.abort()
        await self._runner.cleanup()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket from handshake to end."""
        opened = time.monotonic()
        if fault := self.gateway.faults.strike(_DIAL_FAULTS, "", opened):
            return await self._turn_away(fault, request, opened)
        if (objection := self._objection(request)) is not None:
            self.gateway.nobody.refused += 1
            return web.Response(status=403, text=objection)
        ws = web.WebSocketResponse(compress=False, autoclose=False, max_msg_size=_LONGEST_FRAME)
        try:
            await ws.prepare(request)
        except ClientConnectionResetError:  # hung up before it was answered
            return web.Response(status=400)
        transport = request.transport
        if transport is None:
            return ws
        connection = Connection(transport=transport, opened=opened, sid=self.gateway.new_sid())
        self.gateway.connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        code: int | None = None
        try:
            code = await self._read(ws, connection)
        finally:
            self._open.discard(task)
            self.gateway.gone(connection, code)
        return ws

    def _objection(self, request: web.Request) -> str | None:
        """Return why this handshake is not taken. Two public clients send neither of the two headers."""
        strict = self.gateway.options.strict
        if request.headers.get("Origin", "" if strict else ORIGIN) != ORIGIN:
            return f"needs Origin: {ORIGIN}"
        return "needs a User-Agent" if strict and "User-Agent" not in request.headers else None

    async def _read(self, ws: web.WebSocketResponse, connection: Connection) -> int | None:
        """Read to the end, and return the code of the client's close frame, or None without one."""
        while True:
            message = await ws.receive()
            if message.type is WSMsgType.TEXT:
                self._answers.take(connection, message.data)
            elif message.type is WSMsgType.CLOSE:
                if connection.ending:  # both close frames are through: the server ends TCP
                    connection.transport.close()
                return int(message.data or 1005)
            elif message.type is not WSMsgType.BINARY:
                return None

    async def _turn_away(self, fault: Fault, request: web.Request, opened: float) -> web.Response:
        self.gateway.nobody.dials += 1
        self.gateway.nobody.dial_times.append(opened)
        if fault.kind.name == "http_status":
            return web.Response(status=fault.params["status"], text="fault: http_status")
        # half_open: swallow everything until the client gives up, for which aiohttp has no event.
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        return web.Response(status=408)


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, _KEY)
    return context


async def serve(server: Server, faults: list[Fault], *, ignore_interrupt: bool) -> None:
    """Run until SIGTERM or SIGINT, after one line of JSON that says where."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if ignore_interrupt else told.set)
    address = await server.start(faults)
    print(msgspec.json.encode(address).decode(), flush=True)  # noqa: T201 - the contract of the command
    gc.collect()
    gc.freeze()
    repush = asyncio.create_task(server.repush())
    await told.wait()
    repush.cancel()
    await server.stop()
