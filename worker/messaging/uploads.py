"""Has images uploaded by the supervisor, which has the cookies: asks, and gives the answer to who waits. Shell."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

from xyfleet.worker.ipc.messages import Up, Uploaded, UploadRequest

LONGEST: Final = 150.0
"""Seconds after which no answer is expected any more: its turn, and the upload itself."""
LONGEST_PATH: Final = 1024
"""Bytes of a path; a message to the supervisor has room for no more than 4 KiB."""


class Uploads:
    """One account's. `send` writes to the supervisor."""

    def __init__(self, send: Callable[[Up], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Uploaded]] = {}

    async def upload(self, path: str) -> Uploaded:
        """Return where an image is, or why it is nowhere."""
        number = next(self._numbers)
        if len(path.encode(errors="replace")) > LONGEST_PATH or not path.isprintable():
            return Uploaded(request=number, reason="the image's path is too long, or has unprintable characters")
        answer: asyncio.Future[Uploaded] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            self._send(UploadRequest(request=number, path=path))
            async with asyncio.timeout(LONGEST):
                return await answer
        except TimeoutError:
            return Uploaded(request=number, reason="the image was not uploaded in time", later=True)
        finally:
            del self._open[number]

    def heard(self, answer: Uploaded) -> None:
        """Take the supervisor's answer; what nobody waits for any more is dropped."""
        waiting = self._open.get(answer.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
