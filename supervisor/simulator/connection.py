"""One client's WebSocket as the gateway holds it: writing frames, ending, stalling. Shell over an asyncio transport.

aiohttp does the handshake and reads; frames are written here, at once and without waiting, because a fault may need
bytes that no library would send.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Final

import msgspec

from xyfleet.supervisor.simulator.accounts import Account

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PATIENCE: Final = 2.0
"""Seconds for the other side to answer a close frame, or to take what is still to be sent."""
_MOST_UNSENT: Final = 64 << 20
"""Bytes; a client that lets more pile up is cut off."""
_STALLED_BUFFER: Final = 16384
"""Bytes of a stalled connection's receive buffer. With less it holds no less (measured on loopback: one segment of
64 KiB), and takes seconds to come to life again afterwards."""
_ESTABLISHED: Final = 1
"""First byte of TCP_INFO on Linux while neither side has ended the connection."""

encode = msgspec.json.Encoder().encode


def frame(first_byte: int, payload: bytes) -> bytes:
    """Return a WebSocket frame from a server, as RFC 6455, 5.2 has it."""
    size = len(payload)
    if size < 126:
        return bytes((first_byte, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first_byte, 126, size) + payload
    return struct.pack("!BBQ", first_byte, 127, size) + payload


@dataclass(slots=True)
class Unacked:
    """A push that waits for its ack."""

    push: dict[str, object]
    sent: float
    """Monotonic time of the last sending."""
    first: float
    """Monotonic time of the first one."""
    times: int = 1


@dataclass(slots=True, eq=False)
class Connection:
    """One open WebSocket."""

    transport: asyncio.Transport
    opened: float
    """Monotonic time of the handshake."""
    sid: str
    account: Account | None = None
    """Known from the first `/reg` on."""
    registered: float | None = None
    """When `/reg` was answered well; None before, and again once the gateway has begun to end the connection."""
    ending: bool = False
    """Whether the gateway has begun to end it: what still comes in is not answered."""
    stalled_by: int | None = None
    """Id of the fault that stops the reading."""
    receive_buffer: int = 0
    """The kernel's size for it, to be restored after a stall."""
    last_call: str = "0"
    """`mid` of the latest request that is no beat."""
    unacked: dict[str, Unacked] = field(default_factory=dict)

    def send(self, message: object) -> None:
        """Send a text frame with this value as JSON."""
        self.send_bytes(frame(_TEXT, encode(message)))

    def send_bytes(self, data: bytes) -> None:
        """Send these very bytes, unless the connection is ending."""
        if self.transport.is_closing():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > _MOST_UNSENT:
            self.transport.abort()

    def end(self, how: int | str) -> None:
        """End the connection with a close code, with `none` (a TCP end), or with `reset` (a TCP reset)."""
        self.ending = True
        if self.transport.is_closing():
            return
        if how == "reset":
            _socket(self.transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif how == "none":
            self.transport.close()
        else:
            self.send_bytes(frame(_CLOSE, b"" if how == 1005 else struct.pack("!H", int(how))))
        asyncio.get_running_loop().call_later(_PATIENCE, self.transport.abort)

    def peer_present(self) -> bool:
        """Tell whether the other side still holds its end, even where the loop has not heard of its leaving yet."""
        if self.transport.is_closing():
            return False
        return _socket(self.transport).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED

    def stall(self, fault_id: int) -> None:
        """Stop reading, with a small receive buffer, so that the client's own buffer fills soon."""
        if self.stalled_by is None and not self.transport.is_closing():
            self.stalled_by = fault_id
            ours = _socket(self.transport)
            self.receive_buffer = ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER)
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.stalled_by is not None:
            self.stalled_by = None
            if not self.transport.is_closing():
                _socket(self.transport).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
                self.transport.resume_reading()


def _socket(transport: asyncio.Transport) -> socket.socket:
    found: socket.socket = transport.get_extra_info("socket")
    return found
