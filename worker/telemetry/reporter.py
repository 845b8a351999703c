"""Tells the supervisor how the account is: at once when it changed, else from time to time. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import Alive, Report
from xyfleet.worker.ipc.pipes import ReportPipe

SOON: Final = 0.1
"""Seconds within which is told what others wait for, once for all that happens meanwhile."""


class StatusReporter:
    """
    Tells the supervisor how the account is: at once when it changed, else from time to time.

    One timer serves all: it fires `interval` seconds after the last word, so that what is said at a beat costs no
    wake-up of its own.
    """

    def __init__(
        self, pipe: ReportPipe, interval: float, snapshot: Callable[[list[Change]], Report], tick: Callable[[], None]
    ) -> None:
        self.interval = interval
        self._pipe = pipe
        self._snapshot = snapshot
        self._tick = tick
        self._news = False
        self._hurried = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(interval, self._fire)

    def note(self) -> None:
        """Remember that there is something new; it is told at the latest `interval` after the last word."""
        self._news = True

    def soon(self) -> None:
        """Tell the new figures within `SOON` seconds."""
        self._news = True
        if not self._hurried:
            self._hurried = True
            self._rearm(min(SOON, self.interval))

    def tell(self, *changes: Change) -> None:
        """Send the whole state now."""
        self._news = False
        self._hurried = False
        self._pipe.send(self._snapshot(list(changes)))
        self._rearm(self.interval)

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _rearm(self, delay: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._rearm(self.interval)
        self._tick()
        if self._news:
            self.tell()
        else:
            self._pipe.send(Alive())
