"""Counts kick-outs: many in a short time mean another program holds the account. Pure."""

from __future__ import annotations

from collections import deque


class KickOuts:
    """Counts kick-outs within a sliding window."""

    def __init__(self, limit: int, window: float) -> None:
        self._window = window
        self._latest: deque[float] = deque(maxlen=limit)

    def add(self, now: float) -> bool:
        """Note one; return whether the limit is reached: somebody else holds the account (rule 10)."""
        self._latest.append(now)
        return len(self._latest) == self._latest.maxlen and now - self._latest[0] <= self._window

    def clear(self) -> None:
        """Begin anew."""
        self._latest.clear()
