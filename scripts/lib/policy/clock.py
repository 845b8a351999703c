"""An event loop whose clock jumps from one timer to the next: a month passes in the time that its events take. Shell.

`time.monotonic` and `time.time` tell its time while it runs, since what it is for (the rules of supervision) asks them.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
EPOCH: Final = 1_800_000_000.0
"""Wall time at the beginning."""
START: Final = 1_000_000.0
"""Monotonic time at the beginning."""


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: where the loop would sleep, the clock moves on."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing")
        self.now += max(0.0, timeout)
        return []


class FakeClock(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds of its clock."""
        return self._jumping.now


def play(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end under a fake clock."""
    loop = FakeClock()
    real = time.monotonic, time.time
    time.monotonic = loop.time
    time.time = lambda: EPOCH + loop.time() - START
    try:
        return loop.run_until_complete(main)
    finally:
        time.monotonic, time.time = real
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
