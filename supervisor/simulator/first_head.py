"""Lets in clients whose handshake has `Host` and `Connection` twice, as that of four public clients has. Shell.

The HTTP library refuses such a head, as RFC 9112, 3.2 asks of it; the real gateway takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

_ONCE: Final = (b"host", b"connection")
_END: Final = b"\r\n\r\n"
_LONGEST: Final = 64 * 1024
"""Bytes of a head that are waited for; a longer one is the library's to refuse."""


def without_doubles(head: bytes) -> bytes:
    """Return a request's head with the first `Host` and `Connection` only."""
    lines, seen = [], set()
    for line in head.split(b"\r\n"):
        name = line.partition(b":")[0].lower()
        if name in _ONCE and name in seen:
            continue
        seen.add(name)
        lines.append(line)
    return b"\r\n".join(lines)


class FirstHead(asyncio.Protocol):
    """Reads a connection's first head, and gives connection and head to the library's protocol."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the class

    def data_received(self, data: bytes) -> None:
        """Wait for the head's end."""
        self._read += data
        head, end, rest = self._read.partition(_END)
        a_request = self._read[:1].isalpha()  # a TLS greeting, say, is the library's to refuse at once
        if (a_request and not end and len(self._read) < _LONGEST) or self._transport is None:
            return
        protocol = self._make()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(without_doubles(head) + end + rest)
