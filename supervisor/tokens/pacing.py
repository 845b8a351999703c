"""When an account's next token call may be made: after failures, within the day's budget, in its egress's pace. Shell.

All of it waits rather than refuses: a refusal would count as a failed connection, and enough of those lead to a login.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from xyfleet.supervisor.common.rate_limit import free_at, growing
from xyfleet.supervisor.tokens.egress import Egress

_NOTHING: Final = 0.01
"""Seconds that are not worth a wait: uvloop's timers may ring a little early, and the loop below would spin."""


class TokenLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often tokens may be asked for. Seconds."""

    rate: float = 1.0
    """Calls per second and egress; 0 = no limit."""
    burst: int = 10
    per_day: int = 48
    """Calls of one account in any 24 hours. What did not reach the server is not counted."""
    first_gap: float = 5.0
    """Between a call that failed and the next; doubles with each failure in a row."""
    longest_gap: float = 1800.0
    """48 calls a day at this gap: a bad night does not use up the day."""
    longest_gap_unreached: float = 60.0
    """The longest gap while the server was not even reached, so that nobody there could mind."""
    timeout: float = 20.0
    """For one whole call."""


class _Pause:
    """The wait after calls of one account that failed in a row."""

    def __init__(self) -> None:
        self.failures = 0
        self.until = 0.0
        """Monotonic."""
        self.over = asyncio.Event()


class TokenSchedule:
    """Makes callers wait. `wall` and `clock` are `time.time` and `time.monotonic`."""

    def __init__(
        self, limits: TokenLimits, *, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self._wall = wall
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}

    async def wait(
        self, name: str, egress: Egress, calls: Callable[[], list[float]], on_wait: Callable[[str], None]
    ) -> None:
        """Return when the account may call; `calls` gives the wall times of its calls, `on_wait` hears why it waits."""
        await self._wait_pause(name, calls, on_wait)
        await self._wait_pace(egress, on_wait)

    def failed(self, name: str, *, reached: bool) -> int:
        """A call failed; `reached`: the server may have seen it. Return how many in a row."""
        pause = self._pauses.setdefault(name, _Pause())
        pause.failures += 1
        longest = self.limits.longest_gap if reached else self.limits.longest_gap_unreached
        pause.until = self._clock() + growing(self.limits.first_gap, longest, pause.failures)
        return pause.failures

    def hurry(self, name: str) -> None:
        """Forget the account's failures: the pause after them is over."""
        pause = self._pauses.pop(name, None)
        if pause is not None:
            pause.over.set()

    def hurry_all(self) -> None:
        """Do so for every account."""
        for name in list(self._pauses):
            self.hurry(name)

    async def _wait_pause(self, name: str, calls: Callable[[], list[float]], on_wait: Callable[[str], None]) -> None:
        while True:
            pause = self._pauses.setdefault(name, _Pause())
            now = self._wall()
            gap = pause.until - self._clock()
            budget = free_at(calls(), now, self.limits.per_day) - now
            if max(gap, budget) < _NOTHING:
                return
            if budget > gap:
                on_wait(f"token calls of this day are used up; next one in {budget:.0f} s")
            else:
                on_wait(f"last token call failed; next one in {gap:.0f} s")
            try:
                # In pieces, so that a wall clock that was set meanwhile is noticed.
                async with asyncio.timeout(min(max(gap, budget), 60.0)):
                    await pause.over.wait()
            except TimeoutError:
                continue

    async def _wait_pace(self, egress: Egress, on_wait: Callable[[str], None]) -> None:
        if egress.turn.locked():
            on_wait("token calls are paced")
        async with egress.turn:
            egress.bucket.rate, egress.bucket.burst = self.limits.rate, self.limits.burst
            wait = egress.bucket.reserve(self._clock())
            if wait > 0:
                on_wait(f"token calls are paced; this one in {wait:.0f} s")
                await asyncio.sleep(wait)
