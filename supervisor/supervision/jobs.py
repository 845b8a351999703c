"""Jobs beside the loop, each with a fault of its own, that end together. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable
from typing import Any

log = logging.getLogger(__name__)


class Jobs:
    """Those that are under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._of: dict[Hashable, set[asyncio.Task[None]]] = {}
        """Those that end with whom they are for."""
        self._closing = False

    def run(self, job: Coroutine[Any, Any, None], owner: Hashable | None = None) -> asyncio.Task[None]:
        """
        Run a job beside the loop; a fault in it is logged, and ends only that job. None begins while all ends.

        Args:
            owner: Whom it is for; it ends with him (`leave`).
        """
        task = asyncio.create_task(job)
        if self._closing:
            task.cancel()
        self._running.add(task)
        task.add_done_callback(self._ended)
        if owner is not None:
            self._of.setdefault(owner, set()).add(task)
            task.add_done_callback(lambda done: self._ended_of(owner, done))
        return task

    def leave(self, owner: Hashable) -> None:
        """He is gone: end what was done for him."""
        for job in self._of.pop(owner, ()):
            job.cancel()

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

    def _ended_of(self, owner: Hashable, task: asyncio.Task[None]) -> None:
        left = self._of.get(owner, set())
        left.discard(task)
        if not left:
            self._of.pop(owner, None)
