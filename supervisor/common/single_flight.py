"""One job per name at a time, shared by all who ask for it meanwhile. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
        self.ending = False


class SingleFlight(Generic[T]):
    """Jobs under way, by name. A job that nobody waits for any more is cancelled, and has ended before the next."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    async def share(self, name: str, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the job under way for `name`, or else of a new one."""
        while (flight := self._flights.get(name)) is not None and flight.ending:
            await asyncio.wait([flight.task])
        if flight is None:
            flight = self._start(name, job)
        flight.waiting += 1
        try:
            # Not `shield`: Python 3.14.8 calls an error after everybody left unheard.
            await asyncio.wait([flight.task])
            return flight.task.result()
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.ending = True
                flight.task.cancel()
                await asyncio.wait([flight.task])

    def _start(self, name: str, job: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = self._flights[name] = _Flight(asyncio.create_task(job()))
        flight.task.add_done_callback(lambda task: self._land(name, task))
        return flight

    def _land(self, name: str, task: asyncio.Task[T]) -> None:
        """Make room for the next job; an error that nobody waits for any more is nobody's."""
        del self._flights[name]
        if not task.cancelled():
            task.exception()
