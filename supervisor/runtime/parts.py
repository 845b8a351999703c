"""Runs the parts of the supervisor beside each other: one that fails is started again, and nobody else notices. Shell.

A fault of the console must not cost 1,500 connections. Only what every account needs is vital: when that fails again
and again, the fleet ends, and says why.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, Final, NamedTuple

from xyfleet.supervisor.common.i18n import N_, Text

log = logging.getLogger(__name__)


class PartPace(NamedTuple):
    """How a failed part comes back. Seconds."""

    first: float = 1.0
    """Before the first restart; doubles each time."""
    most: float = 60.0
    healthy_after: float = 60.0
    """So long a life forgives the failures before, and takes the note away."""
    window: float = 60.0
    """For vital parts: in so long a time..."""
    most_faults: int = 5
    """...so many faults end the fleet."""


PACE: Final = PartPace()
PIPE_READER: Final = "pipe reader"
START_QUEUE: Final = "start queue"
_VITAL: Final = {
    "xyfleet.supervisor.workers.process": PIPE_READER,
    "xyfleet.supervisor.workers.start_queue": START_QUEUE,
}
"""Modules whose callbacks every account needs."""


class Vital:
    """Counts the faults of what every account needs. Pure."""

    def __init__(self, pace: PartPace = PACE) -> None:
        self._pace = pace
        self._faults: deque[float] = deque(maxlen=pace.most_faults)

    def too_many(self, now: float) -> bool:
        """Count a fault of now (seconds of any one clock); return whether it is one too many."""
        self._faults.append(now)
        return len(self._faults) == self._pace.most_faults and now - self._faults[0] <= self._pace.window


class Parts:
    """The parts of one supervisor. `ended` is set when nothing can go on; `cause` says why then."""

    def __init__(self, notes: MutableMapping[str, Text], pace: PartPace = PACE) -> None:
        self.ended = asyncio.Event()
        self.cause: str | None = None
        self._notes = notes
        self._pace = pace
        self._running: set[asyncio.Task[None]] = set()
        self._vital: dict[str, Vital] = {}

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]], *, vital: bool = False) -> None:
        """
        Run a part until it returns, again and again when it raises.

        Args:
            name: For the log and for `status`.
            run: Makes its coroutine anew for each life.
            vital: Whether the fleet is nothing without it.
        """
        task = asyncio.create_task(self._keep(name, run, vital=vital))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def give_up(self, cause: str) -> None:
        """Have the fleet end, for a reason that the log will keep."""
        if self.cause is None:
            self.cause = cause
            log.critical("the fleet ends: %s", cause)
        self.ended.set()

    def fault(self, name: str, error: BaseException) -> None:
        """A vital part raised: count that, and give up when it is too often."""
        log.error("fault in part %s", name, exc_info=error)
        if self._vital.setdefault(name, Vital(self._pace)).too_many(time.monotonic()):
            times, window = self._pace.most_faults, self._pace.window
            self.give_up(f"{name} failed {times} times in {window:g} s, the last time with {error!r}")

    def stray(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a fault that nobody waits for, as the loop's exception handler; a vital part's callback counts."""
        error = context.get("exception")
        part = None if error is None else _vital_part(error)
        if error is not None and part is not None:
            self.fault(part, error)
        else:
            log.error("%s", context["message"], exc_info=error)

    async def stop(self) -> None:
        """End all parts, and wait until they have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]], *, vital: bool) -> None:
        failures = 0
        while not self.ended.is_set():
            began = time.monotonic()
            forgiven = asyncio.get_running_loop().call_later(self._pace.healthy_after, self._forgive, name)
            try:
                await run()
            except Exception as error:  # noqa: BLE001 (whatever it is: it is told, and must stay this part's own)
                failures = 1 if time.monotonic() - began >= self._pace.healthy_after else failures + 1
                wait = self._failed(name, error, failures, vital=vital)
            else:
                return
            finally:
                forgiven.cancel()
            await asyncio.sleep(wait)

    def _failed(self, name: str, error: Exception, failures: int, *, vital: bool) -> float:
        """Say it; return the seconds until the part begins anew."""
        wait = min(self._pace.most, self._pace.first * 2.0 ** min(failures - 1, 30))
        if vital:
            self.fault(name, error)
        else:
            log.error("fault in part %s, which begins anew after %g s", name, wait, exc_info=error)
        text = N_("a part of the supervisor failed: %(part)s (%(why)s); it begins anew, the accounts go on")
        self._notes[_topic(name)] = Text(text, {"part": name, "why": type(error).__name__})
        return wait

    def _forgive(self, name: str) -> None:
        self._notes.pop(_topic(name), None)


def _vital_part(error: BaseException) -> str | None:
    """Return the vital part in whose callback an error was raised; None = another's."""
    for frame, _line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if module.startswith("xyfleet."):
            return _VITAL.get(module)
    return None


def _topic(name: str) -> str:
    return f"part {name}"
