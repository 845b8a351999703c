"""Notices that the machine slept. Pure (the two clocks are given).

Source: rule 12 of docs/heartbeat.md. The monotonic clock stands still while the machine sleeps, the wall clock does
not, so their difference jumps ahead. A wall clock that is set back says nothing about sleep.
"""

from __future__ import annotations

from collections.abc import Callable


class SuspendDetector:
    """Compares the clocks from one look to the next."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], threshold: float) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._threshold = threshold
        self._drift = wall() - monotonic()

    def slept(self) -> float | None:
        """Return the seconds that the machine slept since the last look, or None when it did not."""
        before = self._drift
        self._drift = self._wall() - self._monotonic()
        jump = self._drift - before
        return jump if jump > self._threshold else None
