"""Whole lives of an account, in a moment and without a network: what a forkserver does before the first fork. Shell.

The account's cycle is the real one. It meets a loop of the standard library (uvloop's must not be there when a process
forks) whose clock runs fast, and whose every connection leads to a server in this same process. When it is over, no
loop, descriptor, file or thread of it is left.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import selectors
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVarTuple

import msgspec
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from xyfleet.worker.clock import Timing
from xyfleet.worker.ipc import codec, messages
from xyfleet.worker.process import entry, shield
from xyfleet.worker.process.runtime import WorkerRuntime
from xyfleet.worker.protocol import im_calls, items
from xyfleet.worker.protocol.frames import GET_STATE
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import Cycle, LogSettings, MailSettings, WorkerSettings
from xyfleet.worker.storage import rehearsal

_Ts = TypeVarTuple("_Ts")
CONNECTIONS: Final = 3
"""Connections in one life."""
_SPEED: Final = 1000.0
"""So many of the loop's seconds go into one."""
_PATIENCE: Final = 2.0
"""Seconds after which a life that does not come to its end is ended."""
_BEATS: Final = 0.001
"""Seconds between two beats; they are read off another clock than the loop's."""
_FEW_BEATS: Final = 3 * _BEATS
"""Seconds for which a connection is left to beat."""
_CYCLE: Final = Cycle(
    heartbeat_interval=_BEATS, heartbeat_timeout=60.0, open_timeout=60 * _SPEED, register_timeout=60 * _SPEED
)
_PACE: Final = Timing(dial_gap=0.0, leave_within=4.0 * _SPEED, least_for_mail=1.0 * _SPEED, memory_after=0.0)
_STATE: Final = {"pts": 1, "topic": "sync"}
_BODIES: Final[dict[str, Any]] = {
    GET_STATE: _STATE,
    im_calls.LIST_TALKS: {"userConvs": [], "hasMore": 0, "nextCursor": 1},
}
_TYPING: Final = {"data": [{"objectType": 40006, "data": "e30="}]}
_SAID: Final = {
    1: {1: {1: "2@goofish"}, 2: "3@goofish", 3: "4.PNM", 5: 1, 6: {1: 101, 3: {2: "?", 4: 1, 5: '{"contentType":1}'}}},
    3: {"needPush": "true"},
}
"""A chat message, with what every one has."""


def simulate_life(lives: int, tls: ssl.SSLContext) -> None:
    """
    Live through so many lives at the same time, and through an inbox's work.

    Args:
        tls: As the workers' own; it is handed around, not used.

    Raises:
        OSError, sqlite3.Error: there is no place for temporary files.
        RuntimeError: a life did not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="xyfleet-") as folder, asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(_live_all([Path(folder, str(number)) for number in range(lives)], tls))
    for _ in range(lives):
        items.pushed(_chat(), "1")
    rehearsal.rehearse()


def _chat() -> bytes:
    """Return the body of a push of a message."""
    data = base64.b64encode(msgspec.msgpack.encode(_SAID)).decode()
    return msgspec.json.encode({"syncPushPackage": {"data": [{"objectType": 40000, "data": data}]}})


async def _live_all(folders: list[Path], tls: ssl.SSLContext) -> None:
    await asyncio.gather(*(_live(folder, tls) for folder in folders))


async def _live(folder: Path, tls: ssl.SSLContext) -> None:
    """Live from the first dial to the stop."""
    settings = WorkerSettings(
        account="a",
        unb="1",
        device_id="d",
        endpoint="ws://localhost/",
        cycle=_CYCLE,
        log=LogSettings(dir=str(folder)),
        mail=MailSettings(file=str(folder / "a.db")),
        user_lock=str(folder / "lock"),
    )
    ticket = messages.Ticket(request=0, serial=1, token=Secret("a token"))
    with _pipe() as (up_end, up), _pipe() as (down, down_end):
        supervisor = _Supervisor(up_end, down_end)
        supervisor.tell(messages.Go(settings=settings, ticket=ticket))
        go = entry.first_command(down)
        assert go is not None
        hello = messages.Hello(pid=os.getpid(), marker=shield.MARKER, imported=shield.imported_since(most=0))
        life = WorkerRuntime(go.settings, go.ticket, hello, tls, _PACE)
        try:
            with life.surroundings():
                async with asyncio.timeout(_PATIENCE * _SPEED):
                    await life.live(up, down)
        except TimeoutError:
            raise RuntimeError(f"a rehearsed life did not end within {_PATIENCE} s") from None
        finally:
            supervisor.close()
            life.close()


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


class _Supervisor:
    """The other ends of the pipes: gives tickets and turns, asks for new connections, and at last for the end."""

    def __init__(self, up: int, down: int) -> None:
        os.set_blocking(up, False)
        self._up = up
        self._down = down
        self._heard = codec.FrameDecoder(codec.MAX_UP)
        self._turns = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(up, self._read)

    def close(self) -> None:
        """Hear no more."""
        self._loop.remove_reader(self._up)

    def _read(self) -> None:
        for body in self._heard.feed(os.read(self._up, 65536)):
            said = codec.decode_up(body)
            if isinstance(said, messages.TicketRequest):
                self.tell(messages.Ticket(request=said.request, serial=1, token=Secret("a token")))
            elif isinstance(said, messages.CatchUpRequest):
                self._turns += 1
                self.tell(messages.CatchUpTurn())
                self._loop.call_later(_FEW_BEATS * _SPEED, self._go_on, self._turns)

    def _go_on(self, turn: int) -> None:
        self.tell(messages.Stop() if turn >= CONNECTIONS else messages.Reconnect(why="rehearsal"))

    def tell(self, message: messages.Down | messages.Go) -> None:
        """Send a command."""
        os.write(self._down, codec.encode(message, codec.MAX_DOWN))


class _Server(asyncio.Protocol):
    """Answers everything, and pushes something without a message once conversations were listed."""

    def __init__(self) -> None:
        self._protocol = ServerProtocol()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the client says."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._answer(msgspec.json.decode(bytes(event.data)))
        for each in self._protocol.data_to_send():
            if each:
                self._transport.write(each)
            else:
                self._transport.close()

    def _answer(self, request: Any) -> None:
        lwp = request.get("lwp")
        if lwp is None:
            return  # an ack
        headers = {"mid": request["headers"]["mid"], "sid": "s"}
        self._say({"code": 200, "headers": headers, "body": _BODIES.get(lwp) or {"timestamp": int(time.time() * 1000)}})
        if lwp == im_calls.LIST_TALKS:
            self._say({"lwp": "/s/para", "headers": {**headers, "app-key": "k"}, "body": {"syncPushPackage": _TYPING}})

    def _say(self, frame: object) -> None:
        self._protocol.send_text(msgspec.json.encode(frame))


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as long as the fast clock's `timeout` takes."""
        return super().select(timeout / _SPEED if timeout else timeout)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__(_Selector())

    def time(self) -> float:
        """Return the fast clock's time."""
        return time.monotonic() * _SPEED

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """Leave the forkserver's signals as they are."""

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Return some address, whatever the name."""
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("192.0.2.1", port))]

    async def create_connection(self, protocol_factory: Callable[[], Any], *_: Any, **_more: Any) -> Any:
        """Connect to a server of our own, whatever the address."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        await self.connect_accepted_socket(_Server, theirs)
        return await super().create_connection(protocol_factory, sock=ours)
