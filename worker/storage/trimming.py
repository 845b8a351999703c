"""When retention is to come, by age and by size, a small step at a time (`retention`). Shell."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.operations import Trim
from xyfleet.worker.storage.results import Trimmed

TRIM_ROWS: Final = 200
"""Messages deleted in one transaction: others wait for it."""
TRIM_PAUSE: Final = 0.05
"""Seconds that belong to others between two such transactions."""
SHRINK_TO: Final = 0.9
"""Share of `keep_bytes` that is left when the file has grown over it, so that it does not do so at once again."""
SHRINK_EVERY: Final = 60.0
"""Seconds until the next such round, when one could not free enough."""
_DAY: Final = 86_400.0


class Trimming:
    """
    One account's. Made and used in the event loop.

    Args:
        every: Seconds between two rounds, at least.
        do: Has a step carried out.
        exists: Tells whether there is a file.
        size: Returns the bytes that its pages take.
    """

    def __init__(
        self,
        settings: MailSettings,
        every: float,
        do: Callable[[Trim], asyncio.Future[Trimmed]],
        exists: Callable[[], bool],
        size: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._every = every
        self._do = do
        self._exists = exists
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._under_way: asyncio.Task[int | None] | None = None
        self._shrink_after = 0.0
        # At any time within the first period: workers that start together must not open their files together.
        self._due = self._loop.call_later(random.random() * every, self._begin)

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings."""
        self._settings = settings

    def look(self) -> None:
        """Begin a round if the file has grown over its size."""
        if self._is_too_big() and self._loop.time() >= self._shrink_after:
            self._begin(shrink=True)

    async def trim(self, *, shrink: bool = False) -> int | None:
        """
        Delete what is older than `keep_days`, and the oldest above `keep_bytes`, in small steps.

        Args:
            shrink: Whether to go well below `keep_bytes`.

        Returns:
            When the oldest message that is left was stored, in ms.
        """
        more, oldest = self._exists(), None
        while more:
            found = await self._do(self._step(SHRINK_TO if shrink else 1.0))
            more, oldest = found.more, found.oldest
            if more:
                await asyncio.sleep(TRIM_PAUSE)
            elif self._is_too_big():
                self._shrink_after = self._loop.time() + SHRINK_EVERY
        return oldest

    async def close(self) -> None:
        """End what is under way, and begin nothing more."""
        self._closed = True
        self._due.cancel()
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait((self._under_way,))

    def until_next(self, oldest: int | None) -> float:
        """Return the seconds until a message can be old enough, so that a sleeping inbox is not woken in vain."""
        if oldest is None:
            return self._every
        left = oldest / 1000 + self._settings.keep_days * _DAY - time.time()
        return min(max(left, self._every), _DAY)

    def _begin(self, *, shrink: bool = False) -> None:
        if not self._closed and (self._under_way is None or self._under_way.done()):
            self._under_way = self._loop.create_task(self.trim(shrink=shrink))
            self._under_way.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[int | None]) -> None:
        self._due.cancel()
        if self._closed or task.cancelled():
            return
        error, oldest = task.exception(), None
        if error is None:
            oldest = task.result()
        else:
            self._shrink_after = self._loop.time() + SHRINK_EVERY
            self._loop.call_exception_handler({"message": "deleting old messages failed", "exception": error})
        self._due = self._loop.call_later(self.until_next(oldest), self._begin)
        self.look()  # It may have grown while the round ended.

    def _is_too_big(self) -> bool:
        return self._size() > self._settings.keep_bytes

    def _step(self, share: float) -> Trim:
        keep = round(self._settings.keep_days * _DAY * 1000)
        return Trim(keep, most_bytes=round(self._settings.keep_bytes * share), most_rows=TRIM_ROWS)
