"""The writing side of one connection: frames go to a socket that may not take them. Shell.

Nothing here waits for the library's own `drain()`, which has no end when the peer stops reading (docs/heartbeat.md,
rules 5 and 6).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

from websockets.asyncio.connection import broadcast
from websockets.protocol import State as SocketState

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.connect import CLOSE_TIMEOUT, Socket
from xyfleet.worker.reasons import Reason

_LOOK: Final = 0.01
"""Seconds between two looks at a buffer that was not drained."""
_LOST_WITHIN: Final = 1.0
"""Seconds within which the loop tells of an aborted transport's end; it takes one round of the loop."""


class WriteFailed(Exception):
    """The socket did not take a frame."""


class Posted:
    """What became of a frame that was left to be written."""

    __slots__ = ("frame", "written")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.written = False
        """Whether it was handed to the socket, so that it may arrive."""


class FrameWriter:
    """
    Writes, and ends, one connection.

    `write` is for who has made sure that the buffer is drained; everybody else leaves frames with `post`, and `run`
    writes them one after the other.
    """

    def __init__(self, socket: Socket, send_timeout: float) -> None:
        self.send_timeout = send_timeout
        self._socket = socket
        self._posted: deque[Posted] = deque()
        self._news = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return self._socket.state is SocketState.OPEN

    @property
    def chunks(self) -> int:
        """How many portions of bytes have come in."""
        return self._socket.chunks

    def write(self, frame: bytes) -> None:
        """
        Hand a frame to the socket, without waiting.

        Raises:
            WriteFailed: it was not taken.
        """
        if not self.open or self._socket.transport.is_closing():
            raise WriteFailed("the connection is gone")  # it would be thrown away without a word
        try:
            broadcast((self._socket,), frame, text=True, raise_exceptions=True)
        except ExceptionGroup as group:
            raise WriteFailed(str(group.exceptions[0]) or type(group.exceptions[0]).__name__) from None

    def post(self, frame: bytes) -> Posted:
        """Leave a frame to be written, without waiting."""
        posted = Posted(frame)
        self._posted.append(posted)
        self._news.set()
        return posted

    async def drained(self) -> bool:
        """Wait until the socket has taken all that was written; False when that takes longer than the send timeout."""
        end = time.monotonic() + self.send_timeout
        while self._socket.unsent():
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(_LOOK)
        return True

    async def run(self) -> None:
        """
        Write what is posted.

        Raises:
            ConnectionLost: a frame was not taken in time. Its bytes stay queued before all others: it is over.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            while self._posted:
                posted = self._posted.popleft()
                try:
                    self.write(posted.frame)
                except WriteFailed:
                    return  # the reader is about to say why it is over
                posted.written = True
                if not await self.drained():
                    raise ConnectionLost(Cause.HEARTBEAT, Reason("not_sent", {"seconds": self.send_timeout}))

    def abort(self) -> None:
        """End the connection now. The buffer is thrown away, nothing is said to the server, nothing can wait."""
        self._socket.transport.abort()

    async def end(self, *, polite: bool) -> None:
        """End the connection, with a close frame and the server's answer to it if `polite`, and see it gone."""
        try:
            if polite and self.open:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT):
                        await self._socket.close()
        finally:
            self.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOST_WITHIN):
                    await self._socket.wait_closed()
