"""Takes the supervisor apart in a fixed order: it always ends, and what comes last is always done. Shell.

Each step has its time; one that raises or hangs is logged and keeps nothing from those behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

LIMIT: Final = 9.0
"""Seconds that all steps together may take; a tenth one is the log's (`xyfleet.supervisor.runtime.leaving`)."""
LAST: Final = 2.0
"""Seconds of it that are the last step's own."""
LEAST: Final = 0.2
"""Seconds that a step has even when those before it took all the time, or somebody is in a hurry."""

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """Something to end."""

    name: str
    """For the log."""
    end: Callable[[], Awaitable[Any]]
    bound: float
    """Seconds it may take."""


class Closing:
    """One end. `hurry()` may be called at any time."""

    def __init__(self, limit: float = LIMIT, last: float = LAST, least: float = LEAST) -> None:
        self._limit = limit
        self._last = last
        self._least = least
        self._hurried = asyncio.Event()
        self._deadline = 0.0

    def hurry(self) -> None:
        """Somebody asked a second time: each step but the last has `least` seconds from now on."""
        self._hurried.set()

    async def run(self, steps: list[Step], last: Step) -> None:
        """End all of `steps` in their order, and then, whatever happened, do what comes last."""
        self._deadline = time.monotonic() + self._limit - self._last
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._bounded, last, last.bound)
            for step in reversed(steps):
                stack.push_async_callback(self._unhurried, step)

    async def _unhurried(self, step: Step) -> None:
        """Give a step its time, unless somebody is in a hurry."""
        left = max(self._least, min(step.bound, self._deadline - time.monotonic()))
        hurried = asyncio.ensure_future(self._hurried.wait())
        try:
            await self._bounded(step, left, hurried)
        finally:
            hurried.cancel()

    async def _bounded(self, step: Step, bound: float, hurried: asyncio.Future[Any] | None = None) -> None:
        began = time.monotonic()
        job = asyncio.ensure_future(_run(step))
        waits = [job] if hurried is None else [job, hurried]
        await asyncio.wait(waits, timeout=bound, return_when=asyncio.FIRST_COMPLETED)
        if not job.done() and hurried is not None and hurried.done():
            await asyncio.wait([job], timeout=self._least)
        if job.done():
            log.info("end: %s, %.2f s", step.name, time.monotonic() - began)
            return
        # Not awaited any more: what hangs may hang in its own end too.
        job.cancel()
        job.add_done_callback(functools.partial(_late, step.name))
        log.error("end: %s did not end within %.1f s, left alone", step.name, time.monotonic() - began)


async def _run(step: Step) -> None:
    try:
        await step.end()
    except Exception:
        log.exception("end: fault in %s", step.name)


def _late(name: str, job: asyncio.Future[None]) -> None:
    if not job.cancelled():
        log.info("end: %s ended late", name)
