"""Calls on one connection: each answer goes to whoever asked, matched by its mid. Shell."""

from __future__ import annotations

import asyncio
from typing import Any

from xyfleet.worker.connection.keepalive import GRACE
from xyfleet.worker.connection.writer import FrameWriter
from xyfleet.worker.protocol import frames
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.mids import Mids


class NoAnswer(Exception):
    """The call was written, and no answer came in time; it may have been carried out."""


class ChannelClosed(Exception):
    """The connection ended before the answer came; the call may have been carried out."""


class NeverWritten(ChannelClosed):
    """The connection ended before the call was even written: it was not carried out."""


class PendingCalls:
    """The calls that wait for their answers. `close()` ends all of them."""

    def __init__(self, outlet: FrameWriter, mids: Mids, timeout: float) -> None:
        self.timeout = timeout
        self._outlet = outlet
        self._mids = mids
        self._waiting: dict[str, asyncio.Future[Response]] = {}
        self._closed = False

    def take(self, response: Response) -> bool:
        """Take a response; return whether somebody waits for it."""
        answer = self._waiting.pop(response.key, None)
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(response)
        return True

    async def ask(self, lwp: str, body: object) -> Response:
        """
        Return the answer to a call, whatever its code.

        Raises:
            NoAnswer: none came within `timeout` seconds.
            ChannelClosed: the connection is over; as `NeverWritten` where the call can't have reached the server.
        """
        if self._closed:
            raise NeverWritten
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        mid = self._mids.new()
        self._waiting[frames.key(mid)] = answer
        posted = self._outlet.post(frames.call(lwp, mid, body))
        try:
            if not await in_time(answer, self.timeout):
                raise NoAnswer
            return answer.result()
        except ChannelClosed:
            if not posted.written:
                raise NeverWritten from None
            raise
        finally:
            self._waiting.pop(frames.key(mid), None)

    def close(self) -> None:
        """The connection is over: so is the waiting."""
        self._closed = True
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(ChannelClosed())


async def in_time(answer: asyncio.Future[Any], timeout: float) -> bool:
    """Wait for the answer, and at the deadline read pending input before saying that it did not come."""
    await asyncio.wait((answer,), timeout=timeout)
    if not answer.done():
        await asyncio.sleep(GRACE)
    return answer.done()
