"""Ids of our own messages. Pure (clock and chance are given)."""

from __future__ import annotations

from collections.abc import Callable


class Mids:
    """
    Makes message ids: `<0..999><13-digit ms> 0`, never the same twice.

    The milliseconds always grow, also when the clock stands still or is set back; their 13 digits alone tell any two
    mids apart.
    """

    def __init__(self, wall: Callable[[], float], random: Callable[[], float]) -> None:
        self._wall = wall
        self._random = random
        self._last = 0

    def new(self) -> str:
        """Return a new mid."""
        self._last = max(self._last + 1, int(self._wall() * 1000))
        return f"{int(self._random() * 1000)}{self._last:013d} 0"
