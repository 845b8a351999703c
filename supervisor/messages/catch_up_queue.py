"""Whose turn it is to look for missed messages: paced over the fleet, first come, first served. Shell."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from xyfleet.supervisor.common.rate_limit import TokenBucket
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import CatchUpTurn

BURST: Final = 5
"""Turns that come at once after a quiet time."""


class CatchUpQueue:
    """Answers each `CatchUpRequest` with a `CatchUpTurn`; a worker that asks twice gets one."""

    def __init__(self, rate: float) -> None:
        self._bucket = TokenBucket(rate, BURST)
        self._waiting: dict[WorkerProcess, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def apply(self, rate: float) -> None:
        """Take another pace (turns per second, 0 = no limit), for those who wait too."""
        if rate != self._bucket.rate:
            self._bucket = TokenBucket(rate, BURST)
            self._rearm()

    def ask(self, child: WorkerProcess) -> None:
        """A worker wants a turn."""
        self._waiting[child] = None
        if self._timer is None:
            self._rearm()

    def gone(self, child: WorkerProcess) -> None:
        """A worker ended: it needs no turn."""
        self._waiting.pop(child, None)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            wait = self._bucket.reserve(time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._next)

    def _next(self) -> None:
        self._timer = None
        if self._waiting:
            child = next(iter(self._waiting))
            del self._waiting[child]
            child.send(CatchUpTurn())
        self._rearm()
