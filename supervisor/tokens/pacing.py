"""When an account's next token call may be made: after failures, within the day's budget, in its egress's pace. Shell.

All of it waits rather than refuses: a refusal would count as a failed connection, and enough of those lead to a login.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.rate_limit import free_at, growing
from xyfleet.supervisor.common.turns import BURST, EgressTurns
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

_NOTHING: Final = 0.01
"""Seconds that are not worth a wait: uvloop's timers may ring a little early, and the loop below would spin."""


class TokenLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often tokens may be asked for. Seconds."""

    rate: float = 1.0
    """Calls per second and egress; 0 = no limit."""
    burst: int = BURST
    over_fleet: float = 0.0
    """Calls per second of the whole fleet, whatever the egress; 0 = no limit."""
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


class _Wait(NamedTuple):
    """What a caller waits for that is no turn."""

    code: str
    until: float
    """Wall time."""


class TokenSchedule:
    """Makes callers wait. `wall` and `clock` are `time.time` and `time.monotonic`."""

    def __init__(
        self, limits: TokenLimits, *, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self._wall = wall
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._waits: dict[str, _Wait] = {}
        self.turns = EgressTurns(limits.rate, limits.over_fleet, limits.burst, clock)

    def apply(self, limits: TokenLimits) -> None:
        """Take other limits from now on, for those who wait too."""
        self.limits = limits
        self.turns.pace(limits.rate, limits.over_fleet, limits.burst)

    async def wait_pause(self, name: str, calls: Callable[[], list[float]], on_wait: Callable[[Reason], None]) -> None:
        """Return when neither a failure nor the day's budget holds the account's next call back.

        `calls` gives the wall times of its calls, `on_wait` hears why it waits.
        """
        try:
            await self._wait_pause(name, calls, on_wait)
        finally:
            self._waits.pop(name, None)

    async def wait_turn(self, name: str, proxy: Secret | None) -> None:
        """Return when it is the account's turn on its way out, and of all."""
        await self.turns.take(proxy, name)

    async def wait_spare_turn(self, proxy: Secret | None) -> None:
        """Return when there was a turn on this way out that no token call waits for."""
        await self.turns.take_spare(proxy)

    def waits(self) -> dict[str, Reason]:
        """Return what each account waits for now that waits for its call."""
        now = self._wall()
        waits = {name: Reason(code, {"seconds": max(0.0, until - now)}) for name, (code, until) in self._waits.items()}
        for name, (before, seconds) in self.turns.places().items():
            waits[name] = Reason("wait_token", {"turn": before + 1, "seconds": seconds or 0.0})
        return waits

    def failed(self, name: str, *, reached: bool, least: float = 0.0) -> int:
        """A call failed; `reached`: the server may have seen it; the pause is `least` s at least. Return how many in
        a row."""
        pause = self._pauses.setdefault(name, _Pause())
        pause.failures += 1
        longest = self.limits.longest_gap if reached else self.limits.longest_gap_unreached
        pause.until = self._clock() + max(least, growing(self.limits.first_gap, longest, pause.failures))
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

    async def _wait_pause(self, name: str, calls: Callable[[], list[float]], on_wait: Callable[[Reason], None]) -> None:
        while True:
            pause = self._pauses.setdefault(name, _Pause())
            now = self._wall()
            gap = pause.until - self._clock()
            budget = free_at(calls(), now, self.limits.per_day) - now
            if max(gap, budget) < _NOTHING:
                return
            code, wait = ("wait_token_budget", budget) if budget > gap else ("wait_token_pause", gap)
            self._waits[name] = _Wait(code, now + wait)
            on_wait(Reason(code, {"seconds": wait}))
            try:
                # In pieces, so that a wall clock that was set meanwhile is noticed.
                async with asyncio.timeout(min(max(gap, budget), 60.0)):
                    await pause.over.wait()
            except TimeoutError:
                continue
