"""Does once, in the forkserver, what every worker does first. Shell (sets the process title, reads the time zone).

What Python and the libraries make at a first use (caches, specialised bytecode, the time zone's table, the room for
titles) is then in memory that all workers share: measured 0.3 MiB less for each. No socket, no event loop, no thread:
those must not be there when a process forks.
"""

from __future__ import annotations

import time
from typing import Final

from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from xyfleet.worker import frames, framing, guard, logs, messages
from xyfleet.worker.dial import ORIGIN
from xyfleet.worker.heart import Heart
from xyfleet.worker.metrics import Metrics
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.standing import Standing
from xyfleet.worker.states import Event

_ADDRESS: Final = "ws://localhost/"
_ROUNDS: Final = 3
"""Python specialises bytecode at the second or third run."""


def warm_up() -> None:
    """Go through a worker's first moments without a network."""
    guard.name_process("xyfleet: forkserver")
    _exchange_messages()
    _handshake_and_beat()


def _exchange_messages() -> None:
    settings = WorkerSettings(account="a", unb="1", device_id="d")
    framing.decode_settings(framing.encode_settings(settings))
    ticket = messages.Ticket(request=1, serial=1, token=Secret("t"))
    framing.decode_down(framing.encode(ticket, framing.MAX_DOWN)[4:])
    standing = Standing(time.time())
    change = standing.move(Event.DIAL, time.time())
    report = standing.report(Metrics().window(0.0), [change], 1, None, time.process_time())
    framing.encode(report, framing.MAX_UP)


def _handshake_and_beat() -> None:
    client = ClientProtocol(parse_uri(_ADDRESS), origin=ORIGIN, max_size=frames.MAX_SIZE)
    server = ServerProtocol()
    connect(_ADDRESS, origin=ORIGIN, compression=None, proxy=None, ping_interval=None)
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    client.receive_data(b"".join(server.data_to_send()))
    client.events_received()
    frames.reg("t", "ua", "d", "1 0")
    heart, metrics, mids = Heart(15.0, 30.0, 0.0), Metrics(), frames.Mids(time.time, lambda: 0.5)
    for _ in range(_ROUNDS):
        mid = mids.new()
        heart.come_due(0.0)
        heart.sent(frames.key(mid), 0.0)
        client.send_text(frames.heartbeat(mid))
        client.data_to_send()
        server.send_text(b'{"code":200,"headers":{"mid":"%s"}}' % mid.encode())
        client.receive_data(b"".join(server.data_to_send()))
        (event,) = client.events_received()
        assert isinstance(event, Frame)
        response = frames.parse(bytes(event.data))
        assert isinstance(response, frames.Response)
        heart.answer(response.key, response.ok, 1.0)
        metrics.beats_answered(1, 1.0, 1.0)
        logs.console(time.time(), logs.BEAT_SENT, {"account": "a", "mid": mid})
