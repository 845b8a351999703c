"""When whose login may be renewed: one account at a time, each rarely, at times that nobody can foresee. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class RenewalPace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, from and to; each wait is drawn between the two."""

    every: tuple[float, float] = (6 * 3600.0, 12 * 3600.0)
    """Between two renewals of one account."""
    gap: tuple[float, float] = (10.0, 20.0)
    """Between one account's and the next one's: 1,500 accounts take about as long as they may."""


class RenewalPlan:
    """Says whose turn it is. Times are wall times."""

    def __init__(self, pace: RenewalPace) -> None:
        self.pace = pace
        self._free_at = 0.0

    def due(self, waiting: Iterable[tuple[str, float]], now: float) -> str | None:
        """Return who has waited longest of those (name, next time) that are due now, None while nobody may."""
        if self._free_at - self.pace.gap[1] <= now < self._free_at:  # one further off is of a clock that was set back
            return None
        furthest = now + self.pace.every[1]  # what is further off is of such a clock too
        due = ((name, at) for name, at in waiting if at <= now or at > furthest)
        return min(due, key=lambda each: each[1], default=(None, now))[0]

    def took(self, now: float, luck: float) -> None:
        """A turn was taken; `luck` in [0, 1)."""
        self._free_at = now + _between(self.pace.gap, luck)

    def next(self, now: float, luck: float) -> float:
        """Return when an account that is renewed now is due again."""
        return now + _between(self.pace.every, luck)


def _between(span: tuple[float, float], luck: float) -> float:
    return span[0] + (span[1] - span[0]) * luck
