"""The one thread in which the supervisor reads inboxes; it lives while it is needed. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from xyfleet.supervisor.messages.inbox_files import Files

IDLE: Final = 30.0
"""Seconds without a question after which all files are closed and the thread ends."""

_T = TypeVar("_T")


class ReaderThread:
    """Runs questions one after the other, off the event loop."""

    def __init__(
        self, where: Callable[[str], Path], idle: float = IDLE, closing: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            closing: Called in the thread before it ends.
        """
        self._where = where
        self._idle = idle
        self._closing = closing
        self._thread: ThreadPoolExecutor | None = None
        self._files: Files | None = None
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def resting(self) -> bool:
        """Whether no file is open and there is no thread."""
        return self._thread is None

    async def ask(self, question: Callable[[Files], _T]) -> _T:
        """Return what a question about the files comes to."""
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is None or self._files is None:
            self._thread = ThreadPoolExecutor(1, "inboxes")
            self._files = Files(self._where)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, question, self._files)
        finally:
            self._running -= 1
            if not self._running:
                self._timer = asyncio.get_running_loop().call_later(self._idle, self.close)

    def close(self) -> None:
        """Close the files and end the thread when the questions asked so far are answered; the next one begins anew."""
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None and self._files is not None:
            self._thread.submit(self._files.close)
            self._thread.submit(self._closing)
            self._thread.shutdown(wait=False)
        self._thread = self._files = None
