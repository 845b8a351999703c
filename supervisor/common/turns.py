"""Queues for what may be done only so often: by each way out, and over the whole fleet besides. Shell.

Who waits can be told at any time how many go before him and in how many seconds he is due, as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Hashable
from typing import Final, NamedTuple

from xyfleet.supervisor.common.rate_limit import TokenBucket

BURST: Final = 10
"""Turns that may come at once after a quiet time, on one way out and over the fleet alike."""
_LOOK: Final = 0.2
"""Seconds between two looks for a turn that nobody waits for."""
_NOTHING: Final = 0.001
"""Seconds that are not worth a wait: timers may ring a little early."""


class Place(NamedTuple):
    """Where somebody stands in a queue."""

    before: int
    """How many go first."""
    seconds: float | None
    """Until it is due, if all goes on as now; None: nobody can say."""


class TurnQueue:
    """One queue in front of a token bucket. Who leaves it, by being cancelled, takes no turn."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float], over: TurnQueue | None = None) -> None:
        self.bucket = TokenBucket(rate, burst)
        self.waiting: dict[object, str] = {}
        """Who waits, first come first."""
        self._clock = clock
        self._over = over
        """The queue of the whole fleet, which the first of this one stands in."""
        self._head = asyncio.Lock()
        self._changed = asyncio.Event()

    def pace(self, rate: float, burst: int) -> None:
        """Take another pace from now on, for those who wait too."""
        self.bucket.change(rate, burst, self._clock())
        self._changed.set()

    async def take(self, name: str) -> None:
        """Return when it is the turn of `name`."""
        me = object()
        self.waiting[me] = name
        try:
            async with self._head:
                await self._due()
                if self._over is not None:
                    await self._over.take(name)
                self.bucket.reserve(self._clock())
        finally:
            del self.waiting[me]

    def take_now(self) -> bool:
        """Take the next turn if it is due now and nobody waits for it; return whether."""
        if self.waiting or self.bucket.wait(self._clock()) > 0:
            return False
        self.bucket.reserve(self._clock())
        return True

    @property
    def idle(self) -> bool:
        """Whether to forget this queue would change nothing."""
        return not self.waiting and self.bucket.wait(self._clock(), self.bucket.burst - 1) <= 0

    async def _due(self) -> None:
        while (wait := self.bucket.wait(self._clock())) > _NOTHING:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()


class EgressTurns:
    """The turns of one kind of act. `clock` is monotonic."""

    def __init__(
        self, rate: float, over_fleet: float = 0.0, burst: int = BURST, clock: Callable[[], float] | None = None
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock or time.monotonic
        self._fleet = TurnQueue(over_fleet, BURST, self._clock)
        self._queues: dict[Hashable, TurnQueue] = {}

    def pace(self, rate: float, over_fleet: float, burst: int = BURST) -> None:
        """Take other rates (turns per second by way out, and of all together; 0 = no limit) from now on."""
        self._rate, self._burst = rate, burst
        self._fleet.pace(over_fleet, BURST)
        for queue in self._queues.values():
            queue.pace(rate, burst)

    async def take(self, egress: Hashable, name: str) -> None:
        """Return when it is the turn of `name`, who goes out by this way."""
        await self._queue(egress).take(name)

    async def take_spare(self, egress: Hashable) -> None:
        """Return when a turn of this way was taken that nobody waits for: who stands in a queue goes first."""
        while not self._take_spare(self._queue(egress)):  # noqa: ASYNC110 - what would ring is two buckets, and time
            await asyncio.sleep(_LOOK)

    def _take_spare(self, queue: TurnQueue) -> bool:
        if self._fleet.waiting or self._fleet.bucket.wait(self._clock()) > 0 or not queue.take_now():
            return False
        return self._fleet.take_now()

    def _queue(self, egress: Hashable) -> TurnQueue:
        queue = self._queues.get(egress)
        if queue is None:
            queue = self._queues[egress] = TurnQueue(self._rate, self._burst, self._clock, self._fleet)
        return queue

    def keep(self, egresses: Collection[Hashable]) -> None:
        """Forget the ways that nobody goes any more."""
        self._queues = {
            way: queue for way, queue in self._queues.items() if way in egresses or queue.waiting or not queue.idle
        }

    def __len__(self) -> int:
        """How many ways are known."""
        return len(self._queues)

    def places(self) -> dict[str, Place]:
        """Return where everybody who waits stands now: the fleet's pace comes to those first who are due first."""
        now = self._clock()
        due = [
            (queue.bucket.wait(now, place), place, name)
            for queue in self._queues.values()
            for place, name in enumerate(queue.waiting.values())
        ]
        places = {}
        for rank, (own, place, name) in enumerate(sorted(due)):
            fleet = self._fleet.bucket.wait(now, rank)
            places[name] = Place(rank, fleet) if fleet > own else Place(place, own)
        return places
