"""An event loop whose clock jumps from one timer to the next: a month passes in the time that its events take. Shell.

`time.monotonic` and `time.time` tell its time while it runs, since what it is for (the rules of supervision) asks them.
They are replaced when this module is imported, which has to be before any that keeps one of them as a default.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
EPOCH: Final = 1_800_000_000.0
"""Wall time at the beginning."""
START: Final = 1_000_000.0
"""Monotonic time at the beginning."""


_REAL: Final = time.monotonic, time.time
_playing: list[Callable[[], float]] = []
"""The clock of the loop that plays."""


def _monotonic() -> float:
    return _playing[-1]() if _playing else _REAL[0]()


def _wall() -> float:
    return EPOCH + _playing[-1]() - START if _playing else _REAL[1]()


if any(name.startswith("xyfleet.supervisor.") for name in sys.modules):
    raise ImportError("the fake clock must be imported before what is to run by it")
time.monotonic, time.time = _monotonic, _wall


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


_faults: list[BaseException] = []


def spawn(job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a job beside the others; a fault in it is the whole month's, which ends with it."""
    task = asyncio.get_running_loop().create_task(job)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        _faults.append(fault)
        task.get_loop().stop()


def play(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end under a fake clock."""
    loop = FakeClock()
    _playing.append(loop.time)
    try:
        return loop.run_until_complete(main)
    except RuntimeError as error:  # it was stopped
        raise _faults[0] if _faults else error from None
    finally:
        _playing.pop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
