"""Jobs beside the loop, each with a fault of its own, that end together. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Jobs:
    """Those that are under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False

    def run(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a job beside the loop; a fault in it is logged, and ends only that job. None begins while all ends."""
        task = asyncio.create_task(job)
        if self._closing:
            task.cancel()
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel_all(self) -> None:
        """End all but the one that asks; none begins any more."""
        self._closing = True
        for job in list(self._running):
            if job is not asyncio.current_task():
                job.cancel()

    async def wait_ended(self) -> None:
        """Return when all are gone."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("fault in a job of the supervisor", exc_info=task.exception())
