"""How often something may be done: a token bucket, a rolling limit, a growing gap. Pure.

All times are seconds on the caller's clock; `now` is always an argument.
"""

from __future__ import annotations

from collections.abc import Iterable

DAY = 86_400.0


class TokenBucket:
    """
    A token bucket: at once for the first `burst`, then one every `1 / rate` seconds; unused turns fill it up again.

    In any window of t seconds at most `burst + rate * t` turns begin, if each caller waits as long as it is told.
    Both limits may be changed at any time: `change`.
    """

    def __init__(self, rate: float, burst: int = 1) -> None:
        self.rate = rate
        """Turns per second; 0 = no limit."""
        self.burst = burst
        """Turns that may come at once; at least 1."""
        self._full_at = float("-inf")  # when the bucket would be full again

    def change(self, rate: float, burst: int, now: float) -> None:
        """Take other limits; the turns taken in advance are worked off at the new rate."""
        if rate != self.rate:
            owed = max(0.0, self._full_at - now) * self.rate
            self._full_at = now + owed / rate if rate > 0 else float("-inf")
        self.rate, self.burst = rate, burst

    def wait(self, now: float, turns: int = 0) -> float:
        """Return the seconds to wait before the next turn, or the one after so many `turns`. Nothing is taken."""
        if self.rate <= 0:
            return 0.0
        return max(0.0, max(self._full_at, now) - now - (self.burst - 1 - turns) / self.rate)

    def reserve(self, now: float) -> float:
        """Take the next turn, and return the seconds to wait before it begins. What is taken can't be given back."""
        if self.rate <= 0:
            return 0.0
        self._full_at = max(self._full_at, now)
        wait = max(0.0, self._full_at - now - (self.burst - 1) / self.rate)
        self._full_at += 1 / self.rate
        return wait


def recent(times: Iterable[float], now: float, span: float = DAY) -> list[float]:
    """Return those `times` that are less than `span` ago, oldest first.

    A time in the future (the wall clock was set back) counts as now, so that it can't lock anything for longer.
    """
    return sorted(min(time, now) for time in times if now - time < span)


def free_at(times: Iterable[float], now: float, limit: int, span: float = DAY) -> float:
    """Return when one more is allowed, at most `limit` (1 or more) in any `span`: `now` or later."""
    used = recent(times, now, span)
    return now if len(used) < limit else used[-limit] + span


def growing(first: float, longest: float, failures: int) -> float:
    """Return the pause after that many failures in a row: 0, `first`, twice that, ... never above `longest`."""
    if failures <= 0:
        return 0.0
    return min(longest, first * 2.0 ** min(failures - 1, 64))
